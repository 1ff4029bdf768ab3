"""The REST API as its public description has it, answered from an export."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from stylegan_tf.exports.read import LoadedVersion
from stylegan_tf.serving import rest_json
from stylegan_tf.serving.png import decode_png
from stylegan_tf.serving.rest import RestApi
from stylegan_tf.serving.rest_json import format_outputs, parse_body, parse_inputs
from stylegan_tf.serving.verify import expected_images

PREDICT = "/v1/models/pets:predict"


@pytest.fixture(scope="module")
def api(pets):
    return RestApi(pets.base_path, "pets")


def post(api, request, path=PREDICT):
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    status, answer = api.answer("POST", path, body)
    return int(status), json.loads(json.dumps(answer))


def instance(**values):
    return {"seed": 1, "truncation_psi": 0.7, "class_id": 2, **values}


def request_of(*instances, signature="from_seed_png"):
    return {"signature_name": signature, "instances": list(instances)}


def python_pixels(pets, seeds, psi, classes):
    inputs = {"seed": np.array(seeds), "truncation_psi": np.float32(psi), "class_id": np.array(classes)}
    return expected_images(pets.served, "from_seed", inputs)["images"]


@pytest.mark.slow
def test_a_row_an_image_in_base64(api, pets):
    status, answer = post(api, request_of(instance(), instance(seed=-5, class_id=0, truncation_psi=1)))
    assert status == 200 and set(answer) == {"predictions"}
    pixels = [decode_png(base64.b64decode(row["b64"])) for row in answer["predictions"]]
    wanted = python_pixels(pets, [1, -5], [0.7, 1.0], [2, 0])
    assert np.abs(np.stack(pixels).astype(int) - wanted).max() <= 1
    assert all(set(row) == {"b64"} for row in answer["predictions"])


@pytest.mark.slow
def test_columns_give_outputs_and_the_same_images(api):
    rows = post(api, request_of(instance(), instance(seed=2)))[1]["predictions"]
    columns = {"seed": [1, 2], "truncation_psi": [0.7, 0.7], "class_id": [2, 2]}
    status, answer = post(api, {"signature_name": "from_seed_png", "inputs": columns})
    assert (status, answer) == (200, {"outputs": rows})


def test_a_version_may_be_named(api):
    wanted = post(api, request_of(instance()))
    assert post(api, request_of(instance()), "/v1/models/pets/versions/1:predict") == wanted
    assert post(api, request_of(instance()), "/v1/models/pets/versions/2:predict")[0] == 404


@pytest.mark.slow
def test_the_default_signature_needs_no_name_and_a_single_input_needs_none(api, pets):
    z = np.random.default_rng(0).standard_normal((2, 8)).round(3)
    ws = pets.served.map(tf.constant(z, tf.float32), tf.constant([0, 1])).numpy()
    status, answer = post(api, {"instances": [{"z": z[0].tolist(), "class_id": 0}]})
    assert status == 200
    assert np.shape(answer["predictions"]) == (1, 8, 8, 3)
    named = post(api, request_of(*({"ws": w.tolist()} for w in ws), signature="synthesize"))
    unnamed = post(api, request_of(*(w.tolist() for w in ws), signature="synthesize"))
    column = post(api, {"signature_name": "synthesize", "inputs": ws.tolist()})
    assert named == unnamed and named[0] == 200
    assert column[1]["outputs"] == named[1]["predictions"]


@pytest.mark.slow
def test_floats_go_there_and_back_unchanged(api):
    ws = np.array(post(api, request_of(instance(), signature="from_seed_ws"))[1]["predictions"])
    same = post(api, request_of({"ws": ws[0].tolist(), "truncation_psi": 1.0}, signature="truncate"))
    np.testing.assert_array_equal(np.array(same[1]["predictions"]), ws)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (b"{", "the body must be JSON"),
        (b"\xff", "the body must be JSON"),
        ([], "must be a JSON object"),
        (b"[" * 100_000, "the body must be JSON with lists and objects at most 32 deep. Received: 100000."),
        (b'{"inputs":' + b"[" * 32 + b"]" * 32 + b"}", "at most 32 deep. Received: 33."),
        (b'{"inputs":' + b'{"a":' * 40 + b"1" + b"}" * 41, "at most 32 deep. Received: 41."),
        (b'{"inputs": [' + b"9" * 5000 + b"]}", "the body must hold numbers of at most 4300 digits"),
        (request_of(instance(truncation_psi=10**400)), "truncation_psi must fit float32. Received: 1000"),
        (request_of(instance(), instance(truncation_psi=-1e39), instance(truncation_psi=1e39)), "Received: -1e+39."),
        (request_of(instance(), instance(seed=-(2**63) - 1)), "seed must be between -9223372036854775808"),
        (request_of(instance(), instance(seed=1.5), instance(seed="1")), "type int64. Received: 1.5"),
        (
            request_of(instance(truncation_psi=False)),
            "truncation_psi must hold values of type float32. Received: false",
        ),
        ({"signature_name": "x" * 100_000, "inputs": 1}, "signature_name must be one of"),
        (
            {"signature_name": "from_seed", "inputs": {str(name): 1 for name in range(1000)}},
            "Received: 0, 1, 10, 100, 101",
        ),
        ({}, "Received: neither"),
        ({"instances": [1], "inputs": [1]}, "Received: both"),
        ({"instances": []}, "instances must be a list of at least one"),
        ({"instances": {}}, "instances must be a list"),
        ({"signature_name": 3, "instances": [1]}, "signature_name must be a string"),
        ({"signature_name": "other", "instances": [1]}, "signature_name must be one of from_seed, "),
        (request_of({"seed": 1}), "element 0 of instances must be an object with class_id, seed, truncation_psi"),
        (request_of(instance(), 7), "element 1 of instances must be an object"),
        (request_of(instance(colour=1)), "Received: class_id, colour, seed, truncation_psi"),
        (request_of(instance(seed=1.0)), "seed must hold values of type int64. Received: 1.0"),
        (request_of(instance(seed="1")), 'seed must hold values of type int64. Received: "1"'),
        (request_of(instance(seed=True)), "seed must hold values of type int64"),
        (request_of(instance(seed=None)), "seed must hold values of type int64. Received: null"),
        (request_of(instance(seed=2**63)), "seed must be between"),
        (request_of(instance(truncation_psi=1e39)), "truncation_psi must fit float32"),
        (request_of(instance(seed=[1])), "seed must have the shape [batch]. Received: [1, 1]"),
        (request_of(instance(), instance(seed=[1])), "seed must be a full tensor"),
        (request_of([[0.0] * 12] * 3, signature="synthesize"), "ws must have the shape [batch, 4, 12]"),
        (request_of([[0.0] * 12] * 3 + [[0.0] * 11], signature="synthesize"), "ws must be a full tensor"),
        ({"signature_name": "synthesize", "inputs": []}, "ws must have the shape [batch, 4, 12]. Received: [0]"),
        (
            {"signature_name": "from_seed", "inputs": [1]},
            "inputs must be an object with class_id, seed, truncation_psi",
        ),
        ({"signature_name": "synthesize", "inputs": {"w": [1]}}, "inputs must be an object with ws. Received: w"),
        (request_of(instance(truncation_psi=float("nan"))), "truncation_psi must be between -2 and 2. Received: [nan]"),
        (request_of(instance(truncation_psi=2.5)), "truncation_psi must be between -2 and 2. Received: [2.5]"),
        (request_of(instance(class_id=3)), "class_id must be between 0 and 2. Received: [3]"),
        (request_of(*[instance()] * 1025), "must have at most 1024 values. Received: [1025]"),
        (
            {"signature_name": "from_seed", "inputs": {"seed": [], "truncation_psi": [], "class_id": []}},
            "seed must have at least one value",
        ),
        (
            {"signature_name": "from_seed", "inputs": {"seed": [1, 2], "truncation_psi": [1], "class_id": [0, 1]}},
            "truncation_psi must have as many values as seed has. Received (truncation_psi, seed): [1] [2]",
        ),
    ],
)
@pytest.mark.slow
def test_a_bad_request_is_answered_with_400_and_what_is_wrong(api, request_, message):
    status, answer = post(api, request_)
    assert status == 400 and set(answer) == {"error"}
    assert message in answer["error"] and len(answer["error"]) < 1100


def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(monkeypatch):
    monkeypatch.setattr(rest_json.json, "loads", None)
    for value in (b"1,", b"[]", b"{}", b"[[]],"):
        with pytest.raises(ValueError, match=r"the body must hold at most 4194304 values. Received: [0-9]+\."):
            parse_body(b'{"inputs": [' + value * 2**22 + b"1]}")


@pytest.mark.slow
def test_a_batch_beyond_the_limit_is_refused_before_arrays_are_made_of_it(pets, tmp_path, monkeypatch):
    """Counted, not timed: neither the arrays nor the graph are asked for."""
    shutil.copytree(pets.base_path / "1", tmp_path / "1")
    (tmp_path / "1" / "assets.extra").mkdir(exist_ok=True)
    (tmp_path / "1" / "assets.extra" / "model.json").write_text('{"largest_batch": 2}')
    api = RestApi(tmp_path, "pets")
    assert post(api, request_of(instance(), instance()))[0] == 200
    made = []
    monkeypatch.setattr(rest_json, "_to_array", lambda *arguments: made.append(arguments))
    columns = {"seed": [1] * 3, "truncation_psi": [1.0] * 3, "class_id": [0] * 3}
    for request, name in [
        (request_of(*[instance()] * 3), "instances"),
        ({"signature_name": "from_seed_png", "inputs": columns}, "seed"),
        (request_of(*[[[0.0] * 12] * 4] * 3, signature="synthesize"), "instances"),
        ({"signature_name": "synthesize", "inputs": [[[0.0] * 12] * 4] * 3}, "ws"),
    ]:
        status, answer = post(api, request)
        assert status == 400 and answer["error"] == f"{name} must have at most 2 values. Received: [3]"
    assert made == []


@pytest.mark.parametrize("said", ["", "[]", "[" * 100_000, "{}", '{"largest_batch": true}', '{"largest_batch": -1}'])
@pytest.mark.slow
def test_an_export_that_does_not_say_its_largest_batch_asks_the_graph(pets, tmp_path, said):
    shutil.copytree(pets.base_path / "1", tmp_path / "1")
    (tmp_path / "1" / "assets.extra").mkdir(exist_ok=True)
    (tmp_path / "1" / "assets.extra" / "model.json").write_text(said)
    assert LoadedVersion(tmp_path / "1").largest_batch is None


def test_numbers_become_arrays_of_their_types():
    wanted = definition(i=(tf.int32, [None]), f=(tf.float32, [None, 2]), b=(tf.bool, [None]))
    values = {"i": [-(2**31), 2**31 - 1], "f": [[1, -2.5], [float("nan"), float("-inf")]], "b": [True, False]}
    parsed = parse_inputs({"inputs": values}, wanted)
    for name, dtype in (("i", np.int32), ("f", np.float32), ("b", np.bool_)):
        assert parsed[name].dtype == dtype
        np.testing.assert_array_equal(parsed[name], np.array(values[name], dtype))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 400),
        ("GET", "/v1/models", 400),
        ("GET", PREDICT, 400),
        ("POST", "/v1/models/pets", 400),
        ("POST", "/v1/models/pets/metadata", 400),
        ("POST", "/v1/models/pets:classify", 400),
        ("PUT", PREDICT, 400),
        ("GET", "/v1/models/cats", 404),
        ("POST", "/v1/models/cats:predict", 404),
        ("GET", "/v1/models/pets/versions/7", 404),
        ("GET", f"/v1/models/pets/versions/{2**63 - 1}", 404),
        ("GET", f"/v1/models/pets/versions/{10**19}", 400),
        ("GET", f"/v1/models/pets/versions/{'9' * 5000}", 400),
        ("GET", "/v1/models/pets/versions/\u0661", 400),
        ("POST", f"/v1/models/pets/versions/{'9' * 5000}:predict", 400),
    ],
)
def test_paths_that_are_none(api, method, path, status):
    found, answer = api.answer(method, path, b"{}")
    assert found == status and answer["error"]


@pytest.mark.parametrize("path", ["/v1/models/pets", "/v1/models/pets/versions/1"])
def test_the_state_of_the_version(api, path):
    status, answer = api.answer("GET", path)
    assert status == 200
    assert answer == {
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }


@pytest.mark.slow
def test_metadata_describes_every_signature(api, pets):
    status, answer = api.answer("GET", "/v1/models/pets/metadata")
    assert status == 200 and answer["model_spec"] == {"name": "pets", "signature_name": "", "version": "1"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == set(tf.saved_model.load(str(pets.base_path / "1")).signatures)
    assert signatures["from_seed_png"]["method_name"] == "tensorflow/serving/predict"
    ws = signatures["synthesize_noise"]["inputs"]["ws"]
    assert ws["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in ws["tensor_shape"]["dim"]] == ["-1", "4", "12"]


@pytest.mark.slow
def test_a_newer_version_is_served_when_it_appears(pets, tmp_path):
    shutil.copytree(pets.base_path / "1", tmp_path / "3")
    api = RestApi(tmp_path, "pets")
    assert api.answer("GET", "/v1/models/pets")[1]["model_version_status"][0]["version"] == "3"
    (tmp_path / "5").mkdir()  # not a version yet
    (tmp_path / ".4.part").mkdir()
    assert api.newest()[0] == 3
    shutil.copytree(pets.base_path / "1", tmp_path / "20")
    assert post(api, request_of(instance()), "/v1/models/pets/versions/20:predict")[0] == 200
    assert post(api, request_of(instance()), "/v1/models/pets/versions/3:predict")[0] == 404


@pytest.mark.slow
def test_a_damaged_version_is_passed_over_while_there_is_another(pets, tmp_path, caplog):
    def damage(number, name):
        shutil.copytree(pets.base_path / "1", tmp_path / str(number))
        path = tmp_path / str(number) / name
        path.write_bytes(path.read_bytes()[:100])

    damage(1, "saved_model.pb")
    with pytest.raises(ValueError, match="a version must be a whole SavedModel"):
        RestApi(tmp_path, "pets")
    shutil.copytree(pets.base_path / "1", tmp_path / "2")
    api = RestApi(tmp_path, "pets")
    damage(3, "variables/variables.data-00000-of-00001")
    assert api.newest()[0] == 2 and "Version 2 stays" in caplog.text
    assert post(api, request_of(instance()))[0] == 200
    assert caplog.text.count("stays") == 1  # it is not tried for every request
    shutil.copytree(pets.base_path / "1", tmp_path / "4")
    assert api.newest()[0] == 4


def test_no_version_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="must hold versions"):
        RestApi(tmp_path)


def test_many_threads_get_the_images_that_one_gets(api):
    seeds = list(range(12))
    requests = [request_of(instance(seed=seed), instance(seed=seed + 100)) for seed in seeds]
    alone = [post(api, request) for request in requests]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda index: post(api, requests[index % 12]), range(96)))
    assert {status for status, _ in together} == {200}
    for index, answer in enumerate(together):
        assert answer == alone[index % 12]


def definition(**inputs):
    """A signature with inputs of types and shapes, None for the batch."""
    made = meta_graph_pb2.SignatureDef()
    for name, (dtype, shape) in inputs.items():
        made.inputs[name].dtype = dtype.as_datatype_enum
        made.inputs[name].tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return made


def test_strings_and_binary_values():
    wanted = definition(text=(tf.string, [None, 2]))
    value = {"instances": [["a", {"b64": base64.b64encode(b"\xff\0").decode()}]]}
    parsed = parse_inputs(parse_body(json.dumps(value).encode()), wanted)
    assert parsed["text"].tolist() == [[b"a", b"\xff\0"]]
    with pytest.raises(ValueError, match="base64"):
        parse_inputs({"instances": [[{"b64": "!"}, "b"]]}, wanted)


def test_the_documented_forms_of_answers():
    one = {"y": np.array([[1.5, 2.0]], np.float32)}
    two = {"a": np.array([1, 2]), "b_bytes": np.array([b"\xff", b"\0"], object)}
    assert format_outputs(one, row_format=True) == {"predictions": [[1.5, 2.0]]}
    assert format_outputs(one, row_format=False) == {"outputs": [[1.5, 2.0]]}
    assert format_outputs(two, row_format=True) == {
        "predictions": [{"a": 1, "b_bytes": {"b64": "/w=="}}, {"a": 2, "b_bytes": {"b64": "AA=="}}]
    }
    assert format_outputs(two, row_format=False) == {
        "outputs": {"a": [1, 2], "b_bytes": [{"b64": "/w=="}, {"b64": "AA=="}]}
    }
    with pytest.raises(ValueError, match="one row for each instance"):
        format_outputs({"a": np.zeros(2), "b": np.zeros(3)}, row_format=True)
    with pytest.raises(ValueError, match="must end in _bytes"):
        format_outputs({"png": np.array([b"\xff"], object)}, row_format=True)
