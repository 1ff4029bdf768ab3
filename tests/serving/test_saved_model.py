"""Every signature through the session interface that the server uses, and through saved_model_cli."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver
from tensorflow.python.tools import saved_model_cli

from stylegan_tf.exports.read import LoadedVersion
from stylegan_tf.serving.endpoints import build_endpoints
from stylegan_tf.serving.export import export
from stylegan_tf.serving.verify import compare, expected_images, fixed_inputs

SIGNATURES = [
    "serving_default",
    "map",
    "truncate",
    "from_seed_ws",
    "from_z_ws",
    *(
        source + form
        for source in ("from_seed", "from_z", "synthesize", "synthesize_noise")
        for form in ("", "_float", "_png")
    ),
]


@pytest.fixture(scope="module")
def loaded(pets):
    version = LoadedVersion(pets.base_path / "1")
    yield version
    version.close()


def endpoint_of(pets, name):
    return next(endpoint for endpoint in build_endpoints(pets.served) if endpoint.name == name)


@pytest.mark.slow
def test_these_are_all_signatures(loaded):
    assert set(loaded.signatures) == set(SIGNATURES)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.slow
def test_a_session_gives_what_python_gives(loaded, pets, name, batch):
    endpoint = endpoint_of(pets, name)
    inputs = fixed_inputs(pets.served, endpoint, batch)
    (output,) = endpoint.outputs
    answer = loaded.run(name, inputs)
    assert set(answer) == {output.name}
    value = answer[output.name]
    compare(
        name,
        expected_images(pets.served, name, inputs)[output.name],
        value.astype("S") if value.dtype == object else value,
    )


def run_cli(command, pets, signature, **values):
    """A command of saved_model_cli in this process: starting it for every signature would take minutes."""
    given = {"dir": str(pets.base_path / "1"), "tag_set": "serve", "signature_def": signature, **values}
    arguments = [f"--{name}={value}" for name, value in given.items()]
    with flagsaver.flagsaver():
        flags.FLAGS(["saved_model_cli", *arguments])
        try:
            command()
        finally:
            flags.FLAGS.unparse_flags()


@pytest.mark.parametrize(
    "name", ["serving_default", "truncate", "from_seed_ws", "from_z_float", "synthesize_noise_png"]
)
@pytest.mark.slow
def test_saved_model_cli_runs_it(pets, name, tmp_path, capsys):
    """These have every input and every kind of output; each time, the tool reads the whole model anew."""
    endpoint = endpoint_of(pets, name)
    inputs = fixed_inputs(pets.served, endpoint, 2)
    for field, value in inputs.items():
        np.save(tmp_path / f"{field}.npy", value)
    given = ";".join(f"{field}={tmp_path / field}.npy" for field in inputs)
    run_cli(saved_model_cli.run, pets, name, inputs=given, outdir=str(tmp_path / "out"))
    (output,) = endpoint.outputs
    value = np.load(tmp_path / "out" / f"{output.name}.npy", allow_pickle=True)
    wanted = expected_images(pets.served, name, inputs)[output.name]
    compare(name, wanted, value.astype("S") if value.dtype == object else value)


@pytest.mark.slow
def test_saved_model_cli_shows_names_types_and_shapes(pets, capsys):
    run_cli(saved_model_cli.show, pets, "from_seed_png")
    shown = capsys.readouterr().out
    assert "inputs['seed'] tensor_info" in shown and "DT_INT64" in shown and "shape: (-1)" in shown
    assert "outputs['png_bytes'] tensor_info" in shown and "tensorflow/serving/predict" in shown


GOOD = {"seed": np.int64([1]), "truncation_psi": np.float32([0.7]), "class_id": np.int64([0])}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": np.int32([1])}, "seed must be int64. Received: int32"),
        ({"truncation_psi": np.float64([1])}, "truncation_psi must be float32. Received: float64"),
        ({"seed": np.int64([[1]])}, r"seed must have the shape \[batch\]. Received: \[1, 1\]"),
        (
            {"z": np.zeros(1)},
            "inputs of from_seed must be class_id, seed, truncation_psi. Received: class_id, seed, trunc",
        ),
    ],
)
@pytest.mark.slow
def test_wrong_types_shapes_and_names_are_refused_by_name(loaded, changed, message):
    with pytest.raises(ValueError, match=message):
        loaded.run("from_seed", {**GOOD, **changed})


def test_an_unknown_signature_is_refused(loaded):
    with pytest.raises(ValueError, match=r"signature_name must be one of from_seed, .* Received: other"):
        loaded.run("other", GOOD)


def test_a_version_holds_a_model(tmp_path):
    with pytest.raises(ValueError, match=r"must hold saved_model.pb"):
        LoadedVersion(tmp_path)


@pytest.mark.slow
def test_values_are_checked_before_anything_is_computed(loaded):
    with pytest.raises(tf.errors.InvalidArgumentError, match="class_id must be between 0 and 2"):
        loaded.run("from_seed", {**GOOD, "class_id": np.int64([3])})


@pytest.mark.slow
def test_a_path_that_looks_like_a_pattern(pets, tmp_path):
    """TensorFlow looks for the variables by a pattern."""
    version = tmp_path / "out [1]" / "a\\b" / "lr=[1,2]*?" / "1"
    shutil.copytree(pets.base_path / "1", version)
    inputs = {"seed": np.array([3]), "truncation_psi": np.float32([0.5]), "class_id": np.array([1])}
    answers = [LoadedVersion(path).run("from_seed", inputs)["images"] for path in (pets.base_path / "1", version)]
    np.testing.assert_array_equal(*answers)


@pytest.mark.usefixtures("warm_clean_processes")
@pytest.mark.slow
def test_the_clean_process_reads_a_path_that_looks_like_a_pattern(make_served, tmp_path):
    path = export(make_served(), tmp_path / "out [1]" / "a\\b" / "lr=[1,2]*?", warmup_batches=())
    assert path.is_dir()
