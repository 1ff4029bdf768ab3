"""What a run's directory makes of what it finds."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from tiny_run import resolved, table, tiny_config, tiny_stylegan2

from stylegan_tf.configuration.resolve import resolve
from stylegan_tf.runs.checkpoints import CheckpointFolder
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory

DATASET = DatasetInfo("images", 20, (8, 12), 4, "abc", ("cats", "dogs"))


def test_configuration_and_data_come_back_as_they_were(tmp_path):
    directory = RunDirectory(tmp_path / "new" / "run")
    directory.prepare(tiny_config(), resolved(tiny_config()), DATASET)
    assert directory.read_config() == tiny_config()
    assert directory.read_dataset() == DATASET
    assert directory.newest_checkpoint() is None


def test_what_may_change_has_its_newest_value(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.prepare(tiny_config(), resolved(tiny_config()), DATASET)
    directory.prepare(tiny_config(total_kimg=7.0), resolved(tiny_config(total_kimg=7.0)), DATASET)
    assert directory.read_config().schedule.total_kimg == 7.0


def test_a_directory_of_a_run_that_was_killed_while_starting_is_no_foreign_one(tmp_path):
    """However early: with half a file written, or with the configuration and no description of the data."""
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    (directory.path / ".config.json.123.part").write_text('{"da')
    directory.prepare(tiny_config(), resolved(tiny_config()), DATASET)
    directory.dataset_file.unlink()
    directory.prepare(tiny_config(), resolved(tiny_config()), DATASET)
    assert directory.read_dataset() == DATASET
    assert directory.read_config() == tiny_config()


def test_a_file_in_place_of_the_directory(tmp_path):
    path = tmp_path / "run"
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"^run_dir must be a directory\. Received: .*run, a file\.$"):
        RunDirectory(path).prepare(tiny_config(), resolved(tiny_config()), DATASET)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"size": 3, "label_names": []}'])
def test_a_description_of_the_data_that_is_something_else(tmp_path, text):
    directory = RunDirectory(tmp_path)
    directory.prepare(tiny_config(), resolved(tiny_config()), DATASET)
    directory.dataset_file.write_text(text)
    with pytest.raises(ValueError, match=r"dataset\.json must describe the run's data\. Received: "):
        directory.read_dataset()


def test_the_configuration_of_another_program_is_left_alone(tmp_path):
    text = '{"architectures": ["BertModel"], "model_type": "bert"}'
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError):
        RunDirectory(tmp_path).prepare(tiny_config(), resolved(tiny_config()), DATASET)
    assert (tmp_path / "config.json").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.fixture
def with_checkpoints(tmp_path):
    """A run with three checkpoints and another that was best, of which only the names matter here."""
    directory = RunDirectory(tmp_path / "run")
    directory.prepare(tiny_config(), resolved(tiny_config()), DATASET)
    for folder, numbers in ((directory.checkpoints, (8000, 16000, 24000)), (directory.best, (12000,))):
        state = tf.train.Checkpoint(x=tf.Variable(1.0))
        manager = tf.train.CheckpointManager(state, str(folder), max_to_keep=3)
        for number in numbers:
            manager.save(checkpoint_number=number)
    return directory


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("newest", ["checkpoints/ckpt-24000"]),
        ("best", ["best/ckpt-12000"]),
        ("16", ["checkpoints/ckpt-16000"]),
        ("8.0", ["checkpoints/ckpt-8000"]),
        ("12", ["best/ckpt-12000"]),
        (
            "all",
            [
                f"{folder}/ckpt-{at}"
                for folder, at in (
                    ("checkpoints", 8000),
                    ("best", 12000),
                    ("checkpoints", 16000),
                    ("checkpoints", 24000),
                )
            ],
        ),
    ],
)
def test_checkpoints_are_found(with_checkpoints, which, expected):
    found = with_checkpoints.find_checkpoints(which)
    assert [str(Path(prefix).relative_to(with_checkpoints.path)) for prefix in found] == expected


@pytest.mark.parametrize("which", ["9", "last", "", "nan", "1e400"])
def test_a_checkpoint_that_is_not_there_names_those_that_are(with_checkpoints, which):
    with pytest.raises(ValueError, match=r"newest, best, all, or one of the kimg 8, 12, 16, 24. Received: checkpoint="):
        with_checkpoints.find_checkpoints(which)


def test_the_best_checkpoint_of_a_run_that_measured_nothing(with_checkpoints):
    shutil.rmtree(with_checkpoints.best)
    with pytest.raises(ValueError, match="training keeps the best one with --metrics"):
        with_checkpoints.find_checkpoints("best")


def test_the_first_training_of_a_converted_network_chooses_what_is_not_the_networks(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    unknown = dataclasses.replace(DATASET, name="", count=0, fingerprint="", label_names=("0", "1"))
    directory.prepare(tiny_config(), resolved(tiny_config()), unknown)
    CheckpointFolder(directory.checkpoints).save(tf.train.Checkpoint(x=tf.Variable(1.0)), 0, keep=1)
    mine = tiny_config(batch_size=table("4"), loss="logistic", learning_rate=table("0.1"), augment="adaptive")
    directory.check(mine, DATASET)
    for changed, words in {
        "z_size": "z_size was 8, is now 4",
        "mapping_layers": "mapping_layers was 2, is now 4",
        "resolution": "resolution was 8, is now 4",
    }.items():
        with pytest.raises(ValueError, match=words):
            directory.check(mine.replace({changed: "4" if changed == "resolution" else 4}), DATASET)
    for values in ({"size": (8, 8)}, {"channels": 3}, {"label_names": ("cats",)}):
        with pytest.raises(ValueError, match=r"8x12, 4 channels, 2 classes\. Received: \d"):
            directory.check(mine, dataclasses.replace(DATASET, **values))
    directory.prepare(mine, resolved(mine), DATASET)
    assert directory.read_dataset() == DATASET
    with pytest.raises(ValueError, match="its own images"):  # from now on it is a run like any other
        directory.check(mine, dataclasses.replace(DATASET, fingerprint="other"))
    with pytest.raises(ValueError, match="loss was logistic, is now hinge"):
        directory.check(mine.replace({"loss": "hinge"}), DATASET)


def test_a_setting_that_makes_other_images_is_named(with_checkpoints):
    other = dataclasses.replace(DATASET, fingerprint="other")
    with pytest.raises(ValueError, match=r"its own images .*Received: crop was center, is now pad; \d+ images, finger"):
        with_checkpoints.check(tiny_config(crop="pad"), other)
    with pytest.raises(ValueError, match=r"Received: \d+ images, fingerprint other"):
        with_checkpoints.check(tiny_config(), other)
    with_checkpoints.check(tiny_config(crop="pad"), DATASET)  # the same images: of a prepared set, say


def begun(directory, config):
    directory.prepare(config, resolved(config), DATASET)
    CheckpointFolder(directory.checkpoints).save(tf.train.Checkpoint(x=tf.Variable(1.0)), 8, keep=1)


def test_settings_that_mean_nothing_may_differ(tmp_path):
    """Versions that did not refuse such flags saved them."""
    directory = RunDirectory(tmp_path / "run")
    begun(directory, tiny_stylegan2(start_resolution=8, augment_p=0.5))
    directory.check(tiny_stylegan2(start_resolution=4), DATASET)
    with pytest.raises(ValueError, match="r1_gamma was 1.0, is now 3.0"):
        directory.check(tiny_stylegan2(r1_gamma=3.0), DATASET)


def test_a_batch_that_was_left_open_may_be_given_and_taken_back(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    left_open, given = tiny_stylegan2(batch_size=None), tiny_stylegan2(batch_size=table("16"))
    begun(directory, left_open)
    decisions = directory.read_decisions()
    directory.prepare(given, resolve(given, (8, 8), 1, decisions), DATASET)
    assert directory.read_decisions() == decisions
    for config in (left_open, given, tiny_stylegan2(batch_size=table("4"))):
        directory.check(config, DATASET)
    other = RunDirectory(tmp_path / "other")
    begun(other, given)
    with pytest.raises(ValueError, match="batch_size was 16, is now 4"):
        other.check(tiny_stylegan2(batch_size=table("4")), DATASET)


def test_decisions_that_are_missing_are_named(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    begun(directory, tiny_stylegan2(batch_size=None, r1_gamma=None))
    text = json.loads(directory.config_file.read_text())
    del text["resolved"]["batch_size"]
    directory.config_file.write_text(json.dumps(text))
    with pytest.raises(ValueError, match="resolved must say what became of batch_size"):
        directory.read_decisions()
