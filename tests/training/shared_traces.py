"""Tests that train whole runs of one configuration trace its phases once.

Tracing takes most of the time of a tiny run. The graph of a phase depends on the configuration alone, and takes its
variables as inputs: it is called with those of every run's own state.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import tensorflow as tf

from stylegan_tf.training.state import TrainState
from stylegan_tf.training.steps import TrainingStep

# What changes no graph: where a run lies, how long it is, and what lies in variables.
_LEFT_OUT = {
    "run_dir": "",
    "data": "",
    "cache_dir": "",
    "initialize_from": "",
    "total_kimg": 1.0,
    "keep_checkpoints": 5,
    "metrics": "",
    "metrics_weights": "",
    "metrics_interval_kimg": 1.0,
    "learning_rate": 1.0,
    "critic_learning_rate": 1.0,
    "tensorboard_interval_kimg": 1.0,
    "grid_interval_kimg": 1.0,
    "checkpoint_interval_kimg": 1.0,
    "augment_kimg": 1.0,
    "augment_interval": 1,
}
_traces: dict[Any, tuple[Any, list[Any]]] = {}


def _handles(state: TrainState) -> list[Any]:
    """Of all variables of a state, in an order that equal configurations share."""
    owners = (state.generator, state.critic, state.generator_ema)
    variables = [variable for owner in owners for variable in owner.variables]
    variables += [*state.generator_optimizer.variables, *state.critic_optimizer.variables]
    plain = [state.path_length_mean, state.augment_p, state.images_seen, state.optimizer_period]
    plain += [state.sign_sum, state.sign_steps, state.sign_images, *state.weights_over_kimg.values()]
    plain += state.decays_over_kimg.values()
    return [variable.value.handle for variable in variables] + [variable.handle for variable in plain]


class _Shared:
    """Stands for the `tf.function` of a phase."""

    def __init__(self, key: Any, function: Any, handles: list[Any]) -> None:
        self.key, self.function, self.handles = key, function, handles

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def get_concrete_function(self, *arguments: Any) -> Any:
        """The trace of a state of that configuration, with this state's variables."""
        key = (self.key, tuple((argument.shape, argument.dtype) for argument in arguments))
        if key not in _traces:
            _traces[key] = self.function.get_concrete_function(*arguments), self.handles
            return _traces[key][0]
        traced, others = _traces[key]
        own = {id(other): handle for other, handle in zip(others, self.handles, strict=True)}
        captured = [own[id(x)] if x.dtype == tf.resource else x for x in traced.captured_inputs]
        return lambda *inputs: traced._call_flat(list(inputs), captured)


@contextlib.contextmanager
def shared_traces() -> Iterator[None]:
    """While it is open, runs share their traces; those of several devices and those that XLA compiles do not."""
    original = TrainingStep.compile

    def compile(self: TrainingStep, kind: Any, xla: bool = False) -> Any:
        function = original(self, kind, xla)
        if xla or self.strategy.num_replicas_in_sync > 1:
            return function
        state = self.state
        config = repr(dataclasses.replace(state.config.replace(_LEFT_OUT), decisions=None))
        key = (config, state.dtype_policy, len(state.generator.weights), len(state.critic.weights), kind)
        return _Shared(key, function, _handles(state))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingStep, "compile", compile)
        yield
