"""Figures show what direct synthesis gives, in the places where their captions say so."""

from types import SimpleNamespace

import numpy as np
import pytest

from stylegan_tf.networks import StyleGAN2SynthesisNetwork, SynthesisNetwork
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.sampling import figures
from stylegan_tf.sampling.latents import loop_through
from stylegan_tf.sampling.sampler import Sampler
from stylegan_tf.sampling.sheet import readable_scale, sheet

SCALE = 2
GAP = 4


@pytest.fixture(scope="module")
def sampler(generator):
    return Sampler(GeneratorAtLevel(generator))


def cells_of(picture, rows, columns, size=16):
    """The images of a sheet at SCALE without captions below: they end at its lower right corner."""
    side = size * SCALE
    height, width = picture.shape[:2]
    cells = np.empty((rows, columns, size, size, picture.shape[2]), np.uint8)
    for row in range(rows):
        for column in range(columns):
            y, x = height - (rows - row) * (side + GAP) + GAP, width - (columns - column) * (side + GAP) + GAP
            cells[row, column] = picture[y : y + side : SCALE, x : x + side : SCALE]
    return cells


@pytest.mark.slow
def test_style_mixing_cells_equal_direct_synthesis(sampler):
    top, left = sampler.ws([1, 2, 3], 0.7), sampler.ws([4, 5], 0.7)
    layers = {"coarse": range(0, 2), "fine": range(2, 6)}
    picture = figures.style_mixing(sampler, top, left, ["1", "2", "3"], ["4", "5"], layers, scale=SCALE)
    cells = cells_of(picture, 5, 4)
    np.testing.assert_array_equal(cells[0, 1:], sampler.synthesize(top))
    np.testing.assert_array_equal(cells[1:, 0], np.tile(sampler.synthesize(left), (2, 1, 1, 1)))
    for row, (chosen, source) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)], start=1):
        for column in range(3):
            ws = left[source : source + 1].copy()
            if chosen == 0:
                ws[:, :2] = top[column, :2]
            else:
                ws[:, 2:] = top[column, 2:]
            np.testing.assert_array_equal(cells[row, column + 1], sampler.synthesize(ws)[0])
    assert (cells[1, 1] != cells[3, 1]).any()


@pytest.mark.slow
def test_style_mixing_with_the_rows_noise(sampler):
    top, left = sampler.ws([1, 2]), sampler.ws([4, 5])
    picture = figures.style_mixing(sampler, top, left, ["", ""], ["", ""], {"all": range(6)}, noise=[4, 5], scale=SCALE)
    np.testing.assert_array_equal(cells_of(picture, 3, 3)[2, 1], sampler.synthesize(top[:1], [5])[0])


@pytest.mark.parametrize(
    ("num_levels", "want"),
    [
        (9, {"coarse": range(0, 4), "middle": range(4, 8), "fine": range(8, 18)}),  # as published at 1024x1024
        (4, {"coarse": range(0, 2), "middle": range(2, 4), "fine": range(4, 8)}),
        (2, {"coarse": range(0, 2), "fine": range(2, 4)}),
        (1, {"coarse": range(0, 2)}),
    ],
)
def test_style_layers(num_levels, want):
    assert figures.style_layers(num_levels) == want


@pytest.mark.slow
def test_truncation_columns(sampler):
    ws = sampler.ws([1, 2])
    picture = figures.truncation(sampler, ws, ["a", "b"], [1.0, 0.5, 0.0, -0.5], scale=SCALE)
    cells = cells_of(picture, 2, 4)
    for column, psi in enumerate((1.0, 0.5, 0.0, -0.5)):
        np.testing.assert_array_equal(cells[:, column], sampler.images([1, 2], psi))
    np.testing.assert_array_equal(cells[0, 2], cells[1, 2])
    assert {0.9, 0.5} < set(figures.PSIS)


@pytest.mark.slow
def test_noise_columns(sampler):
    ws = sampler.ws([1, 2])
    cells = cells_of(figures.noise(sampler, ws, ["a", "b"], 3, 20, SCALE), 2, 5)
    np.testing.assert_array_equal(cells[:, 0], sampler.synthesize(ws, "none"))
    np.testing.assert_array_equal(cells[1, 1:4], sampler.synthesize(ws[[1, 1, 1]], [0, 1, 2]))
    assert cells[:, 4].max() == 255
    np.testing.assert_array_equal(cells[:, 4, ..., 0], cells[:, 4, ..., 2])


def test_noise_stddev_is_that_of_the_images(sampler):
    w = sampler.ws([1])
    images = sampler.synthesize(np.repeat(w, 40, axis=0), range(40)).astype(np.float64)
    np.testing.assert_allclose(figures.noise_stddev(sampler, w[0], 40), images.std(axis=0).mean(axis=-1), atol=1e-9)


def test_without_noise_nothing_varies(sampler, generator):
    strengths = [layer.noise.strength for layer in generator.synthesis.styled_layers]
    old = [strength.numpy() for strength in strengths]
    for strength in strengths:
        strength.assign(0 * strength)
    try:
        ws = sampler.ws([1])
        assert figures.noise_stddev(sampler, ws[0], 20).max() == 0.0
        assert not cells_of(figures.noise(sampler, ws, ["a"], 2, 20, SCALE), 1, 4)[0, 3].any()
    finally:
        for strength, value in zip(strengths, old, strict=True):
            strength.assign(value)


@pytest.mark.parametrize("noise", ["fixed", [7]])
def test_interpolation_meets_its_seeds(sampler, noise):
    ws = sampler.ws([1, 2, 3])
    frames = figures.interpolation(sampler, loop_through(ws, 5), noise, 1)
    assert frames.shape == (15, 16, 16, 3)
    np.testing.assert_array_equal(frames[::5], sampler.synthesize(ws, noise if noise == "fixed" else [7, 7, 7]))
    assert all((frames[index] != frames[index - 1]).any() for index in range(15))
    assert figures.interpolation(sampler, ws).shape == (3, 256, 256, 3)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_grid_shows_every_image_and_caption(channels):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (5, 32, 32, channels), dtype=np.uint8)
    plain = figures.grid(images, columns=3)
    assert plain.shape == (2 * 96 + GAP, 3 * 96 + 2 * GAP, channels)
    np.testing.assert_array_equal(plain[100::3, 100:196:3][:32, :32], images[4])
    assert (plain[100:, 200:] == 255).all()  # no sixth image
    captioned = figures.grid(images, [f"seed {n}" for n in range(5)], 3)
    below = captioned[97:112]
    assert captioned.shape[0] > plain.shape[0]
    assert all((below[:, x : x + 96] < 128).any() for x in (0, 100, 200))
    assert figures.grid(images[:2], columns=8).shape[1] == 2 * 96 + GAP


def test_a_sheet_has_room_for_its_captions():
    cells = np.zeros((2, 2, 96, 96, 3), np.uint8)
    short = sheet(cells, ["a", "b"], ["c", "d"])
    wide = sheet(cells, ["a long caption", "b"], ["two\nlines", "d"])
    assert wide.shape[1] > short.shape[1] + 40
    assert wide.shape[0] > short.shape[0] + 10
    margin = sheet(cells, column_captions=["far too long for a cell of this width"] * 2)[: -2 * 96 - GAP]
    assert (margin < 128).any()
    assert (margin[:, 97:99] == 255).all()  # shortened: nothing runs into the next column


@pytest.mark.parametrize(
    ("size", "factor"), [((32, 32), 3), ((28, 28), 4), ((64, 96), 2), ((96, 96), 1), ((512, 512), 1)]
)
def test_small_images_are_enlarged(size, factor):
    assert readable_scale(size) == factor


def test_layers_are_described_by_their_resolutions():
    def described(layers, synthesis):
        generator = SimpleNamespace(size_of_w=lambda index: synthesis.size(synthesis.level_of_w(index)))
        return figures.describe_layers(layers, generator)

    square, wide = SynthesisNetwork(num_levels=2), SynthesisNetwork(num_levels=2, base_size=(4, 6))
    assert described(range(0, 4), square) == "4x4-8x8"
    assert described(range(2, 4), wide) == "8x12"
    # StyleGAN2 has one layer at its first level, and the last w only colours the image.
    stylegan2 = StyleGAN2SynthesisNetwork(num_levels=3)
    assert described(range(0, 1), stylegan2) == "4x4"
    assert described(range(1, 3), stylegan2) == "8x8"
    assert described(range(0, 6), stylegan2) == "4x4-16x16"
