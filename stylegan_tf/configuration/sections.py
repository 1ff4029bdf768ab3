"""The settings of a training run, by section: frozen dataclasses in which every default is written once.

The defaults are the published StyleGAN at 1024x1024 (Karras et al. 2019, "A Style-Based Generator Architecture for
Generative Adversarial Networks", and the settings published with it) trained with WGAN-GP; `presets.py` names
other choices. `config.py` joins the sections.
"""

from __future__ import annotations

import dataclasses
import re

from stylegan_tf.configuration.options import (
    ADAPTIVE,
    AUGMENTED,
    CLASSIFYING,
    GROWING,
    PATH_LENGTHS,
    R1_LOSSES,
    STYLEGAN1,
    STYLEGAN1_LABELS,
    STYLEGAN2,
    STYLEGAN2_LABELS,
    WGAN_GP,
    option,
)
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.errors import require

FAMILIES = ("stylegan1", "stylegan2")
ARCHITECTURES = ("skip", "resnet", "orig", "growing")
LABEL_DESIGNS = ("stylegan2-ada", "stylegan2")
LOSSES = ("wgan-gp", "logistic", "hinge", "least-squares")
AUGMENT_CHOICES = ("off", "adaptive", "fixed")
NORMALIZATIONS = ("instance", "pixel", "none")
DTYPE_POLICIES = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
JIT_CHOICES = ("auto", "on", "off")
LONGEST_PROFILE = 100  # a step takes megabytes
# Sixteen times the published sizes: a damaged configuration is refused before its networks fill the memory.
MOST_UNITS = 8192
MOST_LAYERS = 64


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
    use_labels: bool = option(False, "class-conditional, by the data's own labels, or by the folders of pictures")
    mirror: bool = option(False, "show half of the images mirrored")
    random_crop: float = option(0.0, "share of height and width cut off at random whenever an image is shown")
    cache_dir: str = option(
        "", "where large sets are prepared, once; empty: stylegan_tf in the user's cache directory", may_change=True
    )


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """The generator and the critic."""

    family: str = option(
        "stylegan1", "stylegan1: AdaIN and growing networks; stylegan2: demodulated weights", choices=FAMILIES
    )
    generator_architecture: str = option(
        "skip",
        f"{', '.join(ARCHITECTURES)}; how the resolutions of the generator are joined",
        choices=ARCHITECTURES,
        applies_to=STYLEGAN2,
    )
    critic_architecture: str = option(
        "resnet",
        "the same of the critic; only both together are 'growing'",
        choices=ARCHITECTURES,
        applies_to=STYLEGAN2,
    )
    z_size: int = option(512, "size of the latents z", above=0, most=MOST_UNITS)
    w_size: int = option(512, "size of the intermediate latents w", above=0, most=MOST_UNITS)
    mapping_layers: int = option(
        8,
        "layers of the mapping network; 0: w is the normalised z, as in progressive growing (stylegan1)",
        least=0,
        most=MOST_LAYERS,
    )
    mapping_width: int = option(0, "units of all its layers but the last; 0: w_size", least=0, most=MOST_UNITS)
    mapping_learning_rate_multiplier: float = option(0.01, "learning-rate multiplier of the mapping network", above=0)
    feature_maps_base: ResolutionTable = option(
        ResolutionTable(((0, 8192.0),)),
        "feature maps at level n (from 0): min(this / 2^(n + 1), feature_maps_max); may depend on the final resolution",
        above=0,
        whole=True,
    )
    feature_maps_max: int = option(512, "largest number of feature maps", above=0, most=MOST_UNITS)
    fused_from: int = option(
        128,
        "resolution from which resampling and convolution are one operation; 0 for never",
        least=0,
        applies_to=STYLEGAN1,
    )
    constant_input: bool = option(True, "start from a learned constant instead of the latent", applies_to=STYLEGAN1)
    style: bool = option(True, "styles scale and shift the features (AdaIN)", applies_to=STYLEGAN1)
    noise: bool = option(True, "noise is injected in every layer")
    normalization: str = option(
        "instance",
        f"of the generator's features: {', '.join(NORMALIZATIONS)}",
        choices=NORMALIZATIONS,
        applies_to=STYLEGAN1,
    )
    blur: bool = option(True, "smooth with [1, 2, 1] when resampling", applies_to=STYLEGAN1)
    critic_classifies: bool = option(
        False,
        "the critic has one score and predicts the class of an image, as in progressive "
        "growing; otherwise it has a score for each class",
        applies_to=STYLEGAN1_LABELS,
    )
    minibatch_stddev_group: int | None = option(
        4,
        "images in a group of the minibatch standard deviation; empty: all that a device takes at once; 0 leaves it "
        "out",
        least=0,
    )
    minibatch_stddev_features: int = option(
        1, "feature maps of the minibatch standard deviation", above=0, most=MOST_UNITS
    )
    critic_mapping_layers: int = option(
        8,
        "layers of the critic's mapping network, which labels go through",
        least=0,
        most=MOST_LAYERS,
        applies_to=STYLEGAN2_LABELS,
    )
    critic_mapping_learning_rate_multiplier: float = option(
        0.01, "learning-rate multiplier of the critic's mapping network", above=0, applies_to=STYLEGAN2_LABELS
    )
    label_design: str = option(
        "stylegan2-ada",
        "how labels are used: stylegan2-ada normalises them apart from z and multiplies "
        "the critic's features with theirs; stylegan2 puts them beside z and has a score for each class",
        choices=LABEL_DESIGNS,
        applies_to=STYLEGAN2_LABELS,
    )
    clamp: float = option(
        256.0, "largest activation under mixed_float16; 0 for no limit", least=0, applies_to=STYLEGAN2
    )
    clamp_always: bool = option(False, "the clamp holds whatever the dtype_policy", applies_to=STYLEGAN2)
    resample_filter: str = option(
        "1,3,3,1", "taps along one axis of the low-pass filter of resampling", applies_to=STYLEGAN2
    )


@dataclasses.dataclass(frozen=True)
class ScheduleConfig:
    """How the networks grow. Tables by resolution are written '4:128,32:64' (from 4x4 up 128, from 32x32 up 64)."""

    start_resolution: int = option(
        8,
        "the smallest resolution of the schedule that is at least this high is the first",
        least=0,
        applies_to=GROWING,
    )
    total_kimg: float = option(25000.0, "thousands of real images to train on", may_change=True, above=0)
    stage_kimg: ResolutionTable = option(
        ResolutionTable(((0, 600.0),)), "kimg at each resolution once it is faded in", least=0, applies_to=GROWING
    )
    fade_kimg: ResolutionTable = option(
        ResolutionTable(((0, 600.0),)), "kimg of fading each resolution in", least=0, applies_to=GROWING
    )
    batch_size: ResolutionTable | None = option(
        None,
        "images a step, over all devices; empty: as published for this number of devices, and for stylegan2 for "
        "this resolution",
        above=0,
        whole=True,
    )
    learning_rate: ResolutionTable = option(
        "4:0.001,128:0.0015,256:0.002,512:0.003",
        "of Adam, for the generator, and for the critic unless "
        "critic_learning_rate is given; WGAN-GP caps both at 0.002",
        above=0,
    )
    critic_learning_rate: ResolutionTable | None = option(None, "of the critic's Adam; empty: learning_rate", above=0)
    learning_rate_rampup_kimg: float = option(
        0.0, "kimg over which the learning rates rise from zero at the start", least=0
    )
    reset_optimizers: bool = option(
        True, "forget the optimizers' moments at the start and the end of each fade-in", applies_to=GROWING
    )


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What is minimised."""

    loss: str = option(
        "wgan-gp", "wgan-gp; or with R1: logistic (non-saturating), hinge, least-squares", choices=LOSSES
    )
    gradient_penalty_weight: float = option(10.0, "weight of the gradient penalty", least=0, applies_to=WGAN_GP)
    gradient_penalty_target: float = option(1.0, "gradient norm that is not penalised", above=0, applies_to=WGAN_GP)
    drift_weight: float = option(0.001, "weight of the squared scores of reals", least=0, applies_to=WGAN_GP)
    label_loss_weight: float = option(
        1.0, "weight of the cross entropy of the classes, for both networks", least=0, applies_to=CLASSIFYING
    )
    r1_gamma: float | None = option(
        10.0,
        "weight of the R1 penalty of the other losses; empty: 0.0002 * pixels / batch size",
        least=0,
        applies_to=R1_LOSSES,
    )
    critic_regularization_interval: int = option(
        1, "steps between penalties of the critic; above 1 they get a step of their own (lazy regularisation)", above=0
    )
    path_length_weight: float = option(
        0.0, "weight of the generator's path length regularisation; 0 leaves it out", least=0
    )
    path_length_decay: float = option(
        0.01, "share of a step's path lengths in their running mean", least=0, most=1, applies_to=PATH_LENGTHS
    )
    path_length_batch_shrink: int = option(
        2, "path lengths are taken of a batch this many times smaller", above=0, applies_to=PATH_LENGTHS
    )
    generator_regularization_interval: int = option(
        4, "steps between path length regularisations", above=0, applies_to=PATH_LENGTHS
    )
    style_mixing_probability: float = option(0.9, "share of images made from two latents", least=0, most=1)


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of what the critic sees (Karras et al. 2020, ADA)."""

    augment: str = option(
        "off",
        "off; adaptive: strength follows the critic's signs on reals; fixed: strength is augment_p",
        choices=AUGMENT_CHOICES,
    )
    augment_transforms: str = option(
        "bgc",
        "groups joined by commas: blit, geometry, color, filter, noise, cutout; or bg, bgc, bgcf, bgcfn, bgcfnc",
        applies_to=AUGMENTED,
    )
    augment_p: float = option(
        0.0,
        "probability of each transform: fixed, or where the adaptive strength starts",
        least=0,
        most=1,
        applies_to=AUGMENTED,
    )
    augment_target: float = option(
        0.6, "mean sign of the critic's scores of reals that is aimed at", least=-1, most=1, applies_to=ADAPTIVE
    )
    augment_interval: int = option(4, "steps between adjustments", above=0, applies_to=ADAPTIVE)
    augment_kimg: float | None = option(
        None,
        "kimg in which the strength can rise from 0 to 1; empty: 500, or 100 with --initialize_from",
        above=0,
        applies_to=ADAPTIVE,
    )


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam, and the running averages."""

    adam_beta1: float = option(0.0, "decay of Adam's first moment")
    adam_beta2: float = option(0.99, "decay of Adam's second moment")
    adam_epsilon: float = option(1e-8, "Adam's epsilon", above=0)
    ema_half_life_kimg: float | None = option(
        10.0, "half-life of the averaged generator; empty: batch size * 10 / 32", above=0
    )
    ema_rampup: float = option(
        0.0, "the half-life is at most this share of the images seen; 0 for no such limit", least=0
    )
    w_average_decay: float = option(0.995, "decay, a step, of the running mean of w", least=0, most=1)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """How and where it runs."""

    run_dir: str = option("", "where everything is written; empty: runs/PRESET", may_change=True)
    initialize_from: str = option(
        "", "a run's directory, or an export, whose networks a new run starts from where they fit", may_change=True
    )
    seed: int = option(0, "of weights, data order, latents and noise", least=0)
    dtype_policy: str = option(
        "auto", f"{', '.join(DTYPE_POLICIES)}; auto takes the fastest that is safe here", choices=DTYPE_POLICIES
    )
    jit_compile: str = option(
        "auto",
        "XLA for the gradients: on, off, or auto, which tries it on GPUs while training goes on without",
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
        10.0, "seconds between status lines where there is no terminal", may_change=True, above=0
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
        "protocols measured now and then and at the end, joined by commas, such as "
        "kd2k_full_efficientnet_lite0; the first one chooses the best checkpoint (docs/metrics.md)",
        may_change=True,
    )
    metrics_interval_kimg: float = option(100.0, "kimg between measurements", may_change=True, above=0)
    metrics_weights: str = option(
        "", "files of the feature networks of metrics, such as inception=FILE, joined by commas", may_change=True
    )
    truncation_psi: float = option(0.7, "truncation of sample grids; default of sampling and export", may_change=True)
    truncation_cutoff: int = option(
        8, "layers that truncation reaches, from the first; 0 for all", may_change=True, least=0
    )


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


def parse_taps(text: str) -> tuple[float, ...]:
    """The taps of a filter, from numbers joined by commas. Raises ValueError for anything else."""
    try:
        taps = tuple(float(tap) for tap in text.split(","))
    except ValueError:
        taps = ()
    sound = 0 < len(taps) <= 32 and all(abs(tap) <= 1e6 for tap in taps) and sum(taps) >= 1e-6  # in float32, too
    require(sound, "resample_filter must be 1 to 32 numbers with a positive sum, such as 1,3,3,1", text)
    return taps
