"""Runs whose settings change on the way: what is in force when, and that stopping and going on changes nothing."""

import signal

import numpy as np
import pytest
import tensorflow as tf
from shared_traces import shared_traces
from test_run import assert_equal_checkpoints, configure, stop_after
from tiny_run import resolved, schedule_of, tiny_config, tiny_stylegan2, write_images

from stylegan_tf.configuration.kimg_tables import KimgTable, parse_table
from stylegan_tf.training.run import run_training
from stylegan_tf.training.state import TrainState

MOVING = {
    "loss": "relativistic",
    "learning_rate": "0:0.01,50%:0.01,100%:0.001:cosine",
    "r1_gamma": "0:2,0.096:0.5",
    "r2_gamma": "0:1,0.096:0",
    "adam_beta2": "0:0.9,0.096:0.99",
    "ema_half_life_kimg": "0:0.001,0.096:0.02",
    "batch_size": "0:4,0.032:8:step",
    "augment": "fixed",
    "augment_p": "0:0,100%:0.5",
}


def moving(**values):
    return {name: parse_table(text) if ":" in text else text for name, text in {**MOVING, **values}.items()}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_images(tmp_path_factory.mktemp("data") / "images"))


@pytest.mark.parametrize(("family", "lazy"), [("stylegan1", 1), ("stylegan2", 3)])
def test_a_state_follows_its_schedule(family, lazy):
    make = tiny_config if family == "stylegan1" else tiny_stylegan2
    config = make(**moving(), critic_regularization_interval=lazy)
    state, schedule = TrainState(resolved(config), 2, 0, "float32"), schedule_of(config)
    for images in (0, 48, 96):
        state.follow(schedule.at(images))
        way = images / 96
        assert float(state.weights_over_kimg["r1_gamma"]) == pytest.approx(2 - 1.5 * way)
        assert float(state.weights_over_kimg["r2_gamma"]) == pytest.approx(1 - way)
        assert float(state.augment_p) == pytest.approx(0.5 * way)
        assert state.ema_half_life_kimg == pytest.approx(0.001 + 0.019 * way)
        factor = lazy / (lazy + 1) if lazy > 1 else 1.0
        assert float(state.critic_optimizer.beta_2) == pytest.approx((0.9 + 0.09 * way) ** factor)
        rate = 0.01 if images < 96 else 0.001
        assert float(state.critic_optimizer.learning_rate) == pytest.approx(rate * factor)


@pytest.mark.slow
def test_a_resumed_run_ends_bit_identical(data, tmp_path, monkeypatch):
    values = {**moving(), "critic_steps": 2, "critic_regularization_interval": 3, "path_length_weight": 0.0}
    del values["augment"], values["augment_p"]  # which take long to be compiled, and follow like the others
    with shared_traces():
        assert run_training(configure(data, tmp_path / "whole", tiny_stylegan2, **values)) == 0
        with monkeypatch.context() as patched:
            stop_after(patched, 40)
            assert run_training(configure(data, tmp_path / "resumed", tiny_stylegan2, **values)) == 128 + signal.SIGTERM
        assert run_training(configure(data, tmp_path / "resumed", tiny_stylegan2, **values)) == 0
    assert_equal_checkpoints(tmp_path / "whole", tmp_path / "resumed")
    log = (tmp_path / "whole" / "log.txt").read_text()
    assert "Over kimg  batch_size 0:4,0.032:8:step; learning_rate 0:0.01,50%:0.01,100%:0.001:cosine; " in log
    assert "generator every 2 steps" in log


def test_a_moving_decay_is_the_one_of_the_moment():
    """Two updates with decays 0.5 and 0.75 against Kingma and Ba's formulas."""
    config = tiny_config(adam_beta2=KimgTable.parse("0:0.5,0.096:0.75"), reset_optimizers=False)
    state, schedule = TrainState(resolved(config), 2, 0, "float32"), schedule_of(config)
    optimizer, variable = state.generator_optimizer, state.generator.trainable_variables[0]
    others = state.generator.trainable_variables[1:]
    start, moment = variable.numpy(), 0.0
    for images, decay in ((0, 0.5), (96, 0.75)):
        state.follow(schedule.at(images))
        gradient = np.full(variable.shape, 3.0 + images, np.float32)
        optimizer.apply([tf.constant(gradient), *map(tf.zeros_like, others)], state.generator.trainable_variables)
        moment = decay * moment + (1 - decay) * (3.0 + images) ** 2
        step = 1 if images == 0 else 2
        rate = schedule.at(images).learning_rate
        start = start - rate * gradient / (np.sqrt(moment / (1 - decay**step)) + 1e-8)
    np.testing.assert_allclose(variable.numpy(), start, rtol=1e-4)
