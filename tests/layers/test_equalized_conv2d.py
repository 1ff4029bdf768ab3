from __future__ import annotations

import numpy as np
import pytest

from stylegan_tf.layers import EqualizedConv2D, FromRGB, ToRGB


def naive_convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Cross-correlation with zeros outside the image."""
    margin = kernel.shape[0] // 2
    padded = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    y = np.zeros((*x.shape[:3], kernel.shape[3]))
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            y += padded[:, i : i + x.shape[1], j : j + x.shape[2]] @ kernel[i, j]
    return y


def naive_blur(x: np.ndarray) -> np.ndarray:
    kernel = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])
    return naive_convolve(x, kernel[:, :, None, None] * np.eye(x.shape[3]))


def naive_layer(x: np.ndarray, layer: EqualizedConv2D, gain: float) -> np.ndarray:
    """up: enlarge, convolve, blur, bias. down: blur, convolve, average, bias. Then leaky ReLU."""
    kernel, bias = layer.kernel.numpy().astype(np.float64), layer.bias.numpy().astype(np.float64)
    kernel = kernel * gain / np.sqrt(np.prod(kernel.shape[:3]))
    if layer.resample == "up":
        x = x.repeat(2, axis=1).repeat(2, axis=2)
        x = naive_convolve(x, kernel[::-1, ::-1] if layer.fused else kernel)
        x = naive_blur(x) if layer.blur else x
    elif layer.resample == "down":
        x = naive_convolve(naive_blur(x) if layer.blur else x, kernel)
        x = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
    else:
        x = naive_convolve(x, kernel)
    x = x + bias
    return np.where(x > 0, x, 0.2 * x)


@pytest.mark.parametrize(
    ("resample", "fused", "blur"),
    [(None, False, False)] + [(r, f, b) for r in ("up", "down") for f in (False, True) for b in (False, True)],
)
def test_formula(resample, fused, blur):
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 3))
    layer = EqualizedConv2D(5, resample=resample, fused=fused, blur=blur, activation="leaky_relu", gain=1.7)
    layer.build((None, 4, 6, 3))
    layer.bias.assign(np.linspace(-1, 1, 5))
    np.testing.assert_allclose(layer(x), naive_layer(x, layer, 1.7), rtol=1e-4, atol=1e-5)


def naive_filter(x: np.ndarray, taps: tuple[int, ...], gain: float = 1.0) -> np.ndarray:
    """[1, 3, 3, 1] and the like along both axes of an image that is already padded."""
    weights = np.outer(taps, taps) / np.sum(taps) ** 2 * gain
    size = len(taps)
    height, width = x.shape[1] - size + 1, x.shape[2] - size + 1
    return sum(weights[i, j] * x[:, i : i + height, j : j + width] for i in range(size) for j in range(size))


@pytest.mark.parametrize("kernel_size", [3, 1])
@pytest.mark.parametrize("resample", ["up", "down"])
def test_filtered_resampling(resample, kernel_size):
    """up: zeros between the pixels, [1, 3, 3, 1] times four, mirrored kernel; down: filter, kernel, every other."""
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 3))
    layer = EqualizedConv2D(
        5, kernel_size, resample=resample, resample_filter=(1, 3, 3, 1), activation="leaky_relu", gain=1.7
    )
    layer.build((None, 4, 6, 3))
    layer.bias.assign(np.linspace(-1, 1, 5))
    kernel = layer.kernel.numpy().astype(np.float64) * 1.7 / np.sqrt(3 * kernel_size**2)
    margin = kernel_size // 2
    if resample == "up":
        enlarged = np.zeros((2, 8, 12, 3))
        enlarged[:, ::2, ::2] = x
        before, after = 2 + margin, 1 + margin
        padded = np.pad(enlarged, [(0, 0), (before, after), (before, after), (0, 0)])
        want = naive_convolve(naive_filter(padded, (1, 3, 3, 1), 4.0), kernel[::-1, ::-1])
        want = want[:, margin : want.shape[1] - margin, margin : want.shape[2] - margin]
    else:
        pad = 1 + margin
        padded = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
        want = naive_convolve(naive_filter(padded, (1, 3, 3, 1)), kernel)
        want = want[:, margin : want.shape[1] - margin : 2, margin : want.shape[2] - margin : 2]
    want = want + layer.bias.numpy()
    np.testing.assert_allclose(layer(x), np.where(want > 0, want, 0.2 * want), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"resample": "up", "fused": True}, {"resample": "down", "blur": True}])
def test_a_filter_that_goes_with_nothing_is_refused(options):
    with pytest.raises(ValueError, match="resample_filter goes with resample"):
        EqualizedConv2D(3, resample_filter=(1, 3, 3, 1), **options)


def test_learning_rate_multiplier_scales_weights_and_bias():
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float32)
    plain, slow = EqualizedConv2D(3), EqualizedConv2D(3, learning_rate_multiplier=0.1)
    plain(x)
    slow(x)
    plain.bias.assign([1.0, 2.0, 3.0])
    slow.kernel.assign(plain.kernel * 10.0)
    slow.bias.assign(plain.bias * 10.0)
    np.testing.assert_allclose(slow(x), plain(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("multiplier", [1.0, 0.1])
def test_weights_start_with_the_variance_of_the_multiplier(multiplier):
    layer = EqualizedConv2D(100, learning_rate_multiplier=multiplier)
    layer.build((None, 4, 4, 100))
    assert layer.kernel.shape == (3, 3, 100, 100)
    assert abs(layer.kernel.numpy().std() * multiplier - 1.0) < 0.01
    assert abs(layer.scaled_kernel.numpy().std() / np.sqrt(2.0 / 900) - 1.0) < 0.01
    np.testing.assert_array_equal(layer.bias, np.zeros(100))


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match="resample must be.*Received: resample='sideways'"):
        EqualizedConv2D(3, resample="sideways")
    with pytest.raises(ValueError, match="blur goes with resample"):
        EqualizedConv2D(3, blur=True)


def test_from_rgb_is_a_leaky_1x1_convolution():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 3))
    layer = FromRGB(6)
    layer.build((None, 3, 4, 3))
    layer.bias.assign(np.linspace(-1, 1, 6))
    want = x @ layer.kernel.numpy()[0, 0] * np.sqrt(2 / 3) + layer.bias.numpy()
    np.testing.assert_allclose(layer(x), np.where(want > 0, want, 0.2 * want), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_to_rgb_is_a_linear_1x1_convolution_of_gain_one(channels):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 6))
    layer = ToRGB(channels)
    layer.build((None, 3, 4, 6))
    layer.bias.assign(np.linspace(-1, 1, channels))
    want = x @ layer.kernel.numpy()[0, 0] / np.sqrt(6) + layer.bias.numpy()
    np.testing.assert_allclose(layer(x), want, rtol=1e-4, atol=1e-5)


def test_to_rgb_ignores_a_half_precision_policy():
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 6)).astype(np.float32)
    full, half = ToRGB(3), ToRGB(3, dtype="mixed_bfloat16")
    full(x)
    half(x)
    half.set_weights(full.get_weights())
    np.testing.assert_array_equal(half(x), full(x))
