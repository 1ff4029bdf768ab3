"""Whether a state can be trained on, and what to do when training broke down."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.configuration.schedule import learning_rate_limit
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import NonFiniteError

# Equalized weights are made with a deviation of 1, over their learning-rate multiplier, and Adam moves them by about a
# learning rate a step. From 2^24 of that unit up, float32 numbers lie 2 apart: no step of less than 1 moves a weight
# any more, and the network cannot find its way back.
LARGEST_WEIGHT = 2.0**24
# Losses tell scores apart that differ by about 1. From 2^24 up, float32 scores lie 2 apart, and what moves them by that
# has gradients whose squares, which penalties and Adam take, soon leave float32.
LARGEST_SCORE = 2.0**24

_SAFE_LEARNING_RATE = 0.002  # published for StyleGAN2


def unsound_reason(state: TrainState, statistics: Mapping[str, float]) -> str:
    """Why a state is not worth saving: scores or weights that exploded, or the first number that is not finite.

    Losses need not show it yet: they were taken before the step's update, and not of the averages. The numbers are
    looked at on their device, from which one small array is read.

    Args:
        state: The state.
        statistics: The newest values, among them "real_scores" and "fake_scores" where they were measured.

    Returns:
        What exploded, and how far, as text; empty for a sound state.
    """
    for name in ("real_scores", "fake_scores"):
        if abs(statistics.get(name, 0.0)) > LARGEST_SCORE:
            return f"{name} came to {statistics[name]:.3g}"
    checked = list(_checked(state))
    largest = tf.stack([_largest(variable) for _, variable, _ in checked]).numpy()
    for (name, _, limit), value in zip(checked, largest, strict=True):
        if not np.isfinite(value):
            return f"{name} is not finite"
        if value > limit:
            return f"{name} grew to {value:.3g}"
    return ""


def require_sound(state: TrainState, statistics: Mapping[str, float]) -> None:
    """Raises NonFiniteError for a state that is not worth saving; arguments as of `unsound_reason`."""
    reason = unsound_reason(state, statistics)
    if reason:
        raise NonFiniteError(f"{reason} by {int(state.images_seen.numpy())} images")


def _checked(state: TrainState) -> Iterator[tuple[str, tf.Variable, float]]:
    """Every float of a state, with its name and what it may not be above, and is not where all is well."""
    for network in (state.generator, state.critic, state.generator_ema):
        for variable in network.weights:
            yield variable.path, variable.value, LARGEST_WEIGHT / _multiplier(state.config, network, variable.path)
    for name, vector in state.power_averages.vectors.items():
        yield f"the average {name}", vector, np.inf
    for owner, optimizer in (("generator", state.generator_optimizer), ("critic", state.critic_optimizer)):
        for variable in optimizer.variables:
            yield f"{owner}'s {variable.path}", variable.value, np.inf
    for variable in (state.path_length_mean, state.augment_p, state.sign_sum):
        yield variable.name.partition(":")[0], variable, np.inf


def _multiplier(config: TrainConfig, network: keras.Model, path: str) -> float:
    """The learning-rate multiplier of a weight's layer."""
    if "/mapping/dense_" not in path:
        return 1.0
    prefix = "critic_" if network.name == "critic" else ""
    return float(config.get(f"{prefix}mapping_learning_rate_multiplier"))


def _largest(variable: tf.Variable) -> tf.Tensor:
    """The largest magnitude in a variable; infinite when anything in it is not finite."""
    if not variable.dtype.is_floating:
        return tf.constant(0.0)
    magnitudes = tf.abs(tf.cast(variable, tf.float32))
    return tf.reduce_max(tf.where(tf.math.is_finite(magnitudes), magnitudes, np.inf))


def advice_after_breakdown(config: TrainConfig, checkpoint: str | None, new_run_dir: str | Path) -> str:
    """What to do when training broke down, in a sentence or two with flags that can be copied.

    Args:
        config: Of the run.
        checkpoint: Prefix of its newest checkpoint, if there is one.
        new_run_dir: A directory that is free.
    """
    limit = learning_rate_limit(config)
    flags = [f"--learning_rate={lowered(config.schedule.learning_rate, limit)}"]
    if config.schedule.critic_learning_rate is not None:
        flags.append(f"--critic_learning_rate={lowered(config.schedule.critic_learning_rate, limit)}")
    policy, again = config.run.dtype_policy, ""
    if policy == "mixed_float16":  # its largest number is 65504
        flags.append("--dtype_policy=float32")
    elif policy != "float32":
        again = "; should that break down too, add --dtype_policy=float32"
    if checkpoint:
        begin = f"The last good checkpoint is {checkpoint}. To start from it"
        flags.append(f"--initialize_from={shlex.quote(config.run.run_dir)}")
    else:
        begin = "No checkpoint was saved yet. To start again"
    flags.append(f"--run_dir={shlex.quote(str(new_run_dir))}")
    return f"{begin} with a lower learning rate, add {' '.join(flags)} to the same command{again}."


def lowered(table: ResolutionTable | KimgTable, limit: float = np.inf) -> ResolutionTable | KimgTable:
    """Learning rates half as high as they were in effect, and no higher than the published StyleGAN2's.

    Args:
        table: As configured.
        limit: No rate was higher, whatever the table says.
    """
    return table.scaled(lambda rate: float(f"{min(min(rate, limit) / 2, _SAFE_LEARNING_RATE):.3g}"))
