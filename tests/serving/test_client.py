"""The client against real HTTP and gRPC servers on this machine, which answer from an export."""

from __future__ import annotations

import concurrent.futures
import http.server
import json
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from stylegan_tf.exports.read import LoadedVersion
from stylegan_tf.serving import retries
from stylegan_tf.serving.checks import refusal
from stylegan_tf.serving.client import Client
from stylegan_tf.serving.rest import RestApi, to_bytes
from stylegan_tf.serving.retries import ServerError, ServerUnavailableError, with_retries
from stylegan_tf.serving.verify import expected_images


class Faults:
    """What the next requests meet instead of an answer: "unavailable", "slow" or "cut"; and what was asked."""

    def __init__(self):
        self.waiting = []
        self.sizes = []

    def next(self):
        return self.waiting.pop(0) if self.waiting else None


@pytest.fixture
def faults():
    return Faults()


@pytest.fixture(scope="module")
def api(pets):
    """What answers over HTTP; it has loaded the model once."""
    return RestApi(pets.base_path, "pets")


@pytest.fixture(scope="module")
def loaded(pets):
    """What answers over gRPC."""
    return LoadedVersion(pets.base_path / "1")


@pytest.fixture
def rest_url(api, faults):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fault = faults.next()
            if fault == "slow":
                time.sleep(1.5)
            if fault == "cut":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
                self.close_connection = True
                return
            if fault == "unavailable":
                status, answer = 503, b'{"error": "later"}'
            elif fault == "html":
                status, answer = 200, b"<html>"
            elif fault == "bad gateway page":
                status, answer = 500, b"<html>broken</html>"
            else:
                found, plain = api.answer("POST", self.path, body)
                status, answer = int(found), to_bytes(plain)
                faults.sizes.append(len(next(iter(json.loads(body)["inputs"].values()))))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def grpc_address(loaded, faults):
    """Answers Predict with the messages of TensorFlow Serving."""

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            fault = faults.next()
            if fault == "slow":
                time.sleep(1.5)
            if fault == "unavailable":
                context.abort(grpc.StatusCode.UNAVAILABLE, "later")
            if request.model_spec.name != "pets":
                context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            faults.sizes.append(len(next(iter(inputs.values()))))
            try:
                outputs = loaded.run(request.model_spec.signature_name, inputs)
            except (ValueError, tf.errors.InvalidArgumentError) as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, refusal(str(error)))
            response = predict_pb2.PredictResponse()
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture(params=["rest", "grpc"])
def connect(request):
    """`connect(**options)`: a client over REST, and one over gRPC."""
    address = request.getfixturevalue("rest_url" if request.param == "rest" else "grpc_address")
    opened = []

    def make(model="pets", **options):
        opened.append(getattr(Client, request.param)(address, model, **options))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)


def pixels(pets, seeds, psi, classes):
    inputs = {"seed": np.int64(seeds), "truncation_psi": np.float32(psi), "class_id": np.int64(classes)}
    return expected_images(pets.served, "from_seed", inputs)["images"]


def assert_near(got, want):
    assert got.dtype == np.uint8
    assert got.shape == want.shape
    assert np.abs(got.astype(int) - want).max() <= 1


@pytest.mark.slow
def test_images_of_seeds_in_several_requests(connect, pets, faults):
    seeds = [3, -4, 5, 2**62, 7]
    images = connect(batch_size=2).generate(seeds, psi=0.8, classes=[0, 1, 2, 0, 1])
    assert_near(images, pixels(pets, seeds, [0.8] * 5, [0, 1, 2, 0, 1]))
    assert faults.sizes == [2, 2, 1]
    each = connect().generate(seeds[:2], psi=[0.1, 1.0], classes=2)
    assert_near(each, pixels(pets, seeds[:2], [0.1, 1.0], [2, 2]))


@pytest.mark.slow
def test_ws_come_back_unchanged_and_can_be_edited(connect, pets):
    client = connect()
    ws = client.ws([1, 2], psi=1.0, classes=[0, 1])
    assert ws.dtype == np.float32
    assert ws.shape == (2, 4, 12)
    assert_near(client.synthesize(ws), pixels(pets, [1, 2], [1.0, 1.0], [0, 1]))


@pytest.mark.slow
def test_noise_has_a_seed_and_a_strength(connect, pets):
    client = connect()
    ws = client.ws([1], psi=1.0, classes=0)
    first, again = client.synthesize(ws, noise_seed=5), client.synthesize(ws, noise_seed=5)
    np.testing.assert_array_equal(first, again)
    assert np.any(first != client.synthesize(ws, noise_seed=6))
    without = [client.synthesize(ws, noise_seed=seed, noise_strength=0.0) for seed in (5, 6)]
    np.testing.assert_array_equal(*without)
    assert np.any(first != without[0])


@pytest.mark.slow
def test_mixing_takes_the_named_layers_from_the_other_image(connect, pets):
    client = connect()
    mixed = client.mix([1, 2], [3, 4, 5], layers=[0, 2], psi=0.9, classes=1)
    ws = pets.served.truncate(
        pets.served.map(tf.concat([client_z(pets, seed) for seed in (1, 2, 3, 4, 5)], 0), tf.fill([5], 1)),
        tf.fill([5], 0.9),
    ).numpy()
    for row in range(2):
        for column in range(3):
            wanted = ws[row].copy()
            wanted[[0, 2]] = ws[2 + column][[0, 2]]
            image = pets.served.synthesize(wanted[None]).numpy()
            want = np.clip(np.round((image + 1) * 127.5), 0, 255).astype(np.uint8)
            assert_near(mixed[row, column][None], want)
    with pytest.raises(ValueError, match=r"layers must be between 0 and 3. Received: \[4\]"):
        client.mix([1], [2], layers=[0, 4], classes=1)


def client_z(pets, seed):
    from stylegan_tf.sampling.latents import latents_from_seeds

    return latents_from_seeds(tf.constant([seed], tf.int64), 8)


@pytest.mark.slow
def test_interpolation_begins_and_ends_at_the_seeds(connect, pets):
    client = connect()
    images = client.interpolate(1, 2, steps=5, psi=0.9, classes=[0, 2])
    assert images.shape == (5, 8, 8, 3)
    assert_near(images[[0, -1]], pixels(pets, [1, 2], [0.9, 0.9], [0, 2]))
    ends = client.ws([1, 2], 0.9, [0, 2])
    assert_near(images[2:3], client.synthesize(ends.mean(0, keepdims=True)))
    with pytest.raises(ValueError, match="steps must be at least 2"):
        client.interpolate(1, 2, steps=1, classes=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"psi": 3.0, "classes": 0}, "truncation_psi must be between -2 and 2. Received: .3"),
        ({"classes": 3}, "class_id must be between 0 and 2. Received: .3"),
        ({}, "class_id"),
    ],
)
@pytest.mark.slow
def test_what_the_server_refuses_is_not_tried_again(connect, faults, arguments, message):
    faults.waiting = []
    with pytest.raises(ServerError, match=message):
        connect(retries=3).generate([1], **arguments)
    assert faults.sizes == [1]


def test_an_unknown_model_is_an_error(connect):
    with pytest.raises(ServerError, match="404|NOT_FOUND"):
        connect("cats").generate([1], classes=0)


@pytest.mark.slow
def test_a_server_that_is_busy_is_asked_again(connect, pets, faults):
    faults.waiting = ["unavailable", "unavailable"]
    assert_near(connect(retries=2).generate([1], 1.0, 0), pixels(pets, [1], [1.0], [0]))
    faults.waiting = ["unavailable", "unavailable"]
    with pytest.raises(ServerUnavailableError, match="later"):
        connect(retries=1).generate([1], 1.0, 0)


@pytest.mark.slow
def test_a_slow_answer_is_not_waited_for(connect, pets, faults):
    connect().generate([1], 1.0, 0)  # the connection is there
    faults.waiting = ["slow"]
    started = time.monotonic()
    with pytest.raises(ServerUnavailableError):
        connect(timeout_s=0.5, retries=0).generate([1], 1.0, 0)
    assert time.monotonic() - started < 1.4
    assert_near(connect(timeout_s=20.0).generate([1], 1.0, 0), pixels(pets, [1], [1.0], [0]))


def test_no_server_is_said(free_port):
    for client in (
        Client.rest(f"http://127.0.0.1:{free_port}", "pets", retries=1),
        Client.grpc(f"127.0.0.1:{free_port}", "pets", retries=1, timeout_s=2.0),
    ):
        with client, pytest.raises(ServerUnavailableError, match=f"127.0.0.1:{free_port}"):
            client.generate([1])


@pytest.fixture
def free_port():
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    port = server.server_port
    server.server_close()
    return port


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        ("cut", ServerUnavailableError, "does not answer"),
        ("html", ServerError, "something else than JSON"),
        ("bad gateway page", ServerError, "answered 500: <html>broken"),
    ],
)
def test_answers_that_are_none(rest_url, faults, fault, kind, message):
    faults.waiting = [fault]
    with pytest.raises(kind, match=message):
        Client.rest(rest_url, "pets", retries=0).generate([1], 1.0, 0)


def test_bad_arguments(rest_url):
    with pytest.raises(ValueError, match="url must be such as"):
        Client.rest("localhost:8501", "pets")
    with pytest.raises(ValueError, match="batch_size must be positive"):
        Client.rest(rest_url, "pets", batch_size=0)
    client = Client.rest(rest_url, "pets")
    with pytest.raises(ValueError, match="psi must be one value, or one for each of 3 seeds"):
        client.generate([1, 2, 3], psi=[0.1, 0.2])
    for seeds in ([1.5], 3, ["a"], [2**70]):
        with pytest.raises(ValueError, match="seeds must be a list of whole numbers"):
            client.generate(seeds)
    with pytest.raises(ValueError, match="at least one"):
        client.generate([])


def test_waits_grow_and_end(monkeypatch):
    waits = []
    monkeypatch.setattr(retries.time, "sleep", waits.append)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 1.0)

    def fail():
        raise ServerUnavailableError("away")

    with pytest.raises(ServerUnavailableError, match="away"):
        with_retries(fail, 5)
    assert len(waits) == 5
    for wait, longest in zip(waits, (1.0, 2.0, 4.0, 5.0, 5.0), strict=True):
        assert longest / 2 <= wait <= longest


@pytest.mark.slow
def test_the_rest_client_needs_no_tensorflow():
    code = (
        "import sys; from stylegan_tf.serving.client import Client; Client.rest('http://localhost:1', 'a'); "
        "print('tensorflow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
