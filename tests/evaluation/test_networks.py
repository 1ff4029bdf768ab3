"""Which feature networks protocols get, and what is said when one cannot be had."""

import importlib.metadata
import re

import pytest

from stylegan_tf.evaluation import networks
from stylegan_tf.evaluation.networks import build_networks, parse_weights
from stylegan_tf.invocation import install
from stylegan_tf.metrics.protocols import parse_protocols


def test_weights_are_read():
    url = "https://host.example/a.pth?x=1#sha256=" + "0" * 64
    assert parse_weights(["inception=a/b.pth", f"vgg16={url}", "", " model=m"]) == {
        "inception": "a/b.pth",
        "vgg16": url,
        "model": "m",
    }


@pytest.mark.parametrize("text", ["inception", "inception=", "=file", "resnet=file", "file.pth"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match=r"weights are given as NETWORK=FILE.*Received"):
        parse_weights([text])


def test_one_network_serves_all_its_protocols(tmp_path, monkeypatch):
    made = []
    monkeypatch.setitem(networks._BUILDERS, "efficientnet_lite0", lambda *_: made.append(1) or "network")
    protocols = parse_protocols(["fd2k_efficientnet_lite0", "swd2k", "kd2k_efficientnet_lite0"])
    assert build_networks(protocols, {}, tmp_path) == {"efficientnet_lite0": "network"}
    assert made == [1]


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("fd2k_full_model", ValueError, "--weights=model=FILE"),
        ("classes2k_classifier", ValueError, " classifier and give it with"),
    ],
)
def test_networks_that_must_be_given(name, error, says, tmp_path):
    with pytest.raises(error, match=says):
        build_networks(parse_protocols([name]), {}, tmp_path)


@pytest.mark.parametrize("name", ["fid50k_full", "pr50k3_full"])
def test_without_a_network_connection_the_choices_are_named(name, tmp_path, monkeypatch):
    monkeypatch.setattr(
        networks, "DEFAULT_URLS", dict.fromkeys(("inception", "vgg16"), f"file://{tmp_path}/missing-01234567.pth")
    )
    with pytest.raises(ValueError, match=r"Give a local file, use the efficientnet_lite0 protocols.*model of your own"):
        build_networks(parse_protocols([name]), {}, tmp_path / "cache")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(ImportError, match=re.escape(install("metrics"))):
        build_networks(parse_protocols(["fd2k_full_efficientnet_lite0"]), {}, tmp_path)
