"""Judges generated 32x32 portraits by their distances to the whole built-in portrait set.

    python benchmarks/portrait_quality.py --images=generated.npz
    python benchmarks/portrait_quality.py --images=folder_of_pngs

Takes about a minute on two CPU cores. Run it with the package and its extra installed:
`pip install -e ".[metrics]"`. Beside the row of the generated images it prints what real images score: two
random halves of the set against each other (the floor that set size alone causes), and the whole set blurred
and with noise, which must come out worse. The Frechet distance falls as sets grow, so compare runs of equal
size: 2,048 generated images are the convention here. The kernel distance is unbiased, and is not multiplied
by 1000.
"""

import functools
import pathlib
import sys
import zipfile
from collections.abc import Callable

import numpy as np
from absl import app, flags
from PIL import Image, ImageFilter, UnidentifiedImageError

from stylegan_tf.features.efficientnet_lite import EfficientNetLite0Features
from stylegan_tf.metrics.frechet_distance import feature_statistics, frechet_distance
from stylegan_tf.metrics.kernel_distance import kernel_distance

EXPECTED_IMAGES = 2048
_BUILT_IN_PORTRAITS = pathlib.Path(__file__).resolve().parents[1] / "stylegan_tf" / "data" / "portraits.npz"


def portrait_quality(images: np.ndarray, reals: np.ndarray) -> dict[str, float]:
    """Computes both distances between generated and real images.

    Args:
        images: Generated images, uint8 `[N, height, width, 3]`.
        reals: The whole real set, uint8 `[M, height, width, 3]`.

    Returns:
        `kernel_distance` (unbiased, both full sets) and `frechet_distance`, over EfficientNet-Lite0 features
        at 128 pixels. Lower is better.

    Raises:
        ImportError: The package with the feature network's weights is missing.
        ValueError: The images have another type or shape.
    """
    network = _feature_network()
    return feature_distances(network(reals), network(images))


@functools.cache
def _feature_network() -> EfficientNetLite0Features:
    return EfficientNetLite0Features(image_size=128)


def feature_distances(real_features: np.ndarray, fake_features: np.ndarray) -> dict[str, float]:
    """Computes both distances between two sets of features, `[M, d]` and `[N, d]`."""
    return {
        "kernel_distance": kernel_distance(real_features, fake_features),
        "frechet_distance": frechet_distance(
            feature_statistics(real_features), feature_statistics(fake_features)
        ),
    }


def real_halves_distances(real_features: np.ndarray, repeats: int, seed: int) -> dict[str, float]:
    """Averages the distances between the two halves of a set, `[M, d]`, over random splits."""
    random = np.random.default_rng(seed)
    middle = len(real_features) // 2
    splits = [np.split(random.permutation(real_features), [middle]) for _ in range(repeats)]
    distances = [feature_distances(first, second) for first, second in splits]
    return {name: float(np.mean([d[name] for d in distances])) for name in distances[0]}


def blurred(images: np.ndarray) -> np.ndarray:
    """Blurs uint8 images `[N, height, width, 3]` with a Gaussian of one pixel's standard deviation."""
    return np.stack(
        [np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1))) for image in images]
    )


def noisy(images: np.ndarray, seed: int) -> np.ndarray:
    """Adds Gaussian noise of standard deviation 16 (of 255) to uint8 images `[N, height, width, 3]`."""
    noise = np.random.default_rng(seed).normal(scale=16.0, size=images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


def read_images(path: pathlib.Path) -> np.ndarray:
    """Reads uint8 images `[N, height, width, 3]`: `images` of an .npz, or a folder of PNGs sorted by name.

    Raises:
        ValueError: Nothing readable is at `path`, or it holds other than uint8 RGB images of one size.
    """
    try:
        if path.is_dir():
            images = np.stack(
                [np.asarray(Image.open(file).convert("RGB")) for file in sorted(path.glob("*.png"))]
            )
        else:
            with np.load(path) as arrays:
                images = arrays["images"]
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, UnidentifiedImageError) as error:
        raise ValueError(
            f"Expected an .npz with `images`, or a folder of PNGs of one size. Received: {path} ({error})."
        ) from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or len(images) < 2:
        raise ValueError(
            "Images must be uint8 of shape [N, height, width, 3] with N of 2 or more. "
            f"Received: {path} with dtype={images.dtype}, shape={images.shape}."
        )
    return images


def report(images: np.ndarray | None, reals: np.ndarray, halves: int, sanity: bool, seed: int) -> None:
    """Prints a row of distances for the generated images and for each of the reference points."""
    network = _feature_network()
    real_features = network(reals)
    print(f"{'images':<28}{'count':>7}{'kernel':>10}{'Frechet':>10}")

    def print_row(name: str, count: int, distances: dict[str, float]) -> None:
        row = f"{distances['kernel_distance']:>10.4f}{distances['frechet_distance']:>10.1f}"
        print(f"{name:<28}{count:>7}{row}", flush=True)

    if images is not None:
        print_row("generated", len(images), feature_distances(real_features, network(images)))
    print_row(
        f"real halves (mean of {halves})", len(reals) // 2, real_halves_distances(real_features, halves, seed)
    )
    if sanity:
        spoiled: dict[str, Callable[[], np.ndarray]] = {
            "reals, blur 1 px": lambda: blurred(reals),
            "reals, noise 16/255": lambda: noisy(reals, seed),
        }
        for name, spoil in spoiled.items():
            print_row(name, len(reals), feature_distances(real_features, network(spoil())))


def define_flags() -> None:
    """Defines the command's flags; not at import, where they could collide with those of another command."""
    flags.DEFINE_string("images", None, "Generated images: an .npz with `images`, or a folder of PNGs.")
    flags.DEFINE_string("data", str(_BUILT_IN_PORTRAITS), "Real images: an .npz with `images`.")
    flags.DEFINE_integer(
        "halves", 3, "Random splits of the reals that the floor is averaged over.", lower_bound=1
    )
    flags.DEFINE_bool("sanity", True, "Also print the rows of blurred and of noisy real images.")
    flags.DEFINE_integer("seed", 0, "Seed of the random halves and of the noise.", lower_bound=0)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}.")
    values = flags.FLAGS
    try:
        reals = read_images(pathlib.Path(values.data))
        images = read_images(pathlib.Path(values.images)) if values.images else None
        if images is not None and len(images) != EXPECTED_IMAGES:
            print(
                "Note: the Frechet distance depends on the number of images. "
                f"Expected: {EXPECTED_IMAGES}. Received: {len(images)}."
            )
        report(images, reals, values.halves, values.sanity, values.seed)
    except (ImportError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    define_flags()
    app.run(main)
