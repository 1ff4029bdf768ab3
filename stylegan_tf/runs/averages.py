"""Which average of a run's generator is read: the one with a half-life, one by a power function, or a mixture of those.

Every checkpoint that a run keeps holds its power function averages as they were then. Together they give an average of
another length (`power_profiles.mix`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.sections import parse_average_length
from stylegan_tf.errors import require
from stylegan_tf.runs.checkpoints import VARIABLE_VALUE, readable
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.runs.power_profiles import Mixture, PowerProfile, average_name, mix

if TYPE_CHECKING:
    from stylegan_tf.networks.generator import Generator

# The name of the average with a half-life.
EMA = "ema"
# Farther from the wanted profile, in its norm, a mixture would be an average of another length.
LARGEST_ERROR = 0.1


@dataclasses.dataclass(frozen=True)
class Average:
    """Weights of a generator, averaged.

    Attributes:
        weights: Float64, of the generator's `averaged_weights` one behind the other.
        description: How they came about, where that is to be told; empty for a stored average.
    """

    weights: np.ndarray
    description: str = ""


def average_names(text: str, config: TrainConfig) -> list[str]:
    """The averages that a user asks for, by name.

    Args:
        text: "ema", lengths such as 0.05, several of these joined by commas, or "all" for all that the run stores.
        config: Of the run.

    Raises:
        UserError: For what is no average, and for lengths of a run that has none.
    """
    stored = [average_name(length) for length in config.optimizer.average_lengths]
    if text == "all":
        return [EMA, *stored]
    words = [word for word in text.split(",") if word]
    expected = f"average must be {EMA} or a length (sigma_rel)"
    names = [word if word == EMA else average_name(parse_average_length(word, expected)) for word in words]
    require(bool(names), f"{expected} such as 0.1", text or "nothing")
    require(
        bool(stored) or set(names) == {EMA},
        f"average must be {EMA}, since this run was not trained with --power_averages, such as 0.05,0.1",
        f"average={text}",
    )
    return list(dict.fromkeys(names))


def one_average(text: str, config: TrainConfig) -> str:
    """The average that a user asks for where there can be only one. Raises UserError for several, or none."""
    names = average_names(text, config)
    one = len(names) == 1 and text != "all"
    require(one, f"average must be one, {EMA} or a length such as 0.1", f"average={text}")
    return names[0]


def mixing_sources(names: Collection[str], config: TrainConfig, directory: RunDirectory) -> list[str]:
    """Prefixes of the whole checkpoints of a run that averages are mixed of; none where it stores these averages.

    Args:
        names: Of the averages.
        config, directory: The run's.
    """
    stored = {average_name(length) for length in config.optimizer.average_lengths}
    return directory.find_checkpoints("all") if set(names) - {EMA, *stored} else []


def read_average(name: str, prefix: str, sources: Sequence[str] = ()) -> Average:
    """Reads an average by a power function as it was at a checkpoint of a run.

    One that the checkpoint does not hold is mixed of those that it and the earlier checkpoints hold.

    Args:
        name: Its length.
        prefix: The checkpoint, whole.
        sources: See `mixing_sources`.

    Raises:
        UserError: When there are none, or they give no average of that length.
    """
    newest = _Stored.of(prefix)
    if name in newest.names:
        return Average(newest.read(name))
    parts, mixture = _mixture(name, newest, sources)
    weights = sum(
        coefficient * one.read(length) for (one, length), coefficient in zip(parts, mixture.coefficients, strict=True)
    )
    made_of = f"average {name} is mixed of {len(parts)} averages of {_checkpoints(parts)}"
    return Average(np.asarray(weights), f"{made_of}; its profile is off by {mixture.error:.2%}")


def check_average(name: str, prefix: str, sources: Sequence[str] = ()) -> None:
    """Raises what `read_average` would, before anything large is read."""
    if name != EMA and name not in (newest := _Stored.of(prefix)).names:
        _mixture(name, newest, sources)


def _mixture(name: str, newest: _Stored, sources: Sequence[str]) -> tuple[list[tuple[_Stored, str]], Mixture]:
    """What an average is mixed of, checkpoints and lengths, and how."""
    kept = map(_Stored.of, sources)
    parts = [(one, length) for one in kept if 0 < one.images_seen <= newest.images_seen for length in one.names]
    expected = "average must be one that the kept checkpoints hold or can give"
    require(bool(newest.names and parts), expected, f"average={name} of {newest.prefix}, which has none")
    profiles = [PowerProfile(float(length), one.images_seen) for one, length in parts]
    mixture = mix(profiles, PowerProfile(float(name), newest.images_seen))
    require(
        mixture.error <= LARGEST_ERROR,
        f"{expected}; choose a length nearer to {' or '.join(newest.names)}, or keep more checkpoints in the next run "
        "(--keep_checkpoints)",
        f"average={name}, whose profile {_checkpoints(parts)} would miss by {mixture.error:.0%}",
    )
    return parts, mixture


def _checkpoints(parts: Sequence[tuple[_Stored, str]]) -> str:
    count = len({one.prefix for one, _ in parts})
    return f"{count} checkpoint{'' if count == 1 else 's'}"


@dataclasses.dataclass(frozen=True)
class _Stored:
    """The power function averages of a checkpoint: the clock, and their names in TensorFlow's files by length."""

    prefix: str
    images_seen: int
    names: Mapping[str, str]

    @classmethod
    def of(cls, prefix: str) -> _Stored:
        import tensorflow as tf  # here, so that names of averages can be checked without waiting for it

        with readable(prefix) as path:
            reader = tf.train.load_checkpoint(path)
            start = "power_averages/"
            found = sorted(name for name in reader.get_variable_to_shape_map() if name.startswith(start))
            # TensorFlow doubles the dots of names.
            lengths = [name.removeprefix(start).removesuffix(VARIABLE_VALUE).replace("..", ".") for name in found]
            images_seen = int(reader.get_tensor(f"images_seen{VARIABLE_VALUE}"))
        return cls(prefix, images_seen, dict(zip(lengths, found, strict=True)))

    def read(self, length: str) -> np.ndarray:
        """Float64 [number of weights]."""
        import tensorflow as tf

        with readable(self.prefix) as path:
            return np.asarray(tf.train.load_checkpoint(path).get_tensor(self.names[length]), np.float64)


def fill_with_average(generator: Generator, average: Average) -> None:
    """Gives a built generator the weights of an average."""
    weights = generator.averaged_weights
    sizes = [int(np.prod(weight.shape)) for weight in weights]
    require(sum(sizes) == average.weights.size, f"an average must have {sum(sizes)} numbers", average.weights.size)
    parts = np.split(average.weights, np.cumsum(sizes)[:-1])
    for weight, part in zip(weights, parts, strict=True):
        weight.assign(part.reshape(weight.shape).astype(np.float32))
