"""The feature networks that protocols name, and where their weights come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from stylegan_tf.errors import require
from stylegan_tf.features.base import FeatureNetwork
from stylegan_tf.features.classifier import ClassifierFeatures
from stylegan_tf.features.efficientnet_lite import EfficientNetLite0Features
from stylegan_tf.features.inception import InceptionFeatures
from stylegan_tf.features.keras_networks import KerasInceptionFeatures, KerasVGG16Features
from stylegan_tf.features.model import ModelFeatures
from stylegan_tf.features.vgg16 import LPIPSFeatures, VGG16Features, find_lpips_weights
from stylegan_tf.features.weights import DEFAULT_URLS, find_weights
from stylegan_tf.invocation import command
from stylegan_tf.metrics.protocols import CLASSIFIER, EFFICIENTNET, INCEPTION, LPIPS, VGG16, Protocol
from stylegan_tf.progress import ProgressLine

# What --weights may name.
WEIGHTS = (INCEPTION, VGG16, LPIPS, "keras_inception", "keras_vgg16", CLASSIFIER, "model")


def parse_weights(texts: Iterable[str]) -> dict[str, str]:
    """Reads "inception=FILE" and the like.

    Raises:
        ValueError: For an unknown network, or a text of another form.
    """
    found = {}
    for text in texts:
        if not text.strip():
            continue
        name, equals, where = text.strip().partition("=")
        require(
            name in WEIGHTS and bool(equals) and bool(where),
            f"weights are given as NETWORK=FILE, for the networks {', '.join(WEIGHTS)}",
            repr(text),
        )
        found[name] = where
    return found


def build_networks(protocols: Sequence[Protocol], weights: Mapping[str, str], cache: Path) -> dict[str, FeatureNetwork]:
    """The networks of protocols, by name. Call it in the scope of the strategy that they will run in.

    Args:
        protocols: What will be measured.
        weights: Files or URLs, by the network's name; see `features.weights`.
        cache: A directory for downloads.

    Raises:
        ValueError, ImportError: When a network cannot be had; the message says what to give or install, or what else to
            choose.
    """
    names = dict.fromkeys(protocol.network for protocol in protocols if protocol.network)
    return {name: _BUILDERS[name](weights, cache) for name in names}


def _file(name: str, weights: Mapping[str, str], cache: Path) -> Path:
    """What was given, or what lies at the known address."""
    with ProgressLine(f"Downloading weights of {name}", "bytes") as progress:
        return find_weights(weights.get(name) or DEFAULT_URLS[name], cache, progress=progress)


def _given(name: str, weights: Mapping[str, str], cache: Path) -> Path | None:
    return _file(name, weights, cache) if name in weights else None


def _inception(weights: Mapping[str, str], cache: Path) -> FeatureNetwork:
    return InceptionFeatures(_file(INCEPTION, weights, cache))


def _vgg16(weights: Mapping[str, str], cache: Path) -> FeatureNetwork:
    return VGG16Features(_file(VGG16, weights, cache))


def _lpips(weights: Mapping[str, str], cache: Path) -> FeatureNetwork:
    linear = _given(LPIPS, weights, cache) or find_lpips_weights()
    return LPIPSFeatures(_file(VGG16, weights, cache), linear)


def _efficientnet(weights: Mapping[str, str], cache: Path) -> FeatureNetwork:
    return EfficientNetLite0Features()


def _keras_inception(weights: Mapping[str, str], cache: Path) -> FeatureNetwork:
    return KerasInceptionFeatures(_given("keras_inception", weights, cache))


def _keras_vgg16(weights: Mapping[str, str], cache: Path) -> FeatureNetwork:
    return KerasVGG16Features(_given("keras_vgg16", weights, cache))


def _classifier(weights: Mapping[str, str], cache: Path) -> FeatureNetwork:
    advice = f"train one with {command('classifier')} and give it with --weights=classifier=FILE"
    require(CLASSIFIER in weights, f"protocols that end in {CLASSIFIER} need one; {advice}", "none")
    return ClassifierFeatures(_file(CLASSIFIER, weights, cache))


def _model(weights: Mapping[str, str], cache: Path) -> FeatureNetwork:
    wanted = "protocols that end in model need a Keras model or SavedModel; give it with --weights=model=FILE"
    require("model" in weights, wanted, "none")
    return ModelFeatures(_file("model", weights, cache))


_BUILDERS: dict[str, Callable[[Mapping[str, str], Path], FeatureNetwork]] = {
    INCEPTION: _inception,
    VGG16: _vgg16,
    LPIPS: _lpips,
    EFFICIENTNET: _efficientnet,
    "keras_inception": _keras_inception,
    "keras_vgg16": _keras_vgg16,
    CLASSIFIER: _classifier,
    "model": _model,
}
