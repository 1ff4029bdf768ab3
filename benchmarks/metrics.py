"""Times the feature networks, and the Fréchet distance against SciPy's matrix square root.

    python benchmarks/metrics.py

Needs `pip install -e ".[metrics]"`. The first table is images a second through each network: Inception's speed does not
depend on its weights, so random ones do. The second is the Fréchet distance with as many features as Inception has, on
10,000 features of each set: collecting the statistics, and the distance of two Gaussians by a factor and a symmetric
eigendecomposition, as `stylegan_tf.metrics.frechet_distance` does, and by `scipy.linalg.sqrtm`, as is common, turn by
turn in this process; the ratio is of the medians, and the difference of both distances is printed beside. The third is
the other metrics over features.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from stylegan_tf.cli import app

_NETWORKS = flags.DEFINE_list(
    "networks", ["efficientnet_lite0", "inception"], "networks to time", module_name="Benchmark"
)
_IMAGES = flags.DEFINE_integer("images", 256, "images through each network", 32, module_name="Benchmark")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "height and width of the images", 16, module_name="Benchmark")
_FEATURES = flags.DEFINE_integer("features", 2048, "features of an image", 2, module_name="Benchmark")
_SET_SIZE = flags.DEFINE_integer("set_size", 10_000, "images of each set", 100, module_name="Benchmark")
_RUNS = flags.DEFINE_integer("runs", 3, "runs timed of each distance", 1, module_name="Benchmark")

_SHAPES = Path(__file__).resolve().parents[1] / "tests" / "reference" / "feature_networks.npz"


def main() -> None:
    """Prints the tables."""
    time_networks()
    time_frechet()
    time_others()


def time_networks() -> None:
    """Images a second, after a first batch that is traced."""
    with app.quiet_startup():
        from stylegan_tf.features.efficientnet_lite import EfficientNetLite0Features
    builders: dict[str, Callable[[], Any]] = {
        "efficientnet_lite0": EfficientNetLite0Features,
        "inception": _random_inception,
    }
    random = np.random.default_rng(0)
    size = _IMAGE_SIZE.value
    images = random.integers(0, 256, (_IMAGES.value, size, size, 3), dtype=np.uint8)
    print(f"{'network':<24}{'images/s':>10}")
    for name in _NETWORKS.value:
        network = builders[name]()
        network(images[:32], batch_size=32)
        started = time.perf_counter()
        network(images, batch_size=32)
        print(f"{name:<24}{len(images) / (time.perf_counter() - started):>10.1f}", flush=True)


def _random_inception() -> Any:
    from stylegan_tf.features.inception import InceptionFeatures, inception_model

    with np.load(_SHAPES) as file:
        shapes = json.loads(str(file["config"]))["shapes"]["inception"]
    random = np.random.default_rng(0)
    weights = {
        name: np.abs(random.standard_normal(shape)).astype(np.float32) * (2 / np.prod(shape[1:])) ** 0.5
        for name, shape in shapes.items()
    }

    class RandomInception(InceptionFeatures):
        def __init__(self) -> None:
            self._model = inception_model(weights)

    return RandomInception()


def time_frechet() -> None:
    """The statistics, and the distance by both ways."""
    from scipy import linalg

    from stylegan_tf.metrics.frechet_distance import feature_statistics, frechet_distance

    reals, fakes = feature_sets()
    started = time.perf_counter()
    real, fake = feature_statistics(reals), feature_statistics(fakes)
    print(f"\n{'statistics of both sets':<40}{time.perf_counter() - started:>8.2f} s")

    def by_square_root() -> float:
        root = linalg.sqrtm(real.covariance @ fake.covariance)
        difference = real.mean - fake.mean
        traces = np.trace(real.covariance) + np.trace(fake.covariance)
        return float(difference @ difference + traces - 2 * np.trace(np.real(root)))

    ways: dict[str, Callable[[], float]] = {
        "distance, eigendecomposition": lambda: frechet_distance(real, fake),
        "distance, scipy.linalg.sqrtm": by_square_root,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values = {}
    for _ in range(_RUNS.value):
        for name, way in ways.items():
            started = time.perf_counter()
            values[name] = way()
            seconds[name].append(time.perf_counter() - started)
    ours, common = (statistics.median(times) for times in seconds.values())
    for name, times in seconds.items():
        print(f"{name:<40}{statistics.median(times):>8.2f} s   {values[name]:.9f}")
    first, second = values.values()
    print(f"{common / ours:.1f} times faster; relative difference {abs(first - second) / abs(second):.1e}")


def time_others() -> None:
    """Seconds of the metrics that look at every feature."""
    from stylegan_tf.metrics.kernel_distance import kernel_distance, kernel_distance_subsets
    from stylegan_tf.metrics.precision_recall import density_coverage, precision_recall

    reals, fakes = feature_sets()
    metrics: dict[str, Callable[[], Any]] = {
        "kernel distance, all pairs": lambda: kernel_distance(reals, fakes),
        "kernel distance, 100 subsets of 1,000": lambda: kernel_distance_subsets(reals, fakes),
        "precision and recall, 3 neighbours": lambda: precision_recall(reals, fakes),
        "density and coverage, 5 neighbours": lambda: density_coverage(reals, fakes),
    }
    print()
    for name, metric in metrics.items():
        started = time.perf_counter()
        metric()
        print(f"{name:<40}{time.perf_counter() - started:>8.2f} s", flush=True)


def feature_sets() -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features that are correlated as those of a network are, and not negative."""
    random = np.random.default_rng(1)
    mixing = random.standard_normal([_FEATURES.value, _FEATURES.value]) / _FEATURES.value**0.5

    def draw(shift: float) -> np.ndarray:
        latent = random.standard_normal([_SET_SIZE.value, _FEATURES.value])
        return np.maximum(latent @ mixing + shift, 0).astype(np.float32)

    return draw(0.0), draw(0.1)


if __name__ == "__main__":
    app.run(main)
