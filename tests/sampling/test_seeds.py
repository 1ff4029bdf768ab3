"""Seeds as people write them."""

import pytest

from stylegan_tf.sampling.seeds import parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", [7]),
        ("0-3", [0, 1, 2, 3]),
        ("1,5,9-12", [1, 5, 9, 10, 11, 12]),
        (" 4 , 2 - 3 ", [4, 2, 3]),
        ("5-5", [5]),
        ("3,3", [3, 3]),
        (str(2**63 - 1), [2**63 - 1]),
    ],
)
def test_written_forms(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "whole numbers and ranges.*Received: ''"),
        ("1,", "whole numbers"),
        ("a", "whole numbers"),
        ("-1", "whole numbers"),
        ("1-2-3", "whole numbers"),
        ("1.5", "whole numbers"),
        ("²", "whole numbers"),
        ("9-3", "ranges that rise, such as 3-9. Received: '9-3'"),
        (str(2**63), "at most 9223372036854775807"),
        ("0-99999999", "at most 10,000,000 numbers"),
    ],
)
def test_errors_say_what_was_expected(text, message):
    with pytest.raises(ValueError, match=f"--row_seeds.*{message}"):
        parse_seeds(text, "--row_seeds")
