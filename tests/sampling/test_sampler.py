"""An image belongs to its seed: not to the batch, its size, or its order."""

import numpy as np
import pytest

from stylegan_tf.images import to_uint8
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.sampling.latents import latents_from_seeds, noise_from_seeds, one_hot_labels
from stylegan_tf.sampling.sampler import Sampler

SEEDS = [3, 1, 2**40, 8, 0, 21, 5]


@pytest.fixture(scope="module")
def sampler(generator):
    return Sampler(GeneratorAtLevel(generator), batch_size=4)


@pytest.fixture(scope="module")
def images(sampler):
    return sampler.images(SEEDS, 0.8, 3, noise=SEEDS)


@pytest.mark.slow
def test_images_are_the_generators(generator, sampler, images):
    """What a user would write by hand."""
    z = latents_from_seeds(SEEDS, generator.z_size)
    noise = noise_from_seeds(SEEDS, generator.synthesis.noise_sizes(2))
    want = to_uint8(generator(z, truncation_psi=0.8, truncation_cutoff=3, noise=noise)).numpy().astype(int)
    assert images.shape == (7, 16, 16, 3)
    assert images.dtype == np.uint8
    assert images.std() > 20
    assert np.abs(want - images).max() <= 1  # batches of another size may round otherwise
    assert np.mean(want != images) < 0.001


@pytest.mark.parametrize("batch_size", [1, 2, 3, 16])
@pytest.mark.slow
def test_the_batch_size_changes_nothing(generator, images, batch_size):
    np.testing.assert_array_equal(
        Sampler(GeneratorAtLevel(generator), batch_size=batch_size).images(SEEDS, 0.8, 3, noise=SEEDS), images
    )


def test_order_and_number_change_nothing(sampler, images):
    order = [6, 2, 4, 0]
    seeds = [SEEDS[index] for index in order]
    np.testing.assert_array_equal(sampler.images(seeds, 0.8, 3, noise=seeds), images[order])
    for index, seed in enumerate(SEEDS):
        np.testing.assert_array_equal(sampler.images([seed], 0.8, 3, noise=[seed])[0], images[index])


def test_every_seed_has_its_own_image(images):
    assert len({image.tobytes() for image in images}) == len(SEEDS)


@pytest.mark.slow
def test_psi_zero_is_the_same_image_for_every_seed(sampler):
    images = sampler.images(SEEDS, 0.0)
    np.testing.assert_array_equal(images, np.broadcast_to(images[:1], images.shape))
    assert len({image.tobytes() for image in sampler.images(SEEDS, 0.0, noise=SEEDS)}) == len(SEEDS)
    assert len({image.tobytes() for image in sampler.images(SEEDS, 0.0, 2)}) == len(SEEDS)


def test_psi_by_image(sampler):
    psis = [1.0, 0.5, 0.0]
    together = sampler.images([1, 1, 1], psis)
    for psi, image in zip(psis, together, strict=True):
        np.testing.assert_array_equal(sampler.images([1], psi)[0], image)


@pytest.mark.slow
def test_noise(sampler):
    fixed, none = sampler.images([1, 2]), sampler.images([1, 2], noise="none")
    seeded = sampler.images([1, 1], noise=[1, 2])
    assert (fixed != none).mean() > 0.1
    assert (seeded[0] != seeded[1]).mean() > 0.1


@pytest.mark.slow
def test_level_and_fade_in(generator):
    ws = Sampler(GeneratorAtLevel(generator)).ws([1, 2])
    for level, size in ((0, 4), (1, 8)):
        assert Sampler(GeneratorAtLevel(generator, level)).synthesize(ws).shape == (2, size, size, 3)
    half = Sampler(GeneratorAtLevel(generator, 2, 0.5)).synthesize(ws).astype(int)
    want = to_uint8(generator.synthesis(ws, level=2, fade_in=0.5)).numpy().astype(int)
    assert np.abs(half - want).max() <= 1
    assert np.abs(half - Sampler(GeneratorAtLevel(generator, 2)).synthesize(ws)).max() > 10


def test_new_weights_are_seen(sampler, generator):
    before = sampler.images([1])
    bias = generator.synthesis.to_rgb[2].bias
    old = bias.numpy()
    bias.assign(old + 0.5)
    try:
        assert (sampler.images([1]) != before).any()
    finally:
        bias.assign(old)
    np.testing.assert_array_equal(sampler.images([1]), before)


@pytest.mark.slow
def test_labels(labelled_generator):
    sampler = Sampler(GeneratorAtLevel(labelled_generator))
    images = sampler.images([4, 4, 4], labels=one_hot_labels([0, 1, 2], 3))
    assert images.shape == (3, 16, 16, 1)
    assert len({image.tobytes() for image in images}) == 3
    with pytest.raises(ValueError, match="one-hot for 3 classes.*Received: None"):
        sampler.images([4])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.images([]), "there must be images"),
        (lambda s: s.images([1], noise="seed"), "'fixed', 'none' or seeds. Received: noise='seed'"),
        (lambda s: s.images([1, 2], noise=[1]), "a seed for each of 2 images"),
        (lambda s: s.images([1], labels=[[1.0]]), "labels must be one-hot for 0 classes"),
        (lambda s: GeneratorAtLevel(s.generator.network, 3), "between 0 and 2. Received: level=3"),
        (lambda s: Sampler(s.generator, batch_size=0), "Received: batch_size=0"),
    ],
)
def test_errors(sampler, call, message):
    with pytest.raises(ValueError, match=message):
        call(sampler)
