"""Proof that a written SavedModel gives the images of the Python model, without this package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from stylegan_tf.files import disk_errno_of_text, disk_error, without_patterns, work_folder
from stylegan_tf.images import to_uint8
from stylegan_tf.sampling.latents import latents_from_seeds, noise_from_seeds
from stylegan_tf.serving import clean_process
from stylegan_tf.serving.checks import refusal
from stylegan_tf.serving.endpoints import Endpoint, ServedGenerator
from stylegan_tf.serving.png import decode_png
from stylegan_tf.serving.warmup import read_warmup

# A graph fuses operations that Python runs one by one, so sums round differently; instance normalisation can enlarge
# that. Seen: nothing at 16x16; at 256x256 a share of 6e-6 of the largest value, which took 0.01% of the pixels to the
# value beside theirs. What is wrong (noise drawn anew, another psi, level or fade-in) changes most pixels.
FLOAT_TOLERANCE = 5e-4  # of the largest expected value, or of 1 where that is larger
PIXEL_TOLERANCE = 1
PIXEL_SHARE = 0.005
BATCHES = {"several": 3, "one": 1}
LONGEST_S = 3600


class VerificationError(RuntimeError):
    """The SavedModel does not do what the Python model does."""


def verify_export(saved_model: Path, served: ServedGenerator, endpoints: Sequence[Endpoint]) -> None:
    """Runs every endpoint of a SavedModel in a clean process and compares it with the Python model.

    Every endpoint is called with two batch sizes, and with a different value for each image of the batch. So is every
    warm-up request that lies in the SavedModel.

    Raises:
        VerificationError: When it cannot be loaded, or answers something else.
    """
    inputs = {
        f"{case}/{endpoint.name}": fixed_inputs(served, endpoint, batch)
        for case, batch in BATCHES.items()
        for endpoint in endpoints
    }
    for index, (signature, request) in enumerate(read_warmup(saved_model)):
        inputs[f"warm-up {index}/{signature}"] = dict(request)
    answers = run_clean(saved_model, inputs)
    by_name = {endpoint.name: endpoint for endpoint in endpoints}
    computed: dict[tuple[str, str], dict[str, np.ndarray]] = {}  # of forms of the same images once
    for call, values in inputs.items():
        case, _, signature = call.partition("/")
        key = case, signature.removesuffix("_float").removesuffix("_png")
        if key not in computed:
            computed[key] = expected_images(served, signature, values)
        for output in by_name[signature].outputs:
            compare(call, computed[key][output.name], answers[f"{call}/{output.name}"])


def fixed_inputs(served: ServedGenerator, endpoint: Endpoint, batch: int) -> dict[str, np.ndarray]:
    """The same values for the same endpoint every time, of each input [batch, ...]."""
    random = np.random.default_rng(0)
    classes = max(served.num_classes, 1)
    values: dict[str, np.ndarray] = {
        "z": random.standard_normal((batch, served.generator.z_size), np.float32),
        "seed": np.arange(batch, dtype=np.int64) * 12345678901 - 1,
        "truncation_psi": np.linspace(0.5, 1.0, batch, dtype=np.float32),
        "noise_seed": np.arange(batch, dtype=np.int64) * -98765432109 + 1,
        "noise_strength": np.linspace(1.0, 0.5, batch, dtype=np.float32),
        "class_id": (classes - 1 - np.arange(batch, dtype=np.int64)) % classes,
    }
    if any(field.name == "ws" for field in endpoint.inputs):
        classes_of_z = tf.constant(values["class_id"]) if served.num_classes else None
        values["ws"] = served.map(tf.constant(values["z"]), classes_of_z).numpy()
    return {field.name: values[field.name] for field in endpoint.inputs}


def expected_images(served: ServedGenerator, name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the Python model gives for an endpoint's inputs, in every form, by output name."""
    at_level = served.generator
    generator, level, fade_in = at_level.network, at_level.level, at_level.fade_in
    z: Any = inputs.get("z")
    if "seed" in inputs:
        z = latents_from_seeds(tf.constant(inputs["seed"]), generator.z_size)
    labels = tf.one_hot(inputs["class_id"], served.num_classes) if "class_id" in inputs else None
    if name == "truncate" or name.endswith(("map", "_ws")):
        ws = tf.constant(inputs["ws"]) if "ws" in inputs else generator.map(z, labels)[:, : at_level.num_ws]
        psi = inputs.get("truncation_psi")
        return {"ws": (ws if psi is None else served.truncate(ws, tf.constant(psi))).numpy()}
    if name.startswith("synthesize"):
        noise: Any = "fixed"
        if "noise_seed" in inputs:
            strengths = inputs["noise_strength"][:, None, None, None]
            noise = [image * strengths for image in noise_from_seeds(inputs["noise_seed"], at_level.noise_sizes)]
        images = generator.synthesis(tf.constant(inputs["ws"]), level=level, fade_in=fade_in, noise=noise)
    else:
        images = generator(
            z,
            labels=labels,
            truncation_psi=inputs.get("truncation_psi", served.truncation_psi),
            truncation_cutoff=served.truncation_cutoff,
            level=level,
            fade_in=fade_in,
        )
    pixels = to_uint8(images).numpy()
    return {"images": pixels, "images_float": images.numpy(), "png_bytes": pixels}


def run_clean(saved_model: Path, inputs: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Calls signatures of a SavedModel in a clean process.

    Args:
        saved_model: The directory.
        inputs: Arrays by "case/signature", then by name.

    Returns:
        Arrays by "case/signature/output".

    Raises:
        VerificationError: When the process fails; the message ends with the last line it wrote.
        DiskError: When the temporary directory took no more.
    """
    with work_folder() as folder, without_patterns(saved_model) as model:
        arrays = {f"{call}/{name}": value for call, values in inputs.items() for name, value in values.items()}
        np.savez(folder / "inputs.npz", **arrays)  # type: ignore[arg-type]
        command = [
            # -I: no PYTHONPATH, no user packages, and the current directory is not on the path.
            sys.executable,
            "-I",
            "-X",
            "utf8",
            clean_process.__file__,
            str(model.absolute()),
            f"{folder}/inputs.npz",
            f"{folder}/outputs.npz",
            str(os.getpid()),
        ]
        # This process may hold the GPU's memory, and numbers are compared with those of a CPU.
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
        try:
            subprocess.run(
                command,
                cwd=folder,
                env=environment,
                check=True,
                capture_output=True,
                timeout=LONGEST_S,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.CalledProcessError as error:
            full = disk_errno_of_text(error.stderr)
            if full is not None:  # it writes its outputs there, and nothing elsewhere
                raise disk_error(full, folder.parent) from error
            reason = refusal(error.stderr.strip() or f"exit code {error.returncode}")
            raise VerificationError(f"the exported model failed in a clean process: {reason}") from error
        except subprocess.TimeoutExpired as error:
            raise VerificationError(f"the exported model was not done after {LONGEST_S} s") from error
        with np.load(f"{folder}/outputs.npz") as outputs:
            return {name: outputs[name] for name in outputs.files}


def compare(call: str, expected: np.ndarray, answer: np.ndarray) -> None:
    """Raises VerificationError when an answer is not what was expected, up to rounding.

    Args:
        call: For the message.
        expected: float32 or uint8; pixels where the answer is PNG files.
        answer: Of the same shape and type, or [N] PNG files.
    """
    if not np.all(np.isfinite(expected)):
        raise VerificationError(f"{call} must give finite numbers. Received: others; the run has diverged.")
    if answer.dtype.kind == "S":
        answer = np.stack([decode_png(data) for data in answer])
    if (answer.dtype, answer.shape) != (expected.dtype, expected.shape):
        raise VerificationError(
            f"{call} must give {expected.dtype} {list(expected.shape)}. Received: {answer.dtype} {list(answer.shape)}."
        )
    difference = np.abs(answer.astype(np.float64) - expected.astype(np.float64))
    if answer.dtype == np.uint8:
        share = np.mean(difference > 0)
        fine = difference.max() <= PIXEL_TOLERANCE and share <= PIXEL_SHARE
        received = f"up to {difference.max():g} of 255, in {share:.2%} of the pixels"
    else:
        largest = difference.max() / max(1.0, np.abs(expected).max())
        fine = largest <= FLOAT_TOLERANCE  # false for NaN
        received = f"{largest:.2g}"
    if not fine:
        raise VerificationError(f"{call} must give what the Python model gives. Received a difference of {received}.")
