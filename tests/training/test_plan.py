"""The plan: what a run is going to do, in words."""

from types import SimpleNamespace

import pytest
from tiny_run import table, tiny_config

from stylegan_tf.training.plan import describe_plan
from stylegan_tf.training.run_directory import DatasetInfo, RunDirectory
from stylegan_tf.training.schedule import Schedule
from stylegan_tf.training.state import TrainState


def parameters(weights):
    return sum(weight.numpy().size for weight in weights)


@pytest.fixture(scope="module")
def state():
    return TrainState(tiny_config(), 2, 2, "float32")


def plan_of(state, dataset=None, jit=False, **values):
    config = tiny_config(**values)
    schedule = Schedule.from_config(config, 2)
    shown = SimpleNamespace(config=config, dtype_policy="float32", generator=state.generator, critic=state.critic)
    dataset = dataset or DatasetInfo("faces", 1234567, (8, 8), 3, "abc")
    return describe_plan(shown, schedule, dataset, RunDirectory("runs/mine"), "2 of 3 GPUs", jit).splitlines()


def test_plan_tells_devices_data_loss_and_place(state):
    lines = plan_of(state)
    assert lines[0] == "Devices    2 of 3 GPUs, float32, XLA off"
    assert lines[1] == "Data       faces: 1,234,567 images, 8x8 RGB"
    assert lines[2] == "Loss       wgan-gp, until 0.096 kimg"
    assert lines[-1] == "Writes to  runs/mine"
    assert plan_of(state, jit=True, loss="logistic")[0].endswith("XLA on")


@pytest.mark.parametrize(("channels", "word"), [(1, "grey"), (3, "RGB"), (4, "RGBA")])
def test_data_in_words(state, channels, word):
    labelled = DatasetInfo("faces", 7, (8, 12), channels, "abc", ("cats", "dogs"))
    assert plan_of(state, labelled)[1] == f"Data       faces: 7 images, 8x12 {word}, 2 classes"


def test_table_of_phases(state):
    lines = plan_of(state, batch_size=table("4:16,8:8"), learning_rate=table("4:0.001,8:0.0005"))
    rows = [line.split("  ") for line in lines[4:8]]
    header, *phases = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert header == ["phase", "resolution", "from kimg", "kimg", "batch", "learning rate", "generator", "critic"]
    counts = [
        [f"{parameters(network.active_weights(level)):,}" for network in (state.generator, state.critic)]
        for level in (0, 1)
    ]
    assert phases == [
        ["train", "4x4", "0", "0.032", "16", "0.001", *counts[0]],
        ["fade in", "8x8", "0.032", "0.032", "8", "0.0005", *counts[1]],
        ["train", "8x8", "0.064", "0.032", "8", "0.0005", *counts[1]],
    ]
    assert len({len(line) for line in lines[4:8]}) == 1  # columns are aligned


def test_two_levels_at_the_second_are_the_whole_networks(state):
    whole = [f"{parameters(network.trainable_weights):,}" for network in (state.generator, state.critic)]
    assert plan_of(state)[7].split()[-2:] == whole
    assert plan_of(state)[5].split()[-2:] != whole


def test_phases_that_the_run_does_not_reach_are_left_out(state):
    lines = plan_of(state, total_kimg=0.048)
    phases = [line.split()[0] for line in lines[5:] if line.split() and line.split()[0] in ("train", "fade")]
    assert phases == ["train", "fade"]
    assert "0.016" in lines[6]  # of the fade-in's 0.032 kimg
