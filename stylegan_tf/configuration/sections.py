"""The settings of a run around its networks: data, schedule, optimizers and the run itself.

Sections are frozen dataclasses in which every default is written once. `model_sections.py` holds those of networks,
losses and augmentation; `config.py` joins them all.
"""

from __future__ import annotations

import dataclasses
import re

from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.options import GROWING, MEASURED, WGAN_GP, option
from stylegan_tf.configuration.parts import LearningRateParts
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.errors import require

DTYPE_POLICIES = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
JIT_CHOICES = ("auto", "on", "off")
LONGEST_PROFILE = 100  # a step takes megabytes
LARGEST_PSI = 2.0  # of truncation; the smallest is minus that
# Relative lengths of averages: longer than 0.28 a power function is nearly constant, and gamma comes below 0.
SHORTEST_AVERAGE, LONGEST_AVERAGE = 0.001, 0.28
MOST_AVERAGES = 8  # each is as large as the generator


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is trained on."""

    data: str = option(
        "portraits",
        "a directory or archive of images, array files, TFRecords, a prepared set, keras:NAME, tfds:NAME "
        "(docs/data.md lists all), or 'portraits', the emoji portraits of this package",
        may_change=True,
    )
    resolution: str = option("", "size of the images, such as 256 or 64x96 (height x width); empty: what fits the data")
    base_size: str = option("4", "size of the smallest resolution, such as 4, 7 (for 28x28) or 4x6 (for 64x96)")
    channels: int = option(0, "1 grey, 3 RGB, 4 RGBA; 0: what the data has, or 3 where pictures differ")
    crop: str = option(
        "center",
        "how a picture gets the shape of the network: center cuts, pad adds margins, none stretches",
        may_change=True,
    )
    background: str = option(
        "white", "colour of padding, and under transparent pixels where alpha is not kept", may_change=True
    )
    on_error: str = option(
        "fail", "pictures that cannot be read: fail names them and stops, skip leaves them out", may_change=True
    )
    use_labels: bool = option(
        False, "train a class-conditional network, on the data's own labels or on the folders of pictures"
    )
    mirror: bool = option(False, "show half of the images mirrored")
    random_crop: float = option(0.0, "share of height and width cut off at random whenever an image is shown")
    cache_dir: str = option(
        "", "where large sets are prepared, once; empty: stylegan_tf in the user's cache directory", may_change=True
    )


@dataclasses.dataclass(frozen=True)
class ScheduleConfig:
    """How the networks grow, and how fast they learn.

    Tables by resolution are written '4:128,32:64' (from 4x4 up 128, from 32x32 up 64); those over kimg begin at 0, as
    in '0:0.005,60:0.005,100:0.0005' (see `kimg_tables`).
    """

    start_resolution: int = option(
        8, "the first resolution is the smallest one that is at least this high", least=0, applies_to=GROWING
    )
    total_kimg: float = option(25000.0, "thousands of real images to train on", may_change=True, above=0)
    stage_kimg: ResolutionTable = option(
        ResolutionTable(((0, 600.0),)), "kimg at each resolution once it is faded in", least=0, applies_to=GROWING
    )
    fade_kimg: ResolutionTable = option(
        ResolutionTable(((0, 600.0),)), "kimg over which each resolution is faded in", least=0, applies_to=GROWING
    )
    batch_size: ResolutionTable | KimgTable | None = option(
        None,
        "images per step, over all devices, by resolution or in steps over kimg; empty: what suits the family, this "
        "number of devices and this resolution",
        above=0,
        whole=True,
    )
    learning_rate: ResolutionTable | KimgTable = option(
        "4:0.001,128:0.0015,256:0.002,512:0.003",
        "Adam's learning rate for the generator, by resolution or over kimg, and for the critic unless "
        "critic_learning_rate is given",
        above=0,
    )
    critic_learning_rate: ResolutionTable | KimgTable | None = option(
        None, "Adam's learning rate for the critic; empty: learning_rate", above=0
    )
    learning_rate_limit: float = option(
        0.002,
        "above which neither learning rate goes with WGAN-GP (published so: higher rates need another loss)",
        above=0,
        applies_to=WGAN_GP,
    )
    learning_rate_parts: str = option(
        "",
        "factors of the learning rates for parts of the networks, by the paths of their weights, such as "
        "generator/mapping:0.1,critic/conv_3*:0.5 (for transfer: what should change slowly)",
    )
    learning_rate_rampup_kimg: float = option(
        0.0, "kimg over which the learning rates rise from zero at the start", least=0
    )
    reset_optimizers: bool = option(
        True, "forget the optimizers' moments at the start and the end of each fade-in", applies_to=GROWING
    )

    @property
    def rates_by_part(self) -> LearningRateParts:
        """What learning_rate_parts says."""
        return LearningRateParts.parse(self.learning_rate_parts)


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam, and the running averages."""

    adam_beta1: float = option(0.0, "decay of Adam's first moment")
    adam_beta2: float | KimgTable = option(0.99, "decay of Adam's second moment")
    adam_epsilon: float = option(1e-8, "Adam's epsilon", above=0)
    ema_half_life_kimg: float | KimgTable | None = option(
        10.0, "half-life of the averaged generator; empty: batch size * 10 / 32", above=0
    )
    ema_rampup: float = option(
        0.0, "the half-life is at most this share of the images seen; 0 for no such limit", least=0
    )
    power_averages: str = option(
        "",
        "relative lengths (sigma_rel) of further averages of the generator, joined by commas, such as 0.05,0.1; "
        "--average of sample, evaluate and export chooses one later, or one of another length (docs/training.md)",
    )
    freeze_critic: int = option(
        0,
        "with --initialize_from: the critic's first N resolutions, from the image on, stay as they are (Freeze-D)",
        least=0,
    )
    w_average_decay: float = option(0.995, "decay per step of the running mean of w", least=0, most=1)

    @property
    def average_lengths(self) -> tuple[float, ...]:
        """sigma_rel of each of the power function averages."""
        expected = "power_averages must be lengths (sigma_rel)"
        return tuple(parse_average_length(text, expected) for text in self.power_averages.split(",") if text)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """How and where it runs."""

    run_dir: str = option("", "where everything is written; empty: runs/PRESET", may_change=True)
    initialize_from: str = option(
        "",
        "a run's directory, an export, hf://USER/NAME, or a published network by its name (convert --list), whose "
        "networks a new run starts from, as far as they fit",
        may_change=True,
    )
    seed: int = option(0, "seed of weights, data order, latents and noise", least=0)
    dtype_policy: str = option(
        "auto", f"{', '.join(DTYPE_POLICIES)}; auto takes the fastest that is safe here", choices=DTYPE_POLICIES
    )
    jit_compile: str = option(
        "auto",
        "XLA for the gradients: on, off, or auto, which tries it on GPUs while training continues without it",
        may_change=True,
        choices=JIT_CHOICES,
    )
    tf32: bool = option(
        True,
        "let GPUs round the factors of convolutions and large products in float32 to TensorFloat-32",
        may_change=True,
    )
    num_devices: int = option(
        0, "GPUs (without any: logical CPUs) to use; 0 for all GPUs or one CPU", may_change=True, least=0
    )
    max_batch_per_device: int = option(
        0,
        "largest number of images in a device's memory at once; larger batches are accumulated; 0 for no limit",
        may_change=True,
        least=0,
    )
    status_interval_s: float = option(
        10.0, "seconds between status lines if there is no terminal", may_change=True, above=0
    )
    tensorboard_interval_kimg: float = option(10.0, "kimg between TensorBoard scalars", may_change=True, above=0)
    profile_steps: str = option(
        "",
        "steps to record for TensorBoard's profiler, such as 100-110, counted from the start of this process",
        may_change=True,
    )
    grid_interval_kimg: float = option(
        100.0, "kimg between sample grids and animation frames", may_change=True, above=0
    )
    checkpoint_interval_kimg: float = option(100.0, "kimg between checkpoints", may_change=True, above=0)
    keep_checkpoints: int = option(3, "checkpoints kept", may_change=True, above=0)
    metrics: str = option(
        "",
        "protocols measured during training and at the end, joined by commas, such as "
        "kd2k_full_efficientnet_lite0; the first one chooses the best checkpoint (docs/metrics.md)",
        may_change=True,
    )
    metrics_interval_kimg: float = option(
        100.0, "kimg between measurements", may_change=True, above=0, applies_to=MEASURED
    )
    metrics_weights: str = option(
        "",
        "files of the feature networks of metrics, such as inception=FILE, joined by commas",
        may_change=True,
        applies_to=MEASURED,
    )
    truncation_psi: float = option(0.7, "truncation of sample grids; default of sampling and export", may_change=True)
    truncation_cutoff: int = option(
        8, "number of layers, from the first, that are truncated; 0 for all", may_change=True, least=0
    )


def parse_average_length(text: str, expected: str) -> float:
    """sigma_rel from its written form. Raises UserError for what is none, which says what was expected."""
    try:
        length = float(text)
    except ValueError:
        length = 0.0
    sound = SHORTEST_AVERAGE <= length <= LONGEST_AVERAGE
    require(sound, f"{expected} from {SHORTEST_AVERAGE:g} to {LONGEST_AVERAGE:g}", text)
    return length


def parse_profile_steps(text: str) -> tuple[int, int]:
    """The first and the last of the steps to be recorded, from FIRST-LAST. Raises ValueError for anything else."""
    match = re.fullmatch(r"(\d{1,12})-(\d{1,12})", text, re.ASCII)
    first, last = map(int, match.groups()) if match else (0, 0)
    require(
        2 <= first <= last < first + LONGEST_PROFILE,
        f"profile_steps must be FIRST-LAST such as 100-110, FIRST 2 or more and at most {LONGEST_PROFILE} steps in all",
        text,
    )
    return first, last
