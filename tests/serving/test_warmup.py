"""Warm-up requests are what a server expects, and answer as the model does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from stylegan_tf.exports.read import LoadedVersion
from stylegan_tf.files import DiskError
from stylegan_tf.serving import export as export_module
from stylegan_tf.serving.export import export
from stylegan_tf.serving.verify import VerificationError, verify_export
from stylegan_tf.serving.warmup import WARMUP_FILE, read_warmup, write_warmup


@pytest.mark.slow
def test_the_file_is_a_tfrecord_of_predict_logs(pets):
    path = pets.base_path / "1" / "assets.extra" / "tf_serving_warmup_requests"
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    assert {log.WhichOneof("log_type") for log in logs} == {"predict_log"}
    names = {log.predict_log.request.model_spec.signature_name for log in logs}
    assert names == set(LoadedVersion(pets.base_path / "1").signatures)


@pytest.mark.slow
def test_every_request_replays(pets):
    loaded = LoadedVersion(pets.base_path / "1")
    requests = read_warmup(pets.base_path / "1")
    assert len(requests) == len(loaded.signatures)
    for signature, inputs in requests:
        for value in loaded.run(signature, inputs).values():
            assert len(value) == 1


def test_what_is_written_is_read(tmp_path):
    requests = [
        ("map", {"z": np.float32([[1, 2]]), "class_id": np.int64([3])}),
        ("truncate", {"ws": np.zeros((1, 2, 3))}),
    ]
    write_warmup(tmp_path, requests)
    for (name, inputs), (read_name, read_inputs) in zip(requests, read_warmup(tmp_path), strict=True):
        assert name == read_name and set(inputs) == set(read_inputs)
        for key, value in inputs.items():
            np.testing.assert_array_equal(value, read_inputs[key])
            assert value.dtype == read_inputs[key].dtype
    assert read_warmup(tmp_path / "none") == []


def test_more_than_a_server_takes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at most 1000 warm-up requests. Received: 1001"):
        write_warmup(tmp_path, [("map", {})] * 1001)
    assert not (tmp_path / WARMUP_FILE).exists()


@pytest.mark.slow
def test_an_export_warms_up_with_the_batches_that_are_asked_for(make_served, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "verify_export", lambda *arguments: None)
    monkeypatch.setattr(export_module, "write_saved_model", lambda endpoints, path: None)
    served = make_served()
    path = export(served, tmp_path, warmup_batches=[1, 4])
    sizes = [len(next(iter(inputs.values()))) for _, inputs in read_warmup(path)]
    count = len(json.loads((path / "assets.extra" / "model.json").read_text())["signatures"])
    assert sizes == [1] * count + [4] * count
    assert read_warmup(export(served, tmp_path, warmup_batches=[])) == []
    with pytest.raises(ValueError, match="warmup_batches must be between 1 and 1024. Received: 0"):
        export(served, tmp_path, warmup_batches=[0])


@pytest.mark.usefixtures("warm_clean_processes")
@pytest.mark.slow
def test_a_request_that_fails_stops_the_export(make_served, tmp_path):
    served = make_served()
    endpoints = [
        endpoint
        for endpoint in export_module.build_endpoints(served)
        if endpoint.name in ("truncate", "serving_default")
    ]
    export_module.write_saved_model(endpoints, tmp_path)
    ws = np.zeros((1, 4, 12), np.float32)
    write_warmup(tmp_path, [("truncate", {"ws": ws, "truncation_psi": np.float32([1])})])
    verify_export(tmp_path, served, endpoints)
    write_warmup(tmp_path, [("truncate", {"ws": ws, "truncation_psi": np.float32([3])})])
    with pytest.raises(VerificationError, match="truncation_psi must be between"):
        verify_export(tmp_path, served, endpoints)


def test_a_full_disk_is_noticed(tmp_path, small_files):
    (tmp_path / "assets.extra").mkdir()
    requests = [("map", {"z": np.zeros([1, 64], np.float32)})] * 10
    with pytest.raises(DiskError), small_files(1000):
        write_warmup(tmp_path, requests)
