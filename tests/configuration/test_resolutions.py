"""Sizes, levels, and tables by resolution: what is read, and what is refused."""

import pytest

from stylegan_tf.configuration.resolutions import ResolutionTable, count_levels, fitting_base_size, parse_size

table = ResolutionTable.parse


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("16", ((0, 16.0),)),
        ("4:128,32:64", ((4, 128.0), (32, 64.0))),
        (" 4 : 1e-3 , 128:0.0015 ", ((4, 0.001), (128, 0.0015))),
        ("8,64:2", ((0, 8.0), (64, 2.0))),
    ],
)
def test_table_is_read(text, rows):
    assert table(text).rows == rows


@pytest.mark.parametrize(
    "text",
    ["0.1", "600", "4:128,32:64,64:32", "4:0.001,128:0.0015,256:0.002", "1234.5678", "0:7,8:1e-09", "16777217.0"],
)
def test_table_is_written_as_it_is_read(text):
    written = str(table(text))
    assert written == text
    assert table(written) == table(text)


def test_a_third_survives_being_written():
    third = ResolutionTable(((4, 1 / 3),))
    assert table(str(third)) == third


@pytest.mark.parametrize("text", ["", "many", "4:", ":8", "4:8;32:2", "4:8,", "4.5:8", "-4:8", "1.2.3", "4:8:2", "nan"])
def test_what_is_no_table_is_refused(text):
    with pytest.raises(ValueError, match=r"must be a number, or pairs such as '4:128,32:64'\. Received: "):
        table(text)


@pytest.mark.parametrize("text", ["32:64,4:128", "4:1,4:2", "4:8,2"])
def test_table_must_rise(text):
    with pytest.raises(ValueError, match=r"must name rising resolutions\. Received: "):
        table(text)


@pytest.mark.parametrize(
    ("size", "value"),
    [
        ((4, 4), 128),
        ((31, 31), 128),
        ((32, 32), 64),
        ((63, 64), 64),
        ((64, 64), 32),
        ((1024, 1024), 32),
        ((2, 2), 128),
        ((16, 64), 64),
        ((16, 63), 128),
    ],
    ids=str,
)
def test_table_holds_from_its_resolution_up(size, value):
    """The resolution of what is not square is the root of its area; below the first row, the first row holds."""
    assert table("4:128,32:64,64:32").at(size) == value


@pytest.mark.parametrize(
    ("base", "size", "levels"),
    [((4, 4), (4, 4), 1), ((4, 4), (1024, 1024), 9), ((7, 7), (28, 28), 3), ((4, 6), (64, 96), 5)],
)
def test_levels_between_base_and_full_size(base, size, levels):
    assert count_levels(size, base) == levels


@pytest.mark.parametrize("size", [(12, 12), (16, 8), (2, 2), (4, 8), (2048, 2048)])
def test_sizes_that_the_base_size_does_not_lead_to(size):
    received = f"resolution={size[0]}x{size[1]}"
    with pytest.raises(ValueError, match=rf"^resolution must be .* 4x4 doubled at most 8.*Received: {received}\.$"):
        count_levels(size, (4, 4))


@pytest.mark.parametrize(("text", "size"), [("256", (256, 256)), ("64x96", (64, 96)), (" 8 ", (8, 8))])
def test_sizes_are_height_by_width(text, size):
    assert parse_size(text, "resolution") == size


@pytest.mark.parametrize("text", ["", "64 x 96", "64x96x3", "1e3", "4.5", "123456"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=rf"^resolution must be a size such as 256 or 64x96\. Received: {text}\.$"):
        parse_size(text, "resolution")


@pytest.mark.parametrize(
    ("size", "base"),
    [((64, 96), (4, 6)), ((100, 100), (25, 25)), ((1024, 1024), (4, 4)), ((28, 28), (7, 7)), ((33, 77), (33, 77))],
)
def test_a_base_size_that_leads_to_a_resolution_is_proposed(size, base):
    assert fitting_base_size(size) == base
    count_levels(size, fitting_base_size(size))
    if base not in (size, (4, 4)):
        with pytest.raises(ValueError, match=f"or --base_size={base[0]}x{base[1]}, which leads there"):
            count_levels(size, (4, 4))
