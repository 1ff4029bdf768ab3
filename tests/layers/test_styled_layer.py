from __future__ import annotations

import numpy as np
import pytest

from stylegan_tf.layers import StyledLayer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 4, 6, 3)).astype(np.float32)
W = RNG.normal(size=(2, 5)).astype(np.float32)


def built(filters: int | None, **options: object) -> StyledLayer:
    layer = StyledLayer(filters, **options)
    layer.build((None, 4, 6, 3), (None, 5))
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(weight + 0.5 * rng.normal(size=weight.shape))
    return layer


def naive(layer: StyledLayer, x: np.ndarray, w: np.ndarray, normalization: str, style: bool) -> np.ndarray:
    """Figure 1b, from the convolution's output on: noise, leaky ReLU, normalisation, style."""
    x = x.astype(np.float64)
    if layer.noise is not None:
        x = x + layer.noise.fixed_noise.numpy() * layer.noise.strength.numpy()
    x = np.where(x > 0, x, 0.2 * x)
    if normalization == "instance":
        x = (x - x.mean(axis=(1, 2), keepdims=True)) / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-8)
    elif normalization == "pixel":
        x = x / np.sqrt(np.mean(x**2, axis=3, keepdims=True) + 1e-8)
    if style:
        y = w @ layer.adain.style.kernel.numpy() / np.sqrt(w.shape[1]) + layer.adain.style.bias.numpy()
        scale, shift = np.split(y[:, None, None, :], 2, axis=3)
        x = x * (scale + 1) + shift
    return x


@pytest.mark.parametrize("normalization", ["instance", "pixel", "none"])
@pytest.mark.parametrize("style", [True, False])
@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("filters", [None, 4])
def test_order_of_its_parts(filters, noise, normalization, style):
    layer = built(filters, noise=noise, normalization=normalization, style=style)
    convolved = X if filters is None else layer.conv(X).numpy()
    want = naive(layer, convolved, W, normalization, style)
    np.testing.assert_allclose(layer(X, W), want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("fused", [False, True])
def test_up_passes_its_options_to_the_convolution(fused):
    layer = built(4, resample="up", fused=fused, blur=True)
    assert (layer.conv.resample, layer.conv.fused, layer.conv.blur) == ("up", fused, True)
    want = naive(layer, layer.conv(X).numpy(), W, "instance", True)
    np.testing.assert_allclose(layer(X, W), want, rtol=1e-3, atol=1e-4)
    assert layer.noise.fixed_noise.shape == (1, 8, 12, 1)


def test_the_noise_argument_reaches_the_noise():
    layer = built(4)
    noise = np.random.default_rng(2).normal(size=(2, 4, 6, 1)).astype(np.float32)
    same = built(4)
    same.set_weights(layer.get_weights())
    same.noise.fixed_noise.assign(noise[:1])
    np.testing.assert_allclose(layer(X, W, noise=noise)[:1], same(X, W)[:1], rtol=1e-4, atol=1e-5)
    assert np.max(np.abs(layer(X, W, noise="none") - layer(X, W))) > 0.01


def test_only_what_is_used_has_weights():
    traditional = built(4, noise=False, normalization="pixel", style=False)
    assert sorted(weight.path.split("/")[-1] for weight in traditional.weights) == ["bias", "kernel"]


def test_unknown_normalisation_is_refused():
    with pytest.raises(ValueError, match="normalization must be one of.*Received: 'batch'"):
        StyledLayer(4, normalization="batch")
