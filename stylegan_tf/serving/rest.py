"""TensorFlow Serving's REST API, answered from a SavedModel in this process: for development and tests.

The paths, statuses and JSON are those of its public description (https://www.tensorflow.org/tfx/serving/api_rest);
the words of error messages are our own.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import json_format

from stylegan_tf.errors import UserError
from stylegan_tf.exports.layout import find_versions, require_versions
from stylegan_tf.exports.read import LoadedVersion
from stylegan_tf.serving.checks import refusal
from stylegan_tf.serving.rest_json import DEFAULT_SIGNATURE, format_outputs, parse_body, parse_inputs

LONGEST_ERROR = 1000

_PATH = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[0-9]{1,19}))?(?P<what>/metadata|:predict|:classify|:regress)?"
)


class RestApi:
    """Answers requests from the newest version of a model, and loads a newer one when it appears.

    May be called from many threads at once.

    Args:
        base_path: Holds the versions, directories named by numbers.
        name: Of the model, in the paths.

    Raises:
        ValueError: When there is no version, or the newest one cannot be loaded.
    """

    def __init__(self, base_path: Path, name: str = "stylegan") -> None:
        self.base_path = base_path
        self.name = name
        self._loading = threading.Lock()
        self._loaded: tuple[int, LoadedVersion] | None = None
        self._tried = 0
        require_versions(base_path)
        self.newest()

    def newest(self) -> tuple[int, LoadedVersion]:
        """The number and the signatures of the newest version; loads it when it is new.

        One that cannot be loaded is passed over while there is another.

        Raises:
            ValueError: When it cannot be loaded and there is no other.
        """
        with self._loading:
            versions = find_versions(self.base_path)
            version = max(versions, default=0)
            if self._loaded is None or version > self._tried:
                self._tried = version
                try:
                    # An older version is not closed: another thread may be running it. It goes with its last user.
                    self._loaded = version, LoadedVersion(versions[version])
                except ValueError as error:
                    if self._loaded is None:
                        raise
                    logging.warning("Version %d stays: %s", self._loaded[0], error)
            return self._loaded

    def answer(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
        """The HTTP status and the JSON object that a request is answered with.

        Args:
            method: GET or POST.
            path: Such as /v1/models/stylegan:predict.
            body: Of a POST.
        """
        match = _PATH.fullmatch(path)
        if match is None or (method == "POST") != str(match["what"]).startswith(":"):
            return _error(HTTPStatus.BAD_REQUEST, f"Malformed request: {method} {path}")
        version, loaded = self.newest()
        if match["model"] != self.name or int(match["version"] or version) != version:
            wanted = f"{match['model']}, version {match['version'] or 'newest'}"
            return _error(
                HTTPStatus.NOT_FOUND, f"the model served is {self.name}, version {version}. Received: {wanted}."
            )
        if match["what"] is None:
            status = {"error_code": "OK", "error_message": ""}
            return HTTPStatus.OK, {
                "model_version_status": [{"version": str(version), "state": "AVAILABLE", "status": status}]
            }
        if match["what"] == "/metadata":
            return HTTPStatus.OK, self._metadata(version, loaded)
        try:
            return HTTPStatus.OK, predict(loaded, match["what"], body)
        except ValueError as error:
            return _error(HTTPStatus.BAD_REQUEST, str(error))
        except tf.errors.InvalidArgumentError as error:
            return _error(HTTPStatus.BAD_REQUEST, refusal(str(error.message)))

    def _metadata(self, version: int, loaded: LoadedVersion) -> dict[str, Any]:
        signatures = {
            name: json_format.MessageToDict(
                signature, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
            for name, signature in loaded.signatures.items()
        }
        return {
            "model_spec": {"name": self.name, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": signatures}},
        }


def predict(loaded: LoadedVersion, method: str, body: bytes) -> dict[str, Any]:
    """The answer to the body of a predict request.

    Raises:
        ValueError: For a request that is not as it should be.
        tf.errors.InvalidArgumentError: For values that the graph refuses.
    """
    if method != ":predict":
        raise UserError(f"an export has signatures for :predict only. Received: {method}.")
    request = parse_body(body)
    signature = request.get("signature_name", DEFAULT_SIGNATURE)
    inputs = parse_inputs(request, loaded.definition(signature), loaded.largest_batch)
    return format_outputs(loaded.run(signature, inputs), row_format="instances" in request)


def to_bytes(answer: dict[str, Any]) -> bytes:
    """The body of an answer. NaN and infinities are written as the server writes them, which is not quite JSON."""
    return json.dumps(answer).encode()


def _error(status: HTTPStatus, message: str) -> tuple[int, dict[str, Any]]:
    """An error in JSON, which repeats no more of a request than a person would read."""
    return status, {"error": message if len(message) <= LONGEST_ERROR else f"{message[:LONGEST_ERROR]}..."}
