"""The pipeline, its filters and its controller against the published code's numbers."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.augment.draws import AugmentDraws, Gates
from stylegan_tf.augment.pipeline import Augmentation
from stylegan_tf.augment.strength import adjusted_strength
from stylegan_tf.augment.wavelets import SYM6_LOWPASS, band_filters

FILES = ("ada_augment", "ada_augment_single")
GROUPS = {
    "ada_augment": ["blit", "geom", "color", "filter", "noise", "cutout", "bgc"],
    "ada_augment_single": [
        "xflip",
        "rotate90",
        "xint",
        "scale",
        "rotate",
        "aniso",
        "xfrac",
        "brightness",
        "contrast",
        "lumaflip",
        "hue",
        "saturation",
    ],
}
PERCENTILES = {"ada_augment": [0.1, 0.3, 0.5, 0.7, 0.9], "ada_augment_single": [0.3, 0.9]}
CASES = [(file, group, q) for file in FILES for group in GROUPS[file] for q in PERCENTILES[file]]
RUNS = ["runA", "runB"]

# The recorded runs' draws come in this order, each followed by its gate; then four bands, noise, cutout.
DRAWN_FIRST = (
    "xflip",
    "rotate90",
    "xint",
    "scale",
    "rotate_before",
    "aniso",
    "rotate_after",
    "xfrac",
    "brightness",
    "contrast",
    "lumaflip",
    "hue",
    "saturation",
)
PAIRS = ("xint", "xfrac", "cutout")
NORMALS = ("scale", "aniso", "xfrac", "brightness", "contrast", "saturation", "imgfilter")


def draws_at_percentile(q: float, noise: np.ndarray) -> AugmentDraws:
    """Every transform on, its parameter at quantile q, as the published debug mode means it.

    That has erfinv(2q - 1) for a normal number, erfinv(q) for a half-normal one, and no rotation after.
    """

    def erfinv(x: float) -> float:
        return float(tf.math.erfinv(tf.constant(x, tf.float64)))

    def shape(name: str) -> list[int]:
        return [len(noise), 2] if name in PAIRS else [len(noise), 4] if name == "imgfilter" else [len(noise)]

    values = {name: q for name in AugmentDraws._fields if name not in ("gates", "noise")}
    values |= {name: erfinv(2 * q - 1) for name in NORMALS}
    values |= {"noise_strength": erfinv(q), "rotate_after": 0.5}
    return AugmentDraws(
        gates=Gates(**{name: tf.zeros(shape("imgfilter" if name == "imgfilter" else "")) for name in Gates._fields}),
        noise=tf.constant(noise),
        **{name: tf.fill(shape(name), tf.constant(value, tf.float32)) for name, value in values.items()},
    )


def recorded_draws(recorded: list[np.ndarray], noise: np.ndarray) -> AugmentDraws:
    images = len(noise)
    values = {name: array.reshape(images, -1) for name, array in zip(DRAWN_FIRST, recorded[0:26:2], strict=True)}
    gates = {name: array.reshape(images) for name, array in zip(DRAWN_FIRST, recorded[1:26:2], strict=True)}
    values = {name: array if name in PAIRS else array[:, 0] for name, array in values.items()}
    values |= {"imgfilter": np.stack(recorded[26:34:2], 1), "noise_strength": recorded[34].reshape(images)}
    values |= {"noise": noise, "cutout": recorded[38].reshape(images, 2)}
    gates |= {"imgfilter": np.stack(recorded[27:34:2], 1), "noise": recorded[35].reshape(images)}
    gates |= {"cutout": recorded[37].reshape(images)}
    return AugmentDraws(
        gates=Gates(**{name: tf.constant(array) for name, array in gates.items()}),
        **{name: tf.constant(array) for name, array in values.items()},
    )


def test_every_number_of_the_files_is_compared(reference):
    compared = {
        file: {f"{group}/pct{q}" for other, group, q in CASES if other == file} | {"Hz_geom", "Hz_fbank"}
        for file in FILES
    }
    compared["ada_augment_single"] |= {f"random_{run}" for run in RUNS}
    for file in FILES:
        assert set(reference(file).outputs) == compared[file]


@pytest.mark.parametrize("file", FILES)
def test_filters(file, reference, relative_error):
    outputs = reference(file).outputs
    assert relative_error(SYM6_LOWPASS, outputs["Hz_geom"]) < 1e-6
    assert relative_error(band_filters(), outputs["Hz_fbank"]) < 1e-6


@pytest.mark.parametrize(("file", "group", "q"), CASES)
@pytest.mark.slow
def test_transforms_at_a_percentile(file, group, q, reference, channels_last, relative_error):
    numbers = reference(file)
    wanted = channels_last(numbers.outputs[f"{group}/pct{q}"])
    images, noise = (channels_last(numbers.inputs[name])[: len(wanted)] for name in ("images", "noise"))
    one_transform = file == "ada_augment_single"
    augmentation = Augmentation(**{group: 1.0}) if one_transform else Augmentation.from_groups(group)
    assert relative_error(augmentation(tf.constant(images), draws_at_percentile(q, noise), 1.0), wanted) < 2e-5


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.slow
def test_recorded_runs(run, reference, channels_last, relative_error):
    numbers = reference("ada_augment_single")
    (p,) = [known["p"] for known in numbers.config["random_runs"] if known["name"] == run]
    names = sorted(name for name in numbers.inputs if name.startswith(run + "/"))
    recorded = [numbers.inputs[name] for name in names]
    assert len(recorded) == 39
    draws = recorded_draws(recorded, channels_last(recorded[36]))
    wanted = channels_last(numbers.outputs[f"random_{run}"])
    images = tf.constant(channels_last(numbers.inputs["images"])[: len(wanted)])
    got = Augmentation.from_groups("bgcfnc")(images, draws, tf.constant(p))
    for index in range(len(wanted)):  # each on its own scale: an amplified image would hide the others
        assert relative_error(got[index], wanted[index]) < 2e-5


@pytest.mark.parametrize("case", ["kimg500_b32", "kimg10_b64_p0.95"])
@pytest.mark.slow
def test_controller(case, reference, relative_error):
    numbers = reference("ada_controller")
    assert sorted(numbers.config["ctrl"]) == ["kimg10_b64_p0.95", "kimg500_b32"]
    settings = numbers.config["ctrl"][case]
    adjust = tf.function(
        lambda p, sign_mean: adjusted_strength(
            p,
            sign_mean,
            target=settings["ada_target"],
            images=settings["batch_size"] * settings["ada_interval"],
            kimg=settings["ada_kimg"],
        )
    )
    p, got = tf.constant(settings["p0"]), []
    for sign_mean in numbers.inputs["sign_means"]:
        p = adjust(p, tf.constant(sign_mean))
        got.append(p.numpy())
    assert relative_error(got, numbers.outputs[f"p/{case}"]) < 1e-5
    assert min(got) == 0.0 < max(got)
