"""The verification runs without the package, passes what is right and stops what is wrong."""

from __future__ import annotations

import dataclasses
import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylegan_tf.files import DiskError
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.serving import clean_process
from stylegan_tf.serving.endpoints import build_endpoints
from stylegan_tf.serving.export import write_saved_model
from stylegan_tf.serving.png import decode_png
from stylegan_tf.serving.verify import VerificationError, compare, run_clean, verify_export


@pytest.mark.parametrize("setup", ["installed", "in the current directory"])
def test_the_clean_process_cannot_import_the_package(tmp_path, setup):
    """Even where the package could be found, which the same command without the block shows."""
    fake = tmp_path / "stylegan_tf"
    fake.mkdir()
    (fake / "__init__.py").touch()
    find = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" if setup == "installed" else ""
    load = f"import runpy; module = runpy.run_path({clean_process.__file__!r})\n"
    importing = "import stylegan_tf.serving\n"

    def run(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)

    if setup == "installed":
        assert run(find + "import stylegan_tf").returncode == 0
    blocked = run(find + load + "module['refuse_imports']()\n" + importing)
    assert blocked.returncode == 1
    assert blocked.stderr.strip().endswith("ImportError: stylegan_tf is blocked here")


def test_a_block_that_does_not_work_is_noticed(tmp_path, monkeypatch):
    import stylegan_tf  # noqa: F401  already imported: no hook is asked

    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    with pytest.raises(RuntimeError, match="could be imported"):
        clean_process.refuse_imports()


@pytest.mark.slow
def test_a_model_that_differs_from_the_python_model_is_stopped(make_served, tmp_path):
    served = make_served(num_levels=2, fade_in=0.5)
    endpoints = build_endpoints(served)[:2]
    write_saved_model(endpoints, tmp_path / "model")
    other = dataclasses.replace(served, generator=GeneratorAtLevel(served.generator.network, fade_in=0.6))
    with pytest.raises(VerificationError, match="must give what the Python model gives"):
        verify_export(tmp_path / "model", other, endpoints)


SLOW = """
import sys, time
from types import SimpleNamespace
from absl import flags
from stylegan_tf.cli import app
from stylegan_tf.serving import verify

def main():
    verify.clean_process = SimpleNamespace(__file__=sys.argv[1])
    verify.run_clean(verify.Path("model"), {})

app.run(main, ["export"], flags.FlagValues())
"""


def wait_for(condition, seconds=300.0):
    end = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return done


def ended(number):
    try:
        return "Z (zombie)" in Path(f"/proc/{number}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="processes are looked up where Linux has them")
def test_a_signal_ends_the_clean_process_too(tmp_path):
    script, number = tmp_path / "clean.py", tmp_path / "number"
    script.write_text(f"import os, time\nopen({str(number)!r}, 'w').write(f'{{os.getpid()}}.')\ntime.sleep(600)\n")
    (tmp_path / "temporary").mkdir()
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path / "temporary"),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    command = [sys.executable, "-c", SLOW, str(script)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        started = wait_for(lambda: number.exists() and number.read_text().endswith("."))
        process.send_signal(signal.SIGTERM if started else signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (143, "export: interrupted.")
    assert ended(number.read_text().rstrip("."))
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="processes are looked up where Linux has them")
@pytest.mark.slow
def test_the_clean_process_does_not_outlive_a_command_that_is_killed(tmp_path):
    """It may be in the midst of a long computation then."""
    child = (
        "import runpy, sys, time; "
        f"runpy.run_path({clean_process.__file__!r})['follow_parent'](int(sys.argv[1])); time.sleep(600)"
    )
    parent = (
        "import os, subprocess, sys, time; "
        f"print(subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid())]).pid); time.sleep(600)"
    )
    command = [sys.executable, "-u", "-c", parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        number = process.stdout.readline().strip()
        time.sleep(0.5)
        assert not ended(number)
        process.kill()
    assert wait_for(lambda: ended(number), 30.0)


def test_a_full_temporary_directory_is_no_fault_of_the_model(tmp_path, monkeypatch):
    script = tmp_path / "clean.py"
    script.write_text("import errno, os\nraise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(clean_process, "__file__", str(script))
    with pytest.raises(DiskError) as caught:
        run_clean(tmp_path, {})
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["clean.py"]


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_is_stopped(make_served, tmp_path):
    served = make_served()
    (tmp_path / "model").mkdir()
    with pytest.raises(VerificationError, match="failed in a clean process: .*model"):
        verify_export(tmp_path / "model", served, build_endpoints(served))


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


PIXELS = np.random.default_rng(0).integers(1, 255, (2, 20, 30, 3), dtype=np.uint8)


def test_comparing_pixels():
    one_off, many_off, two_off = PIXELS.copy(), PIXELS.copy(), PIXELS.copy()
    one_off[0, 0, 0] += 1
    many_off[0] += 1
    two_off[0, 0, 0, 0] -= 2 if PIXELS[0, 0, 0, 0] > 2 else 1
    compare("a", PIXELS, PIXELS)
    compare("a", PIXELS, one_off)
    compare("a", PIXELS, np.array([png(image) for image in one_off], "S"))
    for wrong in (many_off, two_off, np.array([png(image) for image in many_off], "S")):
        with pytest.raises(VerificationError, match="a must give what the Python model gives"):
            compare("a", PIXELS, wrong)


def test_comparing_floats():
    floats = PIXELS.astype(np.float32) / 100
    compare("a", floats, floats + np.float32(1e-4))
    for wrong in (floats + np.float32(1e-2), np.where(floats > 2, np.float32("nan"), floats)):
        with pytest.raises(VerificationError, match="a must give what the Python model gives"):
            compare("a", floats, wrong)
    with pytest.raises(VerificationError, match="has diverged"):
        compare("a", np.full_like(floats, np.nan), np.full_like(floats, np.nan))


@pytest.mark.parametrize("wrong", [PIXELS[:1], PIXELS.astype(np.float32), PIXELS[..., :1]])
def test_comparing_shapes_and_types(wrong):
    with pytest.raises(VerificationError, match=r"a must give uint8 \[2, 20, 30, 3\]"):
        compare("a", PIXELS, wrong)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_decoding_a_png(channels):
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    np.testing.assert_array_equal(decode_png(png(pixels[..., 0] if channels == 1 else pixels)), pixels)
