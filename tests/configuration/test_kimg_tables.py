"""Values that change over a run: what is read, what is refused, and what they are between the rows."""

import math

import pytest

from stylegan_tf.configuration.kimg_tables import KimgTable, parse_table
from stylegan_tf.configuration.resolutions import ResolutionTable

table = KimgTable.parse


@pytest.mark.parametrize(
    "text", ["0:0.005,60:0.005,100:0.0005", "0:10,50%:10,100%:1:cosine", "0:4,62.5:8:step", "0:1,1e+06:0"]
)
def test_it_is_written_as_it_is_read(text):
    assert str(table(text)) == text
    assert parse_table(text) == table(text)


@pytest.mark.parametrize(
    ("kimg", "value"), [(0, 0.005), (60, 0.005), (80, 0.00275), (90, 0.001625), (100, 0.0005), (1000, 0.0005)]
)
def test_values_lie_on_lines_between_rows_and_stay_after_the_last(kimg, value):
    assert table("0:0.005,60:0.005,100:0.0005").at(kimg, 1.0) == pytest.approx(value)


def test_shapes():
    cosine = table("0:3,8:1:cosine")
    assert [cosine.at(kimg, 1.0) for kimg in (0, 2, 4, 8)] == pytest.approx([3, 2 + math.sqrt(0.5), 2, 1])
    step = table("0:4,8:16:step")
    assert [step.at(kimg, 1.0) for kimg in (0, 7.999, 8, 9)] == [4, 4, 16, 16]
    assert (step.in_steps, cosine.in_steps, table("0:4,3:4,8:16:step").in_steps) == (True, False, True)


def test_percent_are_shares_of_the_run():
    shares = table("0:1,50%:1,100%:0.5")
    assert [shares.at(kimg, 40.0) for kimg in (0, 20, 30, 40)] == [1, 1, 0.75, 0.5]
    assert shares.changes(40.0) == [20, 40]


NO_TABLES = (
    *("", "7", "0:7", "5:1,6:2", "0:1,0:2", "0:1,6:1,5:1", "0:1,x:2", "0:1,5:", "0:1,nan:2"),
    *("0:1,5%:1,9:1", "0:1,110%:1", "0:1,5:2:sine", "0:1,1e999:2", "0:1;5:2"),
)


@pytest.mark.parametrize("text", NO_TABLES)
def test_what_is_no_table_is_refused(text):
    with pytest.raises(ValueError, match=r"a (row of a )?table over kimg .* Received: "):
        table(text)


def test_a_table_from_0_on_is_over_kimg_and_another_by_resolution():
    assert isinstance(parse_table("0:1,8:2"), KimgTable)
    for text in ("4:1,8:2", "1", "0:1", "8,64:2"):
        assert isinstance(parse_table(text), ResolutionTable)
