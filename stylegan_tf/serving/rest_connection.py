"""Predict requests over the REST API of TensorFlow Serving."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.serving.retries import ServerError, ServerUnavailableError, with_retries

# Too many requests, bad gateway, unavailable, gateway timeout: a later try may go well.
PASSING_STATUSES = {429, 502, 503, 504}


class RestConnection:
    """A connection by its address; each request opens its own.

    Args:
        url: Of the server, such as http://localhost:8501.
        model: Its name on the server.
        timeout_s: Seconds that one try may take.
        retries: Tries after the first.

    Raises:
        ValueError: When the address is not one of HTTP.
    """

    def __init__(self, url: str, model: str, timeout_s: float, retries: int) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise UserError(f"url must be such as http://localhost:8501. Received: {url!r}.")
        self.address = f"{url.rstrip('/')}/v1/models/{urllib.parse.quote(model, safe='')}:predict"
        self.timeout_s = timeout_s
        self.retries = retries

    def predict(self, signature: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """See `Connection.predict`."""
        body = json.dumps(
            {"signature_name": signature, "inputs": {name: value.tolist() for name, value in inputs.items()}}
        )
        answer = with_retries(lambda: self._post(body.encode()), self.retries)
        return _to_array(answer.get("outputs") if isinstance(answer, dict) else None)

    def close(self) -> None:
        """Nothing is kept open."""

    def _post(self, body: bytes) -> Any:
        request = urllib.request.Request(self.address, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            message = f"{self.address} answered {error.code}: {_message(error.read())}"
            kind = ServerUnavailableError if error.code in PASSING_STATUSES else ServerError
            raise kind(message) from error
        except (OSError, http.client.HTTPException) as error:  # refused, reset, timed out, cut short
            reason = getattr(error, "reason", error)
            raise ServerUnavailableError(f"{self.address} does not answer: {reason}") from error
        try:
            return json.loads(content)
        except ValueError as error:
            raise ServerError(f"{self.address} answered with something else than JSON: {content[:80]!r}") from error


def _to_array(outputs: Any) -> np.ndarray:
    """Column format; {"b64": ...} becomes bytes."""
    if not isinstance(outputs, list) or not outputs:
        raise ServerError(f"the answer must be a list of outputs. Received: {str(outputs)[:80]}.")
    if isinstance(outputs[0], dict):
        array = np.empty(len(outputs), object)
        array[:] = [base64.b64decode(item["b64"]) for item in outputs]
        return array
    array = np.asarray(outputs)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
