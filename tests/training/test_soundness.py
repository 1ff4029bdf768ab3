"""What is not worth saving, and what to do after a breakdown."""

import math
import shlex

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import table, tiny_config, tiny_stylegan2

from stylegan_tf.training.soundness import (
    LARGEST_SCORE,
    LARGEST_WEIGHT,
    advice_after_breakdown,
    lowered,
    require_sound,
    unsound_reason,
)
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import NonFiniteError


@pytest.fixture(scope="module")
def state():
    return TrainState(tiny_stylegan2(), 2, 2, "float32")


@pytest.fixture
def spoil(state):
    """`spoil(variable, value)` puts a value into one place of a variable; it is taken back at the end."""
    changed = []

    def put(variable, value):
        array = np.array(variable)
        changed.append((variable, array))
        array = array.copy()
        array.reshape(-1)[-1] = value
        variable.assign(array)
        return unsound_reason(state, {})

    yield put
    for variable, array in changed:
        variable.assign(array)


def variables_of(state):
    """One of each kind."""
    synthesis = [weight for weight in state.generator.weights if "/synthesis/" in weight.path]
    return {
        "generator": synthesis[-1],
        "critic": state.critic.conv.kernel,
        "average": state.generator_ema.weights[-1],
        "running mean of w": state.generator.w_average,
        "generator's moments": state.generator_optimizer.variables[-1],
        "critic's moments": state.critic_optimizer.variables[-1],
        "path lengths": state.path_length_mean,
        "strength": state.augment_p,
        "signs": state.sign_sum,
    }


KINDS = [
    "generator",
    "critic",
    "average",
    "running mean of w",
    "generator's moments",
    "critic's moments",
    "path lengths",
    "strength",
    "signs",
]


def test_a_new_state_is_sound(state):
    assert unsound_reason(state, {}) == ""
    require_sound(state, {"real_scores": math.nan})  # not measured yet


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_whatever_is_not_finite_is_named(state, spoil, kind, value):
    variable = variables_of(state)[kind]
    path = getattr(variable, "path", variable.name.partition(":")[0])
    reason = spoil(variable, value)
    assert reason.endswith("is not finite")
    assert path in reason
    state.images_seen.assign(24)
    with pytest.raises(NonFiniteError, match=r"is not finite by 24 images$"):
        require_sound(state, {})


@pytest.mark.parametrize("kind", KINDS[:4])
@pytest.mark.parametrize("sign", [1, -1])
def test_weights_that_no_step_moves_any_more_are_named_with_their_size(state, spoil, kind, sign):
    variable = variables_of(state)[kind]
    assert spoil(variable, sign * LARGEST_WEIGHT) == ""
    assert spoil(variable, sign * 2e14) == f"{variable.path} grew to 2e+14"


def test_the_bound_is_where_a_step_of_one_is_rounded_away():
    below, at = np.float32(LARGEST_WEIGHT) - np.float32(2), np.float32(LARGEST_WEIGHT)
    assert below + np.float32(1) != below
    assert at + np.float32(1) == at


@pytest.mark.parametrize("name", ["real_scores", "fake_scores"])
def test_scores_that_float32_cannot_tell_apart_are_named(state, name):
    assert unsound_reason(state, {"critic_loss": 1e30, name: -LARGEST_SCORE}) == ""
    assert unsound_reason(state, {name: -2.64e11}) == f"{name} came to -2.64e+11"
    with pytest.raises(NonFiniteError, match=f"^{name} came to 3e\\+08 by "):
        require_sound(state, {name: 3e8})


def test_moments_may_be_large_since_they_are_squares_of_gradients(state, spoil):
    assert spoil(state.critic_optimizer.variables[-1], 1e30) == ""


@pytest.mark.parametrize("multiplier", [0.01, 1e-8])
@pytest.mark.slow
def test_weights_of_slow_layers_are_large_from_the_start(multiplier):
    slow = TrainState(tiny_config(mapping_learning_rate_multiplier=multiplier), 2, 0, "float32")
    assert unsound_reason(slow, {}) == ""
    kernel = next(weight for weight in slow.generator.weights if "/mapping/dense_0/kernel" in weight.path)
    kernel.assign(tf.fill(kernel.shape, 2 * LARGEST_WEIGHT / multiplier))
    assert unsound_reason(slow, {}).startswith("generator/mapping/dense_0/kernel grew to")


@pytest.mark.slow
def test_loss_scaling_is_no_sign_of_trouble():
    assert unsound_reason(TrainState(tiny_config(), 2, 0, "mixed_float16"), {}) == ""


@pytest.mark.parametrize(
    ("rates", "limit", "wanted"),
    [
        ("0.002", math.inf, "0.001"),
        ("10", math.inf, "0.002"),
        ("10", 0.002, "0.001"),
        ("1e-05", math.inf, "5e-06"),
        ("4:0.001,8:1e30", math.inf, "4:0.0005,8:0.002"),
        ("4:0.0015,256:0.003", 0.002, "4:0.00075,256:0.001"),
    ],
)
def test_rates_are_halved_as_they_were_in_effect(rates, limit, wanted):
    assert str(lowered(table(rates), limit)) == wanted


def flags_of(advice):
    return [word.rstrip(".;") for word in shlex.split(advice) if word.startswith("--")]


def test_advice_with_a_checkpoint_starts_from_it():
    config = tiny_stylegan2(learning_rate=10, run_dir="runs/my faces")
    advice = advice_after_breakdown(config, "runs/my faces/checkpoints/ckpt-32", "runs/my faces-2")
    assert flags_of(advice) == ["--learning_rate=0.002", "--initialize_from=runs/my faces", "--run_dir=runs/my faces-2"]
    assert "ckpt-32" in advice


def test_advice_without_a_checkpoint_starts_again():
    advice = advice_after_breakdown(tiny_stylegan2(learning_rate=0.001, run_dir="runs/one"), None, "runs/one-2")
    assert flags_of(advice) == ["--learning_rate=0.0005", "--run_dir=runs/one-2"]
    assert "No checkpoint" in advice


def test_advice_lowers_both_rates_where_there_are_two():
    config = tiny_config(learning_rate=0.004, critic_learning_rate=table("4:0.001,8:0.1"), run_dir="a")
    flags = flags_of(advice_after_breakdown(config, None, "a-2"))
    assert flags[:2] == ["--learning_rate=0.001", "--critic_learning_rate=4:0.0005,8:0.001"]  # WGAN-GP: 0.002 at most


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("float32", 0),
        ("mixed_bfloat16", "should that break down too, add --dtype_policy=float32."),
        ("mixed_float16", "add --learning_rate=0.0005 --dtype_policy=float32 --run_dir=a-2 to"),
    ],
)
def test_float32_is_no_advice_to_a_run_in_float32(policy, words):
    advice = advice_after_breakdown(tiny_stylegan2(learning_rate=0.001, dtype_policy=policy, run_dir="a"), None, "a-2")
    assert advice.count("float32") == 0 if not words else words in advice
