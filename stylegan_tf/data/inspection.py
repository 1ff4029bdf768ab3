"""A look at every picture of a source: sizes, kinds, faults and repeats, and what resolution they suggest."""

from __future__ import annotations

import bisect
import collections
import dataclasses
import hashlib
import itertools
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from stylegan_tf.data import workers
from stylegan_tf.data.decode import to_unresized_pixels
from stylegan_tf.data.image_file import reason
from stylegan_tf.data.sources.base import Item, Source, in_batches

RESOLUTIONS = tuple(2**n for n in range(2, 11))  # with the base of 4x4
ONE_COLOUR = "nearly one colour"
TRANSPARENT = "nearly wholly transparent"
WHITE_ON_NOTHING = "nearly white on a transparent ground"

_TRANSPARENT_BELOW = 0.002  # mean alpha
_ONE_COLOUR_BELOW = 0.01  # standard deviation
_WHITE_BELOW = 0.001  # what white lacks
_FEW = 500  # pictures; more are worth starting processes for
_CHUNK = 16  # pictures that a worker looks at before it reports
_DEEP = re.compile("(I|L|LA|RGB|RGBA|RGBX|RGBa|CMYK);16")
_KINDS = {
    "1": "1 bit", "L": "grey", "LA": "grey with alpha", "La": "grey with alpha", "P": "palette",
    "PA": "palette with alpha", "RGB": "colour", "RGBX": "colour", "RGBA": "colour with alpha",
    "RGBa": "colour with alpha", "I": "grey", "F": "floating point",
}  # fmt: skip
_FREQUENT_SIZES = 5  # that an inspection tells


@dataclasses.dataclass(frozen=True)
class Spread:
    """Smallest, median (the lower of two) and largest of some numbers of pixels."""

    smallest: int
    median: int
    largest: int


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What `inspect_source` found. Sizes are upright, and of readable pictures alone.

    Attributes:
        name: The source's, as the user gave it.
        source_kind: Such as "folder".
        count: Number of pictures, broken ones too.
        ignored: Numbers of the files that are not read as pictures, by ending.
        heights: Their spread; None where no picture can be read.
        widths: Likewise.
        num_sizes: Number of different sizes.
        sizes: The most frequent sizes, (height, width), with their counts.
        kinds: What pictures are stored as, such as "grey" or "colour with alpha", with counts.
        formats: File formats as Pillow names them, with counts; "none" for pictures that were arrays.
        transparent: Number of pictures with a pixel that is not opaque.
        labels: Class names with counts, in the source's order; empty without labels.
        unlabelled: Number of pictures without a label in a source that has labels.
        broken: Names of pictures that cannot be read, and why.
        empty: Names of pictures with nearly nothing on them, and why; see `emptiness`.
        repeats: Names of pictures that have equal pixels, group by group.
        fitting: For each resolution of `RESOLUTIONS`, how many pictures are at least as large on their shorter side.
        recommended: The largest of `RESOLUTIONS` that is not above the median height and width (4 where even that is
            above them); None where no picture can be read.
    """

    name: str
    source_kind: str
    count: int
    ignored: Mapping[str, int]
    heights: Spread | None
    widths: Spread | None
    num_sizes: int
    sizes: tuple[tuple[tuple[int, int], int], ...]
    kinds: dict[str, int]
    formats: dict[str, int]
    transparent: int
    labels: dict[str, int]
    unlabelled: int
    broken: tuple[tuple[str, str], ...]
    empty: tuple[tuple[str, str], ...]
    repeats: tuple[tuple[str, ...], ...]
    fitting: dict[int, int]
    recommended: int | None

    @property
    def readable(self) -> int:
        """Number of pictures that can be read."""
        return self.count - len(self.broken)


@dataclasses.dataclass
class _Findings:
    """What a worker saw in a row of pictures.

    Attributes:
        start: Number of the first one.
        shapes: uint32 `[N, 2]`, height and width; 0 for a broken picture.
        digests: `[N]` of 16 bytes, of the pixels; of no meaning for a broken picture.
        kinds: With counts.
        formats: With counts.
        transparent: Number of pictures with a pixel that is not opaque.
        broken: Numbers and reasons.
        empty: Numbers and reasons.
    """

    start: int
    shapes: np.ndarray
    digests: np.ndarray
    kinds: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    formats: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    transparent: int = 0
    broken: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    empty: list[tuple[int, str]] = dataclasses.field(default_factory=list)


def inspect_source(
    source: Source, *, max_workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Inspection:
    """Decodes every picture once and tells what there is.

    More than a few hundred pictures are looked at by worker processes, so that a program that calls this must guard
    its main part with `if __name__ == "__main__"`. About a hundred bytes are kept for each picture.

    Args:
        source: Where the pictures are.
        max_workers: Number of processes or threads; None for one for each core.
        progress: Called now and then, and at the end, with the numbers of pictures looked at and of all.
    """
    size = max_workers or workers.core_count()
    names: list[str] = []  # one text for each chunk, as a million short ones would take more memory
    starts: list[int] = []
    labels: collections.Counter[int] = collections.Counter()

    def chunks() -> Iterator[tuple[int, tuple[Item, ...]]]:
        start = 0
        for chunk in in_batches(source.items(), _CHUNK, workers.IN_FLIGHT_BYTES // (2 * size)):
            starts.append(start)
            names.append("\0".join(item.name.replace("\0", " ") for item in chunk))
            labels.update(item.label for item in chunk)
            yield start, tuple(chunk)
            start += len(chunk)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, len(source))

    def held_bytes(chunk: tuple[int, tuple[Item, ...]]) -> int:
        return sum(item.held_bytes for item in chunk[1])

    def name_of(number: int) -> str:
        place = bisect.bisect_right(starts, number) - 1
        return names[place].split("\0")[number - starts[place]]

    if len(source) > _FEW and size > 1:
        with workers.pool(size) as pool:
            findings = list(pool.run(_look_at, chunks(), report, held_bytes))
    else:
        findings, done = [], 0
        with ThreadPoolExecutor(size) as threads:
            for found in workers.Pool(threads, size, counter=None).run(_look_at, chunks(), None, held_bytes):
                findings.append(found)
                done += len(found.shapes)
                report(done)
    findings.sort(key=lambda found: found.start)
    report(sum(len(found.shapes) for found in findings))
    return _summary(source, findings, name_of, labels)


def emptiness(image: np.ndarray) -> str:
    """Says why a picture has nearly nothing on it, or nothing where it has something.

    Colours are multiplied by their alpha first. Nearly wholly transparent is a mean alpha below 0.2%; nearly one
    colour, a standard deviation below 1% of the full range in every channel (black on white is more as soon as it
    covers a ten-thousandth of the area); nearly white on a transparent ground, to be 99.9% white where it can be seen
    and not opaque all over, which would vanish on a white background.

    Args:
        image: uint8 `[height, width, 4]`, with straight alpha.
    """
    histogram = np.reshape(Image.fromarray(image).convert("RGBa").histogram(), (4, 256)) / image[..., 0].size
    levels = np.arange(256) / 255
    means = histogram @ levels
    deviations = np.sqrt(np.maximum(histogram @ levels**2 - means**2, 0))
    if means[3] < _TRANSPARENT_BELOW:
        return TRANSPARENT
    if deviations.max() < _ONE_COLOUR_BELOW:
        return ONE_COLOUR
    vanishes = means[3] - means[:3].min() < _WHITE_BELOW * means[3] and means[3] < 1 - _ONE_COLOUR_BELOW
    return WHITE_ON_NOTHING if vanishes else ""


def recommend_resolution(heights: Sequence[int] | np.ndarray, widths: Sequence[int] | np.ndarray) -> int:
    """The largest of `RESOLUTIONS` that is not above the median height and width, apart; at least 4."""
    limit = min(statistics.median_low(heights), statistics.median_low(widths))
    return max((resolution for resolution in RESOLUTIONS if resolution <= limit), default=RESOLUTIONS[0])


def _look_at(task: tuple[int, tuple[Item, ...]]) -> _Findings:
    """Decodes the pictures of one chunk."""
    start, items = task
    found = _Findings(start, np.zeros((len(items), 2), np.uint32), np.zeros(len(items), "V16"))
    for place, item in enumerate(items):
        workers.check_stop()
        try:
            _look_at_one(item, place, found)
        except Exception as error:  # of any type, as Pillow's readers raise nearly every one there is
            found.broken.append((start + place, reason(error)))
        workers.advance()
    return found


def _look_at_one(item: Item, place: int, found: _Findings) -> None:
    with item.open() as image:
        kind, file_format = _kind(image), image.format or "none"
        pixels = to_unresized_pixels(image, 4)
    height, width, _ = pixels.shape
    digest = hashlib.blake2b(f"{height}x{width}".encode(), digest_size=16)
    digest.update(pixels.data)
    found.shapes[place] = height, width
    found.digests[place] = np.void(digest.digest())
    found.kinds[kind] += 1
    found.formats[file_format] += 1
    found.transparent += bool(pixels[..., 3].min() < 255)
    if why := emptiness(pixels):
        found.empty.append((found.start + place, why))


def _kind(image: Image.Image) -> str:
    """What an opened picture is stored as; asked before it is decoded, as decoding may change it."""
    mode = image.mode.split(";")[0]
    kind = _KINDS.get(mode, mode)
    if "transparency" in image.info and "alpha" not in kind:
        kind += " with alpha"
    return kind + ", 16 bit" if mode == "I" or _is_deep(image) else kind


def _is_deep(image: Image.Image) -> bool:
    """Whether a file has 16 bits a channel, which Pillow may have made 8 of."""
    arguments = [tile[3] for tile in getattr(image, "tile", ()) if len(tile) > 3]
    raw_modes = [argument[0] if isinstance(argument, tuple) and argument else argument for argument in arguments]
    return any(isinstance(mode, str) and _DEEP.match(mode) for mode in raw_modes)


def _summary(
    source: Source, findings: list[_Findings], name_of: Callable[[int], str], labels: collections.Counter[int]
) -> Inspection:
    shapes = np.concatenate([np.empty((0, 2), np.uint32), *(found.shapes for found in findings)])
    digests = np.concatenate([np.empty(0, "V16"), *(found.digests for found in findings)])
    is_readable = shapes[:, 0] > 0
    heights, widths = shapes[is_readable].T
    num_sizes, sizes = _frequent_sizes(heights, widths)
    readable = len(heights)
    return Inspection(
        name=source.name,
        source_kind=source.kind,
        count=len(shapes),
        ignored=source.ignored,
        heights=_spread(heights),
        widths=_spread(widths),
        num_sizes=num_sizes,
        sizes=sizes,
        kinds=_by_count(found.kinds for found in findings),
        formats=_by_count(found.formats for found in findings),
        transparent=sum(found.transparent for found in findings),
        labels={name: labels[number] for number, name in enumerate(source.label_names)},
        unlabelled=labels[-1] if source.label_names else 0,
        broken=tuple((name_of(number), why) for found in findings for number, why in found.broken),
        empty=tuple((name_of(number), why) for found in findings for number, why in found.empty),
        repeats=_repeats(digests, np.flatnonzero(is_readable), name_of),
        fitting={size: int((np.minimum(heights, widths) >= size).sum()) for size in RESOLUTIONS},
        recommended=recommend_resolution(heights, widths) if readable else None,
    )


def _spread(sides: np.ndarray) -> Spread | None:
    if not len(sides):
        return None
    return Spread(int(sides.min()), int(statistics.median_low(sides)), int(sides.max()))


def _frequent_sizes(heights: np.ndarray, widths: np.ndarray) -> tuple[int, tuple[tuple[tuple[int, int], int], ...]]:
    """Number of different sizes, and the most frequent ones with their counts."""
    pairs, counts = np.unique(np.stack([heights, widths], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_FREQUENT_SIZES]
    return len(pairs), tuple(((int(pairs[i, 0]), int(pairs[i, 1])), int(counts[i])) for i in order)


def _by_count(counters: Iterable[collections.Counter[str]]) -> dict[str, int]:
    """The sum of counters, the largest count first."""
    total: collections.Counter[str] = collections.Counter()
    for counter in counters:
        total.update(counter)
    return dict(sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))


def _repeats(digests: np.ndarray, numbers: np.ndarray, name_of: Callable[[int], str]) -> tuple[tuple[str, ...], ...]:
    """Groups of names with equal digests, in the order of their first pictures."""
    halves = digests[numbers].view(np.uint64).reshape(-1, 2)
    order = np.lexsort((numbers, halves[:, 1], halves[:, 0]))
    is_new = np.ones(len(order), bool)
    is_new[1:] = (halves[order][1:] != halves[order][:-1]).any(axis=1)
    edges = np.append(np.flatnonzero(is_new), len(order))
    groups = [numbers[order[start:end]] for start, end in itertools.pairwise(edges) if end - start > 1]
    groups.sort(key=lambda group: int(group[0]))
    return tuple(tuple(name_of(int(number)) for number in group) for group in groups)
