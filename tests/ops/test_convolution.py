"""Convolutions against the published numbers and loops over kernel positions in float64; one form against another."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.ops.convolution import convolve, convolve_down, convolve_resampled, convolve_up
from stylegan_tf.ops.target import Target, tracing_for
from stylegan_tf.ops.upfirdn import downsampling_padding, make_filter, upfirdn, upsampling_padding

FILTERS = {
    "none": None,
    "binomial": make_filter([1, 3, 3, 1]),
    "asymmetric": make_filter([[1, 2, 0], [3, 5, 1], [0, 1, 2], [4, 0, 7]]),
    "separable": make_filter([1, 2, 3, 4, 4, 3, 2, 1]),
}


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 4, 6, 3))


@pytest.fixture
def kernel() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(3, 3, 3, 5))


def naive_convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Cross-correlation with zeros outside the image."""
    margin = kernel.shape[0] // 2
    padded = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    y = np.zeros((*x.shape[:3], kernel.shape[3]))
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            window = padded[:, row : row + kernel.shape[0], column : column + kernel.shape[1]]
            y[:, row, column] = np.einsum("nijc,ijcd->nd", window, kernel)
    return y


def naive_up(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return naive_convolve(x.repeat(2, axis=1).repeat(2, axis=2), kernel)


def naive_down(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    y = naive_convolve(x, kernel)
    return (y[:, ::2, ::2] + y[:, 1::2, ::2] + y[:, ::2, 1::2] + y[:, 1::2, 1::2]) / 4


@pytest.mark.parametrize("size", [1, 3, 5])
def test_convolve(x, size):
    kernel = np.random.default_rng(2).normal(size=(size, size, 3, 4))
    np.testing.assert_allclose(convolve(tf.constant(x), tf.constant(kernel)), naive_convolve(x, kernel), atol=1e-12)


def test_separate_up_convolves_the_enlarged_image(x, kernel):
    np.testing.assert_allclose(
        convolve_up(tf.constant(x), tf.constant(kernel), fused=False), naive_up(x, kernel), atol=1e-12
    )


def test_fused_up_is_the_separate_form_with_the_mirrored_kernel(x, kernel):
    fused = convolve_up(tf.constant(x), tf.constant(kernel), fused=True)
    np.testing.assert_allclose(fused, naive_up(x, kernel[::-1, ::-1]), atol=1e-12)
    assert np.max(np.abs(fused - naive_up(x, kernel))) > 0.1  # so published weights fit one form only


@pytest.mark.parametrize("fused", [False, True])
def test_both_forms_of_down_average_the_convolved_image(x, kernel, fused):
    # Borders included: both see zeros outside the image.
    np.testing.assert_allclose(
        convolve_down(tf.constant(x), tf.constant(kernel), fused=fused), naive_down(x, kernel), atol=1e-12
    )


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    ("function", "naive"), [(convolve_up, naive_up), (convolve_down, naive_down)], ids=["up", "down"]
)
def test_second_order_gradients_are_exact(function, naive, fused, x, kernel):
    if function is convolve_up and fused:
        naive = _with_mirrored_kernel(naive)
    rng = np.random.default_rng(3)
    u, v = rng.normal(size=(2, *x.shape))
    k = rng.normal(size=kernel.shape)
    assert_second_order_is_exact(functools.partial(function, fused=fused), naive, x, u, v, kernel, k)


def assert_second_order_is_exact(function, naive, x, u, v, kernel, k):
    """f is linear in x and in the kernel. With F = sum(f^3) / 6: d2F / dx dx and d2F / dx dk, in closed form."""
    image, weight = tf.constant(x), tf.constant(kernel)
    with tf.GradientTape() as outer:
        outer.watch([image, weight])
        with tf.GradientTape() as inner:
            inner.watch(image)
            value = tf.reduce_sum(function(image, weight) ** 3) / 6
        along_u = tf.reduce_sum(inner.gradient(value, image) * u)
    by_image, by_kernel = outer.gradient(along_u, [image, weight])

    f, f_u, f_v = naive(x, kernel), naive(u, kernel), naive(v, kernel)
    np.testing.assert_allclose(tf.reduce_sum(by_image * v), np.sum(f * f_u * f_v), rtol=1e-9)
    want = np.sum(f * naive(x, k) * f_u + f**2 / 2 * naive(u, k))
    np.testing.assert_allclose(tf.reduce_sum(by_kernel * k), want, rtol=1e-9)


def _with_mirrored_kernel(function):
    return lambda x, kernel: function(x, kernel[::-1, ::-1])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("function", [convolve_up, convolve_down])
def test_keeps_half_precision(function, fused, dtype, x, kernel):
    y = function(tf.cast(x, dtype), tf.cast(kernel, dtype), fused=fused)
    assert y.dtype == dtype
    want = function(tf.constant(x), tf.constant(kernel), fused=fused)
    np.testing.assert_allclose(tf.cast(y, "float64"), want, atol=0.03 * np.max(np.abs(want)))


def naive_resampled(x: np.ndarray, kernel: np.ndarray, taps: np.ndarray | None, up: int, down: int) -> np.ndarray:
    """The definition: zeros inserted and around, the filter, the convolution, the filter, decimation."""
    margin = kernel.shape[0] // 2
    padding = np.full((2, 2), margin)
    padding += np.array(upsampling_padding(taps, up)) if up > 1 else 0
    padding += np.array(downsampling_padding(taps, down)) if down > 1 else 0
    large = upfirdn(tf.constant(x), taps if up > 1 else None, up=up, padding=padding.tolist(), gain=up**2)
    _, height, width, _ = large.shape
    valid = naive_convolve(np.asarray(large), kernel)[:, margin : height - margin, margin : width - margin]
    return np.asarray(upfirdn(tf.constant(valid), taps if down > 1 else None, down=down))


def test_published_resampled_convolutions(reference, relative_error, channels_last):
    published = reference("stylegan2_ops")
    x, cases = tf.constant(channels_last(published.inputs["x"])), published.config["conv"]
    wanted = {name for name in published.outputs if name.startswith("conv2d_resample/")}
    assert {f"conv2d_resample/{case}" for case in cases} == wanted
    taps = {name: make_filter(taps) for name, (taps, options) in published.config["filters"].items() if not options}
    for case, options in cases.items():
        kernel = tf.constant(np.transpose(published.inputs[options["w"]], (2, 3, 1, 0)))
        got = convolve_resampled(
            x,
            kernel,
            taps=taps[options["f"]] if "f" in options else None,
            up=options.get("up", 1),
            down=options.get("down", 1),
            flip_kernel=not options.get("flip_weight", True),
        )
        assert relative_error(got, channels_last(published.outputs[f"conv2d_resample/{case}"])) < 1e-5, case


RESAMPLING = [(1, 1), (2, 1), (1, 2), (2, 2), (3, 1), (1, 3), (4, 2)]


@pytest.mark.parametrize("flip_kernel", [False, True])
@pytest.mark.parametrize(("up", "down"), RESAMPLING)
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("taps", FILTERS.values(), ids=FILTERS)
def test_resampled_convolution_is_its_definition(taps, size, up, down, flip_kernel):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 6, 12, 3)), rng.normal(size=(size, size, 3, 4))
    got = convolve_resampled(tf.constant(x), tf.constant(kernel), taps=taps, up=up, down=down, flip_kernel=flip_kernel)
    assert got.shape == (2, 6 * up // down, 12 * up // down, 4)
    want = naive_resampled(x, kernel[::-1, ::-1] if flip_kernel else kernel, taps, up, down)
    np.testing.assert_allclose(got, want, atol=1e-10)


@pytest.mark.parametrize(("up", "down"), RESAMPLING[:4])
@pytest.mark.parametrize("size", [1, 3])
def test_second_order_gradients_of_resampled_convolution_are_exact(size, up, down):
    rng = np.random.default_rng(3)
    x, u, v = rng.normal(size=(3, 2, 4, 6, 3))
    kernel, k = rng.normal(size=(2, size, size, 3, 5))

    settings = {"taps": FILTERS["binomial"], "up": up, "down": down}
    function, naive = functools.partial(convolve_resampled, **settings), functools.partial(naive_resampled, **settings)
    assert_second_order_is_exact(function, naive, x, u, v, kernel, k)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("up", "down"), RESAMPLING[:4])
@pytest.mark.parametrize("size", [1, 3])
def test_resampled_convolution_keeps_half_precision(size, up, down, dtype):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 4, 6, 3)), rng.normal(size=(size, size, 3, 5))
    y = convolve_resampled(tf.cast(x, dtype), tf.cast(kernel, dtype), taps=FILTERS["binomial"], up=up, down=down)
    assert y.dtype == dtype
    want = naive_resampled(x, kernel, FILTERS["binomial"], up, down)
    np.testing.assert_allclose(tf.cast(y, "float64"), want, atol=0.03 * np.max(np.abs(want)))


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [(2, {}, r"odd size.*Received.*\(2, 2, 3, 3\)"), (3, {"up": 0}, "up=0"), (3, {"down": -1}, "down=-1")],
)
def test_resampled_convolution_says_what_is_wrong(size, options, message, x):
    with pytest.raises(ValueError, match=message):
        convolve_resampled(tf.constant(x), tf.ones([size, size, 3, 3]), **options)


def test_a_cpu_convolves_backwards_too_and_every_gradient_is_the_same():
    rng = np.random.default_rng(0)
    x, kernel, upstream = (
        tf.constant(rng.normal(size=size), tf.float32) for size in ((2, 5, 6, 3), (3, 3, 3, 4), (2, 5, 6, 4))
    )

    def gradients(target):
        """Of first order, and of second order of the square of those."""
        with tracing_for(target), tf.GradientTape() as outer:
            outer.watch([x, kernel, upstream])
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                y = convolve(x, kernel)
            first = tape.gradient(y, [x, kernel], upstream)
            loss = tf.add_n([tf.reduce_sum(tf.square(value)) for value in first])
        return [y, *first, *outer.gradient(loss, [x, kernel, upstream])]

    for ours, plain in zip(gradients(Target.CPU), gradients(Target.TENSORFLOW), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-3)
    graph = tf.function(lambda: gradients(Target.CPU), autograph=False).get_concrete_function().graph
    assert "Conv2DBackpropInput" not in {operation.type for operation in graph.get_operations()}
