"""The phases of a step: their order, when they are due, and what lazy regularisation does to an optimizer."""

import pytest

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.presets import preset
from stylegan_tf.training.phases import Phase, lazy_factor, training_phases

LAZY = {"critic_regularization_interval": 16, "path_length_weight": 2.0, "generator_regularization_interval": 4}


def phases_of(**values):
    return phases_in(TrainConfig().replace(values))


def phases_in(config):
    return training_phases(config.loss, config.family.critic_first)


def test_stylegan_trains_its_critic_first_and_stylegan2_its_generator():
    assert phases_of() == [
        Phase("critic", "critic", 0, main=True, regularizer=True),
        Phase("generator", "generator", 1, main=True),
    ]
    assert [phase.name for phase in phases_of(family="stylegan2")] == ["generator", "critic"]
    assert [phase.name for phase in phases_of(family="stylegan1", **LAZY)] == [
        "critic",
        "critic regularizer",
        "generator",
        "generator regularizer",
    ]


def test_lazy_regularisers_are_phases_of_their_own():
    assert phases_of(family="stylegan2", loss="logistic", **LAZY) == [
        Phase("generator", "generator", 1),
        Phase("generator regularizer", "generator", 3, False, True, 4, lazy=4),
        Phase("critic", "critic", 0),
        Phase("critic regularizer", "critic", 2, False, True, 16, lazy=16),
    ]


def test_regularisers_of_every_step_belong_to_the_main_phase():
    values = {**LAZY, "critic_regularization_interval": 1, "generator_regularization_interval": 1}
    phases = phases_of(loss="logistic", **values)
    assert phases == [Phase("critic", "critic", 0, True, True), Phase("generator", "generator", 1, True, True)]
    assert lazy_factor(phases, "critic") == lazy_factor(phases, "generator") == 1.0


@pytest.mark.parametrize(
    "values",
    [
        {"loss": "wgan-gp", "gradient_penalty_weight": 0.0},
        {"loss": "logistic", "r1_gamma": 0.0},
        {"loss": "hinge", "r1_gamma": 0.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("interval", [1, 16])
def test_a_penalty_without_weight_is_no_phase(values, interval):
    phases = phases_of(critic_regularization_interval=interval, **values)
    assert phases == [Phase("critic", "critic", 0), Phase("generator", "generator", 1)]
    assert lazy_factor(phases, "critic") == 1.0


def test_the_weight_that_counts_is_that_of_the_loss():
    assert phases_of(loss="wgan-gp", r1_gamma=0.0)[0].regularizer
    assert phases_of(loss="logistic", gradient_penalty_weight=0.0)[0].regularizer
    assert phases_of(loss="logistic", r1_gamma=None)[0].regularizer  # left open: it will have a weight


def test_path_lengths_without_weight_are_no_phase():
    phases = phases_of(path_length_weight=0.0, generator_regularization_interval=4)
    assert phases[1] == Phase("generator", "generator", 1)
    assert lazy_factor(phases, "generator") == 1.0


def test_several_steps_of_the_critic_for_one_of_the_generator():
    """Each step has its own images; lazy regularisation counts the network's own updates."""
    lazy = {**LAZY, "critic_regularization_interval": 1}
    critic, generator, path_length = phases_of(critic_steps=5, **lazy)
    assert [sum(phase.due(step) for step in range(40)) for phase in (critic, generator, path_length)] == [40, 8, 2]
    assert lazy_factor([critic, generator, path_length], "critic") == 1.0
    assert lazy_factor([critic, generator, path_length], "generator") == 4 / 5


def test_lazy_factors():
    phases = phases_in(preset("stylegan2-f"))
    assert lazy_factor(phases, "critic") == 16 / 17
    assert lazy_factor(phases, "generator") == 4 / 5
    assert lazy_factor([], "critic") == 1.0


@pytest.mark.parametrize("interval", [1, 2, 3, 16])
def test_a_phase_is_due_in_the_first_step_and_then_after_its_interval(interval):
    phase = Phase("critic regularizer", "critic", 2, interval=interval)
    assert [step for step in range(33) if phase.due(step)] == list(range(0, 33, interval))


def test_no_two_phases_draw_the_same_numbers():
    for family in ("stylegan1", "stylegan2"):
        streams = [phase.stream for phase in phases_of(family=family, **LAZY)]
        assert len(set(streams)) == 4
