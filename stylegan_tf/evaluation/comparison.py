"""One chart of the metrics of several runs over kimg."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stylegan_tf.errors import require
from stylegan_tf.evaluation.results import RESULTS_FILE, Result, read_results
from stylegan_tf.files import written_whole
from stylegan_tf.invocation import install
from stylegan_tf.printing import printable

_PANELS_IN_A_ROW = 3
_PANEL_INCHES = (5.2, 3.6)
_UNBIASED = re.compile(r"kd(?:\d+k?)?(_full)?(?=_)")


def read_runs(paths: Sequence[Path]) -> dict[str, list[Result]]:
    """The results of runs, by a name for each.

    Args:
        paths: Run directories, or files of results.

    Raises:
        ValueError: When one holds no results, or two are the same.
    """
    files = [path / RESULTS_FILE if path.is_dir() else path for path in paths]
    for path, file in zip(paths, files, strict=True):
        require(
            file.is_file(),
            f"a run to compare must hold {RESULTS_FILE}; train it with --metrics, or evaluate it first",
            path,
        )
    names = _names(paths)
    return {name: read_results(file) for name, file in zip(names, files, strict=True)}


def _names(paths: Sequence[Path]) -> list[str]:
    """The last part of each path, or more of it where two are the same."""
    resolved = [path.parent if path.name == RESULTS_FILE else path for path in (path.resolve() for path in paths)]
    require(len(set(resolved)) == len(resolved), "runs to compare must be different ones", ", ".join(map(str, paths)))
    return [_shortest_name(path, resolved) for path in resolved]


def _shortest_name(path: Path, others: Sequence[Path]) -> str:
    for count in range(1, len(path.parts) + 1):
        end = path.parts[-count:]
        if sum(other.parts[-count:] == end for other in others) == 1:
            break
    return str(Path(*end))


def draw_comparison(runs: Mapping[str, Sequence[Result]], output: Path) -> int:
    """Draws a panel for each metric that any of the runs has, with a line for each run.

    A point is a measurement; where a protocol was measured twice at one kimg, the later one counts. The floor, what
    real images score, is a dashed line. Results that do not compare, see `differences`, have panels of their own.

    Args:
        runs: Results by the run's name; those without a clock are left out.
        output: The file, .png, .svg, .jpg or .webp; written whole or not at all.

    Returns:
        Number of panels.

    Raises:
        ImportError: When matplotlib is missing.
        ValueError: When no run has a result with a clock.
    """
    plots = _pyplot()
    panels = _panels(runs)
    require(bool(panels), "runs to compare must have results over kimg", ", ".join(runs) or "no runs")
    columns = min(len(panels), _PANELS_IN_A_ROW)
    rows = math.ceil(len(panels) / columns)
    figure, axes = plots.subplots(
        rows, columns, figsize=(_PANEL_INCHES[0] * columns, _PANEL_INCHES[1] * rows), squeeze=False
    )
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_visible(False)
    for axis, ((title, value), lines) in zip(axes.flat, panels.items(), strict=False):
        _draw_panel(axis, title, value, lines, list(runs))
    figure.tight_layout()
    with written_whole(output) as beside:
        figure.savefig(beside, format=output.suffix.lower().lstrip(".") or "png", dpi=120)
    plots.close(figure)
    return len(panels)


def differences(runs: Mapping[str, Sequence[Result]]) -> list[str]:
    """What makes numbers of runs incomparable, one line each: protocols that not all have, other reals or weights.

    Args:
        runs: As for `draw_comparison`.
    """
    notes = []
    for axis, results in _by_axis(runs).items():
        missing = [name for name in runs if name not in results]
        if missing:
            notes.append(f"{axis} was measured of {', '.join(results)}, not of {', '.join(missing)}")
        for what, value_of in _MUST_AGREE.items():
            values = {name: " and ".join(sorted({value_of(one) for one in found})) for name, found in results.items()}
            if len(set(values.values())) > 1:
                told = ", ".join(f"{name}: {value or 'none'}" for name, value in values.items())
                notes.append(f"{axis} does not compare, since its {what} differ ({told}): drawn apart")
    return notes


# What two measurements by one protocol must have in common besides its name.
_MUST_AGREE: dict[str, Callable[[Result], str]] = {
    "real images": lambda result: f"{result.data} {result.data_fingerprint[:8]}" if result.data_fingerprint else "",
    "numbers of real images": lambda result: f"{result.reals:,}",
    "image sizes": lambda result: result.image_size,
    "network weights": lambda result: result.network_sha256[:8],
}


def _by_axis(runs: Mapping[str, Sequence[Result]]) -> dict[str, dict[str, list[Result]]]:
    """Axis -> run -> results with a clock, in the order in which they first occur."""
    axes: dict[str, dict[str, list[Result]]] = {}
    name_of = _axis_names(runs)
    for name, results in runs.items():
        for result in results:
            if result.images_seen is not None:
                axes.setdefault(name_of[result.protocol], {}).setdefault(name, []).append(result)
    return axes


def _axis_names(runs: Mapping[str, Sequence[Result]]) -> dict[str, str]:
    """Protocol -> its axis, which is its own but for kernel distances of different numbers of generated images.

    The kernel distance over all pairs has no bias (Bińkowski et al. 2018): with more images it is only less noisy.
    """
    used = {name: {result.protocol for result in results} for name, results in runs.items()}
    names = {protocol: protocol for protocols in used.values() for protocol in protocols}
    for axis in {_UNBIASED.sub(r"kd\1", protocol) for protocol in names}:
        alike = {protocol for protocol in names if _UNBIASED.sub(r"kd\1", protocol) == axis}
        if len(alike) > 1 and all(len(alike & protocols) <= 1 for protocols in used.values()):
            names |= dict.fromkeys(alike, axis)
    return names


def _pyplot():  # type: ignore[no-untyped-def]  # matplotlib's module
    try:
        import matplotlib
    except ImportError:
        raise ImportError(
            f"Charts need matplotlib, which is not installed. Install it with: {install('metrics')}"
        ) from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plots

    return plots


def _panels(runs: Mapping[str, Sequence[Result]]) -> dict[tuple[str, str], dict[str, dict[float, Result]]]:
    """(title, value) -> run -> kimg -> result; what most runs have comes first, then what occurs first.

    A title is that of an axis. Where results of an axis do not compare, the title goes on with what differs.
    """
    panels: dict[tuple[str, str], dict[str, dict[float, Result]]] = {}
    for axis, of_runs in _by_axis(runs).items():
        every = [result for results in of_runs.values() for result in results]
        differing = [what for what, value_of in _MUST_AGREE.items() if len(set(map(value_of, every))) > 1]
        for name, results in of_runs.items():
            for result in results:
                title = "\n".join([axis, *(f"{what}: {_MUST_AGREE[what](result) or 'none'}" for what in differing)])
                for value in result.values:
                    lines = panels.setdefault((title, value), {})
                    lines.setdefault(name, {})[(result.images_seen or 0) / 1000] = result
    return dict(sorted(panels.items(), key=lambda panel: -len(panel[1])))


def _draw_panel(axis, title, value, lines, names) -> None:  # type: ignore[no-untyped-def]  # a matplotlib axis
    for name, points in lines.items():
        kimg = sorted(points)
        axis.plot(
            kimg,
            [points[at].values[value] for at in kimg],
            label=_plain(f" {name}" if name.startswith("_") else name),  # matplotlib hides those
            color=f"C{names.index(name) % 10}",
            marker="o",
            markersize=3,
        )
    floors = [point.floor[value] for points in lines.values() for point in points.values() if value in point.floor]
    if floors:
        axis.axhline(floors[-1], color="0.5", linestyle="--", linewidth=1, label="reals alone")
    first = next(iter(next(iter(lines.values())).values()))
    better = {True: ", lower is better", False: ", higher is better", None: ""}[first.lower_is_better]
    is_first = value == next(iter(first.values))
    axis.set_title("\n".join(map(_plain, title.split("\n"))), fontsize=10)
    axis.set_ylabel(_plain(value.replace("_", " ")) + (better if is_first else ""))
    axis.set_xlabel("kimg")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)


def _plain(text: str) -> str:
    """Text as matplotlib draws it as it is: a dollar sign would begin a formula."""
    return printable(text).replace("$", r"\$")
