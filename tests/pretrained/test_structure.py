"""What a file's arrays say about its networks, and what is refused before anything is built."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

from stylegan_tf.pretrained.published_file import PublishedFile, PublishedNetwork
from stylegan_tf.pretrained.read import read_published_file
from stylegan_tf.pretrained.structure import published_structure

PICKLES = pathlib.Path(__file__).parents[1] / "reference" / "pickles"


@pytest.fixture
def read():
    """`read(name, role, changes)`: a reference file, some arrays of a network being others; None leaves one out."""

    def make(name, role="generator_ema", changes=None, settings=None):
        file = read_published_file(PICKLES / f"{name}.pkl")
        network = file.networks[role]
        arrays = {key: array for key, array in {**network.arrays, **(changes or {})}.items() if array is not None}
        changed = dataclasses.replace(network, arrays=arrays, settings={**network.settings, **(settings or {})})
        return dataclasses.replace(file, networks={**file.networks, role: changed})

    return make


def zeros(*shape):
    return np.broadcast_to(np.float32(0), shape)


@pytest.mark.slow
def test_sizes_that_the_numbers_in_the_file_cannot_fill(read):
    """A few arrays may not ask for networks that take gigabytes."""
    large = {f"synthesis.b{side}.conv1.weight": zeros(100_000, 1, 1, 1) for side in (4, 8, 16)}
    file = read("stylegan2_ada_2021style", changes=large)
    file = dataclasses.replace(file, networks={"generator_ema": file.networks["generator_ema"]})
    with pytest.raises(ValueError, match=r"must be complete: networks of these sizes have at least 3\d\d,\d{3},\d{3},"):
        published_structure(file)
    many = {f"mapping.fc{index}.weight": zeros(16, 16) for index in range(101)}
    with pytest.raises(ValueError, match=r"mapping layers in the published file must be at most 100\. Received: 101\."):
        published_structure(
            dataclasses.replace(
                read("stylegan2_ada_2021style", changes=many),
                networks={"generator_ema": read("stylegan2_ada_2021style", changes=many).generator},
            )
        )
    with pytest.raises(ValueError, match=r"labels in the published file must be at most 100000 classes\."):
        file = read("stylegan2_ada_cond4_2021style", changes={"mapping.embed.weight": zeros(16, 100_001)})
        published_structure(dataclasses.replace(file, networks={"generator_ema": file.generator}))


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "stylegan2_ada_2021style",
            {"synthesis.b32.conv1.bias": zeros(1), "synthesis.b8.conv1.weight": None},
            "array synthesis.b8.conv1.weight in the published file must be there. Received: none",
        ),
        ("stylegan2_ada_2021style", {"synthesis.b64.conv1.bias": zeros(1)}, r"resolutions .*\[4, 8, 16, 64\]"),
        ("stylegan2_ada_2021style", {"mapping.fc0.weight": zeros(16)}, "must be 2-dimensional. Received: (16,)."),
        ("stylegan2_ada_2021style", {"synthesis.b16.torgb.weight": zeros(2, 12, 1, 1)}, "channels .* be 1, 3 or 4"),
        ("stylegan2_ada_cond4_2021style", {"mapping.fc0.weight": zeros(16, 16)}, "more columns than labels"),
        ("stylegan1_2019style", {"G_mapping/Dense7/weight": None}, "mapping_layers of the generator_ema .* be that of"),
        ("progan_2019style", {"4x4/Dense/weight": zeros(0, 192)}, "must be 2-dimensional"),
        ("progan_2019style", {f"{2**n}x{2**n}/Conv1/weight": zeros(1, 1, 1, 1) for n in range(2, 13)}, "at most 9"),
    ],
)
def test_arrays_that_make_no_network(read, name, changes, words):
    import re

    words = words if ".*" in words or "\\" in words else re.escape(words)
    with pytest.raises(ValueError, match=words) as error:
        published_structure(read(name, changes=changes))
    assert "\n" not in str(error.value)


def without_critic(file):
    networks = {role: network for role, network in file.networks.items() if role != "critic"}
    return dataclasses.replace(file, networks=networks)


def test_a_critic_that_differs(read):
    changes = {"b16.fromrgb.weight": zeros(12, 1, 1, 1)}
    file = read("stylegan2_ada_2021style", "critic", changes)
    with pytest.raises(ValueError, match=r"channels of the critic .* Received: 1\. --skip_critic makes"):
        published_structure(file)
    assert published_structure(without_critic(file))[0]["channels"] == 3


@pytest.mark.parametrize(("outputs", "classes"), [(1, 5), (4, 5), (7, 5), (0, 0)])
def test_a_critic_of_other_outputs(read, outputs, classes):
    file = read("progan_2019style", "critic", {"4x4/Dense1/weight": np.zeros((12, outputs), np.float32)})
    critic = dataclasses.replace(file.networks["critic"], num_classes=classes)
    words = rf"one score and the classes, .* {outputs} outputs for {classes} classes\. --skip_critic"
    with pytest.raises(ValueError, match=words if outputs else "must be 2-dimensional"):
        published_structure(dataclasses.replace(file, networks={**file.networks, "critic": critic}))


def test_a_critic_for_classes_that_the_generator_has_not(read):
    file = read("progan_2019style", "critic", {"4x4/Dense1/weight": zeros(12, 6)})
    with pytest.raises(ValueError, match=r"num_classes of the critic .* networks, 0\. Received: 5\. --skip_critic"):
        published_structure(file)


def test_feature_maps_that_follow_no_rule(read):
    file = read("stylegan2_ada_2021style", changes={"synthesis.b4.conv1.weight": zeros(7, 7, 3, 3)})
    with pytest.raises(ValueError, match=r"feature maps by level .* generator_ema 7, 12, 8\.$"):
        published_structure(file)
    file = read("stylegan2_ada_2021style", "critic", {"b4.conv.weight": zeros(7, 13, 3, 3)})
    with pytest.raises(ValueError, match=r"generator_ema 12, 12, 8; critic 7, 12, 8\. --skip_critic makes"):
        published_structure(file)


@pytest.mark.parametrize(
    ("base", "most", "levels"), [(8192, 512, 9), (16384, 512, 9), (512, 24, 4), (64, 512, 4), (300, 100, 5)]
)
def test_feature_maps_are_found_again(base, most, levels):
    from stylegan_tf.networks.sizes import feature_maps_at

    maps = [feature_maps_at(level, base, most) for level in range(levels)]
    arrays = {"mapping.fc0.weight": zeros(8, 8)}
    for level, number in enumerate(maps):
        arrays[f"synthesis.b{4 << level}.conv1.weight"] = zeros(number, number, 3, 3)
        arrays[f"synthesis.b{4 << level}.conv0.weight"] = zeros(number, maps[max(level - 1, 0)], 3, 3)
        arrays[f"synthesis.b{4 << level}.conv1.affine.weight"] = zeros(number, 8)
    arrays[f"synthesis.b{4 << levels - 1}.torgb.weight"] = zeros(3, maps[-1], 1, 1)
    file = PublishedFile("made up", "stylegan2-ada", {"generator_ema": PublishedNetwork(arrays, {})})
    values, _ = published_structure(file)
    limits = values["feature_maps_base"], values["feature_maps_max"]
    assert [feature_maps_at(level, *limits) for level in range(levels)] == maps
    assert values["generator_architecture"] == "orig"
