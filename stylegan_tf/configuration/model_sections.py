"""The settings of what is trained: networks, losses and augmentation. Every default is written once.

The defaults are the published StyleGAN at 1024x1024 (Karras et al. 2019, "A Style-Based Generator Architecture for
Generative Adversarial Networks", and the settings published with it) trained with WGAN-GP; `presets.py` names
other choices. `config.py` joins the sections.
"""

from __future__ import annotations

import dataclasses

from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.options import (
    ADAPTIVE,
    ADAPTIVE_GROWING,
    AUGMENTED,
    CLASSIFYING,
    DIFFAUGMENT,
    FAMILY_SUMMARIES,
    OF_STYLEGAN1,
    OF_STYLEGAN1_LABELS,
    OF_STYLEGAN2,
    OF_STYLEGAN2_LABELS,
    OPEN_R1,
    PATH_LENGTHS,
    R1_LOSSES,
    WASSERSTEIN,
    WGAN_GP,
    option,
)
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.errors import require

ARCHITECTURES = ("skip", "resnet", "orig", "growing")
LABEL_DESIGNS = ("stylegan2-ada", "stylegan2")
PADDINGS = ("zeros", "edge")
NORMALIZATIONS = ("instance", "pixel", "none")
LOSSES = ("wgan-gp", "wasserstein", "logistic", "hinge", "least-squares", "relativistic")
AUGMENT_CHOICES = ("off", "adaptive", "fixed", "diffaugment")
# Sixteen times the published sizes: a damaged configuration is refused before its networks fill the memory.
MOST_UNITS = 8192
MOST_LAYERS = 64


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """The generator and the critic."""

    family: str = option("stylegan1", "what the networks are", choices=FAMILY_SUMMARIES)
    generator_architecture: str = option(
        "skip",
        f"{', '.join(ARCHITECTURES)}; how the resolutions of the generator are joined",
        choices=ARCHITECTURES,
        applies_to=OF_STYLEGAN2,
    )
    critic_architecture: str = option(
        "resnet",
        "the same for the critic; both are 'growing', or neither",
        choices=ARCHITECTURES,
        applies_to=OF_STYLEGAN2,
    )
    z_size: int = option(512, "size of the latents z", above=0, most=MOST_UNITS)
    w_size: int = option(512, "size of the intermediate latents w", above=0, most=MOST_UNITS)
    mapping_layers: int = option(
        8,
        "layers of the mapping network; 0: w is the normalised z, as in progressive growing (stylegan1)",
        least=0,
        most=MOST_LAYERS,
    )
    mapping_width: int = option(0, "units of all mapping layers but the last; 0: w_size", least=0, most=MOST_UNITS)
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
        applies_to=OF_STYLEGAN1,
    )
    constant_input: bool = option(True, "start from a learned constant instead of the latent", applies_to=OF_STYLEGAN1)
    style: bool = option(True, "styles scale and shift the features (AdaIN)", applies_to=OF_STYLEGAN1)
    noise: bool = option(True, "noise is injected in every layer")
    normalization: str = option(
        "instance",
        f"of the generator's features: {', '.join(NORMALIZATIONS)}",
        choices=NORMALIZATIONS,
        applies_to=OF_STYLEGAN1,
    )
    blur: bool = option(True, "smooth with [1, 2, 1] when resampling", applies_to=OF_STYLEGAN1)
    generator_padding: str = option(
        "zeros",
        "what the generator's convolutions see beyond the edges: zeros, as published, or edge, the pixels there once "
        "more: no dark corners in short runs",
        choices=PADDINGS,
    )
    critic_classifies: bool = option(
        False,
        "the critic has one score and predicts the class of an image, as in progressive "
        "growing; otherwise it has a score for each class",
        applies_to=OF_STYLEGAN1_LABELS,
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
        applies_to=OF_STYLEGAN2_LABELS,
    )
    critic_mapping_learning_rate_multiplier: float = option(
        0.01, "learning-rate multiplier of the critic's mapping network", above=0, applies_to=OF_STYLEGAN2_LABELS
    )
    label_design: str = option(
        "stylegan2-ada",
        "how labels are used: stylegan2-ada normalises them separately from z and multiplies "
        "the critic's features with theirs; stylegan2 puts them beside z and has a score for each class",
        choices=LABEL_DESIGNS,
        applies_to=OF_STYLEGAN2_LABELS,
    )
    clamp: float = option(
        256.0, "largest activation under mixed_float16; 0 for no limit", least=0, applies_to=OF_STYLEGAN2
    )
    clamp_always: bool = option(False, "clamp under every dtype_policy", applies_to=OF_STYLEGAN2)
    resample_filter: str = option(
        "1,3,3,1", "taps along one axis of the low-pass filter of resampling", applies_to=OF_STYLEGAN2
    )


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What is minimised."""

    loss: str = option(
        "wgan-gp",
        "wgan-gp; or with R1: logistic (non-saturating), hinge, least-squares, wasserstein, relativistic (R3GAN's)",
        choices=LOSSES,
    )
    gradient_penalty_weight: float | KimgTable = option(
        10.0, "weight of the gradient penalty", least=0, applies_to=WGAN_GP
    )
    gradient_penalty_target: float = option(1.0, "gradient norm that is not penalised", above=0, applies_to=WGAN_GP)
    drift_weight: float = option(0.001, "weight of the squared scores of reals", least=0, applies_to=WASSERSTEIN)
    label_loss_weight: float = option(
        1.0, "weight of the cross entropy of the classes, for both networks", least=0, applies_to=CLASSIFYING
    )
    r1_gamma: float | KimgTable | None = option(
        10.0,
        "weight of the R1 penalty of the other losses; empty: r1_gamma_per_pixel * pixels / batch size",
        least=0,
        applies_to=R1_LOSSES,
    )
    r1_gamma_per_pixel: float = option(
        0.0002,
        "of an image in a batch, where r1_gamma is left open: larger images want a stronger R1 (published: 0.0002)",
        least=0,
        applies_to=OPEN_R1,
    )
    r2_gamma: float | KimgTable = option(
        0.0, "weight of the same penalty at fakes (R2); 0 leaves it out", least=0, applies_to=R1_LOSSES
    )
    critic_steps: int = option(1, "updates of the critic, each of its own images, for one of the generator", above=0)
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
        2, "path lengths are computed on a batch this many times smaller", above=0, applies_to=PATH_LENGTHS
    )
    generator_regularization_interval: int = option(
        4, "steps between path length regularisations", above=0, applies_to=PATH_LENGTHS
    )
    style_mixing_probability: float = option(0.9, "share of images made from two latents", least=0, most=1)


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of what the critic sees (Karras et al. 2020, ADA; Zhao et al. 2020, DiffAugment)."""

    augment: str = option(
        "off",
        "off; adaptive: strength follows the critic's signs on reals; fixed: strength is augment_p; diffaugment: every "
        "image, and cheaper",
        choices=AUGMENT_CHOICES,
    )
    augment_transforms: str = option(
        "bgc",
        "groups joined by commas: blit, geometry, color, filter, noise, cutout; or bg, bgc, bgcf, bgcfn, bgcfnc",
        applies_to=AUGMENTED,
    )
    augment_p: float | KimgTable = option(
        0.0,
        "probability of each transform: fixed, or where the adaptive strength starts",
        least=0,
        most=1,
        applies_to=AUGMENTED,
    )
    augment_target: float = option(
        0.6, "target of the mean sign of the critic's scores of reals", least=-1, most=1, applies_to=ADAPTIVE
    )
    augment_interval: int = option(4, "steps between adjustments", above=0, applies_to=ADAPTIVE)
    augment_kimg: float | None = option(
        None,
        "kimg in which the strength can rise from 0 to 1; empty: 500, or 100 with --initialize_from",
        above=0,
        applies_to=ADAPTIVE,
    )
    augment_from: int | None = option(
        None,
        "resolution from which on, once it is faded in, the strength is adjusted; 0: from the start; empty: the last, "
        "since a critic wins early at small resolutions without overfitting",
        least=0,
        applies_to=ADAPTIVE_GROWING,
    )
    diffaugment_transforms: str = option(
        "color,translation,cutout", "transforms of diffaugment, joined by commas", applies_to=DIFFAUGMENT
    )

    @property
    def has_strength(self) -> bool:
        """Whether its transforms are applied with a probability, which the state holds."""
        return self.augment in ("adaptive", "fixed")


def parse_taps(text: str) -> tuple[float, ...]:
    """The taps of a filter, from numbers joined by commas. Raises ValueError for anything else."""
    try:
        taps = tuple(float(tap) for tap in text.split(","))
    except ValueError:
        taps = ()
    sound = 0 < len(taps) <= 32 and all(abs(tap) <= 1e6 for tap in taps) and sum(taps) >= 1e-6  # in float32, too
    require(sound, "resample_filter must be 1 to 32 numbers with a positive sum, such as 1,3,3,1", text)
    return taps
