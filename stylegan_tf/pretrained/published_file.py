"""What a file of published networks holds, whichever code wrote it: arrays by published name, and settings by ours."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from stylegan_tf.configuration.presets import preset
from stylegan_tf.errors import UserError
from stylegan_tf.pickles.machine import shortened

S = TypeVar("S")
T = TypeVar("T")

# Names in a table, of which real ones have less than a hundred: one that a short file uses many times stays harmless.
_LONGEST_TABLE = 1000

_MOST_ARRAYS = 5000
_LONGEST_NAME = 200

# Bytes of arrays that lie on others; layers may share their resampling filter.
_MOST_SHARED = 1 << 20

# Presets of the networks that published files hold.
PROGAN_PRESET, STYLEGAN1_PRESET, STYLEGAN2_PRESET = "progan", "stylegan1", "stylegan2-ada"
# What our training state calls the networks of a file.
ROLES = ("generator", "critic", "generator_ema")


@dataclasses.dataclass(frozen=True)
class PublishedNetwork:
    """One network of a file.

    Attributes:
        arrays: By published name, as `published_names` wants them.
        settings: What the file says and its arrays do not, by the names of our configuration's fields.
        num_classes: Size of the labels that it says it takes.
    """

    arrays: Mapping[str, np.ndarray]
    settings: Mapping[str, Any]
    num_classes: int = 0


@dataclasses.dataclass(frozen=True)
class PublishedFile:
    """All networks of a file.

    Attributes:
        code: What wrote it, such as "StyleGAN (2019), TensorFlow".
        preset: Whose networks they are: `PROGAN_PRESET`, `STYLEGAN1_PRESET` or `STYLEGAN2_PRESET`.
        networks: By role, see `ROLES`; at least one of the generators.
        settings: Further settings of the training, by the names of our configuration's fields.
        augment_p: Strength that adaptive augmentation had reached.
        lod: Level of detail that a growing generator had reached: 0 when fully grown.
        data: What the file says that it was trained on; empty when it does not.
        num_images: Of these data; 0 when it does not say.
    """

    code: str
    preset: str
    networks: Mapping[str, PublishedNetwork]
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    augment_p: float = 0.0
    lod: float = 0.0
    data: str = ""
    num_images: int = 0

    @property
    def family(self) -> str:
        """Of the networks."""
        return preset(self.preset).network.family

    @property
    def generator(self) -> PublishedNetwork:
        """The averaged generator, or the only one."""
        return self.networks.get("generator_ema") or self.networks["generator"]


def require_field(condition: bool, name: str, expected: str, received: Any = None, *, described: str = "") -> None:
    """Raises ValueError when something in a published file is not as expected: shows what came, or describes it."""
    if not condition:
        raise UserError(
            f"{shortened(name)} in the published file must be {expected}. "
            f"Received: {shortened(described or repr_of_plain(received))}."
        )


@contextlib.contextmanager
def advice_for(role: str) -> Iterator[None]:
    """Adds to the errors of a critic that one can do without it."""
    try:
        yield
    except ValueError as error:
        if role != "critic":
            raise
        raise UserError(f"{error} --skip_critic makes a new critic instead.") from None


def wanted_networks(networks: Mapping[str, Any], *, skip_critic: bool) -> dict[str, Any]:
    """Those of a file's networks, by role, that are there and are to be read."""
    return {
        role: network
        for role, network in networks.items()
        if network is not None and not (skip_critic and role == "critic")
    }


def read_each(networks: Mapping[str, T], read: Callable[[str, T], S]) -> dict[str, S]:
    """What `read(role, network)` gives for each network; the errors of a critic say that one can do without it.

    Raises:
        UserError: Without a generator.
    """
    generates = bool(networks.keys() - {"critic"})
    require_field(generates, "the networks", "a generator at least", described="a critic alone" if networks else "none")
    found = {}
    for role, network in networks.items():
        with advice_for(role):
            found[role] = read(role, network)
    return found


def repr_of_plain(value: Any) -> str:
    """How a stranger's value is shown: numbers and words as they are, anything else by its type."""
    value = value[:_LONGEST_NAME] if isinstance(value, str) else value
    return repr(value) if isinstance(value, (str, int, float, bool, type(None))) else f"a {type(value).__name__}"


def as_number(value: Any, name: str, *, if_none: float | None = None) -> float:
    """A finite number of a stranger's file, or what None stands for there. Raises ValueError for anything else."""
    if value is None and if_none is not None:
        return if_none
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12
    require_field(number, name, "a number", value)
    return float(value)


def as_num_classes(table: Mapping[str, Any], name: str) -> int:
    """The size of labels in a table of a stranger's file, 0 without any. Raises ValueError for anything else."""
    value = table.get(name, 0)
    require_field(isinstance(value, int) and 0 <= value < 1 << 20, name, "a number of classes", value)
    return int(value)


def as_text_table(value: Any, name: str) -> dict[str, Any]:
    """A dictionary with words as keys, a thousand at most. Raises ValueError for anything else."""
    table = isinstance(value, dict) and len(value) <= _LONGEST_TABLE
    table = table and all(isinstance(key, str) for key in value)
    require_field(table, name, f"a dictionary of names, {_LONGEST_TABLE:,} at most", value)
    return dict(value)


def require_at_most(most: int, number: int, name: str, unit: str = "") -> None:
    """Raises ValueError for more of something than networks have: a short file can name the same again and again."""
    require_field(number <= most, name, f"at most {most:,}{unit}", described="more")


def require_array_count(count: int) -> None:
    """Raises ValueError for more arrays than networks have."""
    require_at_most(_MOST_ARRAYS, count, "arrays of a network")


def require_array_name(name: Any) -> None:
    """Raises ValueError for names nobody gives: those of a long word would be copied with every component."""
    word = isinstance(name, str) and len(name) < _LONGEST_NAME and name.isascii() and name.isprintable()
    require_field(word, "an array's name", "a short word", name)


def checked_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays as float32.

    Raises:
        UserError: For names nobody gives, large arrays that share their numbers, or values that are not finite.
    """
    _require_own_numbers(arrays)
    checked = {}
    for name, array in arrays.items():
        require_array_name(name)
        with np.errstate(over="ignore"):
            checked[name] = np.asarray(array, np.float32)
        finite = bool(np.all(np.isfinite(checked[name])))
        require_field(finite, f"array {name}", "of finite numbers", described="others")
    return checked


def _require_own_numbers(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses large arrays that lie on each other: copied one by one, those of a short file could fill the memory."""
    places = []
    for name, array in arrays.items():
        if array.size:
            start = array.__array_interface__["data"][0]
            last = sum((size - 1) * step for size, step in zip(array.shape, array.strides, strict=True))
            places.append((start, start + max(last + array.itemsize, array.nbytes), array.nbytes, name))
    end = shared = 0
    for start, stop, size, name in sorted(places):
        shared += min(size, max(end - start, 0))
        require_field(shared <= _MOST_SHARED, f"array {name}", "made of its own numbers", described="those of another")
        end = max(end, stop)
