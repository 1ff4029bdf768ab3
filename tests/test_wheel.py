"""What is built from this repository works where the repository is not: a wheel, and the source distribution."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import stylegan_tf

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 600

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of both files, built of a copy."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "source").mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    source = folder / "source"
    shutil.copytree(ROOT / "stylegan_tf", source / "stylegan_tf", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def elsewhere(built, tmp_path_factory):
    """`elsewhere(*words)` runs the command of an unpacked wheel, in an empty folder."""
    place, empty = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("empty")
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    # Of what the tests have set (conftest.py), users have nothing.
    of_tests = ("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in of_tests}
    environment["PYTHONPATH"] = str(place)

    def run(*words):
        command = [sys.executable, "-m", "stylegan_tf", *words]
        done = subprocess.run(
            command, cwd=empty, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    code = "import stylegan_tf; print(stylegan_tf.__file__)"
    where = subprocess.run([sys.executable, "-c", code], cwd=empty, env=environment, capture_output=True, text=True)
    assert where.stdout.startswith(str(place)), where.stdout
    run.folder = empty
    return run


def test_an_index_would_take_them(built):
    files = sorted(str(path) for path in built.iterdir())
    assert [Path(file).suffix for file in files] == [".whl", ".gz"]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files], capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stdout


def test_it_is_the_command_that_pip_installs(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "stylegan-tf = stylegan_tf.cli.command:main" in archive.read(name).decode()
        assert f"stylegan_tf-{stylegan_tf.__version__}.dist-info" in name


def test_it_trains_draws_and_exports_in_an_empty_folder(elsewhere):
    """On the portraits, which it brings."""
    said = elsewhere("train", "--total_kimg=0.008", "--run_dir=runs/mine")
    assert "2,339 images, 32x32 RGB" in said and "Finished 0.008 kimg" in said
    assert "grid.png" in elsewhere("sample", "--run_dir=runs/mine", "--seeds=0-3", "--output=grid.png")
    assert "Wrote exports/mine/1" in elsewhere("export", "--run_dir=runs/mine", "--output_dir=exports/mine")
    assert (elsewhere.folder / "grid.png").is_file()
    assert "portraits" in elsewhere("dataset", "inspect", "portraits")


def test_it_holds_the_whole_package(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("stylegan_tf/")}
    files = (path for path in (ROOT / "stylegan_tf").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert held == {path.relative_to(ROOT).as_posix() for path in files}


def test_the_version_is_said_once_more_for_those_who_cite():
    assert f"version: {stylegan_tf.__version__}\n" in (ROOT / "CITATION.cff").read_text()
