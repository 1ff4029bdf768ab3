"""Variations of PyTorch's files that are met in the wild, made of a reference file by changing what was unpickled."""

from __future__ import annotations

import dataclasses
import pathlib
import pickle

import numpy as np
import pytest

from stylegan_tf.pickles.arrays import NUMPY_NAMES
from stylegan_tf.pickles.machine import load_pickle, mapped
from stylegan_tf.pickles.tensors import Storage, TensorView
from stylegan_tf.pretrained.pytorch_file import PYTORCH_NAMES, read_pytorch_file
from stylegan_tf.pretrained.read import read_published_file
from stylegan_tf.pretrained.structure import published_structure
from stylegan_tf.training.conversion import plan_conversion

FOLDER = pathlib.Path(__file__).parents[1] / "reference" / "pickles"
PLAIN, CLAMPED = FOLDER / "stylegan2_ada_2021style.pkl", FOLDER / "stylegan2_ada_cond4_2021style.pkl"


@pytest.fixture
def unpickled():
    """`unpickled(path)`: the dictionary of a file, to be changed."""

    def load(path=PLAIN):
        with mapped(path) as file:
            return load_pickle(file, {**NUMPY_NAMES, **PYTORCH_NAMES})

    return load


def module(root, path):
    """A module inside another, by its path."""
    for name in path.split("."):
        root = root.state["_modules"][name]
    return root


def test_the_averaged_generator_alone(unpickled):
    """As shared files have it: the others None, or nothing but the module."""
    wanted = read_published_file(PLAIN).generator.arrays
    networks = unpickled()
    for content in (
        {**networks, "G": None, "D": None, "augment_pipe": None},
        {"G_ema": networks["G_ema"]},
        networks["G_ema"],
    ):
        file = read_pytorch_file(content)
        assert set(file.networks) == {"generator_ema"} and file.augment_p == 0
        assert file.generator.arrays.keys() == wanted.keys()
        for name, array in wanted.items():
            np.testing.assert_array_equal(file.generator.arrays[name], array)
    assert plan_conversion(file, "run").config.augment.augment == "off"


def test_what_it_says_of_its_data_is_fit_to_be_printed(unpickled):
    for path, count, wanted in (
        ("/data/Käfer.zip", 500, ("/data/Käfer.zip", 500)),
        ("a\n  Labels  none", 1 << 60, ("", 0)),
        ("\x1b]0;title\x07", -1, ("", 0)),
        ("x" * 1000, "many", ("", 0)),
        (5, None, ("", 0)),
    ):
        file = read_pytorch_file({**unpickled(), "training_set_kwargs": {"path": path, "max_size": count}})
        assert (file.data, file.num_images) == wanted


def test_a_critic_alone_is_no_file(unpickled):
    with pytest.raises(ValueError, match="a generator at least"):
        read_pytorch_file({"D": unpickled()["D"]})
    assert read_pytorch_file({"G": 5}) is None
    with pytest.raises(ValueError, match=r"the critic in the published file must be a network\. Received: 5\."):
        read_pytorch_file({**unpickled(), "D": 5})


def test_frozen_layers_are_read_where_they_are(unpickled):
    """Layers that were not trained have their weights among the buffers."""
    networks = unpickled()
    state = module(networks["D"], "b16.conv0").state
    state["_buffers"] = {**state["_buffers"], **state.pop("_parameters")}
    found, wanted = (
        read_pytorch_file(networks).networks["critic"].arrays,
        read_published_file(PLAIN).networks["critic"].arrays,
    )
    assert found.keys() == wanted.keys()
    np.testing.assert_array_equal(found["b16.conv0.weight"], wanted["b16.conv0.weight"])


def test_kernels_with_channels_last(unpickled):
    """What PyTorch's memory format does to them: other strides, the same numbers."""
    networks = unpickled()
    parameters = module(networks["G_ema"], "synthesis.b16.conv1").state["_parameters"]
    kernel = parameters["weight"].tensor.read()
    _, inputs, height, width = kernel.shape
    numbers = np.ascontiguousarray(kernel.transpose(0, 2, 3, 1)).reshape(-1)
    strides = (height * width * inputs, 1, width * inputs, inputs)
    parameters["weight"] = TensorView(Storage("0", numbers.dtype, numbers.size, numbers), 0, kernel.shape, strides)
    np.testing.assert_array_equal(read_pytorch_file(networks).generator.arrays["synthesis.b16.conv1.weight"], kernel)


@pytest.mark.parametrize(
    ("path", "name", "value", "words"),
    [
        ("G_ema/synthesis.b8.conv1", "activation", "relu", "conv1.activation .* must be 'lrelu'. Received: 'relu'"),
        ("G_ema/synthesis.b8.conv0", "activation", "linear", "conv0.activation .* must be 'lrelu'. Received: 'linear'"),
        ("G_ema/synthesis.b8.conv0.affine", "activation", "lrelu", "affine.activation .* must be 'linear'."),
        ("G_ema/mapping.fc1", "activation", "linear", "fc1.activation .* must be 'lrelu'. Received: 'linear'"),
        ("D/b8.conv0", "act_gain", 1.0, "conv0.act_gain .* must be 1.414214. Received: 1.0"),
        ("G_ema/synthesis.b8.conv0", "use_noise", False, "conv0.use_noise .* must be True. Received: False"),
        ("G_ema/mapping.fc1", "bias_gain", 0.1, "lr_multiplier .* must be the same in all .*. Received: 0.01, 0.1\\."),
        ("D/b4.fc", "bias_gain", 0.1, "fc.bias_gain .* must be 1. Received: 0.1"),
        ("G_ema/synthesis.b8.conv1", "conv_clamp", 128, "conv_clamp .* the same in all layers. Received: 128, 256"),
        ("G_ema/synthesis.b8.conv1", "conv_clamp", "256", "conv_clamp .* must be a number. Received: '256'"),
        ("G_ema/mapping.fc0", "bias_gain", None, "lr_multiplier .* must be a number. Received: None"),
        ("D/b4.mbstd", "num_channels", [1], "num_channels .* must be a number. Received: a list"),
        ("G_ema/synthesis.b8", "_modules", {"x": 5}, "module synthesis.b8.x .* must be a module. Received: 5"),
        ("G_ema/synthesis.b8.conv1", "_parameters", {"weight": 5}, "weight .* must be a tensor. Received: 5"),
    ],
)
def test_what_our_networks_do_not_do_is_refused(unpickled, path, name, value, words):
    networks = unpickled(CLAMPED)
    key, _, inside = path.partition("/")
    module(networks[key], inside).state[name] = value
    with pytest.raises(ValueError, match=words):
        read_pytorch_file(networks)


def test_the_multipliers_of_both_mapping_networks(unpickled):
    networks = unpickled(CLAMPED)
    for key, rate in {"G": 0.05, "G_ema": 0.05, "D": 0.2}.items():
        for name, layer in networks[key].state["_modules"]["mapping"].state["_modules"].items():
            if name.startswith("fc"):
                layer.state["bias_gain"] = rate
    network = plan_conversion(read_pytorch_file(networks), "run").config.network
    assert network.mapping_learning_rate_multiplier == 0.05
    assert network.critic_mapping_learning_rate_multiplier == 0.2


def test_a_critic_that_cannot_be_read_can_be_skipped(unpickled):
    networks = unpickled()
    module(networks["D"], "b8.conv0").state["activation"] = "relu"
    with pytest.raises(ValueError, match=r"must be 'lrelu'\. Received: 'relu'\. --skip_critic makes a new critic"):
        read_pytorch_file(networks)
    assert set(read_pytorch_file(networks, skip_critic=True).networks) == {"generator", "generator_ema"}


def test_generators_without_noise(unpickled):
    networks = unpickled()
    for key in ("G", "G_ema"):
        for block in networks[key].state["_modules"]["synthesis"].state["_modules"].values():
            for layer in block.state["_modules"].values():
                layer.state["use_noise"] = False
                for kind, name in (("_buffers", "noise_const"), ("_parameters", "noise_strength")):
                    table = layer.state.get(kind, {})
                    layer.state[kind] = {found: value for found, value in table.items() if found != name}
    assert not plan_conversion(read_pytorch_file(networks), "run").config.network.noise


def test_attributes_that_other_versions_of_the_code_have(tmp_path):
    torch = pytest.importorskip("torch")
    values = [
        torch.device("cuda", 0),
        torch.Size([1, 2]),
        torch.float16,
        torch.zeros(2, dtype=torch.uint8),
        np.float64(2),
        {1: torch.zeros(1)},
        frozenset([1]),
    ]
    path = tmp_path / "networks.pkl"
    path.write_bytes(pickle.dumps(values, 4))
    with mapped(path) as file:
        found = load_pickle(file, {**NUMPY_NAMES, **PYTORCH_NAMES})
    assert found[:2] == [("cuda", 0), [1, 2]]
    assert found[2] == np.float16
    assert found[3].read().dtype == np.uint8


def test_a_strength_above_one(unpickled):
    """The published controller knows no largest strength."""
    networks = unpickled()
    buffers = networks["augment_pipe"].state["_buffers"]
    for value, words in ((21.838, None), (-0.1, "must be at least 0"), (float("nan"), "must be a number")):
        number = np.array([value], np.float32)
        buffers["p"] = TensorView(Storage("0", number.dtype, 1, number), 0, (), ())
        if words is None:
            assert read_pytorch_file(networks).augment_p == pytest.approx(value)
        else:
            with pytest.raises(ValueError, match=words):
                read_pytorch_file(networks)


def test_the_statistic_of_the_whole_batch(unpickled):
    networks = unpickled()
    module(networks["D"], "b4.mbstd").state["group_size"] = None
    values, _ = published_structure(read_pytorch_file(networks))
    assert values["minibatch_stddev_group"] is None
    module(networks["D"], "b4.mbstd").state["group_size"] = 1
    with pytest.raises(ValueError, match=r"mbstd's group_size .* 2 or more, or None\. Received: 1\..*--skip_critic"):
        read_pytorch_file(networks)
    del module(networks["D"], "b4").state["_modules"]["mbstd"]
    values, _ = published_structure(read_pytorch_file(networks))
    assert values["minibatch_stddev_group"] == 0


@pytest.mark.parametrize(
    ("members", "groups"),
    [
        ({"xflip": 1}, "blit"),
        ({"imgfilter": 1, "noise": 1, "cutout": 1}, "filter,noise,cutout"),
        ({}, None),
        ({"scale": 1, "hue": 1}, "geometry,color"),
    ],
)
def test_the_groups_of_the_augmentation(unpickled, members, groups):
    networks = unpickled()
    state = networks["augment_pipe"].state
    for name in state:
        if isinstance(state[name], (int, float)) and not isinstance(state[name], bool) and not name.startswith("_"):
            state[name] = members.get(name, 0) if not name.endswith(("std", "max", "size")) else state[name]
    file = read_pytorch_file(networks)
    assert file.settings.get("augment_transforms") == groups
    assert file.augment_p == 0.375
    assert plan_conversion(file, "run").config.augment.augment == ("adaptive" if groups else "off")


def test_other_filters(unpickled):
    networks = unpickled()
    taps = np.array([1, 2, 1], np.float32)
    kernel = np.outer(taps, taps) / 16
    view = TensorView(Storage("0", kernel.dtype, 9, kernel.reshape(-1)), 0, (3, 3), (3, 1))

    def change(part):
        if "resample_filter" in part.state.get("_buffers", {}):
            part.state["_buffers"]["resample_filter"] = view
        for child in part.state.get("_modules", {}).values():
            change(child)

    for key in ("G", "D", "G_ema"):
        change(networks[key])
    file = read_pytorch_file(networks)
    assert plan_conversion(file, "run").config.network.resample_filter == "1,2,1"
    flat = dataclasses.replace(view, storage=dataclasses.replace(view.storage, numbers=np.full(9, 1 / 9, np.float32)))
    module(networks["G"], "synthesis.b8").state["_buffers"]["resample_filter"] = flat
    with pytest.raises(ValueError, match=r"resample_filter .* must be the same in all layers\. Received: 2 different"):
        read_pytorch_file(networks)
