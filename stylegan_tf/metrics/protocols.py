"""Protocols: names such as fid50k_full, each an exact recipe for a measurement that never changes its meaning.

A recipe fixes the metric and its parameters, the feature network, and the numbers of images. In all of them generated
images are not truncated, nothing is mirrored, labels are drawn like the data's, and every image has noise of its
own; path lengths hold the noise fixed, as published. Names without a network are the published ones, over the networks
of the papers; every other network ends the name, and FID and KID are then called fd and kd, since the I stands for
Inception.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from stylegan_tf.errors import UserError
from stylegan_tf.invocation import command

INCEPTION, VGG16, LPIPS = "inception", "vgg16", "lpips_vgg16"
EFFICIENTNET, CLASSIFIER = "efficientnet_lite0", "classifier"
# Networks that may end a name.
OTHER_NETWORKS = ("keras_inception", "keras_vgg16", EFFICIENTNET, CLASSIFIER, "model")

# Distances from which the default of a command is made where no name is given.
DEFAULT_PROTOCOLS = (f"kd2k_full_{EFFICIENTNET}", f"fd2k_full_{EFFICIENTNET}")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A recipe.

    Attributes:
        name: Of the protocol.
        metric: Which module of `stylegan_tf.metrics` computes it.
        network: The feature network; empty for metrics over pixels.
        fakes: Number of generated images, or of pairs of them for path lengths; 0 where the name has none: as many as
            there are (`with_fakes`).
        reals: Number of real images; None for all there are, 0 for none.
        fewer_reals: Whether a smaller set will do, all of which is then taken (patches: again and again).
        values: Names of the numbers that come out; the first one is the one to compare runs by.
        lower_is_better: Of that first number; None where neither is.
        meaning: One sentence.
        options: Parameters of the metric, by the names of its function's arguments.
    """

    name: str
    metric: str
    network: str
    fakes: int
    reals: int | None
    values: tuple[str, ...]
    lower_is_better: bool | None
    meaning: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fewer_reals: bool = False

    def with_fakes(self, available: int) -> Protocol:
        """With a number of generated images, where the name leaves it open."""
        return self if self.fakes else dataclasses.replace(self, fakes=available)

    @property
    def needs_generator(self) -> bool:
        """Whether images alone are not enough."""
        return self.metric in ("path_length", "separability")


def protocol(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        ValueError: For a name that no protocol has.
    """
    for pattern, build in _RECIPES:
        match = re.fullmatch(pattern, name)
        if match is not None:
            found = build(name, match)
            if found is not None:
                return found
    raise UserError(
        f"a metric must be the name of a protocol, such as {', '.join(PUBLISHED[:5])}, {DEFAULT_PROTOCOLS[0]}; "
        f"{command('evaluate --list')} names all. Received: {name!r}."
    )


def parse_protocols(names: list[str]) -> list[Protocol]:
    """The protocols of names, each once, in the order given; raises as `protocol`."""
    return [protocol(name) for name in dict.fromkeys(name.strip() for name in names if name.strip())]


def _count(match: re.Match[str], thousand: int = 1000) -> int:
    """The number in a name; 0 for none."""
    text = match["count"] or "0"
    return int(text[:-1]) * thousand if text.endswith("k") else int(text)


def _counts(match: re.Match[str], most_reals: int | None = None) -> tuple[int, int | None]:
    """Numbers of generated and of real images; `most_reals` is the limit of a recipe with all reals."""
    fakes = _count(match)
    return fakes, most_reals if match["full"] else fakes


def _generated(fakes: int) -> str:
    return f"{fakes:,} generated images" if fakes else "as many generated images as there are"


def _network(match: re.Match[str], published: str, others: tuple[str, ...]) -> str | None:
    """The network that a name ends in, the published one for none, or None for one that does not fit."""
    given = match["network"]
    if given is None:
        return published or None
    return given if given in others else None


def _frechet(name: str, match: re.Match[str]) -> Protocol | None:
    network = _network(match, INCEPTION, OTHER_NETWORKS)
    if network is None or (match["kind"] == "fid") != (network == INCEPTION):
        return None
    fakes, reals = _counts(match)
    # The FID paper and StyleGAN divide covariances by N - 1, StyleGAN2-ADA, whose names end in _full, by N.
    return Protocol(
        name,
        "frechet",
        network,
        fakes,
        reals,
        ("frechet_distance",),
        True,
        f"Fréchet distance between {_generated(fakes)} and {_reals(reals, match)}, over {network}",
        {"ddof": 0 if match["full"] else 1},
    )


def _kernel(name: str, match: re.Match[str]) -> Protocol | None:
    network = _network(match, INCEPTION, OTHER_NETWORKS)
    if network is None or (match["kind"] == "kid") != (network == INCEPTION):
        return None
    fakes, reals = _counts(match, most_reals=1_000_000)
    subsets = network == INCEPTION
    manner = "mean over 100 subsets of 1,000" if subsets else "over all pairs"
    return Protocol(
        name,
        "kernel",
        network,
        fakes,
        reals,
        ("kernel_distance",),
        True,
        f"unbiased kernel distance between {_generated(fakes)} and {_reals(reals, match)}, over {network}, {manner}",
        {"num_subsets": 100, "subset_size": 1000} if subsets else {},
        fewer_reals=bool(match["full"]),
    )


def _neighbours(name: str, match: re.Match[str]) -> Protocol | None:
    network = _network(match, VGG16, (INCEPTION, *OTHER_NETWORKS))
    neighbours = int(match["neighbours"])
    if network is None or neighbours < 1:
        return None
    fakes, reals = _counts(match, most_reals=200_000)
    precision = match["kind"] == "pr"
    values = ("precision", "recall") if precision else ("density", "coverage")
    return Protocol(
        name,
        "precision_recall" if precision else "density_coverage",
        network,
        fakes,
        reals,
        values,
        False,
        f"{' and '.join(values)} of {_generated(fakes)} against {_reals(reals, match)}, {neighbours} "
        f"nearest neighbours over {network}",
        {"neighbours": neighbours},
        fewer_reals=bool(match["full"]),
    )


def _inception_score(name: str, match: re.Match[str]) -> Protocol | None:
    network = _network(match, INCEPTION, ("keras_inception", CLASSIFIER))
    if network is None:
        return None
    fakes = _count(match)
    return Protocol(
        name,
        "inception_score",
        network,
        fakes,
        0,
        ("score", "deviation"),
        False,
        f"inception score of {fakes:,} generated images in 10 parts, over {network}",
        {"splits": 10},
    )


def _class_coverage(name: str, match: re.Match[str]) -> Protocol | None:
    fakes = _count(match)
    return Protocol(
        name,
        "class_coverage",
        CLASSIFIER,
        fakes,
        None,
        ("coverage", "confidence", "entropy", "divergence"),
        False,
        f"classes that a classifier sees in {fakes:,} generated images, how sure it is, and how far their shares "
        "are from the data's",
    )


def _separability(name: str, match: re.Match[str]) -> Protocol | None:
    fakes = _count(match)
    return Protocol(
        name,
        "separability",
        CLASSIFIER,
        fakes,
        0,
        ("w", "z"),
        True,
        f"linear separability of a classifier's classes in w and in z, of {fakes:,} generated images the surer half",
        {"keep": 0.5},
    )


def _published_path_length(name: str, match: re.Match[str]) -> Protocol | None:
    # ppl2_wend is StyleGAN2's, without the crop of StyleGAN's.
    return _path_length(name, LPIPS, 50_000, match["space"], match["place"], crop=not name.startswith("ppl2"))


def _other_path_length(name: str, match: re.Match[str]) -> Protocol | None:
    if match["network"] not in (LPIPS, *OTHER_NETWORKS) or match["network"] == CLASSIFIER:
        return None
    return _path_length(name, match["network"], _count(match), match["space"], match["place"], crop=False)


def _path_length(name: str, network: str, pairs: int, space: str, place: str, crop: bool) -> Protocol:
    where = "anywhere on the path" if place == "full" else "at its start"
    return Protocol(
        name,
        "path_length",
        network,
        pairs,
        0,
        ("path_length",),
        True,
        f"perceptual path length in {space}, {where}, of {pairs:,} pairs, over {network}"
        + (", images cropped to the face" if crop else ""),
        {"space": space, "sampling": place, "epsilon": 1e-4, "crop": crop},
    )


def _sliced_wasserstein(name: str, match: re.Match[str]) -> Protocol | None:
    fakes = _count(match, 1024)
    return Protocol(
        name,
        "sliced_wasserstein",
        "",
        fakes,
        fakes,
        ("mean",),
        True,
        f"sliced Wasserstein distance between patches of {fakes:,} generated and as many real images, times 1,000, by "
        "level of a Laplacian pyramid",
        fewer_reals=True,
    )


def _ms_ssim(name: str, match: re.Match[str]) -> Protocol | None:
    fakes = _count(match)
    return Protocol(
        name,
        "ms_ssim",
        "",
        fakes,
        0,
        ("ms_ssim",),
        True,
        f"similarity (MS-SSIM) of the pairs that {fakes:,} generated images make: low where they vary",
    )


def _reals(count: int | None, match: re.Match[str]) -> str:
    if not match["full"]:
        return f"{count:,} real ones"
    return "all real ones" if count is None else f"all real ones (at most {count:,})"


# 50k, or any number from 10 on; none where all real images take part, and as many generated ones.
_COUNT = r"(?P<count>[1-9]\d{0,3}k|[1-9]\d{1,5})"
_NETWORK = r"(?:_(?P<network>[a-z]\w*))?"
_FULL = r"(?P<full>_full)?"
_RECIPES: list[tuple[str, Callable[[str, re.Match[str]], Protocol | None]]] = [
    (rf"(?P<kind>fid|fd)(?=\d|_full){_COUNT}?{_FULL}{_NETWORK}", _frechet),
    (rf"(?P<kind>kid|kd)(?=\d|_full){_COUNT}?{_FULL}{_NETWORK}", _kernel),
    (rf"(?P<kind>pr|dc)(?=\d+k|\d+_\d|\d_full)(?:{_COUNT}_?)?(?P<neighbours>\d){_FULL}{_NETWORK}", _neighbours),
    (rf"is{_COUNT}{_NETWORK}", _inception_score),
    (rf"classes{_COUNT}_{CLASSIFIER}", _class_coverage),
    (rf"ls{_COUNT}_{CLASSIFIER}", _separability),
    (r"ppl_(?P<space>[zw])(?P<place>full|end)", _published_path_length),
    (r"ppl2_(?P<space>w)(?P<place>end)", _published_path_length),
    (rf"ppl{_COUNT}_(?P<space>[zw])(?P<place>full|end)_(?P<network>[a-z]\w*)", _other_path_length),
    (rf"swd{_COUNT}", _sliced_wasserstein),
    (rf"msssim{_COUNT}", _ms_ssim),
]

PUBLISHED = (
    "fid50k",
    "fid50k_full",
    "kid50k",
    "kid50k_full",
    "pr50k3",
    "pr50k3_full",
    "dc50k5_full",
    "is50k",
    "ppl_zfull",
    "ppl_wfull",
    "ppl_zend",
    "ppl_wend",
    "ppl2_wend",
    "swd16k",
    "msssim10k",
)
EXAMPLES = (
    *DEFAULT_PROTOCOLS,
    f"kd_full_{EFFICIENTNET}",
    f"kd300_full_{EFFICIENTNET}",
    f"pr2k3_full_{EFFICIENTNET}",
    f"pr300_3_full_{EFFICIENTNET}",
    f"dc2k5_full_{EFFICIENTNET}",
    f"ppl2k_wend_{EFFICIENTNET}",
    "fd50k_full_keras_inception",
    "pr50k3_full_keras_vgg16",
    "is50k_keras_inception",
    "fd10k_full_model",
    "fd10k_full_classifier",
    "is10k_classifier",
    "classes10k_classifier",
    "ls100k_classifier",
    "swd2k",
    "msssim2k",
)
