"""docs/serving.md describes what an export answers, with requests and files that are valid."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from stylegan_tf.serving.endpoints import build_endpoints
from stylegan_tf.serving.export import write_saved_model
from stylegan_tf.serving.rest import RestApi

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```\w*\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def endpoints(make_served):
    return {endpoint.name: endpoint for endpoint in build_endpoints(make_served())}


def rows(heading):
    """The rows of the table that begins with this heading, cell by cell."""
    table = TEXT[TEXT.index(f"| {heading} |") :].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_table_of_signatures_is_what_is_built(endpoints):
    documented = {}
    for names, inputs, outputs in rows("signature"):
        names, outputs = re.findall(r"`(\w+)`", names), re.findall(r"`(\w+)`", outputs)
        for index, name in enumerate(names):
            documented[name] = outputs[index]
            assert re.findall(r"`(\w+)`", inputs) == [field.name for field in endpoints[name].inputs], name
    assert documented == {name: endpoint.outputs[0].name for name, endpoint in endpoints.items()}


def test_every_field_is_described_with_its_type(endpoints, make_served):
    fields = {field.name: field for endpoint in endpoints.values() for field in (*endpoint.inputs, *endpoint.outputs)}
    fields |= {f.name: f for e in build_endpoints(make_served(num_classes=2)) for f in e.inputs}
    described = {name.strip("`"): (dtype, shape) for name, dtype, shape, _ in rows("name")}
    assert set(described) == set(fields)
    for name, (dtype, shape) in described.items():
        assert dtype == fields[name].dtype.name
        assert shape.count(",") + 1 == len(fields[name].shape)


@pytest.mark.slow
def test_the_requests_are_answered(make_served, tmp_path):
    served = make_served()
    write_saved_model(build_endpoints(served), tmp_path / "1")
    api = RestApi(tmp_path, "MODEL")
    curl = json.loads(re.search(r"-d '(.*?)'", TEXT)[1])
    assert api.answer("POST", "/v1/models/MODEL:predict", json.dumps(curl).encode())[0] == 200
    z = json.dumps(np.zeros(served.generator.z_size).tolist())
    ws = json.dumps(np.zeros((served.generator.num_ws, 12)).tolist())
    table = TEXT[TEXT.index("| signature | `instances`") :].split("\n\n")[0]
    asked = set()
    for line in table.splitlines()[2:]:
        names, written = line.strip("|").split("|")
        for instances in re.findall(r"`(\[.*?\])`", written):
            filled = instances.replace("[[0.1, ...], ...]", ws).replace("[0.1, ...]", z)
            for name in re.findall(r"`(\w+)`", names):
                body = f'{{"signature_name": "{name}", "instances": {filled}}}'
                status, answer = api.answer("POST", "/v1/models/MODEL:predict", body.encode())
                assert status == 200, (name, answer)
                asked.add(name)
    assert asked == {endpoint.name for endpoint in build_endpoints(served)}


def test_the_model_configuration_is_one():
    (block,) = [block for block in BLOCKS if block.startswith("model_config_list")]
    config = text_format.Parse(block, model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert dict(model.version_labels) == {"stable": 3, "canary": 4}
    assert list(model.model_version_policy.specific.versions) == [3, 4]
