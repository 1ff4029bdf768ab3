"""A run made of a published pickle gives the published images, ws and scores, from its checkpoint."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from typing import Any, NamedTuple

import numpy as np
import pytest

from stylegan_tf.networks.build import build_critic, build_generator, shape_of
from stylegan_tf.ops.resample import upsample_nearest_to
from stylegan_tf.pretrained.read import read_published_file
from stylegan_tf.runs.checkpoints import CheckpointFolder
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.runs.load import load_run, restore_network
from stylegan_tf.training.conversion import convert, plan_conversion
from stylegan_tf.training.state import TrainState

PICKLES = pathlib.Path(__file__).parents[1] / "reference" / "pickles"
NAMES = sorted(path.stem for path in PICKLES.glob("*.pkl"))
TRUNCATIONS = {
    "psi_none": {},
    "default_trunc": {"truncation_psi": 0.7, "truncation_cutoff": 8},
    "psi0.5": {"truncation_psi": 0.5},
}
ROLES = {"G": "generator", "Gs": "generator_ema", "G_ema": "generator_ema", "D": "critic"}


class Converted(NamedTuple):
    directory: RunDirectory
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    taken: dict[str, int]

    def network(self, role: str) -> Any:
        config, dataset = self.directory.read_config(), self.directory.read_dataset()
        build = build_critic if role == "critic" else build_generator
        network = build(config.network, shape_of(config, config.num_levels_for(dataset.size), dataset.num_classes))
        assert restore_network(self.directory.newest_checkpoint().prefix, role, network) == 0
        return network


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """`converted(name)`: the run of that pickle, with what is known about it."""
    made: dict[str, Converted] = {}

    def get(name: str) -> Converted:
        if name not in made:
            file = read_published_file(PICKLES / f"{name}.pkl")
            run = tmp_path_factory.mktemp("runs") / name
            taken = convert(file, plan_conversion(file, run))
            with np.load(PICKLES / f"{name.rsplit('_', 1)[0]}_expected.npz") as numbers:
                arrays = {key: numbers[key] for key in numbers.files}
            parts = ({key[len(p) :]: a for key, a in arrays.items() if key.startswith(p)} for p in ("in/", "out/"))
            made[name] = Converted(RunDirectory(run), *parts, taken)
        return made[name]

    return get


def test_every_kind_of_file_is_here():
    assert len(NAMES) == 8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_published_numbers(converted, relative_error, channels_first, channels_last, level_of_lod, name):
    case = converted(name)
    networks = {role: case.network(role) for role in ("generator", "critic", "generator_ema")}
    z, labels = case.inputs["z"], case.inputs.get("labels", case.inputs.get("c"))
    labels = labels if labels.shape[1] else None
    checked = []
    for key, want in case.outputs.items():
        kind, _, rest = key.partition("_")
        if kind not in ("images", "img", "w", "ws", "scores", "logits"):
            continue
        role = next(role for role in ("G_ema", "Gs", "G", "D") if rest == role or rest.startswith(f"{role}_"))
        network, options = networks[ROLES[role]], rest[len(role) + 1 :]
        if kind in ("w", "ws"):
            got = network.map(z, labels)
        elif kind in ("scores", "logits"):
            image_labels = case.inputs.get("image_labels", case.inputs.get("image_c"))
            got = network(channels_last(case.inputs["images"]), image_labels if image_labels.shape[1] else None)
        else:
            arguments: dict[str, Any] = dict(TRUNCATIONS.get(options, {}))
            if options.startswith("lod"):
                lod = float(options[3:])
                level, fade_in = level_of_lod(lod, network.synthesis.num_levels)
                arguments = {"level": level, "fade_in": None if lod == math.floor(lod) else fade_in}
            images = network(z, labels=labels, **arguments)
            got = channels_first(upsample_nearest_to(images, want.shape[2]))
        assert relative_error(got, want) < 1e-4, key
        checked.append(key)
    rest = case.outputs.keys() - set(checked)
    assert rest <= {"augment_p", "labels_D"}
    assert len(checked) >= 3
    if "labels_D" in rest:
        assert case.outputs["labels_D"].shape[1] == 0  # nothing to compare


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_the_run_samples_as_the_averaged_generator(converted, name):
    case = converted(name)
    trained = load_run(case.directory.path)
    assert (trained.generator.level, trained.generator.fade_in, trained.images_seen) == (2, None, 0)
    for ours, other in zip(trained.generator.network.weights, case.network("generator_ema").weights, strict=True):
        np.testing.assert_array_equal(ours, other)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_every_array_is_taken(converted, name):
    case = converted(name)
    file = read_published_file(PICKLES / f"{name}.pkl")
    for role, network in file.networks.items():
        weights = [path for path in network.arrays if path.split("/")[-1] != "lod"]
        assert case.taken[role] == len(weights) > 10


@pytest.mark.slow
def test_the_strength_of_the_augmentation_goes_on(converted):
    for name in ("stylegan2_ada_2021style", "stylegan2_ada_cond4_2021style", "stylegan2_ada_today"):
        case = converted(name)
        config = case.directory.read_config()
        assert config.augment.augment == "adaptive"
        assert config.augment.augment_transforms == "blit,geometry,color"
        state = TrainState(config, 3, case.directory.read_dataset().num_classes, "float32")
        state.augment_p.assign(-1.0)
        state.checkpoint_without_optimizers.restore(case.directory.newest_checkpoint().prefix).assert_consumed()
        assert float(state.augment_p) == pytest.approx(float(case.outputs["augment_p"]), abs=1e-7)


def test_the_configuration_is_that_of_the_file(converted):
    expected = {
        "progan2018_2018style": {
            "mapping_layers": 0,
            "style": False,
            "noise": False,
            "normalization": "pixel",
            "blur": False,
            "constant_input": False,
            "fused_from": 1,
            "feature_maps_max": 10,
            "loss": "wgan-gp",
        },
        "stylegan1_2019style": {
            "family": "stylegan1",
            "mapping_layers": 8,
            "z_size": 16,
            "w_size": 16,
            "style": True,
            "noise": True,
            "normalization": "instance",
            "blur": True,
            "fused_from": 128,
            "feature_maps_max": 12,
            "channels": 3,
            "resolution": "16",
            "loss": "logistic",
        },
        "stylegan2_ada_2021style": {
            "family": "stylegan2",
            "mapping_layers": 2,
            "generator_architecture": "skip",
            "augment_p": 0.0,
            "critic_architecture": "resnet",
            "clamp_always": False,
            "resample_filter": "1,3,3,1",
            "use_labels": False,
        },
        "stylegan2_ada_cond4_2021style": {
            "mapping_layers": 8,
            "critic_mapping_layers": 8,
            "clamp": 256.0,
            "clamp_always": True,
            "use_labels": True,
            "feature_maps_max": 8,
            "minibatch_stddev_group": 4,
        },
    }
    for name, values in expected.items():
        config = converted(name).directory.read_config()
        assert {field: config.get(field) for field in values} == values
    assert converted("stylegan1_cond4_2019style").directory.read_dataset().label_names == ("0", "1", "2", "3")


@pytest.mark.slow
def test_nothing_is_left_beside_a_run_and_nothing_replaced(converted, tmp_path):
    file = read_published_file(PICKLES / "progan_2019style.pkl")
    run = tmp_path / "run"
    run.mkdir()
    (run / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"^output_dir must be new or empty\. Received: .*run, which exists\.$"):
        convert(file, plan_conversion(file, run))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    (run / "mine.txt").unlink()
    convert(file, plan_conversion(file, run))
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "config.json", "dataset.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.slow
def test_a_conversion_that_was_faster_keeps_its_place(monkeypatch, tmp_path):
    file = read_published_file(PICKLES / "progan_2019style.pkl")
    run = tmp_path / "run"
    save = CheckpointFolder.save

    def save_late(folder, *arguments, **options):
        run.mkdir()
        (run / "theirs.txt").write_text("theirs")
        return save(folder, *arguments, **options)

    monkeypatch.setattr(CheckpointFolder, "save", save_late)
    with pytest.raises(ValueError, match=r"^output_dir must be new or empty\. Received: .*run, which exists\.$"):
        convert(file, plan_conversion(file, run))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in run.iterdir()] == ["theirs.txt"]


@pytest.mark.slow
def test_a_failure_leaves_nothing(tmp_path):
    file = read_published_file(PICKLES / "progan_2019style.pkl")
    conversion = plan_conversion(file, tmp_path / "run")
    del file.networks["critic"].arrays["4x4/Dense1/bias"]
    with pytest.raises(ValueError, match="variable without an array: 4x4/Dense1/bias"):
        convert(file, conversion)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_file_with_an_averaged_generator_alone(tmp_path, relative_error):
    file = read_published_file(PICKLES / "stylegan2_ada_2021style.pkl")
    file = dataclasses.replace(file, networks={"generator_ema": file.networks["generator_ema"]})
    assert convert(file, plan_conversion(file, tmp_path / "run")) == {"generator_ema": 56}
    config = RunDirectory(tmp_path / "run").read_config()
    generator, average = (build_generator(config.network, shape_of(config, 3)) for _ in range(2))
    prefix = RunDirectory(tmp_path / "run").newest_checkpoint().prefix
    restore_network(prefix, "generator", generator)
    restore_network(prefix, "generator_ema", average)
    for ours, other in zip(generator.weights, average.weights, strict=True):
        np.testing.assert_array_equal(ours, other)
    assert config.network.critic_architecture == "resnet"


@pytest.mark.parametrize(
    ("lod", "level", "fade_in"), [(0.0, 2, None), (1.0, 1, None), (0.25, 2, 0.75), (2.0, 0, None), (1.5, 1, 0.5)]
)
@pytest.mark.slow
def test_a_network_that_is_still_growing(tmp_path, lod, level, fade_in):
    file = read_published_file(PICKLES / "stylegan1_2019style.pkl")
    file = dataclasses.replace(file, lod=lod)
    convert(file, plan_conversion(file, tmp_path / "run"))
    trained = load_run(tmp_path / "run")
    assert trained.generator.level == level
    assert trained.generator.fade_in == (None if fade_in is None else pytest.approx(fade_in, abs=1e-6))


def test_the_dataset_is_unknown(converted):
    dataset = json.loads(converted("stylegan2_ada_2021style").directory.dataset_file.read_text())
    assert dataset["fingerprint"] == ""
    assert (dataset["name"], dataset["count"], dataset["size"]) == ("tiny.zip", 100, [16, 16])
    assert converted("stylegan2_ada_2021style").directory.read_config().data.data == ""
