"""A generator as one file for devices and browsers: TensorFlow Lite or ONNX, compared with the networks in Python.

Such a file carries one function, `from_z_float` of the SavedModel: latents, truncation (and classes) to float images.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.files import work_folder, written_together
from stylegan_tf.invocation import install
from stylegan_tf.ops.target import Target, tracing_for
from stylegan_tf.serving.endpoints import Endpoint, ServedGenerator, build_endpoints
from stylegan_tf.serving.export import describe_model, write_saved_model
from stylegan_tf.serving.verify import BATCHES, compare, expected_images, fixed_inputs

SIGNATURE = "from_z_float"
# Opset 18 of ONNX is from December 2022; runtimes on devices and in browsers read it.
ONNX_OPSET = 18
LEFT_OUT_OF_PORTABLE = (
    "It takes latents, not seeds (draw each number of z from N(0, 1)), gives float pixels from -1 to 1, not PNG files, "
    "has the noise that is saved in the model, and does not check its inputs; for ws, mixing and other noise take the "
    "SavedModel."
)

RunModel = Callable[[dict[str, np.ndarray]], np.ndarray]


def export_portable(
    served: ServedGenerator, output_dir: str | Path, kind: str, metadata: Mapping[str, Any] | None = None
) -> Path:
    """Writes output_dir/generator.<kind> and generator.<kind>.json, after the file gave the images of `served`.

    Files of an earlier export are replaced, whole.

    Args:
        served: What to export.
        output_dir: Made when it is missing.
        kind: "tflite" or "onnx".
        metadata: Goes into the JSON beside the description of the function.

    Returns:
        The file of the model.

    Raises:
        ValueError: When output_dir is a file, or the kind is unknown.
        ImportError: When the extra `onnx` is not installed.
        VerificationError: When the file does not do what it should.
        DiskError: When the disk took no more.
    """
    converters = {"tflite": _to_tflite, "onnx": _to_onnx}
    if kind not in converters:
        raise UserError(f"format must be one of {', '.join(converters)}. Received: format={kind}.")
    if Path(output_dir).is_file():
        raise UserError(f"output_dir must be a directory. Received: {output_dir}, a file.")
    endpoint = portable_endpoint(served)
    target = Path(output_dir) / f"generator.{kind}"
    data, run = converters[kind](endpoint)
    for batch in BATCHES.values():
        inputs = fixed_inputs(served, endpoint, batch)
        expected = expected_images(served, SIGNATURE, inputs)["images_float"]
        compare(f"{SIGNATURE} of {target.name}", expected, run(inputs))
    description = {**(metadata or {}), **describe_model(served, [endpoint])}
    with written_together([target, target.with_name(f"{target.name}.json")]) as (model, about):
        model.write_bytes(data)
        about.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return target


def portable_endpoint(served: ServedGenerator) -> Endpoint:
    """`from_z_float` without its checks, which these formats cannot carry, and in operations that they have."""
    endpoint = next(endpoint for endpoint in build_endpoints(served) if endpoint.name == SIGNATURE)
    (output,) = endpoint.outputs

    def function(z: tf.Tensor, psi: tf.Tensor, class_id: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        with tracing_for(Target.PORTABLE):
            return {output.name: served.synthesize(served.truncate(served.map(z, class_id), psi))}

    return Endpoint(endpoint.name, endpoint.meaning, endpoint.inputs, endpoint.outputs, function)


def _to_tflite(endpoint: Endpoint) -> tuple[bytes, RunModel]:
    with work_folder() as folder:
        write_saved_model([endpoint], folder / "model")
        data = tf.lite.TFLiteConverter.from_saved_model(str(folder / "model"), signature_keys=[SIGNATURE]).convert()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice to take the interpreter of another package
        runner = tf.lite.Interpreter(model_content=data).get_signature_runner(SIGNATURE)
    return data, lambda inputs: runner(**inputs)[endpoint.outputs[0].name]


def _to_onnx(endpoint: Endpoint) -> tuple[bytes, RunModel]:
    try:
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            f"ONNX files need {error.name}, which is not installed. Install it with: {install('onnx')}"
        ) from error
    specs = [field.spec for field in endpoint.inputs]
    model, _ = tf2onnx.convert.from_function(
        tf.function(endpoint.function, input_signature=specs, autograph=False), input_signature=specs, opset=ONNX_OPSET
    )
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return data, lambda inputs: session.run([endpoint.outputs[0].name], inputs)[0]
