"""What the draws are distributed like, and that they depend on the key alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.augment.draws import draw_augmentation

KEY = tf.constant([3, 5])
UNIFORM = ("xflip", "rotate90", "xint", "rotate_before", "rotate_after", "lumaflip", "hue", "cutout")
NORMAL = ("scale", "aniso", "xfrac", "brightness", "contrast", "saturation", "imgfilter", "noise_strength", "noise")
COUNT = 20000


@pytest.fixture(scope="module")
def draws():
    return draw_augmentation(KEY, COUNT, (2, 3, 1))


def columns(draws) -> dict[str, np.ndarray]:
    named = {**draws._asdict(), **{f"gate of {name}": gate for name, gate in draws.gates._asdict().items()}}
    del named["gates"]
    return {
        f"{name} {column}": values
        for name, tensor in named.items()
        for column, values in enumerate(np.reshape(tensor, (COUNT, -1)).T)
    }


def test_shapes(draws):
    widths = {"xint": (2,), "xfrac": (2,), "cutout": (2,), "imgfilter": (4,), "noise": (2, 3, 1)}
    for name in set(draws._fields) - {"gates"}:
        assert getattr(draws, name).shape == (COUNT, *widths.get(name, ()))
    for name, gate in draws.gates._asdict().items():
        assert gate.shape == ((COUNT, 4) if name == "imgfilter" else (COUNT,))
    assert {tensor.dtype for tensor in tf.nest.flatten(draws)} == {tf.float32}


def test_every_field_is_uniform_or_normal(draws):
    assert {*UNIFORM, *NORMAL, "gates"} == set(draws._fields)
    for name, values in columns(draws).items():
        if name.split()[0] in (*UNIFORM, "gate"):
            assert values.min() >= 0 and values.max() < 1
            mean, deviation = 0.5, 12**-0.5
        else:
            mean, deviation = 0.0, 1.0
        assert abs(values.mean() - mean) < 5 * deviation / COUNT**0.5, name
        assert abs(values.std() - deviation) < 0.03 * deviation, name


def test_no_two_numbers_of_an_image_depend_on_each_other(draws):
    values = np.stack(list(columns(draws).values()))
    correlations = np.corrcoef(values) - np.eye(len(values))
    assert np.abs(correlations).max() < 5.5 / COUNT**0.5


def test_no_number_is_used_twice():
    numbers = np.concatenate([np.ravel(tensor) for tensor in tf.nest.flatten(draw_augmentation(KEY, 8, (2, 2, 3)))])
    assert len(np.unique(numbers)) == len(numbers)


def test_equal_keys_give_equal_numbers_and_other_keys_others():
    first, again, other = (
        tf.nest.flatten(draw_augmentation(tf.constant(key), 4, (2, 2, 3))) for key in ([1, 2], [1, 2], [1, 3])
    )
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.any(a == c)
