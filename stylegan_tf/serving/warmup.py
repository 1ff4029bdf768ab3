"""Warm-up requests: what TensorFlow Serving runs by itself when it loads a version, so that no user waits for it.

Read by the server from `assets.extra/tf_serving_warmup_requests`, a TFRecord file of `PredictionLog` messages
(https://www.tensorflow.org/tfx/serving/saved_model_warmup).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from stylegan_tf.data.records import frame
from stylegan_tf.errors import UserError
from stylegan_tf.files import disk_errors

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MOST_REQUESTS = 1000  # a server refuses a version with more

Request = tuple[str, Mapping[str, np.ndarray]]


def predict_request(model: str, signature: str, inputs: Mapping[str, np.ndarray]) -> predict_pb2.PredictRequest:
    """A request of the gRPC API.

    Args:
        model: Name of the model; empty in warm-up requests.
        signature: Which to run.
        inputs: Arrays by name, batch first.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def write_warmup(saved_model: Path, requests: Iterable[Request]) -> None:
    """Writes requests, signatures with their inputs, into a version.

    Raises:
        ValueError: When they are more than a server takes.
        DiskError: When the disk took no more.
    """
    logs = [
        prediction_log_pb2.PredictionLog(
            predict_log=prediction_log_pb2.PredictLog(request=predict_request("", signature, inputs))
        )
        for signature, inputs in requests
    ]
    if len(logs) > MOST_REQUESTS:
        raise UserError(f"there must be at most {MOST_REQUESTS} warm-up requests. Received: {len(logs)}.")
    path = saved_model / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with disk_errors(path), path.open("wb") as file:
        for log in logs:
            file.write(frame(log.SerializeToString()))


def read_warmup(saved_model: Path) -> list[Request]:
    """The requests in a version, as a server reads them; none when there is no file."""
    path = saved_model / WARMUP_FILE
    if not path.exists():
        return []
    requests: list[Request] = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        requests.append((request.model_spec.signature_name, inputs))
    return requests
