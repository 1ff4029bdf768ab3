"""What is said of a training that goes wrong, how often, and that healthy ones are left in peace."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import resolved, schedule_of, tiny_config, tiny_stylegan2

from stylegan_tf.training.advice import Advice, advise, similarity

HEALTHY = {"real_signs": 0.65, "real_scores": 1.4, "fake_scores": -1.2, "gradient_penalty": 0.3}


def found(alike=(0.27, 0.25), config=None, **means):
    return advise({**HEALTHY, **means}, config or resolved(tiny_stylegan2()), alike)


def wgan_gp():
    return resolved(tiny_config(gradient_penalty_target=2.0))


def test_a_healthy_run_is_left_in_peace():
    assert found() == found(None) == {}
    assert found(config=wgan_gp(), real_scores=60.0, fake_scores=40.0) == {}
    nothing = dict.fromkeys(HEALTHY, float("nan"))
    assert found(**nothing) == found(config=wgan_gp(), **nothing) == {}


@pytest.mark.parametrize(
    ("means", "name", "says"),
    [
        ({"real_signs": 0.98}, "overfitting", "sure of 99% of the pictures, .* try --augment=adaptive"),
        ({"alike": (0.44, 0.25)}, "collapse", r"\(MS-SSIM 0.44, pictures 0.25\); try .* a larger --r1_gamma"),
        ({"real_scores": 30.0, "fake_scores": -25.0}, "weak penalty", r"\(30 and -25\); try a larger --r1_gamma"),
        ({"real_scores": 0.02, "fake_scores": -0.01}, "strong penalty", "differ by 0.03.*a smaller --r1_gamma"),
        ({"gradient_penalty": 0.9, "config": wgan_gp()}, "weak penalty", "far from 2; try a larger --gradient_pen"),
    ],
    ids=["overfitting", "collapse", "weak R1", "strong R1", "weak gradient penalty"],
)
def test_what_goes_wrong_has_a_name_and_a_remedy(means, name, says):
    ((found_name, text),) = found(**means).items()
    assert found_name == name
    assert re.search(says, text)


def test_an_augmented_critic_may_be_sure():
    config = resolved(tiny_stylegan2(augment="adaptive"))
    assert found(config=config, real_signs=1.0) == {}


def test_similarity_is_one_of_equal_images_and_small_of_unlike_ones():
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    assert similarity(np.repeat(image, 4, axis=0)) == pytest.approx(1.0)
    assert similarity(random.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)) < 0.1
    large = np.repeat(np.repeat(image, 8, axis=1), 8, axis=2)
    assert similarity(np.repeat(large, 3, axis=0)) == pytest.approx(1.0)
    assert similarity(random.integers(0, 256, (3, 16, 20, 1), dtype=np.uint8)) < 0.2


SMALL_GENERATOR = SimpleNamespace(  # too small to be compared
    synthesis=SimpleNamespace(
        num_levels=2,
        grows=False,
        size=lambda level: (8, 8),
        channels=3,
        active_ws=lambda level: 4,
        has_noise=False,
        has_styles=True,
    ),
    mapping=SimpleNamespace(output_size=8, num_classes=0),
    z_size=8,
)


def test_it_is_said_once_and_once_when_it_is_over(tmp_path):
    config, told = tiny_stylegan2(total_kimg=100.0), []
    course = iter([0.5, 0.99, 0.99, 0.5, 0.5])
    statistics = SimpleNamespace(means=lambda: {**HEALTHY, "real_signs": next(course)})
    writer = tf.summary.create_file_writer(str(tmp_path))
    advice = Advice(resolved(config), statistics, None, writer, told.append)
    loop = SimpleNamespace(state=SimpleNamespace(generator_ema=SMALL_GENERATOR), schedule=schedule_of(config))
    for images in (20_000, 24_000, 28_000, 32_000, 36_000):
        loop.images_seen = images
        advice.run(loop)
    assert [line.split(",")[0] for line in told] == [
        "Advice: the critic is sure of 100% of the pictures",
        "Advice: no more overfitting.",
    ]


@pytest.mark.parametrize(("total_kimg", "images"), [(100.0, 19_992), (200.0, 39_992), (0.096, 96)])
def test_nothing_is_said_at_the_beginning(total_kimg, images):
    config, told = tiny_stylegan2(total_kimg=total_kimg), []
    statistics = SimpleNamespace(means=lambda: {**HEALTHY, "real_signs": 1.0})
    advice = Advice(resolved(config), statistics, None, tf.summary.create_noop_writer(), told.append)
    advice.run(SimpleNamespace(schedule=schedule_of(config), images_seen=images))
    assert told == []
