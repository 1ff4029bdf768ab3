"""Plots scalars of several runs over the images seen, one panel a scalar; needs `pip install matplotlib`.

python tools/plot_scalars.py --runs=runs/a,runs/b --scalars=scores/real_signs,augment/p --output=curves.svg
"""

import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from absl import app, flags
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

_RUNS = flags.DEFINE_list("runs", None, "run directories", required=True)
_SCALARS = flags.DEFINE_list("scalars", None, "names of scalars, as TensorBoard shows them", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "the picture to write; its ending chooses the format", required=True)
_SMOOTH = flags.DEFINE_integer("smooth", 1, "points that each point is the mean of", lower_bound=1)


def read_scalar(run: pathlib.Path, name: str) -> tuple[list[float], list[float]]:
    """Images seen, in kimg, and values of a run's scalar; empty where the run has none."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    if name not in events.Tags()["tensors"]:
        return [], []
    points = events.Tensors(name)
    return [point.step / 1000 for point in points], [float(make_ndarray(point.tensor_proto)) for point in points]


def smoothed(values: list[float], width: int) -> list[float]:
    """Running means over the last `width` values."""
    return [sum(values[max(0, i + 1 - width) : i + 1]) / min(width, i + 1) for i in range(len(values))]


def main(arguments: list[str]) -> None:
    """Reads, plots and writes."""
    del arguments
    names = _SCALARS.value
    figure, panels = plt.subplots(1, len(names), figsize=(5 * len(names), 3.2), squeeze=False)
    for panel, name in zip(panels[0], names, strict=True):
        for index, run in enumerate(map(pathlib.Path, _RUNS.value)):
            kimg, values = read_scalar(run, name)
            if values:
                panel.plot(kimg, smoothed(values, _SMOOTH.value), label=run.name, color=f"C{index}")
        panel.set_title(name)
        panel.set_xlabel("kimg")
        panel.grid(alpha=0.3)
        panel.legend()
    figure.tight_layout()
    figure.savefig(_OUTPUT.value)
    print(f"wrote {_OUTPUT.value}")


if __name__ == "__main__":
    app.run(main)
