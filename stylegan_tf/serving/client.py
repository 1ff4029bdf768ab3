"""A client of a served export, over REST or gRPC. The REST one needs NumPy and Pillow only, not TensorFlow.

client = Client.rest("http://localhost:8501", "portraits")
images = client.generate(range(16), psi=0.7)  # uint8 [16, H, W, C]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.serving.png import decode_png

DEFAULT_PSI = 0.7
DEFAULT_BATCH = 16


class Connection(Protocol):
    """Runs a signature on a server."""

    def predict(self, signature: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The one output of a signature for inputs with the batch first; PNG files come as an array of bytes.

        Raises:
            ServerError: When the server refuses the request.
            ServerUnavailableError: When no server answers in time.
        """

    def close(self) -> None:
        """Frees the connection."""


class Client:
    """Images of a served model.

    Args:
        connection: To the server; `Client.rest` and `Client.grpc` make one.
        batch_size: Images that one request asks for; more are asked for one request after another. Where the server
            batches, at most its largest batch.

    Raises:
        ValueError: For a batch size that is not positive.
    """

    def __init__(self, connection: Connection, batch_size: int = DEFAULT_BATCH) -> None:
        if batch_size < 1:
            raise UserError(f"batch_size must be positive. Received: {batch_size}.")
        self.connection = connection
        self.batch_size = batch_size

    @classmethod
    def rest(
        cls, url: str, model: str, *, timeout_s: float = 60.0, retries: int = 3, batch_size: int = DEFAULT_BATCH
    ) -> Client:
        """A client of the REST API.

        Args:
            url: Such as http://localhost:8501.
            model: Its name on the server.
            timeout_s: Seconds that one try may take.
            retries: Tries after the first, when the server is away or overloaded.
            batch_size: See `Client`.
        """
        from stylegan_tf.serving.rest_connection import RestConnection

        return cls(RestConnection(url, model, timeout_s, retries), batch_size)

    @classmethod
    def grpc(
        cls, address: str, model: str, *, timeout_s: float = 60.0, retries: int = 3, batch_size: int = DEFAULT_BATCH
    ) -> Client:
        """A client of the gRPC API, without encryption; arguments as of `rest`, the address such as localhost:8500."""
        from stylegan_tf.serving.grpc_connection import GrpcConnection

        return cls(GrpcConnection(address, model, timeout_s, retries), batch_size)

    def generate(
        self,
        seeds: Sequence[int],
        psi: float | Sequence[float] = DEFAULT_PSI,
        classes: int | Sequence[int] | None = None,
    ) -> np.ndarray:
        """Images of seeds.

        Args:
            seeds: [N], whole numbers of 64 bits.
            psi: Truncation, -2 to 2, one for all or one for each seed.
            classes: Numbers of classes, one for all or one for each seed; needed by conditional models, and only by
                them.

        Returns:
            uint8 [N, H, W, C].

        Raises:
            ServerError: When the server refuses the request.
            ServerUnavailableError: When no server answers in time.
            ValueError: When psi or classes are of another number than seeds.
        """
        return self._in_batches("from_seed_png", self._of_seeds(seeds, psi, classes))

    def ws(
        self,
        seeds: Sequence[int],
        psi: float | Sequence[float] = DEFAULT_PSI,
        classes: int | Sequence[int] | None = None,
    ) -> np.ndarray:
        """Intermediate latents of seeds, float32 [N, num_ws, w_size]; arguments and errors as of `generate`."""
        return self._in_batches("from_seed_ws", self._of_seeds(seeds, psi, classes))

    def synthesize(self, ws: np.ndarray, noise_seed: int | None = None, noise_strength: float = 1.0) -> np.ndarray:
        """Images of intermediate latents.

        Args:
            ws: float32 [N, num_ws, w_size].
            noise_seed: Of the noise of all images; None for the noise that is saved in the model.
            noise_strength: 0 for no noise, 1 for as much as in training; goes with a noise seed.

        Returns:
            uint8 [N, H, W, C].

        Raises:
            ServerError, ServerUnavailableError: As of `generate`.
        """
        inputs = {"ws": np.asarray(ws, np.float32)}
        if noise_seed is None:
            return self._in_batches("synthesize_png", inputs)
        inputs["noise_seed"] = np.full(len(ws), noise_seed, np.int64)
        inputs["noise_strength"] = np.full(len(ws), noise_strength, np.float32)
        return self._in_batches("synthesize_noise_png", inputs)

    def mix(
        self,
        seeds: Sequence[int],
        style_seeds: Sequence[int],
        layers: Sequence[int],
        psi: float = DEFAULT_PSI,
        classes: int | None = None,
    ) -> np.ndarray:
        """Style mixing (Karras et al. 2019, section 3.1, figure 3): every image with the styles of every other.

        Args:
            seeds: [N], of the images.
            style_seeds: [M], of the images that give the styles.
            layers: Which layers take them, from 0, the coarsest.
            psi, classes: Of all images.

        Returns:
            uint8 [N, M, H, W, C].

        Raises:
            ValueError: For a layer that the model does not have, or no seeds.
            ServerError, ServerUnavailableError: As of `generate`.
        """
        count, styles = len(seeds), len(style_seeds)
        ws = self.ws([*seeds, *style_seeds], psi, classes)
        wrong = [layer for layer in layers if not 0 <= layer < ws.shape[1]]
        if wrong:
            raise UserError(f"layers must be between 0 and {ws.shape[1] - 1}. Received: {wrong}.")
        mixed = ws[:count, None].repeat(styles, axis=1)
        mixed[:, :, list(layers)] = ws[count:][None][:, :, list(layers)]
        images = self.synthesize(mixed.reshape(count * styles, *ws.shape[1:]))
        return images.reshape(count, styles, *images.shape[1:])

    def interpolate(
        self, start: int, end: int, steps: int, psi: float = DEFAULT_PSI, classes: int | Sequence[int] | None = None
    ) -> np.ndarray:
        """Images on the straight way from one seed to another, in the space of intermediate latents.

        Args:
            start, end: Seeds.
            steps: Number of images, at least 2; the first and the last are those of the seeds.
            psi, classes: As of `generate`, of start and end.

        Returns:
            uint8 [steps, H, W, C].

        Raises:
            ValueError: For fewer than two steps.
            ServerError, ServerUnavailableError: As of `generate`.
        """
        if steps < 2:
            raise UserError(f"steps must be at least 2. Received: {steps}.")
        first, last = self.ws([start, end], psi, classes)
        share = np.linspace(0.0, 1.0, steps, dtype=np.float32)[:, None, None]
        return self.synthesize(first + share * (last - first))

    def close(self) -> None:
        """Frees the connection."""
        self.connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _of_seeds(
        self, seeds: Sequence[int], psi: float | Sequence[float], classes: int | Sequence[int] | None
    ) -> dict[str, np.ndarray]:
        whole: np.ndarray = np.asarray(seeds)
        if whole.ndim != 1 or (whole.size and whole.dtype.kind not in "iu"):
            raise UserError(f"seeds must be a list of whole numbers of 64 bits. Received: {seeds!r}.")
        inputs = {"seed": whole.astype(np.int64), "truncation_psi": _one_each("psi", psi, seeds, np.float32)}
        if classes is not None:
            inputs["class_id"] = _one_each("classes", classes, seeds, np.int64)
        return inputs

    def _in_batches(self, signature: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        count = len(next(iter(inputs.values())))
        if not count:
            raise UserError("seeds and ws must hold at least one. Received: none.")
        parts = []
        for start in range(0, count, self.batch_size):
            part = {name: value[start : start + self.batch_size] for name, value in inputs.items()}
            answer = self.connection.predict(signature, part)
            parts.append(np.stack([decode_png(data) for data in answer]) if answer.dtype == object else answer)
        return np.concatenate(parts)


def _one_each(name: str, value: object, seeds: Sequence[int], dtype: type) -> np.ndarray:
    array: np.ndarray = np.asarray(value, dtype)
    if array.ndim and array.shape != (len(seeds),):
        raise UserError(
            f"{name} must be one value, or one for each of {len(seeds)} seeds. Received: {list(array.shape)}."
        )
    return np.broadcast_to(array, (len(seeds),))
