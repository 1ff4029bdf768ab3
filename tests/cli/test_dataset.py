"""The dataset command as people run it: three subcommands, exit codes, and one line for a mistake."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylegan_tf import invocation
from stylegan_tf.cli import dataset

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120


def command(*arguments):
    return [sys.executable, "-m", "stylegan_tf.cli.dataset", *map(str, arguments)]


@pytest.fixture
def run(capsys):
    """`run(*arguments)`, in this process: exit code, stdout, stderr."""

    def call(*arguments):
        before = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as stop:
                dataset.run(["some/where/dataset.py", *map(str, arguments)])
        finally:
            signal.signal(signal.SIGTERM, before)
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call


def write_pictures(folder, count=12, side=16):
    random = np.random.default_rng(0)
    for number in range(count):
        path = folder / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (side, side, 3)).astype(np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = write_pictures(tmp_path_factory.mktemp("pictures"))
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def prepared(pictures):
    """A set that the command prepared, and what it said."""
    directory = pictures.parent / "set"
    done = subprocess.run(
        command("prepare", f"--data={pictures}", f"--output={directory}", "--use_labels", "--encoding=png"),
        capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return directory, done.stdout


class TestPrepare:
    @pytest.mark.slow
    def test_says_what_it_found_and_made_and_what_comes_next(self, prepared, pictures):
        directory, out = prepared
        found, images, files, made_from, labels, took, train = out.splitlines()
        assert found == f"{pictures}: folder, 12 pictures, 2 classes; left out: 1 other file (.txt 1)"
        assert images == "Images     12 of 16x16 down to 4x4, RGB"
        assert files.startswith("Files      6, png, 0.0 MiB")
        assert made_from == f"Made from  {pictures} (folder), crop center"
        assert labels.startswith("Labels     2 classes: ")
        assert "a 6" in labels
        assert took.startswith("Took       ")
        assert train == f"Train with {invocation.command(f'train --data={directory} --run_dir=runs/set')}"

    @pytest.mark.slow
    def test_flags_reach_the_set(self, run, pictures, tmp_path):
        code, out, err = run(
            "prepare", f"--data={pictures}", f"--output={tmp_path / 'set'}", "--resolution=8x16", "--base_size=4x8",
            "--channels=1", "--crop=pad", "--background=black", "--workers=1",
        )  # fmt: skip
        assert (code, err) == (0, "")
        assert "Images     12 of 8x16 down to 4x8, grey" in out
        words = f"train --data={tmp_path}/set --run_dir=runs/set --base_size=4x8"
        assert out.endswith(f"Train with {invocation.command(words)}\n")
        assert ", crop pad" in out
        assert "Labels" not in out
        code, out, err = run(
            "prepare", f"--data={pictures}", f"--output={tmp_path / 'set'}", "--resolution=8", "--workers=1"
        )
        assert (code, err.count("\n")) == (2, 1)
        assert "channels was 1, is now 3" in err
        assert "background was 'black', is now 'white'" in err

    def test_pictures_that_cannot_be_read_are_named_or_skipped(self, run, tmp_path):
        folder = write_pictures(tmp_path / "pictures")
        (folder / "a" / "02.png").write_bytes(b"")
        arguments = ["prepare", f"--data={folder}", f"--output={tmp_path / 'set'}", "--resolution=8", "--workers=1"]
        code, _, err = run(*arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith("dataset: 1 of 12 pictures could not be read; ")
        assert "a/02.png" in err
        code, out, err = run(*arguments, "--on_error=skip")
        assert (code, err) == (0, "")
        assert "Images     11 of 8x8" in out
        assert "Left out   1 picture, listed in left_out.csv" in out

    @pytest.mark.slow
    def test_names_that_are_no_text_do_not_break_it(self, tmp_path):
        """Where the terminal takes UTF-8 only."""
        folder = write_pictures(tmp_path / "pictures", count=2)
        os.rename(folder / "a", os.path.join(os.fsencode(folder), b"\xff"))
        done = subprocess.run(
            command(
                "prepare", f"--data={folder}", f"--output={tmp_path / 'set'}", "--use_labels", "--resolution=4",
                "--workers=1",
            ),
            capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT_S, check=False,
            env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert r"\udcff 1" in done.stdout

    def test_labels_that_cannot_be_kept_are_said(self, run, tmp_path):
        folder = write_pictures(tmp_path / "pictures", count=2)
        (folder / "dataset.json").write_text('{"labels": [["a/00.png", 0], ["a/00.png", 2], ["b/01.png", 1]]}')
        arguments = [f"--data={folder}", "--workers=1"]
        for command in (["inspect", "--sheet="], ["prepare", f"--output={tmp_path / 'set'}"]):
            code, out, err = run(command[0], *arguments, *command[1:])
            assert (code, err.count("\n")) == (0, 1)
            assert err.startswith("dataset: note: the labels are left out. ")
            assert err.endswith(".\n") and not err.endswith("..\n")
            assert "'a/00.png' has the labels 0 and 2" in err
            assert "class" not in out
            code, out, err = run(command[0], *arguments, *command[1:], "--use_labels")
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert "'a/00.png' has the labels 0 and 2" in err

    def test_folders_and_classes_without_pictures_are_named(self, run, tmp_path):
        folder = write_pictures(tmp_path / "pictures", count=2)
        (folder / "c\x1b[2J").mkdir()
        code, _, err = run("inspect", f"--data={folder}", "--use_labels", "--sheet=", "--workers=1")
        assert (code, err) == (0, "dataset: note: folders without pictures are not classes: 'c\\x1b[2J'.\n")
        (folder / "dataset.json").write_text('{"labels": [["a/00.png", 0], ["b/01.png", 2]]}')
        code, _, err = run("inspect", f"--data={folder}", "--use_labels", "--sheet=", "--workers=1")
        assert (code, err) == (0, "dataset: note: 1 of 3 classes has no pictures: '1'.\n")


class TestVerify:
    @pytest.mark.slow
    def test_a_whole_set(self, run, prepared):
        directory, _ = prepared
        code, out, err = run("verify", directory, "--workers=1")
        assert (code, err) == (0, "")
        assert out.startswith(f"{directory} is whole: 12 images at 3 sizes in 6 files, checked in ")

    def test_a_damaged_set(self, run, tmp_path, prepared):
        directory = shutil.copytree(prepared[0], tmp_path / "set")
        for name in ("16x16/shard-00000.tfrecord", "4x4/shard-00000.index.npy"):
            (directory / name).unlink()
        code, out, err = run("verify", f"--data={directory}", "--workers=1")
        assert code == 2
        assert out.splitlines() == [
            "16x16/shard-00000.tfrecord: No such file or directory",
            "4x4/shard-00000.index.npy: No such file or directory",
        ]
        assert err == f"dataset: {directory} is damaged; delete it and prepare it again.\n"


class TestInspect:
    @pytest.mark.slow
    def test_a_source_and_its_contact_sheet(self, run, pictures, tmp_path):
        sheet = tmp_path / "sheet.png"
        code, out, err = run("inspect", pictures, "--use_labels", f"--sheet={sheet}")
        assert (code, err) == (0, "")
        assert out.startswith(f"{pictures}: folder, 12 pictures, 2 classes; left out: 1 other file (.txt 1)\n")
        assert "16x16" in out
        assert out.splitlines()[-1].startswith(f"Contact sheet: {sheet}, ")
        with Image.open(sheet) as image:
            assert min(image.size) > 3 * dataset.SHEET_CELL
            assert len(image.convert("RGB").getcolors(2**24)) > 100

    def test_broken_pictures_end_it_with_2(self, run, pictures, tmp_path):
        folder = shutil.copytree(pictures, tmp_path / "pictures")
        (folder / "broken.png").write_bytes(b"no picture")
        code, out, err = run("inspect", folder, "--sheet=", "--workers=1")
        assert (code, err.partition(";")[0]) == (2, "dataset: 1 of 13 pictures cannot be read")
        assert "broken.png: " in out

    def test_the_sheet_takes_no_picture_s_place(self, run, pictures, tmp_path):
        for sheet, words in (
            (tmp_path / "sheet.gif", "must be a file that ends in .png, .jpg, .jpeg or .webp"),
            (pictures / "sheet.png", "elsewhere"),
        ):
            code, _, err = run("inspect", pictures, f"--sheet={sheet}")
            assert code == 2
            assert words in err
            assert not sheet.exists()

    def test_a_prepared_set_without_a_sheet(self, run, prepared, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        code, out, err = run("inspect", prepared[0], "--sheet=")
        assert (code, err) == (0, "")
        assert out.startswith("Images     12 of 16x16 down to 4x4, RGB\n")
        assert "Contact sheet" not in out
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["name a command: prepare, inspect, verify", "''"]),
        (["prepair"], ["name a command: prepare, inspect, verify", "'prepair'"]),
        (["--data=x"], ["name a command"]),
        (["prepare", "--output=out"], ["--data must be given: a source"]),
        (["prepare", "--data=portraits"], ["--output must be given: a directory to write"]),
        (["prepare", "--data=portraits", "--output=out", "--resolution=big"], ["resolution", "big"]),
        (["prepare", "--data=portraits", "--output=out", "--resolution=100"], ["100x100", "base size"]),
        (["prepare", "--data=portraits", "--output=out", "--base_size=0"], ["base_size"]),
        (["prepare", "--data=portraits", "--output=out", "--channels=2"], ["channels", "2"]),
        (["prepare", "--data=portraits", "--output=out", "--crop=middle"], ["crop", "middle"]),
        (["prepare", "--data=portraits", "--output=out", "--background=mauve-ish"], ["background", "mauve-ish"]),
        (["prepare", "--data=portraits", "--output=out", "--encoding=jpeg"], ["encoding", "jpeg"]),
        (["prepare", "--data=portraits", "--output=out", "--workers=-1"], ["workers", "-1"]),
        (["prepare", "--data=portraits", "--output=out", "--resolutoin=8"], ["resolutoin", "resolution"]),
        (["prepare", "portraits", "out"], ["'out'", "belongs to no flag"]),
        (["prepare", "--data=nowhere", "--output=out"], ["nowhere", "nothing was found there"]),
        (["inspect"], ["--data must be given: a source or a prepared set"]),
        (["inspect", "nowhere"], ["nowhere"]),
        (["verify"], ["--data must be given: the directory of a prepared set"]),
        (["verify", "nowhere"], ["manifest.json", "nowhere"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_and_writes_nothing(run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("dataset: ")
    assert all(word in err for word in words), err
    assert list(tmp_path.iterdir()) == []


def test_help_tells_of_the_commands_and_of_the_flags_of_each(run):
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert all(f"dataset {name}" in out for name in ("prepare", "inspect", "verify"))
    for name, flags, foreign in (
        ("prepare", ("--output", "--[no]use_labels", "--encoding"), "--sheet"),
        ("inspect", ("--sheet", "--data"), "--output"),
        ("verify", ("--data", "--workers"), "--sheet"),
    ):
        code, out, err = run(name, "--help")
        assert (code, err) == (0, "")
        assert all(f"  {flag}" in out for flag in flags), name
        assert f"  {foreign}" not in out


@pytest.mark.parametrize(
    ("stop", "everyone", "expected"),
    [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143)],
    ids=["Ctrl-C", "SIGTERM"],
)
@pytest.mark.slow
def test_a_stopped_command_says_so_and_goes_on_when_it_is_run_again(tmp_path, run, stop, everyone, expected):
    directory = tmp_path / "set"
    arguments = ["prepare", "--data=portraits", f"--output={directory}", "--encoding=png", "--workers=1"]
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        start_new_session=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + TIMEOUT_S
        while not (directory / ".work" / "shard-00000.json").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)
        first = (directory / "32x32" / "shard-00000.tfrecord").stat().st_mtime_ns
        (os.killpg if everyone else os.kill)(process.pid, stop)  # a terminal's Ctrl-C reaches all processes
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == expected
    assert err == f"dataset: stopped; finished parts are in {directory}, run the same command to continue.\n"
    assert out.count("\n") == 1
    assert not list(directory.rglob("*.part"))
    code, out, err = run("verify", directory)
    assert code == 2
    assert "not complete" in err
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert "Images     2,339 of 32x32" in out
    assert (directory / "32x32" / "shard-00000.tfrecord").stat().st_mtime_ns == first
