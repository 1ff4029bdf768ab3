"""Filtered resampling against the published numbers and against loops over pixels in float64."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.ops.upfirdn import downsample_fir, filter_image, make_filter, upfirdn, upsample_fir

FILTERS = {
    "none": None,
    "binomial": make_filter([1, 3, 3, 1]),
    "odd": make_filter([1, 2, 4], normalize=False),
    "asymmetric": make_filter([[1, 2, 0], [3, 5, 1], [0, 1, 2], [4, 0, 7]]),
    "separable": make_filter([1, 2, 3, 4, 5], separable=True),
}


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 4, 6, 3))


@pytest.fixture
def published(reference):
    return reference("stylegan2_ops")


@pytest.fixture
def published_filters(published):
    def make(taps, options):
        options = {{"flip_filter": "flip"}.get(name, name): value for name, value in options.items()}
        return make_filter(taps, **options)

    return {name: make(*arguments) for name, arguments in published.config["filters"].items()}


def naive_upfirdn(x, taps, up=(1, 1), down=(1, 1), padding=((0, 0), (0, 0)), flip=False, gain=1.0) -> np.ndarray:
    """Padding must not be negative."""
    taps = np.ones((1, 1)) if taps is None else np.asarray(taps, np.float64)
    taps = np.outer(taps, taps) if taps.ndim == 1 else taps
    kernel = taps if flip else taps[::-1, ::-1]
    spread = np.zeros((x.shape[0], x.shape[1] * up[0], x.shape[2] * up[1], x.shape[3]))
    spread[:, :: up[0], :: up[1]] = x
    spread = np.pad(spread, [(0, 0), *padding, (0, 0)])
    height = (spread.shape[1] - kernel.shape[0]) // down[0] + 1
    width = (spread.shape[2] - kernel.shape[1]) // down[1] + 1
    y = np.zeros((x.shape[0], height, width, x.shape[3]))
    for row in range(height):
        for column in range(width):
            top, left = row * down[0], column * down[1]
            window = spread[:, top : top + kernel.shape[0], left : left + kernel.shape[1]]
            y[:, row, column] = np.einsum("nijc,ij->nc", window, kernel)
    return y * gain


def size_of(taps: np.ndarray | None) -> np.ndarray:
    return np.array([1, 1] if taps is None else [taps.shape[0], taps.shape[-1]])


def naive_upsample(x: np.ndarray, taps: np.ndarray | None, factor: int) -> np.ndarray:
    # More zeros than needed at the ends, then as many pixels as wanted.
    padding = [((k + factor - 1) // 2, k) for k in size_of(taps)]
    y = naive_upfirdn(x, taps, (factor, factor), padding=padding, gain=factor**2)
    return y[:, : x.shape[1] * factor, : x.shape[2] * factor]


def naive_downsample(x: np.ndarray, taps: np.ndarray | None, factor: int) -> np.ndarray:
    # As many zeros as there may be, then every factor-th pixel from where the filter would begin.
    margin = size_of(taps) + factor
    y = naive_upfirdn(x, taps, padding=[(m, m) for m in margin])
    first = margin - (size_of(taps) - factor + 1) // 2
    rows, columns = (np.arange(n // factor) * factor + start for n, start in zip(x.shape[1:3], first, strict=True))
    return y[:, rows][:, :, columns]


def test_published_filters(published, published_filters, relative_error):
    wanted = {name.split("/")[1]: taps for name, taps in published.outputs.items() if name.startswith("setup_filter/")}
    assert set(wanted) == set(published_filters)
    for name, taps in wanted.items():
        assert published_filters[name].dtype == np.float32
        assert relative_error(published_filters[name], taps) < 1e-6, name


def test_published_resampling(published, published_filters, relative_error, channels_last):
    # Published lists are (x, y) and (left, right, top, bottom).
    def height_first(pair):
        return pair if isinstance(pair, int) else (pair[1], pair[0])

    def sides(padding):
        if isinstance(padding, int):
            return padding
        left, right, top, bottom = padding if len(padding) == 4 else np.repeat(padding, 2).tolist()
        return (top, bottom), (left, right)

    def compute(x, f, fn="upfirdn", up=1, down=1, padding=0, flip_filter=False, gain=1.0):
        taps = published_filters[f]
        if fn == "upsample2d":
            return upsample_fir(x, taps, 2 if up == 1 else up)
        if fn == "downsample2d":
            return downsample_fir(x, taps)
        if fn == "filter2d":
            return gain * filter_image(tf.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)]), taps)
        return upfirdn(
            x, taps, up=height_first(up), down=height_first(down), padding=sides(padding), flip=flip_filter, gain=gain
        )

    x = tf.constant(channels_last(published.inputs["x"]))
    cases = published.config["upfirdn"]
    assert {f"upfirdn/{case}" for case in cases} == {name for name in published.outputs if name.startswith("upfirdn/")}
    for case, options in cases.items():
        assert relative_error(compute(x, **options), channels_last(published.outputs[f"upfirdn/{case}"])) < 1e-5, case


@pytest.mark.parametrize("taps", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize(
    ("up", "down", "padding", "flip", "gain"),
    [
        (1, 1, 2, False, 1.0),
        (1, 1, 2, True, -3.0),
        (2, 1, ((2, 1), (3, 4)), False, 4.0),
        (1, 2, ((5, 0), (2, 3)), False, 1.0),
        ((3, 1), (1, 2), 2, True, 0.5),
        (2, 3, ((1, 2), (0, 4)), False, 1.0),
    ],
)
def test_upfirdn_is_the_loop_over_pixels(taps, up, down, padding, flip, gain, x):
    pairs = [(n, n) if isinstance(n, int) else n for n in (up, down)]
    sides = ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding
    want = naive_upfirdn(x, taps, *pairs, sides, flip, gain)
    got = upfirdn(tf.constant(x), taps, up=up, down=down, padding=padding, flip=flip, gain=gain)
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_negative_padding_crops(x):
    got = upfirdn(tf.constant(x), None, up=2, padding=((-1, 3), (0, -2)))
    want = np.pad(naive_upfirdn(x, None, (2, 2))[:, 1:, :-2], [(0, 0), (0, 3), (0, 0), (0, 0)])
    np.testing.assert_array_equal(got, want)


RESAMPLING = {
    "up": (upsample_fir, naive_upsample, 2),
    "up3": (upsample_fir, naive_upsample, 3),
    "up1": (upsample_fir, naive_upsample, 1),
    "down": (downsample_fir, naive_downsample, 2),
    "down3": (downsample_fir, naive_downsample, 3),
    "filter": (lambda x, taps, factor: filter_image(x, taps), naive_downsample, 1),
}


@pytest.mark.parametrize("case", RESAMPLING)
@pytest.mark.parametrize("taps", FILTERS.values(), ids=FILTERS)
def test_resampling_is_the_loop_over_pixels(taps, case):
    function, naive, factor = RESAMPLING[case]
    x = np.random.default_rng(0).normal(size=(2, 6, 9 if factor == 3 else 4, 3))
    np.testing.assert_allclose(function(tf.constant(x), taps, factor), naive(x, taps, factor), atol=1e-6)


@pytest.mark.parametrize("case", RESAMPLING)
@pytest.mark.parametrize("taps", FILTERS.values(), ids=FILTERS)
def test_second_order_gradient_is_exact(taps, case):
    # For a linear f and F(x) = sum(f(x)^3) / 6, the second derivative along u and v is sum(f(x) f(u) f(v)).
    function, naive, factor = RESAMPLING[case]
    x, u, v = np.random.default_rng(0).normal(size=(3, 2, 6, 6, 3))
    image = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(image)
        with tf.GradientTape() as inner:
            inner.watch(image)
            value = tf.reduce_sum(function(image, taps, factor) ** 3) / 6
        along_u = tf.reduce_sum(inner.gradient(value, image) * u)
    second = tf.reduce_sum(outer.gradient(along_u, image) * v)
    want = np.sum(naive(x, taps, factor) * naive(u, taps, factor) * naive(v, taps, factor))
    np.testing.assert_allclose(second, want, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("case", RESAMPLING)
def test_keeps_the_type(case, dtype):
    function, naive, factor = RESAMPLING[case]
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3))
    y = function(tf.cast(x, dtype), FILTERS["binomial"], factor)
    assert y.dtype == dtype
    np.testing.assert_allclose(tf.cast(y, "float64"), naive(x, FILTERS["binomial"], factor), atol=0.03)


@pytest.mark.parametrize("taps", [FILTERS["binomial"], FILTERS["separable"]], ids=["binomial", "separable"])
def test_works_with_an_unknown_batch(taps, x):
    @tf.function(input_signature=[tf.TensorSpec([None, 4, 6, 3], tf.float64)], autograph=False)
    def there_and_back(images):
        large = upsample_fir(images, taps)
        assert large.shape == (None, 8, 12, 3)
        return downsample_fir(filter_image(large, taps), taps)

    for images in (x, x[:1]):
        want = naive_downsample(naive_downsample(naive_upsample(images, taps, 2), taps, 1), taps, 2)
        np.testing.assert_allclose(there_and_back(images), want, atol=1e-6)


def test_works_with_symbolic_tensors(x):
    inputs = keras.Input((4, 6, 3))
    model = keras.Model(inputs, downsample_fir(upsample_fir(inputs, FILTERS["binomial"]), FILTERS["binomial"]))
    want = naive_downsample(naive_upsample(x, FILTERS["binomial"], 2), FILTERS["binomial"], 2)
    np.testing.assert_allclose(model(x.astype("float32")), want, atol=1e-5)


@pytest.mark.parametrize("length", [2, 3, 4, 6, 8])
def test_upsampling_keeps_the_place_and_the_sum_of_a_point(length):
    # The centre of pixel i lies at 2 i + 0.5 of the enlarged image; odd filters cannot hit it.
    x = np.zeros((1, 9, 9, 1), np.float32)
    x[0, 4, 3] = 1.0
    y = np.asarray(upsample_fir(tf.constant(x), make_filter(np.ones(length))))[0, :, :, 0]
    offset = 0.5 if length % 2 == 0 else 1.0
    np.testing.assert_allclose(y.sum(), 4.0, rtol=1e-6)
    np.testing.assert_allclose(np.sum(y * np.arange(18)[:, None]) / 4, 8 + offset, rtol=1e-6)
    np.testing.assert_allclose(np.sum(y * np.arange(18)[None, :]) / 4, 6 + offset, rtol=1e-6)


def test_binomial_resampling_keeps_a_constant_and_a_ramp():
    ramp = np.arange(12, dtype=np.float32)[None, :, None, None] * np.ones((1, 1, 12, 1), np.float32)
    inside = slice(3, -3)
    taps = FILTERS["binomial"]
    up, down = upsample_fir(tf.constant(ramp), taps), downsample_fir(tf.constant(ramp), taps)
    np.testing.assert_allclose(up[0, inside, inside, 0], ((np.arange(24) - 0.5) / 2)[inside, None].repeat(18, 1))
    np.testing.assert_allclose(down[0, 1:-1, 1:-1, 0], (np.arange(6) * 2 + 0.5)[1:-1, None].repeat(4, 1))
    np.testing.assert_allclose(upsample_fir(tf.ones([1, 8, 8, 2]), taps)[:, 1:-1, 1:-1], np.ones((1, 14, 14, 2)))


@pytest.mark.parametrize(
    ("taps", "options", "message"),
    [
        (np.ones((2, 2, 2)), {}, r"one or two axes.*Received: shape \(2, 2, 2\)"),
        ([], {}, r"one number at least.*Received: shape \(0,\)"),
        ([[1, 2]], {"separable": True}, r"one axis.*Received: shape \(1, 2\)"),
        ([1, -1], {}, "sum to zero.*Received"),
    ],
)
def test_make_filter_says_what_is_wrong(taps, options, message):
    with pytest.raises(ValueError, match=message):
        make_filter(taps, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"up": 0}, "up must be a positive number.*Received: up=0"),
        ({"down": (2, -1)}, r"down must be a positive number.*Received: down=\(2, -1\)"),
        ({"padding": ((-2, 0), (0, 0))}, r"large as the filter.*Received: 2 x 6 pixels.*\(4, 4\)"),
    ],
)
def test_upfirdn_says_what_is_wrong(options, message, x):
    with pytest.raises(ValueError, match=message):
        upfirdn(tf.constant(x), FILTERS["binomial"], **options)
