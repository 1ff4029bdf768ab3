"""What is printed of words that are not ours."""

import io

import pytest

from stylegan_tf.printing import PrintableStream, note_line, printable, printable_lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cats, café, 日本, 😀", "cats, café, 日本, 😀"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("caf\udce9", r"caf\udce9"),
        ("\u202eevil", r"\u202eevil"),
        ("\x9b2J", r"\x9b2J"),
    ],
)
def test_printable(text, expected):
    assert printable(text) == expected


@pytest.mark.parametrize("text", ["no pictures: 'a\x1b'", "no pictures: 'a\x1b'."])
def test_a_note_is_one_line_that_ends_with_one_stop(text):
    assert note_line("dataset", text) == "dataset: note: no pictures: 'a\\x1b'."


def test_lines_and_tabs_stay():
    assert printable_lines("a\tb\n\x1b[2Jc\n") == "a\tb\n\\x1b[2Jc\n"
    assert printable_lines("plain") == "plain"
    assert printable_lines("") == ""


def test_a_stream_lets_only_what_is_printable_through():
    out = io.StringIO()
    stream = PrintableStream(out)
    print("name \x1b]0;title\x07", file=stream)
    print("half \x1b[K done", end="", file=stream)
    stream.writelines(["\r", "x\n"])
    assert stream.write("\x00ab") == 3
    assert out.getvalue() == "name \\x1b]0;title\\x07\nhalf \\x1b[K done\\rx\n\\x00ab"
    assert not stream.isatty()
