"""Writes a generator as a numbered version of a SavedModel: whole and verified, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.exports.layout import new_version, write_metadata, written_version
from stylegan_tf.serving.endpoints import Endpoint, Field, ServedGenerator, build_endpoints
from stylegan_tf.serving.verify import fixed_inputs, verify_export
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
    target = new_version(Path(output_dir), version)
    for batch in warmup_batches:
        if not 1 <= batch <= served.largest_batch:
            raise UserError(f"warmup_batches must be between 1 and {served.largest_batch}. Received: {batch}.")
    with written_version(target) as beside:
        endpoints = build_endpoints(served)
        write_saved_model(endpoints, beside)
        write_metadata(beside, {**(metadata or {}), **describe_model(served, endpoints)})
        write_warmup(
            beside,
            [
                (endpoint.name, fixed_inputs(served, endpoint, batch))
                for batch in warmup_batches
                for endpoint in endpoints
            ],
        )
        verify_export(beside, served, endpoints)
    return target


def write_saved_model(endpoints: Sequence[Endpoint], path: Path) -> None:
    """Writes endpoints, with the weights that they use, as a SavedModel."""
    signatures = {
        endpoint.name: tf.function(
            endpoint.function, [field.spec for field in endpoint.inputs], autograph=False
        ).get_concrete_function()
        for endpoint in endpoints
    }
    module = tf.Module()
    used = [variable for function in signatures.values() for variable in function.variables]
    module._all_variables = list({id(variable): variable for variable in used}.values())  # as Keras names them
    tf.saved_model.save(module, path, signatures)


def describe_model(served: ServedGenerator, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """What a client should know about a model, as plain values."""
    height, width, channels = served.image_shape
    return {
        "image": {"height": height, "width": width, "channels": channels},
        "z_size": served.generator.z_size,
        "w_size": served.generator.w_size,
        "num_ws": served.generator.num_ws,
        "num_classes": served.num_classes,
        "largest_batch": served.largest_batch,
        "fade_in": served.generator.fade_in,
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
