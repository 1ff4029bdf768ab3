"""Starting from another run's networks: what is taken, what is not, and that it says so."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from shared_traces import shared_traces
from tiny_run import tiny_config, write_images
from unverified import export_unverified

from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.runs.load import load_run
from stylegan_tf.training.run import run_training
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.transfer import initialize, read_networks

STYLEGAN2 = {"family": "stylegan2", "loss": "logistic"}


@pytest.fixture(scope="module", autouse=True)
def _shared_traces():
    with shared_traces():
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_images(tmp_path_factory.mktemp("data") / "images"))


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """A short run of each family."""
    folder = tmp_path_factory.mktemp("runs")
    for name, values in {"stylegan1": {}, "stylegan2": STYLEGAN2}.items():
        config = tiny_config(data=data, run_dir=str(folder / name), seed=5, **{**values, "total_kimg": 0.016})
        assert run_training(config) == 0
    return folder


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory):
    """Not verified: that is tested where exports are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylegan_tf.serving.export.verify_export", lambda *_: None)
        return export_unverified(runs / "stylegan2", tmp_path_factory.mktemp("export") / "model")


def new_state(num_levels=2, num_classes=0, **values):
    return TrainState(tiny_config(**{**STYLEGAN2, **values}), num_levels, num_classes, "float32")


def weights(network):
    return {weight.path: weight.numpy() for weight in network.weights}


@pytest.mark.slow
def test_the_same_networks_are_taken_whole(runs):
    source = read_networks(runs / "stylegan2")
    state = new_state()
    report = initialize(state, source, ())
    for name in ("generator", "critic", "generator_ema"):
        found = weights(getattr(state, name))
        assert found
        for path, value in found.items():
            np.testing.assert_array_equal(value, source.weights[name][path], err_msg=path)
    assert "new:" not in report
    assert "only in the source" not in report
    assert "at 0.016 kimg" in report
    # What was read is what the run's own reader reads.
    trained = load_run(runs / "stylegan2").generator.network
    for path, value in weights(trained).items():
        np.testing.assert_array_equal(value, source.weights["generator_ema"][path])
    assert any(np.any(source.weights["generator"][path] != value) for path, value in weights(trained).items())


@pytest.mark.slow
def test_mapping_layers_mean_the_same_with_another_multiplier(runs, exported):
    z = np.random.default_rng(0).normal(size=(4, new_state().generator.z_size)).astype(np.float32)
    want = load_run(runs / "stylegan2").generator.network.map(z)
    for source in (runs / "stylegan2", exported):
        state = new_state(mapping_learning_rate_multiplier=0.2)
        initialize(state, read_networks(source), ())
        np.testing.assert_allclose(state.generator_ema.map(z), want, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_stylegan1_too(runs):
    state = TrainState(tiny_config(), 2, 0, "float32")
    report = initialize(state, read_networks(runs / "stylegan1"), ())
    assert "new:" not in report


@pytest.mark.slow
def test_an_export_gives_the_generator_and_its_average(runs, exported):
    for path in (exported, exported.parent):
        state = new_state()
        before = weights(state.critic)
        report = initialize(state, read_networks(path), ())
        averaged = weights(load_run(runs / "stylegan2").generator.network)
        for network in (state.generator, state.generator_ema):
            for name, value in weights(network).items():
                np.testing.assert_array_equal(value, averaged[name], err_msg=name)
        for name, value in weights(state.critic).items():
            np.testing.assert_array_equal(value, before[name])
        assert "critic: new" in report


@pytest.mark.slow
def test_another_resolution_shares_what_lies_below(runs):
    source = read_networks(runs / "stylegan2")
    state = new_state(num_levels=3, feature_maps_base=64)
    before = weights(state.generator)
    report = initialize(state, source, ())
    found = weights(state.generator)
    new = {path for path in found if path not in source.weights["generator"]}
    assert new and all("_4/" in path or "_5/" in path or "to_rgb_2/" in path for path in new)
    for path, value in found.items():
        np.testing.assert_array_equal(value, before[path] if path in new else source.weights["generator"][path])
    assert "synthesis/layer_4" in report
    # The critic's image enters at another level.
    assert "only in the source: from_rgb_1" in report
    assert "config.json" not in report


@pytest.mark.slow
def test_a_shorter_mapping_network_is_pointed_out(runs):
    report = initialize(new_state(mapping_layers=1), read_networks(runs / "stylegan2"), ())
    assert "only in the source: mapping/dense_1" in report
    assert "--preset=SOURCE/config.json has the source's form" in report


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
@pytest.mark.slow
def test_other_labels_begin_with_the_same_images(runs, family):
    source = read_networks(runs / family)
    values = {} if family == "stylegan1" else STYLEGAN2
    plain = TrainState(tiny_config(**values), 2, 0, "float32")
    initialize(plain, source, ())
    state = TrainState(tiny_config(**values), 2, 3, "float32")
    report = initialize(state, source, ("a", "b", "c"))
    assert "mapping" in report.split("new: ")[1].splitlines()[0]
    z = keras.random.normal([6, 8])
    labels = tf.one_hot([0, 1, 2, 0, 1, 2], 3)
    if family == "stylegan2":  # StyleGAN normalises z and labels together, so that labels change the size of z
        np.testing.assert_allclose(state.generator(z, labels=labels), plain.generator(z), rtol=1e-4, atol=1e-5)
    kernel, old = state.generator.mapping.dense[0].kernel.numpy(), plain.generator.mapping.dense[0].kernel.numpy()
    np.testing.assert_allclose(kernel[:8], old * np.sqrt(len(kernel) / len(old)), rtol=1e-6)
    assert not kernel[8:].any()


@pytest.mark.slow
def test_as_many_labels_of_other_names_are_other_labels(runs):
    source = read_networks(runs / "stylegan2")
    state, named = new_state(num_classes=3), new_state(num_classes=3)
    initialize(state, source, ("a", "b", "c"))
    weights_of_labels = state.generator.mapping.label_dense.kernel
    again = dataclasses.replace(source, weights={"generator": weights(state.generator)}, label_names=("a", "b", "c"))
    initialize(named, again, ("a", "b", "c"))
    np.testing.assert_array_equal(named.generator.mapping.label_dense.kernel, weights_of_labels)
    other = new_state(num_classes=3)
    other.generator.mapping.label_dense.kernel.assign(0 * weights_of_labels)
    initialize(other, again, ("a", "b", "d"))
    assert not other.generator.mapping.label_dense.kernel.numpy().any()


@pytest.mark.parametrize("z_size", [4, 16])
@pytest.mark.slow
def test_the_first_layer_of_another_z_is_new(runs, z_size):
    state = new_state(num_classes=3, z_size=z_size)
    before = state.generator.mapping.dense[0].kernel.numpy()
    report = initialize(state, read_networks(runs / "stylegan2"), ("a", "b", "c"))
    assert "mapping/dense_0" in report.split("new: ")[1].splitlines()[0]
    np.testing.assert_array_equal(state.generator.mapping.dense[0].kernel, before)


@pytest.mark.slow
def test_another_family_is_refused(runs):
    with pytest.raises(ValueError, match="same family, stylegan2. Received: .*stylegan1"):
        initialize(new_state(), read_networks(runs / "stylegan1"), ())


@pytest.mark.slow
def test_nothing_that_fits_is_refused(runs):
    with pytest.raises(ValueError, match="nothing fits"):
        initialize(new_state(w_size=12, feature_maps_max=5), read_networks(runs / "stylegan2"), ())


def test_what_is_no_run_is_refused(tmp_path, runs):
    with pytest.raises(ValueError, match="run's directory .* an export .* or hf:"):
        read_networks(tmp_path)
    (tmp_path / "networks.pkl").write_bytes(b"a pickle")
    with pytest.raises(ValueError, match="an export .*, or hf:.*; .* convert makes a run of a pickle"):
        read_networks(tmp_path / "networks.pkl")
    broken = tmp_path / "broken"
    shutil.copytree(runs / "stylegan2", broken)
    for index in (broken / "checkpoints").glob("*.index"):
        index.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="a run must have a whole checkpoint"):
        read_networks(broken)
    shutil.rmtree(broken / "checkpoints")
    with pytest.raises(ValueError, match="with a checkpoint"):
        read_networks(broken)


@pytest.mark.slow
def test_a_run_starts_from_another_and_goes_on_from_itself(data, runs, tmp_path, capsys):
    config = tiny_config(
        data=data, run_dir=str(tmp_path / "run"), initialize_from=str(runs / "stylegan2"), total_kimg=0.016, **STYLEGAN2
    )
    assert run_training(config, dry_run=True) == 0
    assert not (tmp_path / "run").exists()
    assert run_training(config) == 0
    assert "Starts from" in capsys.readouterr().out
    assert "Starts from" in RunDirectory(tmp_path / "run").log_file.read_text()
    assert run_training(config.replace({"total_kimg": 0.032})) == 0
    out = capsys.readouterr().out
    assert "Resuming at 0.016 kimg" in out
    assert "Starts from" not in out
