"""What is drawn for a seed depends on that seed alone; paths between latents."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.sampling import latents

LARGE = 2**40 + 3
FIRST_RELEASE = [[0.1266503, -0.4930166, 0.6311907], [-0.1531741, 0.4315988, -0.2972617]]  # seeds 1 and LARGE


def test_latents_belong_to_their_seeds():
    seeds = [5, 0, LARGE, 7]
    together = latents.latents_from_seeds(seeds, 16).numpy()
    assert together.shape == (4, 16)
    assert together.dtype == np.float32
    for seed, row in zip(seeds, together, strict=True):
        np.testing.assert_array_equal(latents.latents_from_seeds([seed], 16)[0], row)
    np.testing.assert_array_equal(latents.latents_from_seeds(seeds[::-1], 16), together[::-1])


def test_latents_of_a_seed_never_change():
    """Numbers of the first release: images that people have named by their seed must stay."""
    got = latents.latents_from_seeds([1, LARGE], 3).numpy()
    np.testing.assert_allclose(got, FIRST_RELEASE, atol=1e-6)


def test_latents_as_numpy_draws_them():
    """The first numbers of the seeds 0 and 1, which many a tutorial shows."""
    got = latents.latents_from_numpy_seeds([0, 1], 3)
    np.testing.assert_allclose(
        got, [[1.76405235, 0.40015721, 0.97873798], [1.62434536, -0.61175641, -0.52817175]], rtol=1e-7
    )
    assert got.dtype == np.float32
    assert latents.latents_from_numpy_seeds([2**32 - 1], 16).shape == (1, 16)
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=f"between 0 and 4294967295. Received: {seed}"):
            latents.latents_from_numpy_seeds([1, seed], 3)


def test_latents_are_normal_and_independent():
    z = latents.latents_from_seeds(range(2000), 32).numpy()
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02
    assert np.abs(np.corrcoef(z.T) - np.eye(32)).max() < 0.12
    assert np.abs(np.corrcoef(z[:50]) - np.eye(50)).max() < 0.9


def test_all_bits_of_a_seed_count():
    z = latents.latents_from_seeds([1, 1 + 2**32, 1 + 2**62, -1], 8).numpy()
    assert len({tuple(row) for row in z}) == 4


def test_latents_work_in_a_graph_with_any_batch():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False)
    def draw(seed):
        return latents.latents_from_seeds(seed, 6)

    for seeds in ([3], [9, 3]):
        np.testing.assert_array_equal(draw(tf.constant(seeds, tf.int64)), latents.latents_from_seeds(seeds, 6))


@pytest.mark.slow
def test_noise_belongs_to_its_seed_and_layer(generator):
    noise = latents.noise_from_seeds([4, LARGE], generator.synthesis.noise_sizes(2))
    assert [tuple(layer.shape) for layer in noise] == [(2, size, size, 1) for size in (4, 4, 8, 8, 16, 16)]
    for layer, alone in zip(noise, latents.noise_from_seeds([LARGE], generator.synthesis.noise_sizes(2)), strict=True):
        np.testing.assert_array_equal(layer[1:], alone)
    lower = latents.noise_from_seeds([4, LARGE], generator.synthesis.noise_sizes(1))
    np.testing.assert_array_equal(lower[3], noise[3])
    assert np.abs(noise[4] - noise[5]).max() > 0.1
    z = latents.latents_from_seeds([4], 16).numpy().ravel()
    assert np.abs(z - noise[0][0].numpy().ravel()).max() > 0.1  # not the latents over again


def test_classes_belong_to_their_seeds_and_are_all_drawn():
    classes = latents.classes_from_seeds(range(300), 3).numpy()
    assert np.bincount(classes, minlength=3).min() > 70
    np.testing.assert_array_equal(latents.classes_from_seeds([17, 5], 3), classes[[17, 5]])


def test_one_hot_labels():
    np.testing.assert_array_equal(latents.one_hot_labels([2, 0], 3), [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(ValueError, match=r"from 0 to 2. Received: \[3\]"):
        latents.one_hot_labels([3], 3)
    with pytest.raises(ValueError, match="from 0 to 2"):
        latents.one_hot_labels([-1], 3)


def test_lerp():
    np.testing.assert_allclose(latents.lerp(np.zeros(2), np.array([2.0, 4.0]), 0.25), [0.5, 1.0])


def test_slerp_follows_the_circle():
    start, end = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    for t in (0.0, 0.25, 0.5, 1.0):
        want = [np.cos(t * np.pi / 2), np.sin(t * np.pi / 2)]
        np.testing.assert_allclose(latents.slerp(start, end, t), want, atol=1e-6)
    np.testing.assert_allclose(latents.slerp(start, start, 0.3), start, atol=1e-6)  # parallel
    np.testing.assert_allclose(latents.slerp(start, 3 * start, 0.5), 2 * start, atol=1e-6)


def test_slerp_keeps_the_length_of_latents():
    z = latents.latents_from_seeds([1, 2], 512).numpy()
    middle = np.linalg.norm(latents.slerp(z[:1], z[1:], 0.5))
    assert abs(middle / np.linalg.norm(z[0]) - 1) < 0.1
    assert np.linalg.norm(latents.lerp(z[:1], z[1:], 0.5)) < 0.8 * middle


@pytest.mark.parametrize("blend", [latents.lerp, latents.slerp])
def test_a_loop_goes_through_its_points_and_closes(blend):
    points = latents.latents_from_seeds([1, 2, 3], 8).numpy()
    path = latents.loop_through(points, 4, blend)
    assert path.shape == (12, 8)
    np.testing.assert_array_equal(path[::4], points)
    np.testing.assert_allclose(path[10], blend(points[2], points[0], 0.5), rtol=1e-5)
    steps = np.linalg.norm(np.diff(path[:5], axis=0), axis=1)
    assert steps[0] < steps[1]  # slow where it leaves a point
