"""Kills, damage and full disks at random moments, for as long as one likes: what docs/reliability.md promises, tried.

    python tools/reliability.py --minutes=60 --seed=0 --output=campaign

Every trial begins with the same small pictures and a finished run of them, does one kind of harm at a random place or
moment, runs the same command again, and compares what is there then, bit by bit, with what an undisturbed run made.
Prints a line for each trial, and a table at the end; exit code 1 when a trial failed. The folder of a trial that failed
stays in --output. Needs Linux, and TensorFlow on a CPU, where the same command gives the same bits.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from absl import app, flags
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
TRAIN = [sys.executable, str(ROOT / "train.py")]
EXPORT = [sys.executable, str(ROOT / "export.py")]
MODULE = [sys.executable, "-m"]
SETTINGS = [
    "--preset=tiny-stylegan1",
    "--data=pictures",
    "--resolution=16",
    "--z_size=8",
    "--w_size=8",
    "--mapping_layers=2",
    "--feature_maps_base=32",
    "--feature_maps_max=8",
    "--stage_kimg=0.032",
    "--fade_kimg=0.032",
    "--total_kimg=0.16",
    "--batch_size=8",
    "--checkpoint_interval_kimg=0.016",
    "--grid_interval_kimg=0.048",
    "--dtype_policy=float32",
    "--run_dir=run",
]
COMMANDS = {
    "train": [*TRAIN, *SETTINGS],
    "prepare": [
        *MODULE,
        "stylegan_tf.cli.dataset",
        "prepare",
        "--data=pictures",
        "--output=prepared",
        "--resolution=16",
        "--workers=2",
    ],
    "export": [*EXPORT, "--run_dir=run", "--output_dir=exports"],
    "evaluate": [*MODULE, "stylegan_tf.cli.evaluate", "--run_dir=run", "--metrics=msssim1k"],
    "sample": [*MODULE, "stylegan_tf.cli.sample", "--run_dir=run", "--output=grid.png"],
}
RESTS = re.compile(r"\.part$|_temp|\.tmp")

_MINUTES = flags.DEFINE_float("minutes", 60.0, "how long to go on", lower_bound=0)
_SEED = flags.DEFINE_integer("seed", 0, "of the trials")
_OUTPUT = flags.DEFINE_string("output", "campaign", "a new folder")
_KINDS = flags.DEFINE_list("kinds", [], "kinds of trials; empty: all")


class Failed(Exception):
    """A promise that was not kept."""


@dataclasses.dataclass
class Trial:
    """A folder with pictures and a finished run, and what may be done there.

    Attributes:
        folder: Of the trial.
        random: Chooses moments and places.
        undisturbed: Seconds that each command takes.
        expected: The finished run's last checkpoint, as a digest.
    """

    folder: pathlib.Path
    random: random.Random
    undisturbed: dict[str, float]
    expected: str

    def run(self, name: str, *, codes: Sequence[int] = (0,), largest_file: int = 0) -> str:
        """Runs a command to its end; returns what it printed."""
        done = subprocess.run(
            COMMANDS[name],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            preexec_fn=lambda: _limit_files(largest_file),
        )
        said = f"{name} ended with {done.returncode}: {done.stderr[-1500:]}"
        _require(done.returncode in codes, said)
        _require("Traceback" not in done.stderr, said)
        _require(done.returncode != 2 or len(done.stderr.strip().splitlines()) <= 2, said)
        return done.stdout + done.stderr

    def disturb(self, name: str, number: signal.Signals) -> tuple[int, str]:
        """Starts a command and sends it a signal at a random moment; returns its exit code and its stderr."""
        with subprocess.Popen(
            COMMANDS[name], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                process.wait(timeout=self.random.uniform(0.0, 1.1 * self.undisturbed[name]))
            except subprocess.TimeoutExpired:
                process.send_signal(number)
            try:
                _, err = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise Failed(f"{name} did not end within 60 seconds of {number.name}") from None
        return process.returncode, err


def kill(trial: Trial, name: str) -> None:
    """SIGKILL at up to three random moments, then the same command to its end."""
    for _ in range(trial.random.randint(1, 3)):
        trial.disturb(name, signal.SIGKILL)
    trial.run(name)


def stop(trial: Trial, name: str) -> None:
    """SIGTERM, SIGHUP or SIGINT at a random moment, then the same command to its end."""
    number = trial.random.choice([signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    code, err = trial.disturb(name, number)
    said = f"{name} answered {number.name} with {code}: {err[-1500:]}"
    _require(code in (0, 128 + number, -number), said)  # -number: before there was a handler
    _require("Traceback" not in err or (code == -number and number == signal.SIGINT), said)
    trial.run(name)


def fill_disk(trial: Trial, name: str) -> None:
    """Files may not become larger than a random size; then the same command without that limit."""
    trial.run(name, codes=(0, 2), largest_file=int(10 ** trial.random.uniform(2, 5.5)))
    trial.run(name)


def damage(trial: Trial, name: str) -> None:
    """One file of a checkpoint is cut, emptied, zeroed, flipped or lost; `name` reads the run, training goes on."""
    del name
    folder = trial.folder / "run" / "checkpoints"
    file = trial.random.choice(sorted(folder.iterdir()))
    data = bytearray(file.read_bytes())
    place = trial.random.randrange(max(len(data), 1))
    how = trial.random.choice(["cut", "emptied", "zeroed", "flipped", "lost"])
    if how == "lost":
        file.unlink()
    else:
        flipped = data[:place] + bytes([data[place] ^ 1 << trial.random.randrange(8)]) + data[place + 1 :]
        file.write_bytes({"cut": data[:place], "emptied": b"", "zeroed": bytes(len(data)), "flipped": flipped}[how])
    trial.run("sample")
    said = trial.run("train")
    _require("starts again" not in said, f"{file.name} {how}: training started at 0")


KINDS: dict[str, tuple[Callable[[Trial, str], None], str]] = {
    **{f"kill {name}": (kill, name) for name in ("train", "prepare", "export", "evaluate")},
    **{f"stop {name}": (stop, name) for name in ("train", "prepare", "export", "evaluate")},
    **{f"full disk {name}": (fill_disk, name) for name in ("train", "prepare", "export", "evaluate", "sample")},
    "damaged checkpoint": (damage, "train"),
}


def check(trial: Trial, name: str, reference: pathlib.Path) -> None:
    """What must hold at the end of every trial."""
    _require(digest_of_run(trial.folder / "run") == trial.expected, "the run's weights are others")
    if name == "prepare":
        _require(
            digest_of_files(trial.folder / "prepared") == digest_of_files(reference / "prepared"),
            "the prepared set is another",
        )
    if name == "export":
        versions = sorted(path.name for path in (trial.folder / "exports").iterdir())
        _require(all(version.isdigit() for version in versions), f"the versions are {versions}")
        sets = {digest_of_export(trial.folder / "exports" / version) for version in versions}
        _require(len(sets) == 1, "a version has other weights")
    if name == "evaluate":
        lines = (trial.folder / "run" / "metrics.jsonl").read_text().splitlines()
        measured = [{**json.loads(line), "seconds": 0, "measured_at": ""} for line in lines]
        _require(all(result == measured[0] for result in measured), f"results are {lines}")
    rests = [str(path) for path in trial.folder.rglob("*") if RESTS.search(path.name)]
    _require(not rests, f"left behind: {rests}")


def digest_of_run(run: pathlib.Path) -> str:
    """Of all arrays of the newest checkpoint but the count of saves."""
    import tensorflow as tf

    arrays = read_arrays(tf.train.latest_checkpoint(str(run / "checkpoints")))
    return hashlib.sha256(b"".join(name.encode() + array for name, array in sorted(arrays.items()))).hexdigest()


def digest_of_export(version: pathlib.Path) -> str:
    """Of all arrays of an export; Keras names them by numbers, which are others each time."""
    arrays = read_arrays(str(version / "variables" / "variables"))
    return hashlib.sha256(b"".join(sorted(arrays.values()))).hexdigest()


def read_arrays(prefix: str) -> dict[str, bytes]:
    """The arrays of TensorFlow's checkpoint format, by name, as bytes."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    return {
        name: np.asarray(reader.get_tensor(name)).tobytes()
        for name in reader.get_variable_to_shape_map()
        if not name.startswith(("save_counter", "_CHECKPOINT"))
    }


def digest_of_files(folder: pathlib.Path) -> str:
    """Of names and contents of all files but locks."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"):
        digest.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return digest.hexdigest()


def make_reference(folder: pathlib.Path) -> Trial:
    """Pictures, and what every command makes of them undisturbed."""
    (folder / "pictures").mkdir(parents=True)
    numbers = np.random.default_rng(0)
    for index in range(600):
        pixels = numbers.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{index:03}.png")
    trial = Trial(folder, random.Random(0), {}, "")
    for name in COMMANDS:
        started = time.monotonic()
        trial.run(name)
        trial.undisturbed[name] = time.monotonic() - started
        print(f"{name}: {trial.undisturbed[name]:.1f} s undisturbed", flush=True)
    trial.expected = digest_of_run(folder / "run")
    return trial


def try_once(reference: Trial, folder: pathlib.Path, kind: str, seed: int) -> str:
    """One trial; returns what went wrong, or nothing."""
    harm, name = KINDS[kind]
    shutil.copytree(reference.folder / "pictures", folder / "pictures")
    if name != "train" or harm is damage:
        shutil.copytree(reference.folder / "run", folder / "run")
        (folder / "run" / "metrics.jsonl").unlink(missing_ok=True)
    if name == "export":
        shutil.copytree(reference.folder / "exports", folder / "exports")
    trial = dataclasses.replace(reference, folder=folder, random=random.Random(seed))
    try:
        harm(trial, name)
        check(trial, name, reference.folder)
    except Failed as failure:
        return str(failure)
    shutil.rmtree(folder)
    return ""


def _limit_files(largest: int) -> None:
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise Failed(message)


def main(arguments: list[str]) -> None:
    """Tries until the time is over."""
    del arguments
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)}
    output = pathlib.Path(_OUTPUT.value).resolve()
    kinds = _KINDS.value or list(KINDS)
    unknown = set(kinds) - set(KINDS)
    if unknown:
        sys.exit(f"kinds must be of {', '.join(KINDS)}. Received: {', '.join(sorted(unknown))}.")
    reference = make_reference(output / "reference")
    ends, count = time.monotonic() + 60 * _MINUTES.value, 0
    tried: collections.Counter[str] = collections.Counter()
    failed: collections.Counter[str] = collections.Counter()
    while time.monotonic() < ends:
        kind = kinds[count % len(kinds)]
        seed = _SEED.value + count
        wrong = try_once(reference, output / f"trial_{seed}", kind, seed)
        tried[kind] += 1
        failed[kind] += bool(wrong)
        print(f"{seed:5} {kind:22} {wrong or 'as promised'}", flush=True)
        count += 1
    print("\n".join(f"{kind:22} {tried[kind]:5} tried {failed[kind]:5} failed" for kind in kinds))
    print(f"{sum(tried.values())} tried, {sum(failed.values())} failed")
    sys.exit(1 if sum(failed.values()) else 0)


if __name__ == "__main__":
    app.run(main)
