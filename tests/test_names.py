"""Names that look the same, and names that cannot be written."""

import os

import pytest

from stylegan_tf.names import as_written, can_be_written, nfc, same_names, spelt_on_disk

ONE, TWO = "caf\u00e9", "cafe\u0301"  # NFC, NFD


def test_names_that_look_the_same():
    assert nfc(TWO) == ONE
    assert nfc("plain") == "plain"
    assert same_names(["a", ONE], ("a", TWO))
    assert not same_names(["a", ONE], [ONE, "a"])
    assert not same_names(["a"], ["a", "b"])


def test_what_can_be_written():
    assert can_be_written(ONE + "日😀")
    assert not can_be_written("caf\udce9")
    assert not can_be_written("\ud800")
    assert as_written(ONE) == ONE
    assert as_written("caf\udce9\ud800") == r"caf\udce9\ud800"


@pytest.mark.parametrize(("there", "asked"), [(ONE, TWO), (TWO, ONE)])
def test_paths_are_spelt_as_on_disk(tmp_path, monkeypatch, there, asked):
    folder = tmp_path / there / "in" / there
    folder.mkdir(parents=True)
    assert spelt_on_disk(str(tmp_path / asked / "in" / asked)) == str(folder)
    assert spelt_on_disk(str(tmp_path / asked / "in" / asked / "ü")) == str(folder / "ü")  # which is new
    assert spelt_on_disk(str(tmp_path / asked / "in")) == str(folder.parent)
    monkeypatch.chdir(tmp_path)
    assert spelt_on_disk(asked) == there
    assert spelt_on_disk(f"./{asked}/") == f"./{there}/"
    (tmp_path / asked).mkdir()
    assert spelt_on_disk(asked) == asked  # the exact name counts


def test_words_that_are_no_paths_stay():
    for text in ("", "portraits", "ü", "keras:é", "/", "é/", "ü" * 5000, "a\u0301\0b", os.sep * 3 + "é"):
        assert spelt_on_disk(text) == text
