"""Networks that are written to a stand-in of a hub and read back; what strangers, faults and networks do to that."""

from __future__ import annotations

import dataclasses
import json
import resource
import types

import numpy as np
import pytest
import tensorflow as tf
from stand_in_hub import hub_of_this_process
from tiny_run import tiny_config, tiny_stylegan2

import stylegan_tf
from stylegan_tf.errors import UserError
from stylegan_tf.hub import push
from stylegan_tf.hub.address import HubAddress, parse_hub_address
from stylegan_tf.hub.card import Measurement
from stylegan_tf.hub.read import load_networks
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.networks.build import build_generator, shape_of
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.load import LoadedRun
from stylegan_tf.sampling.latents import one_hot_labels
from stylegan_tf.sampling.sampler import Sampler
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.transfer import initialize, read_networks

pytest.importorskip("huggingface_hub")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

HERE = HubAddress("ada", "net")
OURS = f"hf://{HERE.repository}"


WITHOUT_SLEEP = types.SimpleNamespace(sleep=lambda seconds: None)


def trained(config, level=1, fade_in=None, names=(), size=(8, 8)):
    """A generator with random weights, as one that training left."""
    num_levels = config.num_levels_for(size)
    generator = build_generator(config.network, shape_of(config, num_levels, len(names)))
    random = np.random.default_rng(1)
    unpublished = [] if config.network.mapping_layers else [generator.w_average]  # zero, as its z are normalised
    for weight in generator.weights:
        if "seed" not in weight.path and not any(weight is other for other in unpublished):
            weight.assign(0.5 * random.standard_normal(weight.shape))
    dataset = DatasetInfo("/data/ada/secret place/cats_*", 9, size, 3, "0123", names)
    return LoadedRun(GeneratorAtLevel(generator, level, fade_in), 48_000, config, dataset)


def images_of(run, seeds=(3, 1, 4)):
    settings = run.config.run
    classes = run.dataset.num_classes
    labels = one_hot_labels(np.arange(len(seeds)) % classes, classes) if classes else None
    return Sampler(run.generator).images(seeds, settings.truncation_psi, settings.truncation_cutoff or None, labels)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with hub_of_this_process(monkeypatch, tmp_path / "home") as running:
        yield running


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The files of a small StyleGAN2, by name, and the network."""
    run = trained(tiny_stylegan2(run_dir="/data/ada/secret run", metrics="swd2k"))
    folder = tmp_path_factory.mktemp("written")
    push.write_repository(folder, HERE, run, [Measurement("swd2k", {"mean": "1.5"}, {"mean": "0.5"}, 2048)], "mit")
    return {name: (folder / name).read_bytes() for name in push.FILES}, run


@pytest.fixture
def ours(hub, written):
    """A hub that has them."""
    hub.commit(HERE.repository, written[0])
    return hub


def refusal(source=OURS, **values):
    with pytest.raises(UserError) as error:
        load_networks(source, **values)
    assert "\n" not in str(error.value)
    return str(error.value)


NETWORKS = {
    "stylegan2": (tiny_stylegan2(), {}),
    "stylegan2, fading in, not square": (
        tiny_stylegan2(
            generator_architecture="growing", critic_architecture="growing", base_size="4x6", resolution="8x12"
        ),
        {"fade_in": 0.25, "size": (8, 12)},
    ),
    "stylegan2 with classes": (tiny_stylegan2(use_labels=True), {"names": ("cat", "dög", "x|y")}),
    "stylegan1 at its first level": (tiny_config(), {"level": 0}),
    "stylegan1 with classes": (tiny_config(use_labels=True), {"names": ("cat", "dog")}),
    "progan": (tiny_config(mapping_layers=0, style=False, constant_input=False, noise=False), {}),
}


def pushed(folder, name):
    config, values = NETWORKS[name]
    run = trained(config, **values)
    push.write_repository(folder, HERE, run, [])
    push.push_repository(HERE, folder, "a first one", private=False)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_pushed_draws_the_same_images_to_the_last_bit(hub, tmp_path, name):
    run = pushed(tmp_path, name)
    np.testing.assert_array_equal(images_of(load_networks(OURS)), images_of(run))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_pushed_is_read_back(hub, tmp_path, monkeypatch, name):
    monkeypatch.setattr(push, "_draw_samples", lambda run, file: file.write_bytes(b"drawn") and range(4))
    run = pushed(tmp_path, name)
    loaded = load_networks(OURS)
    for ours, theirs in zip(run.generator.network.weights, loaded.generator.network.weights, strict=True):
        if "seed" not in ours.path:
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), ours.path)
    assert (loaded.generator.level, loaded.generator.fade_in) == (run.generator.level, run.generator.fade_in)
    assert loaded.dataset.label_names == run.dataset.label_names and loaded.images_seen == 48_000
    assert loaded.config.network == run.config.network and hub.message == "a first one"


@pytest.mark.slow
def test_the_door_for_programs(ours, written):
    generator = stylegan_tf.load_generator(OURS)
    run = written[1]
    expected = Sampler(run.generator).images([7, 8], 0.5, run.config.run.truncation_cutoff)
    np.testing.assert_array_equal(generator.images([7, 8], psi=0.5), expected)
    assert (generator.size, generator.channels, generator.psi) == ((8, 8), 3, run.config.run.truncation_psi)


def test_a_revision_is_read(ours, written):
    old = ours.commits[HERE.repository][0][0]
    changed = json.loads(written[0]["config.json"]) | {"images_seen": 50_000}
    ours.commit(HERE.repository, {"config.json": json.dumps(changed).encode()})
    assert load_networks(OURS).images_seen == 50_000
    assert load_networks(f"{OURS}@{old}").images_seen == 48_000


def test_nothing_of_the_machine_is_published(written):
    for content in (written[0]["config.json"], written[0]["README.md"]):
        assert b"secret" not in content and b"/home" not in content and b"0123" not in content


def test_the_card(written):
    head, text = written[0]["README.md"].decode().removeprefix("---\n").split("\n---\n")
    yaml = pytest.importorskip("yaml")
    values = yaml.safe_load(head)
    assert (values["library_name"], values["license"]) == ("stylegan-tf", "mit")
    assert values["pipeline_tag"] == "unconditional-image-generation" and "stylegan2" in values["tags"]
    for line in (
        'generator = stylegan_tf.load_generator("hf://ada/net")',
        "| Images | 8x8, RGB (height x width) |",
        "| Trained on | cats\\_\\*, 9 images |",
        "| Family | StyleGAN2 |",
        "| Trained for | 48 kimg (thousands of images seen) |",
        "| swd2k | mean | 1.5 | 0.5 | 2,048 |",
    ):
        assert line in text.splitlines()
    assert "![seeds 0-31, psi 0.7](samples.png)" in text


@pytest.mark.slow
def test_the_samples_are_those_of_the_seeds(written):
    picture = tf.io.decode_png(written[0]["samples.png"]).numpy()
    run = written[1]
    first = Sampler(run.generator).images(range(32), 0.7, run.config.run.truncation_cutoff)[0]
    np.testing.assert_array_equal(picture[:96:12, :96:12], first)


def test_without_a_network_the_cache_serves(ours, written, monkeypatch):
    load_networks(OURS)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert load_networks(OURS).images_seen == 48_000
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert load_networks(OURS).images_seen == 48_000


def test_without_a_network_and_a_cache(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert "the hub could not be reached, and it is not whole in the cache" in refusal()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "offline mode is on (HF_HUB_OFFLINE)" in refusal()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_with_another_checksum_is_refused_and_not_kept(ours, tmp_path, name):
    ours.damaged.add(name)
    assert f"the checksum of {name} of {OURS} must be" in refusal()
    ours.damaged.clear()
    assert load_networks(OURS).images_seen == 48_000


def test_damage_in_the_cache_is_found_without_a_network(ours, tmp_path, monkeypatch):
    load_networks(OURS)
    (blob,) = (path.resolve() for path in tmp_path.rglob("snapshots/*/model.safetensors"))
    blob.write_bytes(blob.read_bytes()[:-1] + b"\1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "the checksum of model.safetensors" in refusal()


def test_an_interrupted_download(ours, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time", WITHOUT_SLEEP)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # what is not whole is asked for again
    ours.cut["model.safetensors"] = 0
    assert "the connection to the hub failed" in refusal()
    assert not list(tmp_path.rglob("snapshots/*/model.safetensors"))
    ours.cut["model.safetensors"] = 10_000  # the rest is asked for until it is there
    assert load_networks(OURS).images_seen == 48_000


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("hf://ada/other", "there is no repository ada/other, or none that you may see"),
        (f"{OURS}@v9", "it has no branch, tag or commit v9"),
        ("hf://net", "must be hf://USER/NAME"),
        ("hf://ada/net/more", "must be hf://USER/NAME"),
        (f"{OURS}@../../x", "must be hf://USER/NAME"),
    ],
)
def test_what_is_not_there(ours, source, words):
    assert words in refusal(source)


def test_checkpoints_belong_to_runs(hub):
    assert "hf://USER/NAME@REVISION. Received: best." in refusal(checkpoint="best")


def test_a_training_starts_from_a_network_of_a_hub(ours, written):
    source = read_networks(OURS)
    there = {weight.path: weight.numpy() for weight in written[1].generator.network.weights}
    assert source.weights.keys() == {"generator", "generator_ema"}
    state = TrainState(tiny_stylegan2(), 2, 0, "float32")
    report = initialize(state, source, ())
    assert report.startswith(f"Starts from {OURS}\n") and "critic: new, as the source has none" in report
    for network in (state.generator, state.generator_ema):
        for weight in network.weights:
            if "seed" not in weight.path:
                np.testing.assert_array_equal(weight.numpy(), there[weight.path], err_msg=weight.path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"model.safetensors": None}, "none called model.safetensors"),
        ({"config.json": b'{"architectures": ["BertModel"]}'}, "must hold a network that `push` wrote"),
        ({"config.json": b"[" * 9999}, "must hold a network that `push` wrote"),
        ({"model.safetensors": b"\xff" * 100}, "must be a sound file of safetensors"),
        ({"model.safetensors": b"\x80\x04cos\nsystem\n(S'true'\ntR."}, "must be a sound file of safetensors"),
    ],
)
def test_repositories_of_others(ours, files, words):
    ours.commit(HERE.repository, files)
    assert words in refusal()


def test_a_hub_that_is_out_of_order(ours, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time", WITHOUT_SLEEP)
    ours.status["/api/models"] = 500
    assert "not whole in the cache" in refusal()
    ours.status = {"/resolve/": 503}
    assert "HTTP 503" in refusal()


def test_a_file_that_is_said_to_be_too_large_is_not_asked_for(ours):
    ours.sizes["model.safetensors"] = 10**12
    assert "must have at most" in refusal()
    assert not [request for request in ours.asked if "/resolve/" in request]


CHANGES = {
    "a newer format": ({"format": 2}, "format must be at most 1; it takes a newer version"),
    "another family": ({"model_type": "stylegan1"}, "model_type must be the family"),
    "a field of another type": ({"level": "1"}, "level must be a whole number"),
    "a level too many": ({"level": 7}, "level must lie below 2"),
    "a level of a network that does not grow": ({"level": 0}, "of a network that does not grow"),
    "classes that it has not": ({"label_names": ["cat"]}, "must fill the network exactly"),
    "larger images": ({"image_size": "1024x1024", "level": 8}, "must fill the network exactly"),
    "images of no such size": ({"image_size": "9x9"}, "resolution must be the base size"),
    "images larger than any": ({"image_size": "99999x99999"}, "images must have a size"),
    "large layers": ({"network": {"w_size": 8192, "z_size": 8192, "mapping_layers": 64}}, "fill the network exactly"),
    "more layers than any": ({"network": {"mapping_layers": 10**9}}, "mapping_layers must lie between"),
    "a setting that is not known": ({"network": {"run": "rm"}}, "configuration fields are"),
    "psi that is no number": ({"run": {"truncation_psi": 1e9}}, "truncation_psi must be a number"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_configuration_that_lies(ours, written, name):
    changes, words = CHANGES[name]
    config = json.loads(written[0]["config.json"])
    for key, value in changes.items():
        if isinstance(value, dict):
            config["settings"][key].update(value)
        else:
            config[key] = value
    ours.commit(HERE.repository, {"config.json": json.dumps(config).encode()})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert words in refusal()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # KiB; large layers had 16 GiB


def changed_arrays(written, change):
    arrays = safetensors_numpy.load(written[0]["model.safetensors"])
    change(arrays)
    return safetensors_numpy.save(arrays)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays.pop("mapping.fc0.bias"), "variable without an array: mapping.fc0.bias"),
        (lambda arrays: arrays.update(more=np.zeros(3, np.float32)), "array without a variable: more"),
        (lambda arrays: arrays.update({"mapping.w_avg": np.zeros(9, np.float32)}), "mapping.w_avg: shape (9,)"),
        (lambda arrays: arrays.update({"mapping.w_avg": np.zeros(8, np.int32)}), "of float32"),
        (lambda arrays: arrays.update({"mapping.w_avg": np.full(8, np.nan, np.float32)}), "of finite numbers"),
        (lambda arrays: arrays.update({"x" * 300: np.zeros(1, np.float32)}), "a short word"),
        (lambda arrays: arrays.update({"synthesis.b8.conv1.resample_filter": np.ones((4, 4), np.float32)}), "not [["),
    ],
    ids=["missing", "more", "shape", "type", "nan", "name", "filter"],
)
def test_arrays_that_do_not_fit(ours, written, change, words):
    ours.commit(HERE.repository, {"model.safetensors": changed_arrays(written, change)})
    assert words in refusal()


def test_no_array_is_read_before_all_shapes_fit(ours, written, monkeypatch):
    ours.commit(
        HERE.repository, {"model.safetensors": changed_arrays(written, lambda arrays: arrays.pop("mapping.w_avg"))}
    )
    monkeypatch.setattr("stylegan_tf.hub.read.build_generator", None)
    monkeypatch.setattr("stylegan_tf.hub.read.safetensors_arrays", None)
    assert "mapping.w_avg" in refusal()


@pytest.mark.parametrize("text", ["hf://a/b", "hf://a-1/B.c_d@v1.0", "hf://a/b@refs/pr/1"])
def test_addresses(text):
    address = parse_hub_address(text)
    assert str(address) == text
    assert dataclasses.asdict(address)["name"] in text
