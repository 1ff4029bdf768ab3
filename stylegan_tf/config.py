"""The configuration of a training run: frozen dataclasses in which every default is written once.

The defaults are the published StyleGAN at 1024x1024 (Karras et al. 2019, "A Style-Based Generator Architecture for
Generative Adversarial Networks", and the settings published with it) trained with WGAN-GP; `presets.py` names
other choices. Command-line flags are made from these fields.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from stylegan_tf.resolutions import ResolutionTable, count_levels, parse_size

LOSSES = ("wgan-gp", "logistic")
NORMALIZATIONS = ("instance", "pixel", "none")
DTYPE_POLICIES = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
JIT_CHOICES = ("auto", "on", "off")


def option(default: Any, help_text: str, *, may_change: bool = False) -> Any:
    """A field with its help text; `may_change` lets a resumed run differ in it."""
    if isinstance(default, str) and re.fullmatch(r"\d+:[\d.e:,-]+", default):
        default = ResolutionTable.parse(default)
    return dataclasses.field(default=default, metadata={"help": help_text, "may_change": may_change})


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is trained on."""

    data: str = option(
        "portraits", "a directory or archive of images, array files, TFRecords, a prepared set, keras:NAME, tfds:NAME "
        "(docs/data.md lists all), or 'portraits', the emoji portraits of this package", may_change=True,
    )
    resolution: str = option("", "size of the images, such as 256 or 64x96 (height x width); empty: what fits the data")
    base_size: str = option("4", "size of the smallest resolution, such as 4, 7 (for 28x28) or 4x6 (for 64x96)")
    channels: int = option(0, "1 grey, 3 RGB, 4 RGBA; 0: what the data has, or 3 where pictures differ")
    crop: str = option(
        "center", "how a picture gets the shape of the network: center cuts, pad adds margins, none stretches",
        may_change=True,
    )
    background: str = option(
        "white", "colour of padding, and under transparent pixels where alpha is not kept", may_change=True
    )
    on_error: str = option("fail", "pictures that cannot be read: fail names them and stops, skip leaves them out",
                           may_change=True)
    use_labels: bool = option(False, "class-conditional; labels are the data's own, or the first level of directories")
    mirror: bool = option(False, "show half of the images mirrored")
    random_crop: float = option(0.0, "share of height and width cut off at random whenever an image is shown")
    cache_dir: str = option(
        "", "where large sets are prepared, once; empty: stylegan_tf in the user's cache directory", may_change=True
    )


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """The generator and the critic."""

    z_size: int = option(512, "size of the latents z")
    w_size: int = option(512, "size of the intermediate latents w, and width of the mapping network")
    mapping_layers: int = option(8, "layers of the mapping network")
    mapping_learning_rate_multiplier: float = option(0.01, "learning-rate multiplier of the mapping network")
    feature_maps_base: int = option(8192, "feature maps at level n (from 0): min(this / 2^(n + 1), feature_maps_max)")
    feature_maps_max: int = option(512, "largest number of feature maps")
    fused_from: int = option(128, "resolution from which resampling and convolution are one operation; 0 for never")
    constant_input: bool = option(True, "start from a learned constant instead of the latent")
    style: bool = option(True, "styles scale and shift the features (AdaIN)")
    noise: bool = option(True, "noise is injected in every layer")
    normalization: str = option("instance", f"of the generator's features: {', '.join(NORMALIZATIONS)}")
    blur: bool = option(True, "smooth with [1, 2, 1] when resampling")
    minibatch_stddev_group: int = option(4, "images in a group of the minibatch standard deviation; 0 leaves it out")
    minibatch_stddev_features: int = option(1, "feature maps of the minibatch standard deviation")


@dataclasses.dataclass(frozen=True)
class ScheduleConfig:
    """How the networks grow. Tables by resolution are written '4:128,32:64' (from 4x4 up 128, from 32x32 up 64)."""

    start_resolution: int = option(8, "the smallest resolution of the schedule that is at least this high is the first")
    total_kimg: float = option(25000.0, "thousands of real images to train on", may_change=True)
    stage_kimg: ResolutionTable = option(ResolutionTable(((0, 600.0),)), "kimg at each resolution once it is faded in")
    fade_kimg: ResolutionTable = option(ResolutionTable(((0, 600.0),)), "kimg of fading each resolution in")
    batch_size: ResolutionTable | None = option(
        None, "images a step, over all devices; empty: as published for this number of devices"
    )
    learning_rate: ResolutionTable = option(
        "4:0.001,128:0.0015,256:0.002,512:0.003", "of Adam, for both networks; WGAN-GP caps it at 0.002"
    )
    learning_rate_rampup_kimg: float = option(0.0, "kimg over which the learning rate rises from zero at the start")
    reset_optimizers: bool = option(True, "forget the optimizers' moments at the start and the end of each fade-in")


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What is minimised."""

    loss: str = option("wgan-gp", "wgan-gp, or logistic (non-saturating, with R1)")
    gradient_penalty_weight: float = option(10.0, "WGAN-GP: weight of the gradient penalty")
    gradient_penalty_target: float = option(1.0, "WGAN-GP: gradient norm that is not penalised")
    drift_weight: float = option(0.001, "WGAN-GP: weight of the squared scores of reals")
    r1_gamma: float = option(10.0, "logistic: weight of the R1 penalty")
    regularization_interval: int = option(1, "steps between gradient penalties (either loss), each weighted by it")
    style_mixing_probability: float = option(0.9, "share of images made from two latents")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam, and the two running averages."""

    adam_beta1: float = option(0.0, "decay of Adam's first moment")
    adam_beta2: float = option(0.99, "decay of Adam's second moment")
    adam_epsilon: float = option(1e-8, "Adam's epsilon")
    ema_half_life_kimg: float = option(10.0, "half-life of the averaged generator")
    w_average_decay: float = option(0.995, "decay, a step, of the running mean of w")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """How and where it runs."""

    run_dir: str = option("", "where everything is written; empty: runs/PRESET", may_change=True)
    seed: int = option(0, "of weights, data order, latents and noise")
    dtype_policy: str = option("auto", f"{', '.join(DTYPE_POLICIES)}; auto takes the fastest that is safe here")
    jit_compile: str = option("auto", "compile the gradients with XLA: on, off, or auto (on for GPUs)", may_change=True)
    num_devices: int = option(0, "GPUs (without any: logical CPUs) to use; 0 for all GPUs or one CPU", may_change=True)
    max_batch_per_device: int = option(
        0, "largest number of images in a device's memory at once; larger batches are accumulated; 0 for no limit",
        may_change=True,
    )
    status_interval_s: float = option(10.0, "seconds between status lines where there is no terminal", may_change=True)
    tensorboard_interval_kimg: float = option(10.0, "kimg between TensorBoard scalars", may_change=True)
    grid_interval_kimg: float = option(100.0, "kimg between sample grids and animation frames", may_change=True)
    checkpoint_interval_kimg: float = option(100.0, "kimg between checkpoints", may_change=True)
    keep_checkpoints: int = option(3, "checkpoints kept", may_change=True)
    truncation_psi: float = option(0.7, "truncation of sample grids; default of sampling and export", may_change=True)
    truncation_cutoff: int = option(8, "layers that truncation reaches, from the first; 0 for all", may_change=True)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The whole configuration. Field names are unique over the sections, so that each is one flag."""

    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    run: RunConfig = RunConfig()

    def replace(self, values: Mapping[str, Any]) -> TrainConfig:
        """A copy with some fields, named without their section, set to other values.

        Raises:
          ValueError: for an unknown name.
        """
        sections: dict[str, dict[str, Any]] = {}
        owners = {field.name: section for section, field in all_fields()}
        for name, value in values.items():
            if name not in owners:
                raise ValueError(f"configuration fields are {', '.join(sorted(owners))}. Received: {name!r}.")
            sections.setdefault(owners[name], {})[name] = value
        changed = {name: dataclasses.replace(getattr(self, name), **new) for name, new in sections.items()}
        return dataclasses.replace(self, **changed)

    def to_json(self) -> str:
        """All fields by section; tables in their written form."""
        plain = {
            section.name: {
                field.name: _plain(getattr(getattr(self, section.name), field.name))
                for field in dataclasses.fields(getattr(self, section.name))
            }
            for section in dataclasses.fields(self)
        }
        return json.dumps(plain, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Reads what `to_json` wrote. Raises ValueError when it is something else."""
        try:
            sections = json.loads(text)
            values = {name: value for section in sections.values() for name, value in section.items()}
        except (json.JSONDecodeError, AttributeError) as error:
            raise ValueError(f"expected the JSON of a training configuration. Received: {error}.") from error
        fields = {field.name: field for _, field in all_fields()}
        for name, value in values.items():
            if name in fields and "ResolutionTable" in str(fields[name].type) and value is not None:
                values[name] = ResolutionTable.parse(str(value))
        return cls().replace(values)

    def differences(self, other: TrainConfig) -> dict[str, tuple[Any, Any]]:
        """Fields that differ and that a resumed run may not change, each with both values."""
        found = {}
        for section, field in all_fields():
            ours, theirs = (getattr(getattr(config, section), field.name) for config in (self, other))
            if ours != theirs and not field.metadata["may_change"]:
                found[field.name] = (ours, theirs)
        return found

    def validate(self) -> None:
        """Raises ValueError for values that no run could have, naming the field, what came and what is allowed."""
        base_height, base_width = self.base_size
        require(
            self.data.channels in (0, 1, 3, 4),
            "channels must be 1 (grey), 3 (RGB), 4 (RGBA) or 0 (those of the data)", self.data.channels,
        )
        require(0 <= self.data.random_crop < 1, "random_crop must be 0 or more, and below 1", self.data.random_crop)
        require(min(base_height, base_width) >= 1, "base_size must be positive", self.data.base_size)
        if self.data.resolution:
            self.num_levels_for(parse_size(self.data.resolution, "resolution"))
        require(self.loss.loss in LOSSES, f"loss must be one of {', '.join(LOSSES)}", self.loss.loss)
        require(
            self.network.normalization in NORMALIZATIONS,
            f"normalization must be one of {', '.join(NORMALIZATIONS)}", self.network.normalization,
        )
        require(
            self.run.dtype_policy in DTYPE_POLICIES,
            f"dtype_policy must be one of {', '.join(DTYPE_POLICIES)}", self.run.dtype_policy,
        )
        require(
            self.run.jit_compile in JIT_CHOICES, f"jit_compile must be one of {', '.join(JIT_CHOICES)}",
            self.run.jit_compile,
        )
        for name in _POSITIVE:
            require(_numbers(self.get(name), above=0), f"{name} must be above 0", self.get(name))
        for name in _NOT_NEGATIVE:
            require(_numbers(self.get(name), least=0), f"{name} must be 0 or more", self.get(name))
        for name in ("style_mixing_probability", "w_average_decay"):
            require(0 <= self.get(name) <= 1, f"{name} must lie between 0 and 1", self.get(name))
        for name in ("adam_beta1", "adam_beta2"):
            require(0 <= self.get(name) < 1, f"{name} must be 0 or more, and below 1", self.get(name))
        batch_sizes = self.schedule.batch_size
        require(
            batch_sizes is None or all(size == int(size) for size in batch_sizes.values()),
            "batch_size must be whole numbers", batch_sizes,
        )
        require(self.run.seed < 2**31, "seed must be below 2^31", self.run.seed)
        require(math.isfinite(self.run.truncation_psi), "truncation_psi must be a number", self.run.truncation_psi)
        require(
            self.network.feature_maps_max % self.network.minibatch_stddev_features == 0,
            "feature_maps_max must be a multiple of minibatch_stddev_features", self.network.minibatch_stddev_features,
        )

    def get(self, name: str) -> Any:
        """The value of a field, whatever its section."""
        return next(getattr(getattr(self, section), name) for section, field in all_fields() if field.name == name)

    @property
    def base_size(self) -> tuple[int, int]:
        """Height and width of level 0."""
        return parse_size(self.data.base_size, "base_size")

    @property
    def channels(self) -> int:
        """Channels of the images; 3 while they are left to the data."""
        return self.data.channels or 3

    def num_levels_for(self, size: tuple[int, int]) -> int:
        """Number of levels that lead from the base size to `size`. Raises ValueError when none does."""
        return count_levels(size, self.base_size)


_POSITIVE = (
    "z_size", "w_size", "feature_maps_base", "feature_maps_max", "total_kimg", "batch_size", "learning_rate",
    "gradient_penalty_target", "regularization_interval", "adam_epsilon", "ema_half_life_kimg", "status_interval_s",
    "tensorboard_interval_kimg", "grid_interval_kimg", "checkpoint_interval_kimg", "keep_checkpoints",
    "minibatch_stddev_features", "mapping_learning_rate_multiplier", "mapping_layers",
)
_NOT_NEGATIVE = (
    "fused_from", "stage_kimg", "fade_kimg", "learning_rate_rampup_kimg", "gradient_penalty_weight", "drift_weight",
    "r1_gamma", "num_devices", "max_batch_per_device", "minibatch_stddev_group", "seed", "truncation_cutoff",
    "start_resolution",
)


def all_fields() -> list[tuple[str, dataclasses.Field[Any]]]:
    """Every field with the name of its section, in order."""
    return [
        (section.name, field)
        for section in dataclasses.fields(TrainConfig)
        for field in dataclasses.fields(section.default)  # type: ignore[arg-type]
    ]


def require(condition: bool, expected: str, received: Any) -> None:
    """Raises ValueError saying what was expected and what came, unless the condition holds."""
    if not condition:
        raise ValueError(f"{expected}. Received: {received}.")


def _numbers(value: Any, above: float | None = None, least: float | None = None) -> bool:
    values = value.values() if isinstance(value, ResolutionTable) else [] if value is None else [value]
    return all(math.isfinite(v) and (above is None or v > above) and (least is None or v >= least) for v in values)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, ResolutionTable) else value
