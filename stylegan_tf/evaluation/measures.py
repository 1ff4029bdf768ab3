"""From features to the numbers of a protocol, and to those of real images: the floor beside every value."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.evaluation.extraction import FeatureSet
from stylegan_tf.metrics.class_coverage import class_coverage
from stylegan_tf.metrics.frechet_distance import frechet_distance
from stylegan_tf.metrics.inception_score import RunningInceptionScore
from stylegan_tf.metrics.kernel_distance import kernel_distance, kernel_distance_subsets
from stylegan_tf.metrics.precision_recall import density_coverage, precision_recall
from stylegan_tf.metrics.protocols import Protocol

Values = dict[str, float]

# What has to be kept of every image for a metric, besides the statistics of all.
KEEPS = {
    "frechet": (),
    "kernel": ("features",),
    "precision_recall": ("features",),
    "density_coverage": ("features",),
    "inception_score": ("logits",),
    "class_coverage": ("logits",),
}


def kept_for(protocols: Iterable[Protocol]) -> set[str]:
    """What has to be kept of every image for all of these."""
    return {kind for protocol in protocols for kind in KEEPS.get(protocol.metric, ())}


def measure_features(protocol: Protocol, reals: FeatureSet | None, fakes: FeatureSet) -> Values:
    """The values of a protocol over features.

    Args:
        protocol: One of the metrics in `KEEPS`.
        reals: Of the real images; None where the protocol needs none.
        fakes: Of the generated ones.
    """
    return dict(zip(protocol.values, _METRICS[protocol.metric](protocol, reals, fakes), strict=True))


def feature_floor(protocol: Protocol, reals: FeatureSet | None) -> Values:
    """What real images score.

    For distances, that is one half of the real images against the other half: sets of some hundred images are far from
    each other even if they come from one distribution. For scores of single sets it is that of the real images.
    """
    if reals is None:
        return {}
    if protocol.metric == "inception_score":
        return measure_features(protocol, None, reals)
    if protocol.metric == "class_coverage":
        return measure_features(protocol, reals, reals)
    first, second = reals.split()
    return measure_features(protocol, first, second)


def _frechet(protocol: Protocol, reals: FeatureSet, fakes: FeatureSet) -> tuple[float, ...]:
    ddof = protocol.options["ddof"]
    return (frechet_distance(reals.statistics.statistics(ddof), fakes.statistics.statistics(ddof)),)


def _kernel(protocol: Protocol, reals: FeatureSet, fakes: FeatureSet) -> tuple[float, ...]:
    if not protocol.options:
        return (kernel_distance(*_features(reals, fakes)),)
    options = {**protocol.options}
    options["subset_size"] = min(options["subset_size"], reals.count, fakes.count)
    return (kernel_distance_subsets(*_features(reals, fakes), **options)[0],)


def _precision_recall(protocol: Protocol, reals: FeatureSet, fakes: FeatureSet) -> tuple[float, ...]:
    return precision_recall(*_features(reals, fakes), **protocol.options)


def _density_coverage(protocol: Protocol, reals: FeatureSet, fakes: FeatureSet) -> tuple[float, ...]:
    return density_coverage(*_features(reals, fakes), **protocol.options)


def _features(*sets: FeatureSet) -> tuple[np.ndarray, np.ndarray]:
    first, second = (one.features for one in sets)
    if first is None or second is None:
        raise UserError("this metric needs the features of every image. Received: statistics only.")
    return first, second


def _inception_score(protocol: Protocol, reals: FeatureSet | None, fakes: FeatureSet) -> tuple[float, ...]:
    logits = fakes.logits
    if logits is None:
        raise UserError("an inception score needs the logits of a classifier. Received: features only.")
    running = RunningInceptionScore(*logits.shape, **protocol.options)
    for probabilities in fakes.probabilities():
        running.add(probabilities)
    return running.score()


def _class_coverage(protocol: Protocol, reals: FeatureSet, fakes: FeatureSet) -> tuple[float, ...]:
    found = class_coverage(*(np.concatenate(list(one.probabilities())) for one in (fakes, reals)))
    return found.coverage, found.confidence, found.entropy, float(found.divergence or 0.0)


_METRICS: dict[str, Callable[..., tuple[float, ...]]] = {
    "frechet": _frechet,
    "kernel": _kernel,
    "precision_recall": _precision_recall,
    "density_coverage": _density_coverage,
    "inception_score": _inception_score,
    "class_coverage": _class_coverage,
}
