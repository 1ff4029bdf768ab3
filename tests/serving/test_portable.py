"""Files for devices and browsers give the images of the networks, in the interpreters that devices use."""

from __future__ import annotations

import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.cli import app
from stylegan_tf.cli import export as command
from stylegan_tf.ops.target import Target, tracing_for
from stylegan_tf.ops.upfirdn import make_filter, upsample_fir
from stylegan_tf.serving import portable
from stylegan_tf.serving.portable import export_portable
from stylegan_tf.serving.verify import VerificationError

MODELS = {
    "stylegan1 fading": {"num_levels": 3, "level": 1, "fade_in": 0.4, "fused_from": 8},
    "conditional grey": {"num_levels": 2, "num_classes": 3, "cutoff": None, "base_size": "14", "channels": 1},
    "stylegan2 skip": {"num_levels": 2, "family": "stylegan2", "generator_architecture": "skip"},
    "stylegan2 growing": {
        "num_levels": 2,
        "family": "stylegan2",
        "generator_architecture": "growing",
        "critic_architecture": "growing",
        "channels": 4,
    },
}


def run_tflite(path, inputs):
    with pytest.warns(UserWarning):
        runner = tf.lite.Interpreter(model_path=str(path)).get_signature_runner("from_z_float")
    return runner(**inputs)["images_float"]


def run_onnx(path, inputs):
    onnxruntime = pytest.importorskip("onnxruntime")
    (images,) = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, inputs)
    return images


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.slow
def test_the_file_gives_the_images_for_any_batch(make_served, tmp_path, name, kind):
    if kind == "onnx":
        pytest.importorskip("tf2onnx")
    served = make_served(**MODELS[name])
    path = export_portable(served, tmp_path, kind, {"run": "a"})
    assert path == tmp_path / f"generator.{kind}"
    for batch in (1, 4):
        inputs = {
            "z": np.random.default_rng(batch).standard_normal((batch, 8)).astype(np.float32),
            "truncation_psi": np.linspace(-0.5, 1.0, batch, dtype=np.float32),
        }
        if served.num_classes:
            inputs["class_id"] = np.arange(batch, dtype=np.int64) % 3
        images = {"tflite": run_tflite, "onnx": run_onnx}[kind](path, inputs)
        ws = served.map(tf.constant(inputs["z"]), inputs.get("class_id"))
        wanted = served.synthesize(served.truncate(ws, tf.constant(inputs["truncation_psi"]))).numpy()
        assert np.std(wanted) > 0.05
        np.testing.assert_allclose(images, wanted, atol=5e-5, rtol=1e-4)
    description = json.loads((tmp_path / f"generator.{kind}.json").read_text())
    assert description["run"] == "a" and list(description["signatures"]) == ["from_z_float"]


@pytest.mark.slow
def test_a_file_that_differs_is_not_written(make_served, tmp_path, monkeypatch):
    (tmp_path / "generator.tflite").write_bytes(b"an earlier one")
    wrong = lambda endpoint: (b"new", lambda inputs: np.zeros((len(inputs["z"]), 8, 8, 3), np.float32))  # noqa: E731
    monkeypatch.setattr(portable, "_to_tflite", wrong)
    with pytest.raises(VerificationError, match="from_z_float of generator.tflite must give what the Python model"):
        export_portable(make_served(), tmp_path, "tflite")
    assert (tmp_path / "generator.tflite").read_bytes() == b"an earlier one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_extra_is_named(make_served, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="onnxruntime, which is not installed. .*pip install .*tf2onnx"):
        export_portable(make_served(), tmp_path, "onnx")


@pytest.mark.slow
def test_the_command_writes_it_and_says_what_it_lacks(make_run, tmp_path, capsys):
    run = make_run(tmp_path / "run")
    with pytest.raises(SystemExit) as ended:
        arguments = ["export", f"--run_dir={run}", f"--output_dir={tmp_path}/a", "--format=tflite"]
        app.run(command.main, arguments, command.FLAGS)
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert f"Wrote {tmp_path}/a/generator.tflite" in printed and "It takes latents, not seeds" in printed
    assert json.loads((tmp_path / "a" / "generator.tflite.json").read_text())["kimg"] == 1.75


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format=coreml"], "value should be one of <saved_model|tflite|onnx>"),
        (["--format=onnx", "--version=3"], "version goes with --format=saved_model"),
    ],
)
def test_mistakes(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        app.run(command.main, ["export", "--run_dir=a", "--output_dir=b", *arguments], command.FLAGS)
    assert ended.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.slow
def test_plain_operations_compute_the_same():
    x, taps = keras.random.normal([2, 5, 6, 3]), make_filter([1, 3, 3, 1])

    @tf.function(autograph=False)
    def transposed(x):
        return upsample_fir(x, taps)

    @tf.function(autograph=False)
    def plain(x):
        with tracing_for(Target.PORTABLE):
            return upsample_fir(x, taps)

    kinds = [{op.type for op in f.get_concrete_function(x).graph.get_operations()} for f in (transposed, plain)]
    assert "DepthwiseConv2dNativeBackpropInput" in kinds[0] and "DepthwiseConv2dNativeBackpropInput" not in kinds[1]
    np.testing.assert_allclose(plain(x), transposed(x), atol=1e-5)
