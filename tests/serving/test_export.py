"""A version appears whole and verified, or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.cli import app
from stylegan_tf.cli import export as command
from stylegan_tf.cli.export import describe_run, export_run, measured_metrics, model_name, served_generator
from stylegan_tf.evaluation.results import Result, append_results
from stylegan_tf.runs.load import load_run
from stylegan_tf.serving import export as export_module
from stylegan_tf.serving.endpoints import build_endpoints
from stylegan_tf.serving.export import export
from stylegan_tf.serving.png import decode_png
from stylegan_tf.serving.verify import VerificationError

pytestmark = pytest.mark.usefixtures("warm_clean_processes")


@pytest.fixture(scope="module")
def exported(make_run, tmp_path_factory):
    """A run that is three quarters into a fade, and the version that was exported from it."""
    folder = tmp_path_factory.mktemp("export")
    run = make_run(folder / "my run", label_names=("cat", "dog"))
    return run, export_run(run, folder / "models" / "pets")


@pytest.mark.slow
def test_the_first_version_is_complete(exported):
    _, path = exported
    assert path.parts[-3:] == ("models", "pets", "1")
    assert os.listdir(path.parent) == ["1"]
    assert (path / "saved_model.pb").is_file() and (path / "variables").is_dir()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o777 & ~umask  # a server under another account can read it


@pytest.mark.slow
def test_a_version_holds_the_run_at_its_level_and_fade_in(exported):
    run, path = exported
    trained = load_run(run)
    assert (trained.generator.level, trained.generator.fade_in) == (1, 0.75)
    signatures = tf.saved_model.load(path).signatures
    z = np.random.default_rng(3).standard_normal((2, 8)).astype(np.float32)
    psi = np.array([0.2, 0.9], np.float32)
    class_id = tf.constant([1, 0], tf.int64)
    got = signatures["from_z_float"](z=tf.constant(z), truncation_psi=tf.constant(psi), class_id=class_id)
    want = trained.generator.network(
        z, labels=np.eye(2, dtype=np.float32)[[1, 0]], truncation_psi=psi, truncation_cutoff=3, level=1, fade_in=0.75
    )
    np.testing.assert_allclose(got["images_float"], want, atol=2e-5, rtol=1e-5)
    default = signatures["serving_default"](z=tf.constant(z), class_id=class_id)["images"]
    at_run_psi = signatures["from_z"](z=tf.constant(z), truncation_psi=tf.fill([2], 0.6), class_id=class_id)
    np.testing.assert_array_equal(default, at_run_psi["images"])


@pytest.mark.slow
def test_metadata_says_what_it_is_and_what_it_answers(exported):
    _, path = exported
    metadata = json.loads((path / "assets.extra" / "model.json").read_text(encoding="utf-8"))
    assert metadata["run"] == "my run"
    assert (metadata["images_seen"], metadata["kimg"], metadata["fade_in"]) == (1750, 1.75, 0.75)
    assert metadata["label_names"] == ["cat", "dog"]
    assert metadata["image"] == {"height": 8, "width": 8, "channels": 3}
    assert metadata["config"]["network"]["z_size"] == 8
    assert metadata["signatures"]["from_seed_png"]["inputs"]["class_id"] == {
        "dtype": "int64",
        "shape": ["batch"],
        "meaning": "class, 0 to 1",
    }
    assert set(metadata["signatures"]) == set(tf.saved_model.load(path).signatures)


@pytest.fixture
def stubbed(monkeypatch):
    """Leaves out writing and running, where the steps around them are tested; returns what stands for running."""
    monkeypatch.setattr(export_module, "write_saved_model", lambda endpoints, path: (path / "saved_model.pb").touch())

    def replace(verify: Callable[..., None]) -> None:
        monkeypatch.setattr(export_module, "verify_export", verify)

    replace(lambda *args: None)
    return replace


@pytest.mark.slow
def test_the_next_version_gets_the_next_number_and_the_output_says_what_to_do(make_run, stubbed, capsys, tmp_path):
    run, tmp_path = make_run(tmp_path / "my run", label_names=("cat", "dog")), tmp_path / "models"
    (tmp_path / "007").mkdir(parents=True)
    assert export_run(run, tmp_path) == tmp_path / "8"
    assert export_run(run, tmp_path, version=20) == tmp_path / "20"
    assert sorted(os.listdir(tmp_path)) == ["007", "20", "8"]
    printed = capsys.readouterr().out
    assert "1.75 kimg: images 8x8x3, faded in by 75%" in printed
    assert "from_seed_png: seed int64 [batch], truncation_psi float32 [batch], class_id int64 [batch]" in printed
    assert f"docker run --rm -p 8501:8501 -v {tmp_path}:/models/my-run:ro -e MODEL_NAME=my-run" in printed
    request = next(line for line in printed.splitlines() if "curl" in line).split("'")[1]
    assert json.loads(request) == {
        "signature_name": "from_seed_png",
        "instances": [{"seed": 1, "truncation_psi": 0.7, "class_id": 0}],
    }


@pytest.mark.slow
def test_a_failure_leaves_nothing_behind(make_served, stubbed, tmp_path):
    def fail(path: Path, *others: object) -> None:
        assert (path / "saved_model.pb").exists() and (path / "assets.extra" / "model.json").exists()
        assert path.name.startswith(".") and not path.name.isdigit()
        raise VerificationError("no")

    stubbed(fail)
    with pytest.raises(VerificationError, match="no"):
        export(make_served(), tmp_path / "new" / "models")
    assert os.listdir(tmp_path) == []
    (tmp_path / "3").mkdir()
    with pytest.raises(VerificationError):
        export(make_served(), tmp_path)
    assert os.listdir(tmp_path) == ["3"]


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_earlier_versions(make_run, capsys, tmp_path, small_files):
    run = make_run(tmp_path / "run")
    (tmp_path / "models" / "1").mkdir(parents=True)
    arguments = ["export.py", f"--run_dir={run}", f"--output_dir={tmp_path}/models"]
    with pytest.raises(SystemExit) as ended, small_files(20_000):
        app.run(command.main, arguments, command.FLAGS)
    error = capsys.readouterr().err
    assert (ended.value.code, error.count("\n")) == (2, 1)
    assert error.startswith("export: File too large. ") and error.endswith(f"again: {tmp_path}/models/2\n")
    assert os.listdir(tmp_path / "models") == ["1"]


@pytest.mark.slow
def test_what_a_killed_export_left_goes(make_served, stubbed, tmp_path):
    rest, other = tmp_path / ".1.99999999.part", tmp_path / f".1.{os.getppid()}.part"
    for part in (rest, other):
        (part / "variables").mkdir(parents=True)
    export(make_served(), tmp_path, version=5)
    assert sorted(os.listdir(tmp_path)) == [other.name, "5"]


@pytest.mark.slow
def test_a_number_taken_in_the_meantime_is_not_overwritten(make_served, stubbed, tmp_path):
    stubbed(lambda *args: (tmp_path / "1").mkdir())
    with pytest.raises(ValueError, match="just appeared"):
        export(make_served(), tmp_path)
    assert os.listdir(tmp_path) == ["1"] and os.listdir(tmp_path / "1") == []


def test_a_failed_verification_is_one_line(make_run, tmp_path, monkeypatch, capsys):
    def fail(*args: object) -> None:
        raise VerificationError("from_z must give other images.")

    monkeypatch.setattr(command, "export_run", fail)
    with pytest.raises(SystemExit) as ended:
        run = make_run(tmp_path / "run", checkpoint=False)
        app.run(command.main, ["export.py", f"--run_dir={run}", "--output_dir=models"], command.FLAGS)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "export: from_z must give other images. Nothing was written.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--run_dir must be given: the directory of a training run"),
        (["--run_dir={run}"], "--output_dir must be given: the directory of the versions"),
        (["--run_dir={run}/none", "--output_dir={run}/models"], "run_dir must be the directory of a run"),
        (["--run_dir={run}", "--output_dir={run}/models"], "the run must have a checkpoint"),
        (["--run_dir={run}", "--output_dir={run}/config.json"], "output_dir must be a directory"),
        (["--run_dir={run}", "--output_dir={run}/versions", "--version=7"], "leave --version out to get 8"),
        (["--run_dir={run}", "--output_dir={run}/versions", "--version=0"], "version must be a positive whole number"),
        (["--run_dir={run}", "--output_dir={run}/versions", "--version=new"], "flag --version=new"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(make_run, capsys, tmp_path, arguments, message):
    run = make_run(tmp_path / "run", checkpoint=False)
    (run / "versions" / "7").mkdir(parents=True)
    with pytest.raises(SystemExit) as ended:
        app.run(command.main, ["export.py", *(argument.format(run=run) for argument in arguments)], command.FLAGS)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("export: ") and message in error and error.count("\n") == 1
    assert not (run / "models").exists()


@pytest.mark.slow
def test_a_cutoff_of_zero_truncates_every_layer(make_run, tmp_path):
    trained = load_run(make_run(tmp_path / "run"))
    every = trained.config.replace({"truncation_cutoff": 0})
    assert served_generator(trained).truncation_cutoff == 3
    assert served_generator(dataclasses.replace(trained, config=every)).truncation_cutoff is None


def test_model_names_are_safe_in_a_url():
    assert model_name("/runs/my run!/") == "my-run"
    assert model_name("/") == "stylegan"


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"base_size": "7", "channels": 1, "num_classes": 3, "cutoff": None},
        {"base_size": "4x6", "channels": 4, "num_levels": 3, "style": False, "noise": False},
    ],
)
def test_every_kind_of_model_passes_its_verification(make_served, tmp_path, fields):
    served = make_served(**fields)
    path = export(served, tmp_path)
    signatures = tf.saved_model.load(path).signatures
    assert set(signatures) == {endpoint.name for endpoint in build_endpoints(served)}
    ws = tf.zeros([1, served.generator.num_ws, 12])
    (png,) = signatures["synthesize_png"](ws=ws)["png_bytes"].numpy()
    assert decode_png(png).shape == served.image_shape


@pytest.mark.slow
def test_descriptions_are_plain_json(make_run, tmp_path):
    description = describe_run(load_run(make_run(tmp_path / "run")), tmp_path / "run")
    assert json.loads(json.dumps(description))["dataset"]["size"] == [8, 8]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["skip", "growing"])
def test_stylegan2_answers_without_the_package_as_with_it(make_served, tmp_path, architecture):
    """`export` compares every signature, run in a clean process, with the networks."""
    critic = {"critic_architecture": "growing"} if architecture == "growing" else {}
    served = make_served(family="stylegan2", generator_architecture=architecture, **critic)
    path = export(served, tmp_path / "model")
    loaded = tf.saved_model.load(path).signatures["serving_default"]
    z = keras.random.normal([3, 8])
    images = served.synthesize(served.truncate(served.map(z), tf.fill([3], served.truncation_psi)))
    pixels = np.clip(np.round(images.numpy() * 127.5 + 127.5), 0, 255)
    assert np.abs(loaded(z=z)["images"].numpy() - pixels).max() <= 1


def test_metadata_holds_what_was_measured_of_this_state(tmp_path):
    def result(protocol, value, images_seen=1750, source="run"):
        return Result(
            protocol,
            {"value": value},
            {},
            True,
            "network",
            "0",
            10,
            10,
            0,
            "seed",
            source,
            "runs/a",
            images_seen,
            "8x8",
            "made up",
            "0",
            1.0,
            "0",
            "now",
        )

    file = tmp_path / "metrics.jsonl"
    assert measured_metrics(file, 1750) == {}
    append_results(
        file,
        [
            result("fd", 3.0),
            result("fd", 2.0),
            result("kd", float("nan")),
            result("fd", 1.0, images_seen=2000),
            result("pr", 4.0, source="export"),
        ],
    )
    assert measured_metrics(file, 1750) == {"fd": {"value": 2.0}, "kd": {"value": None}}


@pytest.mark.parametrize("sizes", ["1,two", "-1", "1.5"])
def test_bad_warm_up_sizes(capsys, sizes):
    with pytest.raises(SystemExit) as ended:
        app.run(command.main, ["export", "--run_dir=a", "--output_dir=b", f"--warmup_batches={sizes}"], command.FLAGS)
    assert ended.value.code == 2 and "warmup_batches must be whole numbers" in capsys.readouterr().err
