"""Power function averages against sums in float64, and mixtures of them against the averages that they stand for."""

import numpy as np
import pytest

from stylegan_tf.runs.power_profiles import PowerProfile, mix, power_of, share_of_new


@pytest.mark.parametrize("sigma_rel", [0.001, 0.01, 0.05, 0.1, 0.2, 0.28])
def test_sigma_rel_is_the_deviation_of_the_profile(sigma_rel):
    """Of s^gamma over [0, 1], by Simpson's rule."""
    power = power_of(sigma_rel)
    position = np.linspace(0.0, 1.0, 200_001) ** 4  # fine steps at 0, where an exponent below 1 is steep
    middles, widths = (position[1:] + position[:-1]) / 2, np.diff(position)
    weights = power * middles ** (power - 1.0) * widths
    mean = np.sum(weights * middles)
    assert np.sum(weights) == pytest.approx(1.0, rel=1e-4)
    assert np.sqrt(np.sum(weights * (middles - mean) ** 2)) == pytest.approx(sigma_rel, rel=1e-3)


def test_published_exponents():
    """gamma of the lengths that the paper stores, section 3.2."""
    assert power_of(0.05) - 1 == pytest.approx(16.97, abs=0.005)
    assert power_of(0.10) - 1 == pytest.approx(6.94, abs=0.005)


def test_equal_steps_are_the_published_update():
    """beta = (1 - 1 / t)^(gamma + 1)."""
    for step in (1, 2, 10, 1000):
        assert 1 - share_of_new(7.5, 32 * (step - 1), 32) == pytest.approx((1 - 1 / step) ** 7.5, abs=1e-12)


def averages(weights, ends, sigma_rel):
    """All averages of a course of weights by share after share, in float64."""
    power, found, average, before = power_of(sigma_rel), {}, 0.0, 0
    for weight, end in zip(weights, ends, strict=True):
        share = share_of_new(power, before, end - before)
        average, before = average + share * (weight - average), end
        found[end] = average
    return found


def weighted_sum(weights, ends, sigma_rel):
    """The last average as the sum that defines it: the integral of the profile over each step, times the weights."""
    edges = np.array([0, *ends]) / ends[-1]
    return np.sum(np.diff(edges ** power_of(sigma_rel)) * weights)


@pytest.mark.parametrize("sigma_rel", [0.01, 0.05, 0.1, 0.28])
def test_updates_are_the_weighted_sum_whatever_the_batches(sigma_rel):
    random = np.random.default_rng(0)
    ends = np.cumsum(random.choice([8, 16, 64], 3000))
    weights = random.standard_normal(3000)
    found = averages(weights, ends, sigma_rel)[ends[-1]]
    assert found == pytest.approx(weighted_sum(weights, ends, sigma_rel), abs=1e-12)


def snapshots(ends, count, lengths=(0.05, 0.1)):
    distance = len(ends) // count
    return [PowerProfile(length, int(end)) for end in ends[distance - 1 :: distance] for length in lengths]


def test_a_stored_average_is_mixed_of_itself():
    ends = np.arange(1, 101) * 1000
    stored = snapshots(ends, 10)
    mixture = mix(stored, PowerProfile(0.05, 100_000))
    assert mixture.error < 1e-6
    np.testing.assert_allclose(mixture.coefficients, [*[0.0] * 18, 1.0, 0.0], atol=1e-6)


def test_a_mixture_is_the_average_that_was_not_stored():
    """As closely as the mixture says."""
    random = np.random.default_rng(1)
    ends = np.arange(1, 4001) * 100
    weights = np.cumsum(random.standard_normal(4000)) / 60
    stored = snapshots(ends, 100)
    values = {length: averages(weights, ends, length) for length in (0.05, 0.1)}
    of_stored = np.array([values[profile.sigma_rel][profile.images_seen] for profile in stored])
    for length in (0.03, 0.07, 0.15, 0.25):
        mixture = mix(stored, PowerProfile(length, 400_000))
        assert mixture.coefficients.sum() == pytest.approx(1.0, abs=1e-12)
        found, wanted = mixture.coefficients @ of_stored, weighted_sum(weights, ends, length)
        assert mixture.error < 1e-2
        assert abs(found - wanted) < 2 * mixture.error * np.abs(weights).max(), length


def test_the_error_is_the_distance_of_the_profiles():
    """By a sum over a grid."""
    stored = [PowerProfile(length, end) for end in (600, 1000) for length in (0.05, 0.1)]
    mixture = mix(stored, PowerProfile(0.2, 1000))
    grid = (np.arange(100_000) + 0.5) / 100_000

    def curve(profile):
        power, end = power_of(profile.sigma_rel), profile.images_seen / 1000
        return np.where(grid < end, power * (grid / end) ** (power - 1) / end, 0.0)

    wanted = curve(PowerProfile(0.2, 1000))
    mixed = sum(factor * curve(profile) for factor, profile in zip(mixture.coefficients, stored, strict=True))
    assert mixture.error == pytest.approx(np.sqrt(np.sum((mixed - wanted) ** 2) / np.sum(wanted**2)), rel=1e-3)


def test_more_checkpoints_fit_better():
    ends = np.arange(1, 1001) * 1000
    errors = [mix(snapshots(ends, count), PowerProfile(0.15, 1_000_000)).error for count in (2, 10, 50)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01 < errors[0]


def test_checkpoints_that_lie_close_together_are_no_trouble():
    stored = [PowerProfile(length, 25_000_000 - 8 * back) for back in range(6) for length in (0.05, 0.1)]
    mixture = mix(stored, PowerProfile(0.08, 25_000_000))
    assert mixture.error < 0.1
    assert np.abs(mixture.coefficients).max() < 1e3
