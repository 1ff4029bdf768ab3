"""Versions of an export: which there are, which is the newest, and where the next one goes."""

import pytest

from stylegan_tf.errors import UserError
from stylegan_tf.exports.layout import find_versions, is_export, new_version, newest_version, written_version


@pytest.fixture
def export(tmp_path):
    """Versions 9 and 10, and what is none."""
    for name, complete in (("010", True), ("9", True), ("11", False), ("a", True), (".12.part", True)):
        (tmp_path / name).mkdir()
        if complete:
            (tmp_path / name / "saved_model.pb").touch()
    return tmp_path


def test_versions_are_numbers_with_a_model(export):
    assert list(find_versions(export).items()) == [(9, export / "9"), (10, export / "010")]
    assert find_versions(export / "none") == {}
    assert is_export(export) and is_export(export / "9") and not is_export(export / "11")


def test_the_newest_is_the_one_of_the_highest_number(export):
    assert newest_version(export) == export / "010"
    assert newest_version(export / "9") == export / "9"
    with pytest.raises(UserError, match=r"export must be a directory that export.py wrote.* Received: .*/11"):
        newest_version(export / "11")


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (0, "positive whole number"),
        (-1, "positive whole number"),
        (2**63, "positive whole number"),
        (7, "leave --version out to get 8"),
    ],
)
def test_bad_numbers_of_a_new_version(tmp_path, version, message):
    (tmp_path / "007").mkdir()
    with pytest.raises(ValueError, match=message):
        new_version(tmp_path, version)


def test_a_version_is_no_place_for_versions(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    with pytest.raises(ValueError, match=f"of the versions, not one of them: {tmp_path}. Received: {tmp_path}/1"):
        new_version(tmp_path / "1")
    assert new_version(tmp_path) == tmp_path / "2"


def test_a_version_that_another_export_took_is_not_replaced(tmp_path):
    target = new_version(tmp_path)
    refused = pytest.raises(UserError, match="version must be a new one. Received: .*, which has just appeared")
    with refused, written_version(target):
        target.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
