"""Averages of weights over a training by power functions: their lengths, their updates, and mixtures of several.

At t images seen the average of exponent gamma weighs the weights of every earlier moment s by s^gamma: it forgets the
beginning, and its length grows with the training. sigma_rel, the length, is the standard deviation of that profile as a
share of the time trained. "Power" here is gamma + 1, the one number that all formulas take.

Reference: Karras et al. 2024, "Analyzing and Improving the Training Dynamics of Diffusion Models", section 3.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

# Keeps the system solvable when checkpoints lie so close together that float64 cannot tell their profiles apart.
_RIDGE = 1e-12


def average_name(sigma_rel: float) -> str:
    """What an average is called in checkpoints and by --average, such as "0.05"."""
    return f"{sigma_rel:g}"


def power_of(sigma_rel: float) -> float:
    """gamma + 1 of the profile whose standard deviation is `sigma_rel`, between 0 and 0.28, of the time trained.

    sigma_rel^2 = x / ((x + 1)^2 (x + 2)) with x = gamma + 1 (appendix C), of whose solutions x is the largest.
    """
    inverse = sigma_rel**-2
    return float(np.roots([1.0, 4.0, 5.0 - inverse, 2.0]).real.max())


def share_of_new(power: float, images_seen: int, images: int) -> float:
    """Share of the newest weights in an average whose profile is s^(power - 1).

    Exactly that of the last `images` of all, so the number of images a step may change. The rest is the average before.

    Args:
        power: gamma + 1.
        images_seen: Before the step; at 0 all is new.
        images: Of the step.
    """
    if images_seen == 0:
        return 1.0
    return -math.expm1(-power * math.log1p(images / images_seen))


@dataclasses.dataclass(frozen=True)
class PowerProfile:
    """The weights, over the images seen, of what an average consists of; its integral is 1.

    Attributes:
        sigma_rel: Its length.
        images_seen: Where it ends; above 0.
    """

    sigma_rel: float
    images_seen: int


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A profile as a sum of others.

    Attributes:
        coefficients: Float64 [N], of the others; their sum is 1, so that weights that never moved stay as they are.
        error: Root of the squared distance to the wanted profile, as a share of that one's norm.
    """

    coefficients: np.ndarray
    error: float


def mix(stored: Sequence[PowerProfile], wanted: PowerProfile) -> Mixture:
    """The mixture of some profiles that comes closest to another one, by least squares.

    Section 3.2 of the paper, with one condition more: the coefficients add up to 1, however badly the profile fits.

    Args:
        stored: At least one.
        wanted: What they are to give.
    """
    products = _products([*stored, wanted])
    norms = np.sqrt(np.diag(products))
    cosines = products / np.outer(norms, norms)
    among, towards, sums = cosines[:-1, :-1], cosines[:-1, -1], norms[-1] / norms[:-1]
    ridge = _RIDGE * np.eye(len(stored))
    system = np.block([[among + ridge, sums[:, None]], [sums[None], np.zeros((1, 1))]])
    of_unit_profiles = np.linalg.solve(system, [*towards, 1.0])[:-1]
    squared = of_unit_profiles @ among @ of_unit_profiles - 2.0 * towards @ of_unit_profiles + 1.0
    coefficients = of_unit_profiles * sums
    return Mixture(coefficients / coefficients.sum(), math.sqrt(max(squared, 0.0)))


def _products(profiles: Sequence[PowerProfile]) -> np.ndarray:
    """The integrals of the products of each two profiles, per image: float64 [N, N]."""
    powers = np.array([power_of(profile.sigma_rel) for profile in profiles])
    ends = np.array([float(profile.images_seen) for profile in profiles])
    first, last = np.minimum.outer(ends, ends), np.maximum.outer(ends, ends)
    power_of_last = np.where(np.greater.outer(ends, ends), powers[:, None], powers[None])
    overlap = (first / last) ** (power_of_last - 1.0)
    return np.multiply.outer(powers, powers) / (np.add.outer(powers, powers) - 1.0) * overlap / last
