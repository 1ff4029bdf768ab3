"""What is written to TensorBoard once, and pictures."""

import io
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import metadata
from tiny_run import tiny_config, tiny_stylegan2

from stylegan_tf.metrics.protocols import protocol
from stylegan_tf.training.summaries import CHARTS, CURVES, metric_curve, write_picture, write_start


def events_of(folder):
    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def started(folder, config):
    writer = tf.summary.create_file_writer(str(folder))
    write_start(writer, config, config, "Devices  one\nWrites to  here", np.zeros([16, 16, 3], np.uint8))
    return events_of(folder)


def value_of(events, tag):
    (event,) = events.Tensors(tag)
    assert event.step == 0
    return tf.make_ndarray(event.tensor_proto).item()


def charts_of(events):
    layout = layout_pb2.Layout.FromString(value_of(events, "custom_scalars__config__"))
    return {chart.title: list(chart.multiline.tag) for chart in layout.category[0].chart}


def test_plan_and_configuration_are_text_of_fixed_width(tmp_path):
    config = tiny_config()
    events = started(tmp_path, config)
    assert value_of(events, "run/plan") == b"```\nDevices  one\nWrites to  here\n```"
    assert value_of(events, "run/config") == f"```\n{config.to_json()}\n```".encode()


def test_words_that_cannot_be_written_are_written_otherwise(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))
    config = tiny_config(run_dir="caf\udce9")
    write_start(writer, config, config, "Data  caf\udce9\x1b[2J", np.zeros([16, 16, 3], np.uint8))
    assert value_of(events_of(tmp_path), "run/plan") == b"```\nData  caf\\udce9\\x1b[2J\n```"


@pytest.mark.parametrize(
    ("make", "values", "absent"),
    [
        (tiny_config, {}, {"path lengths", "augmentation: strength, signs of reals"}),
        (tiny_stylegan2, {"augment": "adaptive"}, set()),
    ],
)
def test_charts_are_those_of_which_a_run_has_curves(tmp_path, make, values, absent):
    assert set(CHARTS) - set(charts_of(started(tmp_path, make(**values)))) == absent


def test_every_chart_is_made_of_curves_that_there_are():
    for tags in CHARTS.values():
        assert all(any(re.fullmatch(tag, curve) for curve in CURVES) for tag in tags)


def test_runs_are_compared_by_few_settings_and_by_their_metrics(tmp_path):
    config = tiny_stylegan2(run_dir="runs/one", metrics="kd2k_full_efficientnet_lite0", learning_rate=0.005)
    events = started(tmp_path, config)
    start = metadata.parse_session_start_info_plugin_data(
        events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    )
    assert start.group_name == "runs/one"
    assert start.hparams["family"].string_value == "stylegan2"
    assert start.hparams["learning_rate"].string_value == "0.005"
    assert start.hparams["r1_gamma"].number_value == 1.0
    assert start.hparams["use_labels"].bool_value is False
    experiment = metadata.parse_experiment_plugin_data(
        events.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    )
    assert {info.name for info in experiment.hparam_infos} == set(start.hparams)
    first = {info.name for info in experiment.hparam_infos if info.differs}  # TensorBoard shows these first
    assert first == {"learning_rate", "loss", "r1_gamma", "batch_size", "resolution"}
    assert len(start.hparams) < 15
    assert experiment.metric_infos[0].name.tag == "metrics/kd2k_full_efficientnet_lite0"


def test_curves_of_metrics_are_called_by_their_first_number_where_there_are_several():
    assert metric_curve(protocol("fid50k_full")) == "metrics/fid50k_full"
    several = protocol("pr50k3_full")
    assert len(several.values) > 1
    assert metric_curve(several) == f"metrics/pr50k3_full/{several.values[0]}"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((40, 80, 3), (40, 80, 3)), ((2048, 4096, 4), (512, 1024, 4)), ((4096, 1024, 1), (1024, 256, 1))],
)
def test_large_pictures_are_made_smaller(tmp_path, shape, expected):
    """A grid at 1024x1024 is 8192 pixels wide."""
    writer = tf.summary.create_file_writer(str(tmp_path))
    picture = np.zeros(shape, np.uint8)
    picture[: shape[0] // 2] = 200
    with writer.as_default(step=7):
        write_picture("images/one", picture, "What it is.")
    writer.close()
    events = events_of(tmp_path)
    (event,) = events.Tensors("images/one")
    assert event.step == 7
    with Image.open(io.BytesIO(tf.make_ndarray(event.tensor_proto)[2])) as shown:
        pixels = np.asarray(shown).reshape(shown.height, shown.width, -1)
    assert pixels.shape == expected
    half = expected[0] // 2
    assert (pixels[:half] == 200).all()
    assert (pixels[half:] == 0).all()
