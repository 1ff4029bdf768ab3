"""Modulated convolution against the published numbers, and against weights written out for each image."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.ops.convolution import convolve_resampled
from stylegan_tf.ops.modulated_convolution import modulated_convolution
from stylegan_tf.ops.upfirdn import make_filter

TAPS = make_filter([1, 3, 3, 1])

CASES = {
    "3x3": (3, {}),
    "1x1": (1, {}),
    "up": (3, {"up": 2, "taps": TAPS, "flip_kernel": True}),
    "down": (3, {"down": 2, "taps": TAPS}),
    "1x1 up": (1, {"up": 2, "taps": TAPS}),
    "1x1 down": (1, {"down": 2, "taps": TAPS}),
}


def arguments(size: int, dtype: str = "float64") -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(0)
    shapes = (3, 4, 6, 5), (size, size, 5, 7), (3, 5)
    x, kernel, styles = (tf.constant(rng.normal(size=shape), dtype) for shape in shapes)
    return x, kernel, styles + 1.0


def with_weights_of_each_image(x, kernel, styles, demodulate, **options):
    """Equations 1 to 3 of the paper as they are written."""
    results = []
    for image, style in zip(tf.unstack(x), tf.unstack(styles), strict=True):
        weights = kernel * style[:, None]
        if demodulate:
            weights = weights / tf.sqrt(tf.reduce_sum(weights**2, axis=(0, 1, 2), keepdims=True) + 1e-8)
        results.append(convolve_resampled(image[None], weights, **options))
    return tf.concat(results, axis=0)


def test_published_modulated_convolutions(reference, relative_error, channels_last):
    published = reference("stylegan2_ops")
    inputs = published.inputs
    cases = published.config["modconv"]
    wanted = {name for name in published.outputs if name.startswith("modulated_conv2d/")}
    assert {f"modulated_conv2d/{case}" for case in cases} == wanted
    for case, options in cases.items():
        noise = options.get("noise")
        got = modulated_convolution(
            tf.constant(channels_last(inputs["xm"])),
            tf.constant(np.transpose(inputs[options["w"]], (2, 3, 1, 0))),
            tf.constant(inputs["styles"]),
            taps=TAPS if "f" in options else None,
            up=options.get("up", 1),
            down=options.get("down", 1),
            demodulate=options.get("demodulate", True),
            flip_kernel=not options.get("flip_weight", True),
            noise=None if noise is None else tf.constant(channels_last(inputs[noise])),
        )
        assert relative_error(got, channels_last(published.outputs[f"modulated_conv2d/{case}"])) < 1e-5, case


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_convolution_with_weights_of_each_image(case, demodulate):
    size, options = CASES[case]
    got = modulated_convolution(*arguments(size), demodulate=demodulate, **options)
    want = with_weights_of_each_image(*arguments(size), demodulate, **options)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_noise_is_added_last_and_broadcasts():
    x, kernel, styles = arguments(3)
    noise = np.random.default_rng(1).normal(size=(3, 4, 6, 1))
    without = modulated_convolution(x, kernel, styles)
    np.testing.assert_allclose(modulated_convolution(x, kernel, styles, noise=noise), without + noise, atol=1e-12)
    np.testing.assert_allclose(
        modulated_convolution(x, kernel, styles, noise=noise[:1]), without + noise[:1], atol=1e-12
    )


@pytest.mark.parametrize("size", [1, 3])
def test_demodulation_brings_the_result_to_unit_deviation(size):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 64, 64, 16)), rng.normal(size=(size, size, 16, 8))
    styles = rng.normal(3.0, 2.0, size=(2, 16)) * np.array([[1.0], [50.0]])
    y = np.asarray(modulated_convolution(*(tf.constant(a, "float32") for a in (x, kernel, styles))))
    np.testing.assert_allclose(y[:, 1:-1, 1:-1].std(axis=(1, 2)), np.ones((2, 8)), atol=0.06)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_second_order_gradients_are_those_of_the_paper_s_form(case, demodulate):
    # The path length regulariser: the kernel's and the image's gradient of the squared gradient by the styles.
    size, options = CASES[case]

    def gradients(function):
        x, kernel, styles = arguments(size)
        with tf.GradientTape() as outer:
            outer.watch([x, kernel, styles])
            with tf.GradientTape() as inner:
                inner.watch(styles)
                value = tf.reduce_sum(tf.sin(function(x, kernel, styles, demodulate=demodulate, **options)))
            penalty = tf.reduce_sum(inner.gradient(value, styles) ** 2)
        return outer.gradient(penalty, [x, kernel, styles])

    for got, want in zip(gradients(modulated_convolution), gradients(with_weights_of_each_image), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5 * np.max(np.abs(want)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_keeps_the_type(case, demodulate, dtype):
    size, options = CASES[case]
    x, kernel, styles = arguments(size, "float32")
    noise = tf.constant(0.25)
    y = modulated_convolution(tf.cast(x, dtype), kernel, styles, demodulate=demodulate, noise=noise, **options)
    assert y.dtype == dtype
    want = with_weights_of_each_image(*arguments(size), demodulate, **options) + 0.25
    np.testing.assert_allclose(tf.cast(y, "float64"), want, atol=0.02 * np.max(np.abs(want)))


@pytest.mark.parametrize(("scale_kernel", "scale_styles"), [(1.0, 1.0), (1e3, 1e3), (1e-3, 1e4), (1.0, 1e-2)])
@pytest.mark.parametrize("size", [1, 3])
def test_float16_neither_overflows_nor_vanishes(size, scale_kernel, scale_styles):
    x, kernel, styles = arguments(size)
    kernel, styles = kernel * scale_kernel, styles * scale_styles
    x = tf.abs(x) * 100.0
    y = modulated_convolution(tf.cast(x, "float16"), kernel, styles)
    want = with_weights_of_each_image(x, kernel, styles, True)
    np.testing.assert_allclose(tf.cast(y, "float64"), want, atol=0.01 * np.max(np.abs(want)))


def test_float16_sums_many_large_channels():
    # 512 channels of one sign at the magnitude to which activations are clamped.
    x, kernel, styles = tf.fill([1, 4, 4, 512], 256.0), tf.ones([3, 3, 512, 2]), tf.ones([1, 512])
    y = modulated_convolution(tf.cast(x, "float16"), kernel, styles)
    np.testing.assert_allclose(y[0, 1, 1], 256.0 * np.sqrt(9 * 512) * np.ones(2), rtol=0.01)


@pytest.mark.parametrize("size", [1, 3])
def test_float16_has_the_gradients_of_float32(size):
    def gradients(dtype):
        x, kernel, styles = arguments(size, "float32")
        weights = tf.constant(np.random.default_rng(1).normal(size=(3, 4, 6, 7)), "float32")
        with tf.GradientTape() as tape:
            tape.watch([kernel, styles])
            y = modulated_convolution(tf.cast(x, dtype), kernel, styles)
            value = tf.reduce_sum(tf.cast(y, "float32") * weights)
        return tape.gradient(value, [kernel, styles])

    for got, want in zip(gradients("float16"), gradients("float32"), strict=True):
        np.testing.assert_allclose(got, want, atol=0.01 * np.max(np.abs(want)))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_styles_and_kernels_of_zeros_give_zeros(dtype):
    x, kernel, styles = arguments(3, "float32")
    for arrays in ((kernel, 0 * styles), (0 * kernel, styles)):
        np.testing.assert_array_equal(modulated_convolution(tf.cast(x, dtype), *arrays), np.zeros((3, 4, 6, 7)))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_works_with_an_unknown_batch(case):
    size, options = CASES[case]
    x, kernel, styles = arguments(size, "float32")

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 6, 5]), tf.TensorSpec([None, 5])], autograph=False)
    def compute(x, styles):
        y = modulated_convolution(x, kernel, styles, **options)
        assert None not in y.shape[1:]
        return y

    want = modulated_convolution(x, kernel, styles, **options)
    np.testing.assert_allclose(compute(x, styles), want, atol=1e-5)
    np.testing.assert_allclose(compute(x[:2], styles[:2]), want[:2], atol=1e-5)
