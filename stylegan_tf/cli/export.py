"""Writes the averaged generator of a run as a SavedModel for TensorFlow Serving.

  stylegan-tf export --run_dir=RUN --output_dir=EXPORT
  stylegan-tf export --run_dir=RUN --output_dir=DIRECTORY --format=onnx

The first writes EXPORT/1, the next time EXPORT/2, each only after a process without this package has run it and drawn
the run's images. docs/serving.md lists what an export answers.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.early_checks import check_networks
from stylegan_tf.cli.flags import FlagGroup, average_flag, require_given, require_run, run_flags
from stylegan_tf.errors import require
from stylegan_tf.files import check_room
from stylegan_tf.invocation import command
from stylegan_tf.names import can_be_written
from stylegan_tf.printing import tell_note
from stylegan_tf.quiet import quiet_libraries
from stylegan_tf.runs.averages import EMA

if TYPE_CHECKING:
    from stylegan_tf.runs.load import LoadedRun
    from stylegan_tf.serving.endpoints import Endpoint, ServedGenerator


FLAGS = flags.FlagValues()
VERIFICATION_FAILED = 1
TEMPORARY_BYTES = 2**20

_EXPORT = FlagGroup(FLAGS, "Export")
_RUN_DIR, _CHECKPOINT = run_flags(_EXPORT, hub=True)
_AVERAGE = average_flag(_EXPORT)
_OUTPUT_DIR = _EXPORT.text("output_dir", "", "directory of the versions, which a model server watches")
_VERSION = _EXPORT.whole("version", None, "number of the version; empty: one above the highest")
_FORMAT = _EXPORT.choice(
    "format",
    "saved_model",
    "saved_model for TensorFlow Serving; tflite and onnx write OUTPUT_DIR/generator.tflite or .onnx, latents to images "
    "only, for devices and browsers",
    ("saved_model", "tflite", "onnx"),
)
_WARMUP_BATCHES = _EXPORT.words(
    "warmup_batches",
    ["1"],
    "sizes of the batches that a server runs through every signature when it loads the version, before it answers; "
    "empty: none",
)


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; see `app.run`."""
    app.run(main, argv, FLAGS)


def main() -> int:
    """Exports what the flags say; returns the exit code."""
    require_run(_RUN_DIR)
    require_given(_OUTPUT_DIR, "the directory of the versions")
    sizes = _WARMUP_BATCHES.value
    path = os.path.realpath(_OUTPUT_DIR.value)  # where another process reads it, by TensorFlow, which wants UTF-8
    require(can_be_written(path), "output_dir must lie in folders whose names are written in UTF-8", repr(path))
    require(
        all(size.isdecimal() for size in sizes), "warmup_batches must be whole numbers such as 1,8", ",".join(sizes)
    )
    require(
        _FORMAT.value == "saved_model" or _VERSION.value is None,
        "version goes with --format=saved_model; other formats replace their file",
        f"version={_VERSION.value}",
    )
    check_networks(_RUN_DIR.value, _CHECKPOINT.value, _AVERAGE.value)
    with app.quiet_startup():  # after the flags: bad ones should not wait for TensorFlow
        from stylegan_tf.serving.verify import VerificationError
    try:
        if _FORMAT.value != "saved_model":
            export_run_portable(_RUN_DIR.value, _OUTPUT_DIR.value, _FORMAT.value, _CHECKPOINT.value, _AVERAGE.value)
            return 0
        batches = [int(size) for size in sizes]
        export_run(_RUN_DIR.value, _OUTPUT_DIR.value, _VERSION.value, _CHECKPOINT.value, batches, _AVERAGE.value)
    except VerificationError as error:
        print(f"export: {error} Nothing was written.", file=sys.stderr)
        return VERIFICATION_FAILED
    return 0


def export_run(
    run_dir: str | Path,
    output_dir: str | Path,
    version: int | None = None,
    checkpoint: str = "newest",
    warmup_batches: Sequence[int] = (1,),
    average: str = EMA,
) -> Path:
    """Exports a run's averaged generator and says what was written and how to serve it.

    Args:
        run_dir: Directory of the run, or hf://USER/NAME.
        output_dir, version, warmup_batches: See `serving.export.export`.
        checkpoint: See `RunDirectory.find_checkpoints`.
        average: See `runs.load.load_run`.

    Returns:
        The directory of the version.

    Raises:
        ValueError: When the run, the output directory or the version cannot be had.
        VerificationError: When the written model does not do what it should.
    """
    from stylegan_tf.exports.layout import new_version
    from stylegan_tf.serving.endpoints import build_endpoints
    from stylegan_tf.serving.export import export

    target = new_version(Path(output_dir), version)
    trained, served = _load(run_dir, checkpoint, average)
    print(f"Writing {target} and running it in a clean process", flush=True)
    target = export(served, output_dir, version, describe_run(trained, run_dir), warmup_batches)
    print(f"Wrote {target}: every signature gives the images of the run. Signatures:")
    endpoints = build_endpoints(served)
    for endpoint in endpoints:
        print(f"  {endpoint}")
    print(how_to_serve(target, model_name(run_dir), endpoints))
    return target


def export_run_portable(
    run_dir: str | Path, output_dir: str | Path, kind: str, checkpoint: str = "newest", average: str = EMA
) -> Path:
    """Exports a run's averaged generator as one file and says what it carries.

    Args:
        run_dir, checkpoint, average: As of `export_run`.
        output_dir, kind: See `serving.portable.export_portable`.

    Returns:
        The file.

    Raises:
        ValueError, ImportError, VerificationError: See there.
    """
    from stylegan_tf.serving.portable import LEFT_OUT_OF_PORTABLE, export_portable, portable_endpoint

    trained, served = _load(run_dir, checkpoint, average)
    with quiet_libraries():  # converters print much that is no error
        target = export_portable(served, output_dir, kind, describe_run(trained, run_dir))
    print(f"Wrote {target} ({target.stat().st_size / 2**20:.1f} MiB): it gives the images of the run.")
    print(f"  {portable_endpoint(served)}\n{LEFT_OUT_OF_PORTABLE}")
    return target


def _load(run_dir: str | Path, checkpoint: str, average: str) -> tuple[LoadedRun, ServedGenerator]:
    import tensorflow as tf

    from stylegan_tf.hub.read import load_networks

    # TensorFlow writes there as well, and changes what it makes when it cannot.
    check_room(Path(tempfile.gettempdir()), TEMPORARY_BYTES)
    # An export is compared with numbers of the CPU, whose float32 is not shortened, and needs no GPU.
    tf.config.set_visible_devices([], "GPU")
    trained = load_networks(run_dir, checkpoint, average)
    tell_note("export", trained.average_note)
    served = served_generator(trained)
    height, width, channels = served.image_shape
    fading = "" if served.generator.fade_in is None else f", faded in by {served.generator.fade_in:.0%}"
    print(f"{run_dir} at {trained.moment}: images {height}x{width}x{channels}{fading}")
    return trained, served


def served_generator(trained: LoadedRun) -> ServedGenerator:
    """A run's generator with the run's own truncation."""
    from stylegan_tf.serving.endpoints import ServedGenerator

    run = trained.config.run
    return ServedGenerator(trained.generator, run.truncation_psi, run.truncation_cutoff or None)


def describe_run(trained: LoadedRun, run_dir: str | Path) -> dict[str, Any]:
    """Where a generator comes from, as plain values."""
    from stylegan_tf.runs.directory import RunDirectory

    return {
        "run": Path(run_dir).resolve().name,
        "images_seen": trained.images_seen,
        "kimg": trained.images_seen / 1000,
        "average": trained.average,
        "metrics": measured_metrics(RunDirectory(run_dir).results_file, trained.images_seen, trained.average),
        "label_names": list(trained.dataset.label_names),
        "dataset": dataclasses.asdict(trained.dataset),
        "config": json.loads(trained.config.to_json()),
    }


def measured_metrics(results_file: Path, images_seen: int, average: str = EMA) -> dict[str, dict[str, float | None]]:
    """What a run's file of results says of an average at `images_seen`: values by protocol, the latest of each."""
    from stylegan_tf.evaluation.results import read_results

    if not results_file.is_file():
        return {}
    return {
        result.protocol: json.loads(result.to_json())["values"]
        for result in read_results(results_file, average)
        if result.source == "run" and result.images_seen == images_seen
    }


def model_name(run_dir: str | Path) -> str:
    """A name for the model that is safe in a URL and a shell."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(run_dir).resolve().name).strip("-") or "stylegan"


def how_to_serve(target: Path, name: str, endpoints: list[Endpoint]) -> str:
    """The next commands: a model server in a container, and one image from it."""
    endpoint = next(endpoint for endpoint in endpoints if endpoint.name == "from_seed_png")
    values = {"seed": 1, "truncation_psi": 0.7, "class_id": 0}
    request = {
        "signature_name": endpoint.name,
        "instances": [{field.name: values[field.name] for field in endpoint.inputs}],
    }
    volume = shlex.quote(f"{target.parent.resolve()}:/models/{name}:ro")
    decode = (
        "import base64, json, sys; "
        'sys.stdout.buffer.write(base64.b64decode(json.load(sys.stdin)["predictions"][0]["b64"]))'
    )
    demo = command(f"demo --export={shlex.quote(str(target.parent))}")
    return (
        f"Look at it in a browser:\n  {demo}\n"
        f"Serve it:\n  docker run --rm -p 8501:8501 -v {volume} -e MODEL_NAME={name} tensorflow/serving\n"
        "Ask it for an image:\n"
        f"  curl -s http://localhost:8501/v1/models/{name}:predict -d '{json.dumps(request)}' \\\n"
        f"    | python3 -c '{decode}' > image.png"
    )


if __name__ == "__main__":
    run()
