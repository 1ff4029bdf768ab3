"""Writes a generator as a numbered version of a SavedModel: whole and verified, or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.files import write_text, written_folder
from stylegan_tf.serving.endpoints import Endpoint, Field, ServedGenerator, build_endpoints
from stylegan_tf.serving.saved_model import METADATA_FILE
from stylegan_tf.serving.verify import fixed_inputs, verify
from stylegan_tf.serving.warmup import write_warmup


def export(
    served: ServedGenerator,
    output_dir: str | Path,
    version: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    warmup_batches: Sequence[int] = (1,),
) -> Path:
    """Writes output_dir/<version>, after it was run in a clean process and gave the images of `served`.

    It is written beside its place, under a name that a model server passes over, and renamed at the end.

    Args:
        served: What to export.
        output_dir: Directory of the versions; made when it is missing.
        version: A positive number that is not taken; None for the one after the highest.
        metadata: Goes into assets.extra/model.json beside the description of the signatures.
        warmup_batches: Sizes of the batches with which a server warms up every signature before it answers; none for
            no warm-up.

    Returns:
        The directory of the version.

    Raises:
        ValueError: When the output directory, the version or a warm-up cannot be had.
        VerificationError: When the written model does not do what it should.
        DiskError: When the disk took no more.
    """
    target = version_directory(Path(output_dir), version)
    for batch in warmup_batches:
        if not 1 <= batch <= served.largest_batch:
            raise UserError(f"warmup_batches must be between 1 and {served.largest_batch}. Received: {batch}.")
    with written_folder(target) as beside:
        endpoints = build_endpoints(served)
        write_saved_model(endpoints, beside)
        description = {**(metadata or {}), **describe(served, endpoints)}
        write_text(beside / METADATA_FILE, json.dumps(description, indent=2) + "\n")
        write_warmup(
            beside,
            [
                (endpoint.name, fixed_inputs(served, endpoint, batch))
                for batch in warmup_batches
                for endpoint in endpoints
            ],
        )
        verify(beside, served, endpoints)
        if target.exists():  # another export took the number in the meantime; an empty folder would be replaced
            raise UserError(f"version must be a new one. Received: {target}, which has just appeared.")
    return target


def version_directory(output_dir: Path, version: int | None = None) -> Path:
    """The directory of a new version.

    Raises:
        ValueError: When output_dir is a file or a version, or the version is not positive or is taken.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise UserError(f"output_dir must be a directory, new or of earlier versions. Received: {output_dir}, a file.")
    if (output_dir / "saved_model.pb").exists():
        raise UserError(
            f"output_dir must be the directory of the versions, not one of them: {output_dir.resolve().parent}. "
            f"Received: {output_dir}."
        )
    # TensorFlow Serving reads 007 as 7.
    found = [re.fullmatch(r"\d+", path.name) for path in output_dir.iterdir()] if output_dir.exists() else []
    taken = {int(match[0]) for match in found if match}
    if version is None:
        version = max(taken, default=0) + 1
    if not 0 < version < 2**63:
        raise UserError(f"version must be a positive whole number. Received: version={version}.")
    if version in taken:
        raise UserError(
            f"version must be a new one; leave --version out to get {max(taken) + 1}. "
            f"Received: version={version}, which {output_dir} holds already."
        )
    return output_dir / str(version)


def write_saved_model(endpoints: Sequence[Endpoint], path: Path) -> None:
    """Writes endpoints, with the weights that they use, as a SavedModel."""
    archive = keras.export.ExportArchive()
    for endpoint in endpoints:
        archive.add_endpoint(endpoint.name, endpoint.function, [field.spec for field in endpoint.inputs])
    archive.write_out(path, verbose=False)


def describe(served: ServedGenerator, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """What a client should know about a model, as plain values."""
    height, width, channels = served.image_shape
    return {
        "image": {"height": height, "width": width, "channels": channels},
        "z_size": served.generator.z_size,
        "w_size": served.generator.mapping.output_size,
        "num_ws": served.num_ws,
        "num_classes": served.num_classes,
        "largest_batch": served.largest_batch,
        "fade_in": served.fade_in,
        "truncation_psi": served.truncation_psi,
        "truncation_cutoff": served.truncation_cutoff,
        "signatures": {
            endpoint.name: {
                "meaning": endpoint.meaning,
                "inputs": _describe_fields(endpoint.inputs),
                "outputs": _describe_fields(endpoint.outputs),
            }
            for endpoint in endpoints
        },
        "tensorflow_version": tf.__version__,
    }


def _describe_fields(fields: Sequence[Field]) -> dict[str, Any]:
    return {
        field.name: {
            "dtype": field.dtype.name,
            "shape": ["batch" if size is None else size for size in field.shape],
            "meaning": field.meaning,
        }
        for field in fields
    }
