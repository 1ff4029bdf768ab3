"""Results: one JSON object a line that says all a reader needs to trust a number, and tables of them."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stylegan_tf.errors import UserError
from stylegan_tf.files import check_writable, disk_errors, written_whole
from stylegan_tf.json_files import as_record, as_type, parse_json, read_bounded
from stylegan_tf.locks import locked_itself
from stylegan_tf.metrics.protocols import INCEPTION
from stylegan_tf.progress import counted
from stylegan_tf.runs.averages import EMA

RESULTS_FILE = "metrics.jsonl"
_LOCK_S = 60.0  # adding lines takes no second

# How the checksum of the Inception weights begins that pytorch-fid and torch-fidelity made of the FID paper's.
PUBLISHED_INCEPTION = "6726825d"


@dataclasses.dataclass(frozen=True)
class Result:
    """What a protocol gave, and what it was measured with.

    Attributes:
        protocol: Its name.
        values: By name; the first is the one to compare by.
        floor: The same of real images, see `measures.floor`; empty where nothing was compared.
        lower_is_better: Of the first value; None where neither is.
        network, network_sha256: The feature network and the checksum of its weights; empty for metrics over pixels.
        fakes, reals: How many of each took part.
        seed: Of the generated images.
        noise: "seed" when each image had noise of its own, "fixed" when all shared it, "" for images of unknown origin.
        source, path: "run", "hub", "export" or "images", and where they lie.
        images_seen: The clock of the networks; None for images of unknown origin.
        image_size: Such as "32x32".
        data, data_fingerprint: The real images; empty without.
        seconds: That it took; features that several protocols share count for the first of them.
        version: Of this package.
        measured_at: Date and time, UTC.
        average: Of a run's generator, see `runs.averages`.
    """

    protocol: str
    values: dict[str, float]
    floor: dict[str, float]
    lower_is_better: bool | None
    network: str
    network_sha256: str
    fakes: int
    reals: int
    seed: int
    noise: str
    source: str
    path: str
    images_seen: int | None
    image_size: str
    data: str
    data_fingerprint: str
    seconds: float
    version: str
    measured_at: str
    average: str = EMA

    @property
    def value(self) -> float:
        """The first value."""
        return next(iter(self.values.values()))

    def better_than(self, other: Result) -> bool:
        """Whether the first value is strictly better."""
        if not math.isfinite(self.value) or self.lower_is_better is None:
            return False
        if not math.isfinite(other.value):
            return True
        return self.value < other.value if self.lower_is_better else self.value > other.value

    def to_json(self) -> str:
        """One line; values that are not finite become null."""
        plain = dataclasses.asdict(self)
        for kind in ("values", "floor"):
            plain[kind] = {name: value if math.isfinite(value) else None for name, value in plain[kind].items()}
        return json.dumps(plain, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Result:
        """Reads what `to_json` wrote. Raises ValueError when it is something else."""
        try:
            plain = as_type(parse_json(line), dict[str, Any], "it")
            for kind in ("values", "floor"):
                numbers = as_type(plain.get(kind), dict[str, float | None], kind)
                plain[kind] = {name: math.nan if value is None else value for name, value in numbers.items()}
            values = {kind: plain.pop(kind) for kind in ("values", "floor")}
            result = dataclasses.replace(as_record(cls, {**plain, "values": {}, "floor": {}}), **values)
            if not result.values:
                raise UserError("it has no values")
            return result
        except ValueError as error:
            raise UserError(
                f"a result must be a line that this package wrote. Received: {line[:80]!r} ({error})."
            ) from error


def check_results_file(path: Path) -> None:
    """Raises ValueError or OSError when results could not be added to a file, before they cost any time."""
    if path.is_dir():
        raise UserError(f"results must be a file. Received: {path}, a directory.")
    path.parent.mkdir(parents=True, exist_ok=True)
    check_writable(path.parent)


def append_results(path: Path, results: Iterable[Result]) -> None:
    """Adds lines to a file of results, which is written whole or not at all, by one process at a time.

    Raises:
        ValueError: When another process does not let go of the file.
        OSError: When it cannot be written, DiskError when the disk took no more.
    """
    # Bytes of a path that are no text become escapes, which JSON has as well.
    new = "".join(f"{result.to_json()}\n" for result in results).encode("utf-8", "backslashreplace")
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(path), locked_itself(path, "these results are being written", wait_s=_LOCK_S):
        old = path.read_bytes()
        if old and not old.endswith(b"\n"):
            old += b"\n"
        with written_whole(path) as beside:
            beside.write_bytes(old + new)


def read_results(path: Path, average: str = EMA) -> list[Result]:
    """Reads those results of a file that one average of the generator had.

    Args:
        path: The file.
        average: Its name. Only this average's results form a course over the training.

    Raises:
        ValueError: When a line is something else.
        OSError: When it cannot be read.
    """
    results = []
    for number, line in enumerate(_read_lines(path).split("\n"), 1):
        if line.strip():
            try:
                results.append(Result.from_json(line))
            except ValueError as error:
                raise UserError(f"{path}, line {number}: {error} Remove that line.") from error
    return [result for result in results if result.average == average]


def _read_lines(path: Path) -> str:
    try:
        return read_bounded(path).decode("utf-8", "backslashreplace")
    except ValueError as error:
        raise UserError(f"results must be a text file that this package wrote. Received: {path} ({error}).") from error


def best(results: Iterable[Result], protocol: str) -> Result | None:
    """The best result of a protocol, the first of equals; None when there is none."""
    found: Result | None = None
    for result in results:
        if result.protocol == protocol and math.isfinite(result.value) and (found is None or result.better_than(found)):
            found = result
    return found


def table(results: Sequence[Result]) -> str:
    """Results as aligned lines: protocol, what, value, floor, numbers of images."""
    rows = [("metric", "", "value", "reals alone", "better", "fakes", "reals")]
    for result in results:
        better = {True: "lower", False: "higher", None: ""}[result.lower_is_better]
        for index, (name, value) in enumerate(result.values.items()):
            floor = result.floor.get(name)
            rows.append(
                (
                    result.protocol if index == 0 else "",
                    name,
                    number(value),
                    "" if floor is None else number(floor),
                    better if index == 0 else "",
                    f"{result.fakes:,}" if index == 0 else "",
                    (f"{result.reals:,}" if result.reals else "none") if index == 0 else "",
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def notes(results: Iterable[Result], feature_counts: Mapping[str, int] = MappingProxyType({})) -> list[str]:
    """What a reader must know before comparing these numbers with others.

    Args:
        results: The numbers.
        feature_counts: How many features networks have, by name.
    """
    found = []
    for result in results:
        features = feature_counts.get(result.network, 0)
        if "frechet_distance" in result.values and 0 < result.reals < features:
            found.append(
                f"{result.protocol}: with {counted(result.reals, 'real image')} for {features:,} features this number "
                "is biased, and compares only with those of as many images; a kernel distance "
                f"(k{result.protocol[1:]}) has no such bias"
            )
        if result.network == INCEPTION and not result.network_sha256.startswith(PUBLISHED_INCEPTION):
            found.append(
                f"{result.protocol}: these Inception weights (SHA-256 {result.network_sha256[:8]}...) are not the "
                "published ones; do not compare with published numbers"
            )
    return list(dict.fromkeys(found))


def number(value: float) -> str:
    """A value with as many digits as say something."""
    if not math.isfinite(value):
        return str(value)
    text = f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}" if abs(value) < 1000 else f"{value:,.1f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
