"""`ModulatedConv2D`, `ModulatedLayer` and `ModulatedToRGB`, beside the form of the paper that scales weights."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.layers import ModulatedConv2D, ModulatedLayer, ModulatedToRGB

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 4, 6, 3)).astype(np.float32)
W = RNG.normal(size=(2, 5)).astype(np.float32)


def built(layer):
    layer.build((None, 4, 6, 3), (None, 5))
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(weight + 0.5 * rng.normal(size=weight.shape))
    return layer


def naive_convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """One image [H, W, C], zeros outside."""
    margin = kernel.shape[0] // 2
    padded = np.pad(x, [(margin, margin), (margin, margin), (0, 0)])
    return sum(
        padded[i : i + x.shape[0], j : j + x.shape[1]] @ kernel[i, j]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    )


def naive_up(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Every pixel spreads the kernel over the doubled image, which [1, 3, 3, 1] times four then smooths."""
    height, width, _ = x.shape
    spread = np.zeros((2 * height + 1, 2 * width + 1, kernel.shape[3]))
    for y in range(height):
        for z in range(width):
            spread[2 * y : 2 * y + 3, 2 * z : 2 * z + 3] += np.einsum("c,ijcd->ijd", x[y, z], kernel)
    padded = np.pad(spread, [(1, 1), (1, 1), (0, 0)])
    weights = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16
    return sum(weights[i, j] * padded[i : i + 2 * height, j : j + 2 * width] for i in range(4) for j in range(4))


def naive(conv: ModulatedConv2D, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Equations 1 and 3: the weights themselves are scaled and normalised, for each image."""
    kernel = conv.kernel.numpy().astype(np.float64)
    styles = w @ conv.affine.kernel.numpy().astype(np.float64) / np.sqrt(w.shape[1]) + conv.affine.bias.numpy()
    images = []
    for image, style in zip(x.astype(np.float64), styles, strict=True):
        scaled = kernel * style[None, None, :, None]
        if conv.demodulate:
            scaled = scaled / np.sqrt(np.sum(scaled**2, axis=(0, 1, 2)) + 1e-8)
        else:
            scaled = scaled / np.sqrt(np.prod(kernel.shape[:3]))
        images.append(naive_up(image, scaled) if conv.resample == "up" else naive_convolve(image, scaled))
    return np.stack(images)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize(("resample", "kernel_size"), [(None, 3), (None, 1), ("up", 3)])
def test_convolution_scales_its_weights_as_the_style_says(resample, kernel_size, demodulate):
    conv = built(ModulatedConv2D(7, kernel_size, resample=resample, demodulate=demodulate))
    np.testing.assert_allclose(conv(X, W), naive(conv, X, W), rtol=1e-4, atol=1e-5)


def test_demodulation_brings_every_channel_to_the_deviation_of_the_input():
    conv = ModulatedConv2D(50)
    x = np.random.default_rng(0).normal(size=(4, 32, 32, 40)).astype(np.float32)
    w = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    conv(x, w)
    conv.kernel.assign(100.0 * conv.kernel)
    deviations = np.std(conv(x, w), axis=(1, 2))
    assert np.all(np.abs(deviations - 1.0) < 0.15)


def test_starts_with_a_style_of_one_for_an_average_w():
    conv = ModulatedConv2D(300)
    conv.build((None, 4, 6, 40), (None, 5))
    np.testing.assert_array_equal(conv.affine(np.zeros((2, 5))), np.ones((2, 40)))
    assert abs(conv.kernel.numpy().std() - 1.0) < 0.01
    assert abs(conv.affine.kernel.numpy().std() - 1.0) < 0.2


@pytest.mark.parametrize("noise", ["fixed", "none", "tensor"])
@pytest.mark.parametrize("clamp", [None, 1.0])
def test_order_of_the_parts_of_a_layer(noise, clamp):
    layer = built(ModulatedLayer(7, activation_gain=1.6, clamp=clamp))
    given = np.random.default_rng(3).normal(size=(2, 4, 6, 1)).astype(np.float32)
    image = {"fixed": layer.noise.fixed_noise.numpy(), "none": 0.0, "tensor": given}[noise]
    want = naive(layer.conv, X, W) + image * float(layer.noise.strength) + layer.bias.numpy()
    want = 1.6 * np.where(want > 0, want, 0.2 * want)
    want = want if clamp is None else np.clip(want, -clamp, clamp)
    np.testing.assert_allclose(layer(X, W, noise=given if noise == "tensor" else noise), want, rtol=1e-4, atol=1e-5)


def test_up_and_no_noise():
    layer = built(ModulatedLayer(7, resample="up", noise=False))
    want = naive(layer.conv, X, W) + layer.bias.numpy()
    want = np.sqrt(2) * np.where(want > 0, want, 0.2 * want)
    np.testing.assert_allclose(layer(X, W), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer(X, W, noise="fixed"), layer(X, W, noise="none"))
    assert len(layer.weights) == 4
    assert ModulatedLayer(7, resample="up").noise is not None


def test_noise_has_the_size_of_the_output():
    layer = built(ModulatedLayer(7, resample="up"))
    assert layer.noise.fixed_noise.shape == (1, 8, 12, 1)


@pytest.mark.parametrize("clamp", [None, 0.5])
def test_to_rgb_is_linear_and_not_demodulated(clamp):
    layer = built(ModulatedToRGB(3, clamp=clamp))
    want = naive(layer, X, W) + layer.bias.numpy()
    assert not layer.demodulate
    want = want if clamp is None else np.clip(want, -clamp, clamp)
    np.testing.assert_allclose(layer(X, W), want, rtol=1e-4, atol=1e-5)


def test_the_filter_is_an_option():
    # With [1] alone every other pixel is the spread kernel as it is.
    sharp, smooth = ModulatedConv2D(7, resample="up", resample_filter=(1, 1)), ModulatedConv2D(7, resample="up")
    built(sharp)
    built(smooth)
    assert np.max(np.abs(sharp(X, W) - smooth(X, W))) > 0.1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_keeps_the_style_in_float32(policy):
    # Latents that differ by less than eight bits of mantissa make different images.
    layer = built(ModulatedConv2D(7, dtype=policy))
    w = np.full((1, 5), 1.0, np.float32)
    np.testing.assert_array_equal(layer.affine(w).dtype, "float32")
    assert np.max(np.abs(layer.affine(w + 1e-4) - layer.affine(w))) > 1e-5
    assert layer(X, W).dtype == policy.removeprefix("mixed_")


def test_large_styles_do_not_overflow_in_float16():
    full, half = built(ModulatedConv2D(7)), built(ModulatedConv2D(7, dtype="mixed_float16"))
    half.set_weights(full.get_weights())
    for layer in (full, half):
        layer.kernel.assign(300.0 * layer.kernel)
        layer.affine.kernel.assign(300.0 * layer.affine.kernel)
    np.testing.assert_allclose(tf.cast(half(X, W), "float32"), full(X, W), rtol=0.02, atol=0.02)


def test_other_resampling_is_refused():
    with pytest.raises(ValueError, match="resample must be 'up' or None. Received: resample='down'"):
        ModulatedConv2D(3, resample="down")
