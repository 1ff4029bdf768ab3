"""One chart of the metrics of several runs over kimg."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from stylegan_tf.errors import require
from stylegan_tf.evaluation.results import RESULTS_FILE, Result, read_results
from stylegan_tf.files import written_whole
from stylegan_tf.invocation import install
from stylegan_tf.printing import printable

_PANELS_IN_A_ROW = 3
_PANEL_INCHES = (5.2, 3.6)


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
    names = [path.name for path in resolved]
    return [
        name if names.count(name) == 1 else str(Path(*path.parts[-2:]))
        for name, path in zip(names, resolved, strict=True)
    ]


def draw_comparison(runs: Mapping[str, Sequence[Result]], output: Path) -> int:
    """Draws a panel for each metric that any of the runs has, with a line for each run.

    A point is a measurement; where a protocol was measured twice at one kimg, the later one counts. The floor, what
    real images score, is a dashed line.

    Args:
        runs: Results by the run's name; those without a clock are left out.
        output: The PNG; written whole or not at all.

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
    for axis, ((protocol, value), lines) in zip(axes.flat, panels.items(), strict=False):
        _draw_panel(axis, protocol, value, lines, list(runs))
    figure.tight_layout()
    with written_whole(output) as beside:
        figure.savefig(beside, format="png", dpi=120)
    plots.close(figure)
    return len(panels)


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
    """(protocol, value) -> run -> kimg -> result, in the order in which they first occur."""
    panels: dict[tuple[str, str], dict[str, dict[float, Result]]] = {}
    for name, results in runs.items():
        for result in results:
            if result.images_seen is None:
                continue
            for value in result.values:
                lines = panels.setdefault((result.protocol, value), {})
                lines.setdefault(name, {})[result.images_seen / 1000] = result
    return panels


def _draw_panel(axis, protocol, value, lines, names) -> None:  # type: ignore[no-untyped-def]  # a matplotlib axis
    for name, points in lines.items():
        kimg = sorted(points)
        axis.plot(
            kimg,
            [points[at].values[value] for at in kimg],
            label=_plain(name),
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
    axis.set_title(_plain(protocol), fontsize=10)
    axis.set_ylabel(_plain(value.replace("_", " ")) + (better if is_first else ""))
    axis.set_xlabel("kimg")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)


def _plain(text: str) -> str:
    """Text as matplotlib draws it as it is: a dollar sign would begin a formula."""
    return printable(text).replace("$", r"\$")
