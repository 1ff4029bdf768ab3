"""What safetensors say of themselves; tests/cli/test_convert.py has their arrays."""

from __future__ import annotations

import json

import pytest

from stylegan_tf.configuration.presets import preset
from stylegan_tf.networks.build import build_critic, build_generator, shape_of
from stylegan_tf.pretrained.safetensors_file import write_safetensors

safetensors = pytest.importorskip("safetensors")


def metadata_of(path, num_classes=0, **values):
    """Of a small generator, and of its critic."""
    small = {
        "z_size": 8,
        "w_size": 8,
        "mapping_layers": 2,
        "feature_maps_base": 32,
        "feature_maps_max": 8,
        "channels": 3,
    }
    config = preset("stylegan2-ada").replace({**small, **values})
    for build in (build_generator, build_critic):
        write_safetensors(build(config.network, shape_of(config, 2, num_classes)), path, {"run": "mine"})
        with safetensors.safe_open(path, "np") as file:
            yield file.metadata()


def test_arguments_are_those_of_the_pytorch_code(tmp_path):
    values = {"mapping_width": 4, "mapping_learning_rate_multiplier": 0.1, "resample_filter": "1,2,1"}
    generator, critic = metadata_of(tmp_path / "x.safetensors", 3, **values)
    for metadata in (generator, critic):
        assert (metadata["format"], metadata["names"]) == ("pt", "StyleGAN2-ADA, PyTorch")
        assert metadata["run"] == "mine"
    arguments = json.loads(generator["arguments"])
    assert arguments == {
        "z_dim": 8,
        "c_dim": 3,
        "w_dim": 8,
        "img_resolution": 8,
        "img_channels": 3,
        "mapping_kwargs": {"num_layers": 2, "lr_multiplier": 0.1, "layer_features": 4},
        "synthesis_kwargs": {
            "architecture": "skip",
            "channel_base": 64,
            "channel_max": 8,
            "num_fp16_res": 0,
            "conv_clamp": None,
            "resample_filter": [1, 2, 1],
            "use_noise": True,
        },
    }
    arguments = json.loads(critic["arguments"])
    assert (arguments["c_dim"], arguments["architecture"]) == (3, "resnet")
    assert arguments["block_kwargs"] == {"resample_filter": [1, 2, 1]}


@pytest.mark.parametrize(
    "values",
    [
        {"generator_architecture": "growing", "critic_architecture": "growing"},
        {"label_design": "stylegan2", "num_classes": 3},
    ],
    ids=["growing", "labels of the first StyleGAN2"],
)
@pytest.mark.slow
def test_networks_without_a_pytorch_code_have_no_arguments(tmp_path, values):
    for metadata in metadata_of(tmp_path / "x.safetensors", **values):
        assert "arguments" not in metadata


def test_the_design_of_labels_says_nothing_without_labels(tmp_path):
    for metadata in metadata_of(tmp_path / "x.safetensors", label_design="stylegan2"):
        assert json.loads(metadata["arguments"])["c_dim"] == 0


@pytest.mark.parametrize(("group", "features"), [(4, 2), (None, 2), (0, 0), (1, 0)])
@pytest.mark.slow
def test_a_critic_without_the_minibatch_statistic_has_no_channels_of_it(tmp_path, group, features):
    """That code has a feature map more for a group of one, and none without channels."""
    values = {"minibatch_stddev_group": group, "minibatch_stddev_features": 2}
    *_, critic = metadata_of(tmp_path / "x.safetensors", **values)
    assert json.loads(critic["arguments"])["epilogue_kwargs"] == {
        "mbstd_group_size": group,
        "mbstd_num_channels": features,
    }


def test_the_same_network_is_the_same_bytes(tmp_path):
    """What is uploaded again is then known to be there already."""
    config = preset("stylegan2-ada").replace({"z_size": 8, "w_size": 8, "mapping_layers": 2, "feature_maps_max": 8})
    network = build_generator(config.network, shape_of(config, 2))
    contents = set()
    for number in range(8):
        path = tmp_path / f"{number}.safetensors"
        count = write_safetensors(network, path, {f"word{index}": "x" for index in range(9)})
        contents.add(path.read_bytes())
    assert len(contents) == 1
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata()["word3"] == "x" and len(list(file.keys())) == count
