"""The text of an inspection: what was found, and no more lines than one reads."""

import numpy as np

from stylegan_tf.data.inspection import TRANSPARENT, Inspection, Spread, inspect_source
from stylegan_tf.data.inspection_report import format_inspection
from stylegan_tf.data.sources.base import Item
from tests.data.made_up_source import ArrayItem, BytesItem, ListSource, noise

FOUND = Inspection(
    name="made up",
    source_kind="list",
    count=12,
    ignored={".heic": 1, "no ending": 1},
    heights=Spread(8, 40, 200),
    widths=Spread(20, 20, 20),
    num_sizes=5,
    sizes=(((40, 20), 4), ((64, 20), 3), ((8, 20), 1)),
    kinds={"colour": 8, "colour with alpha": 2},
    formats={"PNG": 6, "JPEG": 2, "GIF": 2},
    transparent=2,
    labels={"a": 4, "b": 7, "none of these": 0},
    unlabelled=1,
    broken=(("b/empty.png", "the file is empty"), ("b/cut.png", "the file ends early (truncated)")),
    empty=(("b/clear.png", TRANSPARENT),),
    repeats=(("a/turned.png", "a/upright.png", "a/compressed.png", "a/as_tiff.tif"),),
    fitting={4: 10, 8: 10, 16: 9, 32: 4},
    recommended=16,
)


def test_report_tells_what_was_found():
    assert (
        format_inspection(FOUND)
        == """made up (list)

Pictures      12, of which 10 can be read; other files: 2 (.heic 1, no ending 1)
Height        8 to 200, median 40
Width         20
HeightxWidth  40x20 4, 64x20 3, 8x20 1, and 2 more
Formats       PNG 6, JPEG 2, GIF 2
Stored as     colour 8, colour with alpha 2
Transparent   2, in at least one pixel
Classes       3: a 4, b 7, none of these 0
              in none of them: 1
Broken        2
  b/empty.png: the file is empty
  b/cut.png: the file ends early (truncated)
Near-empty    1
  b/clear.png: nearly wholly transparent
Repeats       3; groups with equal pixels: 1
  a/turned.png = a/upright.png = a/compressed.png, and 1 more

Resolution    pictures at least as large
         4          10  100%
         8          10  100%
        16           9   90%  <- recommended
        32           4   40%"""
    )


def test_report_of_nothing_that_can_be_read():
    found = inspect_source(ListSource([BytesItem("x", -1, b"no")] * 20))
    text = format_inspection(found)
    assert "20, of which 0 can be read" in text
    assert "Height" not in text
    assert "recommended" not in text


def test_report_stays_short_and_printable():
    items: list[Item] = []
    for number in range(30):
        name = "folder/" * 40 + f"\x1b[31m\udcff{number}"
        items.append(BytesItem(name, number, b""))
        items.append(ArrayItem(name + "x", number, noise(4 + number, 8, seed=number)))
        items += [ArrayItem(name + letter, number, np.zeros((4 + number, 4), np.uint8)) for letter in "yz"]
    source = ListSource(items, tuple("class " * 20 + str(number) for number in range(30)))
    found = inspect_source(source)
    lines = format_inspection(found).splitlines()
    assert len(found.broken) == 30 and len(found.repeats) == 30 and len(found.empty) == 60
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 112
    assert all(line.isprintable() for line in lines)
    assert sum("and 27 more" in line for line in lines) == 1  # of the repeats
    assert sum("and 10 more" in line for line in lines) == 1  # of the broken ones
