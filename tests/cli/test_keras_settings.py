"""What the environment and keras.json say of Keras does not reach the commands, or is one clear line."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stylegan_tf.cli import keras_settings

ROOT = Path(__file__).resolve().parents[2]
TOOL = """
import sys
import warnings

from stylegan_tf.cli import app

def main():
    with app.quiet_startup():
        import keras
        import tensorflow as tf
    print(sorted({"matplotlib", "sklearn"} & set(sys.modules)))
    import matplotlib.pyplot, sklearn
    warnings.warn("of a library", DeprecationWarning)
    print(keras.config.backend(), keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format())
    print(keras.config.dtype_policy().name, tf.keras.Model is keras.Model, keras.config.max_epochs())

app.run(main)
"""
ODD = {"floatx": "float16", "epsilon": 1e-3, "backend": "theano", "image_data_format": "channels_first"}


def run_tool(folder, **variables):
    """Exit code, stdout, stderr."""
    (folder / "tool.py").write_text(TOOL)
    done = subprocess.run(
        [sys.executable, str(folder / "tool.py")], env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True, text=True, timeout=120, check=False, cwd=folder,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def write_keras_file(folder, settings):
    (folder / "keras.json").write_text(json.dumps(settings))
    return {"KERAS_HOME": str(folder)}


@pytest.mark.slow
def test_commands_have_keras_on_tensorflow_with_its_own_defaults(tmp_path):
    code, out, err = run_tool(
        tmp_path, **write_keras_file(tmp_path, {**ODD, "nnx_enabled": True}), KERAS_BACKEND="torch",
        TF_USE_LEGACY_KERAS="1", KERAS_NNX_ENABLED="1", KERAS_MAX_EPOCHS="some", PYTHONWARNINGS="error",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert out == "[]\ntensorflow float32 1e-07 channels_last\nfloat32 True None\n"


@pytest.mark.parametrize("variable", ["TF_XLA_FLAGS", "XLA_FLAGS"])
@pytest.mark.slow
def test_flags_that_xla_does_not_know_are_named(tmp_path, variable):
    code, out, err = run_tool(tmp_path, **{variable: "--no_such_flag=1"})
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"tool: {variable} must hold flags that this TensorFlow knows. Received: --no_such_flag=1")


@pytest.mark.slow
def test_a_command_goes_on_where_flags_of_xla_take_too_long_to_try(monkeypatch, tmp_path):
    begun = tmp_path / "begun"
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    monkeypatch.setattr(
        keras_settings, "_COMPILE_SOMETHING",
        f"import time; open({str(begun)!r}, 'w'); time.sleep(30); print('Unknown flag in XLA_FLAGS: x')",
    )  # fmt: skip
    monkeypatch.setattr(keras_settings, "_TRIED_FOR_S", 3.0)
    start = time.monotonic()
    keras_settings.check_xla_flags()
    assert begun.exists() and time.monotonic() - start < 20


@pytest.fixture
def keras_file(monkeypatch, tmp_path):
    """Where Keras is told to look for its settings, by a process that has not imported it yet."""
    for name in ("KERAS_BACKEND", "KERAS_NNX_ENABLED", "TF_USE_LEGACY_KERAS", "KERAS_MAX_EPOCHS"):
        monkeypatch.setenv(name, "")  # so that they are put back
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    return tmp_path / "keras.json"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"floatx": "bfloat16"}', "Received: floatx='bfloat16'"), ('{"floatx": ["float32"]}', "floatx"),
        ('{"epsilon": 1}', "Received: epsilon=1"), ('{"image_data_format": "NHWC"}', "channels_first"),
        ("[1, 2]", "a JSON object"),
    ],
)  # fmt: skip
def test_what_keras_cannot_start_with_is_named_with_its_file(keras_file, text, words):
    keras_file.write_text(text)
    with pytest.raises(ValueError) as error:
        keras_settings.choose_backend()
    assert words in str(error.value)
    assert str(keras_file) in str(error.value)


def test_a_file_that_cannot_be_read_is_named(keras_file):
    keras_file.mkdir()
    with pytest.raises(ValueError, match=r"keras\.json: Is a directory"):
        keras_settings.choose_backend()


@pytest.mark.parametrize("text", ["{", "", json.dumps(ODD)])
def test_what_keras_passes_over_or_can_start_with_is_no_error(keras_file, text):
    keras_file.write_text(text)
    keras_settings.choose_backend()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_without_a_home_of_keras_its_settings_lie_in_the_user_s(monkeypatch, keras_file, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", "")
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text('{"epsilon": "small"}')
    with pytest.raises(ValueError, match=r"\.keras/keras\.json\. Received: epsilon='small'"):
        keras_settings.choose_backend()
