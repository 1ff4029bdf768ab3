"""JSON of ours is read as it was written, or refused in plain words, whatever it holds."""

import dataclasses
import json
from typing import Any

import pytest

from stylegan_tf import json_files
from stylegan_tf.json_files import as_record, as_type, parse_json, read_json


@dataclasses.dataclass(frozen=True)
class Part:
    size: int


@dataclasses.dataclass(frozen=True)
class Whole:
    name: str
    numbers: tuple[int, ...]
    pair: tuple[int, str]
    parts: dict[str, Part]
    share: float
    other: str | None
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)


WHOLE = Whole("a", (1, 2), (3, "b"), {"x": Part(4)}, 0.5, None)
PLAIN = {
    "name": "a", "numbers": [1, 2], "pair": [3, "b"], "parts": {"x": {"size": 4}}, "share": 0.5, "other": None,
}  # fmt: skip


def test_a_record_is_read_as_it_was_written():
    plain = {**json.loads(json.dumps(dataclasses.asdict(WHOLE)))}
    plain.pop("notes")
    assert plain == PLAIN
    assert as_record(Whole, plain) == WHOLE
    assert as_record(Whole, {**plain, "share": 2}).share == 2.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": 1}, "name must be a text, and is 1"),
        ({"numbers": [1, 2.5]}, r"numbers\[1\] must be a whole number, and is 2.5"),
        ({"numbers": [True]}, r"numbers\[0\] must be a whole number"),
        ({"numbers": {}}, "numbers must be a list"),
        ({"numbers": [2**63]}, r"numbers\[0\] must be a number between -2\^63 and 2\^63, and is a number"),
        (
            {"share": -(10**30)},
            r"share must be a number between -2\^63 and 2\^63, and is a number with very many digits",
        ),
        ({"pair": [3]}, "pair must be a list of 2"),
        ({"parts": []}, "parts must be an object"),
        ({"parts": {"x": {}}}, r"parts\['x'\].'size' is missing"),
        ({"parts": {"x": {"size": 4, "more": 1}}}, r"'more' is not a known field"),
        ({"share": float("inf")}, "share must be a finite number, and is inf"),
        ({"share": "1"}, "share must be a number"),
        ({"other": 1}, "other must be a text"),
        ({"unknown": 1}, "'unknown' is not a known field"),
    ],
)
def test_fields_of_other_types(change, words):
    with pytest.raises(ValueError, match=words):
        as_record(Whole, {**PLAIN, **change})


def test_fields_that_are_missing_or_not_known():
    with pytest.raises(ValueError, match="'name' is missing"):
        as_record(Whole, {})
    with pytest.raises(ValueError, match="it must be an object, and is \\[\\]"):
        as_record(Whole, [])
    assert as_record(Whole, {**PLAIN, "unknown": 1}, others=True) == WHOLE


def nested(depth, value=0):
    return value if not depth else nested(depth - 1, [value])


def test_values_of_any_type_do_not_lie_too_deep():
    assert as_type(nested(20), list[Any], "x") == nested(20)
    with pytest.raises(ValueError, match=r"x\[0\] has lists or objects that are nested too deeply"):
        as_type(nested(200), list[Any], "x")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is not JSON"),
        (b'{"a": ', "it is not JSON"),
        (b"[NaN]", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b"9" * 5000, "it is not JSON"),
        (b'["\xff"]', r"it is not UTF-8 \(byte 2\)"),
    ],
)
def test_what_is_no_json(content, words):
    with pytest.raises(ValueError, match=words):
        parse_json(content)


def test_files(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}
    with pytest.raises(ValueError, match="it is no file"):
        read_json(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "b.json")
    monkeypatch.setattr(json_files, "MAX_BYTES", 7)
    with pytest.raises(ValueError, match="it has more than 7 bytes"):
        read_json(tmp_path / "a.json")
