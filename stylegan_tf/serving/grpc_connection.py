"""Predict requests over the gRPC API of TensorFlow Serving."""

from __future__ import annotations

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from stylegan_tf.serving.retries import ServerError, ServerUnavailableError, with_retries
from stylegan_tf.serving.warmup import predict_request

# An image of 1024x1024 as PNG takes 2 MB; gRPC takes 4 MB by itself.
LARGEST_MESSAGE_BYTES = 512 * 2**20
PASSING_CODES = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}


class GrpcConnection:
    """An unencrypted channel, which may be used by many threads at once.

    Args:
        address: Host and port, such as localhost:8500.
        model: Its name on the server.
        timeout_s: Seconds that one try may take.
        retries: Tries after the first.
    """

    def __init__(self, address: str, model: str, timeout_s: float, retries: int) -> None:
        sizes = [(f"grpc.max_{way}_message_length", LARGEST_MESSAGE_BYTES) for way in ("send", "receive")]
        self.address = address
        self.model = model
        self.timeout_s = timeout_s
        self.retries = retries
        self._channel = grpc.insecure_channel(address, sizes)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def predict(self, signature: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """See `Connection.predict`."""
        request = predict_request(self.model, signature, inputs)
        answer = with_retries(lambda: self._call(request), self.retries)
        if len(answer.outputs) != 1:
            raise ServerError(f"the answer must have one output. Received: {', '.join(answer.outputs) or 'none'}.")
        return tf.make_ndarray(next(iter(answer.outputs.values())))

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _call(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        try:
            return self._stub.Predict(request, timeout=self.timeout_s)
        except grpc.RpcError as error:
            kind = ServerUnavailableError if error.code() in PASSING_CODES else ServerError
            raise kind(f"{self.address} answered {error.code().name}: {error.details()}") from error
