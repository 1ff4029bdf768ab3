"""Measuring during training: curves, results, the best state; and training itself stays as it is."""

import json
import os
import shutil
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from shared_traces import shared_traces
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import tiny_config, write_images

from stylegan_tf.data.loading import DataSettings, load_image_set
from stylegan_tf.evaluation.evaluator import Evaluator
from stylegan_tf.evaluation.generated import NetworkImages, Origin
from stylegan_tf.evaluation.results import best, read_results
from stylegan_tf.features.model import ModelFeatures
from stylegan_tf.metrics.protocols import protocol
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.runs.load import load_run
from stylegan_tf.training.run import run_training

KD, FD = "kd1k_full_model", "fd1k_full_model"


@pytest.fixture(scope="module", autouse=True)
def _shared_traces():
    with shared_traces():
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_images(tmp_path_factory.mktemp("data") / "images"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A feature network that looks at the mean colour and the contrast of quarters of an image."""
    path = tmp_path_factory.mktemp("model") / "model.keras"
    keras.utils.set_random_seed(1)
    image = keras.Input([8, 8, 3])
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(x))
    keras.Model(image, keras.layers.Dense(5, activation="tanh")(x)).save(path)
    return path


def configure(data, run_dir, model, **values):
    return tiny_config(
        data=data,
        run_dir=str(run_dir),
        metrics=f"{KD},{FD}",
        metrics_interval_kimg=0.04,
        metrics_weights=f"model={model}",
        **values,
    )


@pytest.fixture(scope="module")
def run(data, model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "measured"
    cache = tmp_path_factory.mktemp("cache")
    assert run_training(configure(data, directory, model, cache_dir=str(cache))) == 0
    return RunDirectory(directory)


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory):
    """The same run without measurements."""
    directory = tmp_path_factory.mktemp("runs") / "plain"
    assert run_training(tiny_config(data=data, run_dir=str(directory))) == 0
    return RunDirectory(directory)


@pytest.mark.slow
def test_results_are_written_now_and_then_and_at_the_end(run):
    results = read_results(run.results_file)
    # 96 images, every 40: steps of 8.
    assert [(result.protocol, result.images_seen) for result in results] == [
        (name, at) for at in (40, 80, 96) for name in (KD, FD)
    ]
    assert all(np.isfinite(result.value) for result in results)
    assert {(result.source, result.path, result.data) for result in results} == {
        ("run", str(run.path), run.read_config().data.data)
    }
    assert len({result.value for result in results}) == 6  # the networks move
    assert results[0].floor


@pytest.mark.slow
def test_a_stop_breaks_a_measurement_off_and_records_nothing_of_it(data, model, tmp_path, monkeypatch):
    made = NetworkImages.images

    def stop_in_the_middle(self, seeds, classes):
        if self.origin.images_seen == 80 and 300 in seeds:
            os.kill(os.getpid(), signal.SIGTERM)
        assert not (self.origin.images_seen == 80 and 900 in seeds), "it went on"
        return made(self, seeds, classes)

    monkeypatch.setattr(NetworkImages, "images", stop_in_the_middle)
    directory = RunDirectory(tmp_path / "run")
    assert run_training(configure(data, directory.path, model)) == 128 + signal.SIGTERM
    assert {result.images_seen for result in read_results(directory.results_file)} == {40}
    assert directory.find_checkpoints("best") == [str(directory.best / "ckpt-40")]
    assert directory.newest_checkpoint().prefix.endswith("checkpoints/ckpt-80")


@pytest.mark.slow
def test_curves_lie_in_tensorboard(run):
    events = EventAccumulator(str(run.tensorboard), size_guidance={"tensors": 0})
    events.Reload()
    for name in (KD, FD):
        found = events.Tensors(f"metrics/{name}")
        points = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in found]
        expected = [(r.images_seen, r.value) for r in read_results(run.results_file) if r.protocol == name]
        assert [step for step, _ in points] == [step for step, _ in expected]
        np.testing.assert_allclose([value for _, value in points], [value for _, value in expected], rtol=1e-6)
        assert events.SummaryMetadata(f"metrics/{name}").summary_description.endswith(" Lower is better.")


@pytest.mark.slow
def test_the_best_state_is_kept_and_named(run):
    chosen = best(read_results(run.results_file), KD)
    found = run.find_checkpoints("best")
    assert found == [str(run.best / f"ckpt-{chosen.images_seen}")]
    assert len(list(run.best.glob("*.index"))) == 1
    assert load_run(run.path, "best").images_seen == chosen.images_seen
    assert f"best           {found[0]}, {KD} " in run.log_file.read_text()
    assert f"kimg {chosen.images_seen / 1000:g} | {KD} " in run.log_file.read_text()


@pytest.mark.slow
def test_a_result_is_that_of_its_checkpoint(run, model, tmp_path):
    """Measured again from the files of the best state, on its own."""
    trained = load_run(run.path, "best")
    reals = load_image_set(DataSettings(trained.config.data.data, (8, 8), channels=3))
    evaluator = Evaluator([protocol(KD)], reals, {"model": ModelFeatures(model)}, tmp_path, quiet=True)
    origin = Origin("run", "again", trained.images_seen)
    fakes = NetworkImages(trained.generator, origin)
    again = evaluator.evaluate(fakes)[0]
    assert again.value == pytest.approx(best(read_results(run.results_file), KD).value, rel=1e-4)


@pytest.mark.slow
def test_measuring_changes_nothing_in_training(run, plain):
    one, other = (tf.train.load_checkpoint(directory.newest_checkpoint().prefix) for directory in (run, plain))
    names = [name for name in one.get_variable_to_shape_map() if not name.startswith(("save_counter", "_CHECKPOINT"))]
    assert len(names) > 20
    for name in names:
        np.testing.assert_array_equal(one.get_tensor(name), other.get_tensor(name), err_msg=name)


@pytest.mark.slow
def test_a_finished_run_is_measured_when_asked_and_once(run, plain, data, model, tmp_path, capsys):
    directory = RunDirectory(shutil.copytree(plain.path, tmp_path / "plain"))
    for _ in range(2):
        assert run_training(configure(data, directory.path, model)) == 0
    results = read_results(directory.results_file)
    assert [(result.protocol, result.images_seen) for result in results] == [(KD, 96), (FD, 96)]
    assert results[0].value == read_results(run.results_file)[-2].value
    assert directory.find_checkpoints("best") == [str(directory.best / "ckpt-96")]
    assert capsys.readouterr().out.count(f"Measured before: {KD} ") == 1


@pytest.mark.slow
def test_a_resumed_run_knows_what_was_best(run, data, model, tmp_path):
    directory = RunDirectory(tmp_path / "run")
    shutil.copytree(run.path, directory.path)
    lines = directory.results_file.read_text().splitlines()
    changed = []
    chosen = best(read_results(directory.results_file), KD).images_seen
    for line in lines:  # as if the best state had been better than all that can come
        values = json.loads(line)
        if values["images_seen"] == chosen:
            values["values"] = dict.fromkeys(values["values"], -1e9)
        changed.append(json.dumps(values))
        values["values"] = dict.fromkeys(values["values"], -1e12)
        changed.append(json.dumps({**values, "data_fingerprint": "of other images"}))  # an evaluation of another kind
    directory.results_file.write_text("\n".join(changed) + "\n")
    before = directory.find_checkpoints("best")
    settings = configure(data, directory.path, model, total_kimg=0.128, cache_dir=str(tmp_path / "cache"))
    assert run_training(settings) == 0
    results = read_results(directory.results_file)
    assert [r.images_seen for r in results if r.protocol == KD and r.value > -1e12] == [40, 80, 96, 120, 128]
    assert directory.find_checkpoints("best") == before
    assert f"{KD} -1,000,000,000.0 at {chosen / 1000:g} kimg" in directory.log_file.read_text()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"metrics": "fid"}, "must be the name of a protocol"),
        ({"metrics_weights": "file.keras"}, "NETWORK=FILE"),
        ({"metrics": "fd1k_model"}, "needs 1,000 real images"),
        ({"metrics_weights": ""}, "--weights=model=FILE"),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_measured_is_said_before_anything_is_written(data, model, tmp_path, values, says):
    config = configure(data, tmp_path / "run", model).replace(values)
    with pytest.raises(ValueError, match=says):
        run_training(config, dry_run=True)
    assert not (tmp_path / "run").exists()
