"""The plan: what a run is going to do, in words."""

import dataclasses
from types import SimpleNamespace

import pytest
import tensorflow as tf
from tiny_run import resolved, schedule_of, table, tiny_config, tiny_stylegan2

from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.phases import training_phases
from stylegan_tf.training.plan import Plan, make_plan
from stylegan_tf.training.state import TrainState


def parameters(weights):
    return sum(weight.numpy().size for weight in weights)


@pytest.fixture(scope="module")
def state():
    return TrainState(tiny_config(), 2, 2, "float32")


def plan_of(state, dataset=None, jit="off", configure=tiny_config, other_files=None, **values):
    config = configure(**values)
    schedule = schedule_of(config, 2)
    shown = SimpleNamespace(
        config=resolved(config),
        dtype_policy="float32",
        generator=state.generator,
        critic=state.critic,
        phases=training_phases(config.loss, config.family.critic_first),
        augment_p=tf.Variable(0.1234),
    )
    dataset = dataset or DatasetInfo("faces", 1234567, (8, 8), 3, "abc")
    directory = RunDirectory("runs/mine")
    plan = make_plan(shown, schedule, dataset, directory, "2 of 3 GPUs", jit, other_files or {})
    return str(plan).splitlines()


def test_plan_tells_what_lies_beside_the_pictures(state):
    assert plan_of(state, other_files={".txt": 1, ".mov": 20})[2] == "Left out   21 other files (.mov 20, .txt 1)"


def test_plan_tells_devices_data_networks_loss_and_place(state):
    lines = plan_of(state)
    assert lines[:5] == [
        "Devices    2 of 3 GPUs, float32, XLA off",
        "Data       faces: 1,234,567 images, 8x8 RGB",
        "Networks   StyleGAN, growing",
        "Loss       wgan-gp, gradient penalty 10, until 0.096 kimg",
        "Step       critic, generator",
    ]
    assert lines[5] == ""
    assert lines[-1] == "Writes to  runs/mine"
    assert plan_of(state, jit="on", loss="logistic")[0].endswith("XLA on")
    assert plan_of(state, jit="auto", loss="logistic")[0].endswith("XLA where it is faster")


def test_words_of_strangers_stay_on_their_line(state):
    dataset = DatasetInfo("fa\x1b[2Jces", 3, (8, 8), 3, "abc", ("caf\u00e9", "a\nb", "\udce9"))
    assert plan_of(state, dataset)[1] == (
        "Data       fa\\x1b[2Jces: 3 images, 8x8 RGB, 3 classes: caf\u00e9, a\\nb, \\udce9"
    )


def test_plan_of_stylegan2_tells_architectures_regularisers_and_augmentation(state):
    lines = plan_of(state, configure=tiny_stylegan2, augment="adaptive", augment_kimg=500.0)
    assert lines[2:7] == [
        "Networks   StyleGAN2, skip generator, resnet critic",
        "Loss       logistic, R1 1, path length 2, until 0.096 kimg",
        "Step       generator, generator regularizer every 2 steps, critic, critic regularizer every 3 steps",
        "Augment    bgc, adaptive from 0.123, target 0.6, at most 1 in 500 kimg",
        "",
    ]
    fixed = plan_of(state, configure=tiny_stylegan2, augment="fixed", augment_p=0.25, augment_transforms="blit,color")
    assert fixed[5] == "Augment    blit,color, fixed at 0.25"


def test_plan_tells_what_is_frozen():
    config = resolved(tiny_config(resolution="16", freeze_critic=2), 3)
    state = TrainState(config, 3, 0, "float32")
    lines = plan_of(state, freeze_critic=2)
    numbers = parameters(state.critic.non_trainable_weights)
    line = f"Frozen     16x16 and 8x8 of the critic, {numbers:,} of its weights, which the table leaves out"
    assert numbers > 0 and lines[5] == line


def test_plan_of_diffaugment(state):
    lines = plan_of(state, augment="diffaugment", diffaugment_transforms="color,cutout")
    assert lines[5] == "Augment    DiffAugment: color,cutout"


def test_plan_of_a_growing_network_tells_when_the_augmentation_is_first_adjusted(state):
    adaptive = {"loss": "logistic", "augment": "adaptive", "augment_kimg": 500.0}
    line = "Augment    bgc, adaptive from 0.123, target 0.6, at most 1 in 500 kimg"
    assert plan_of(state, **adaptive)[5] == f"{line}; adjusted from 0.064 kimg on, once 8x8 is faded in"
    assert plan_of(state, **adaptive, augment_from=4)[5] == line
    short = plan_of(state, **adaptive, total_kimg=0.064)[5]
    assert short == f"{line}; not adjusted, as the run ends before 8 is faded in"


@pytest.mark.parametrize(("channels", "word"), [(1, "grey"), (3, "RGB"), (4, "RGBA")])
def test_data_in_words(state, channels, word):
    labelled = DatasetInfo("faces", 7, (8, 12), channels, "abc", ("cats", "dogs"))
    assert plan_of(state, labelled)[1] == f"Data       faces: 7 images, 8x12 {word}, 2 classes: cats, dogs"
    numbered = DatasetInfo("faces", 7, (8, 12), channels, "abc", tuple("0123456"))
    assert plan_of(state, numbered)[1].endswith(", 7 classes: 0, 1, 2, 3, 4, 5, ...")


def test_table_of_periods(state):
    lines = plan_of(state, batch_size=table("4:16,8:8"), learning_rate=table("4:0.001,8:0.0005"))
    rows = [line.split("  ") for line in lines[6:10]]
    header, *periods = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert header == ["period", "resolution", "from kimg", "kimg", "batch", "learning rate", "generator", "critic"]
    counts = [
        [f"{parameters(network.active_weights(level)):,}" for network in (state.generator, state.critic)]
        for level in (0, 1)
    ]
    assert periods == [
        ["train", "4x4", "0", "0.032", "16", "0.001", *counts[0]],
        ["fade in", "8x8", "0.032", "0.032", "8", "0.0005", *counts[1]],
        ["train", "8x8", "0.064", "0.032", "8", "0.0005", *counts[1]],
    ]
    assert len({len(line) for line in lines[6:10]}) == 1  # columns are aligned


def test_learning_rates_apart_have_a_column_each(state):
    lines = plan_of(state, critic_learning_rate=table("4:0.001,8:0.0004"))
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[6:10]]
    assert rows[0][5:] == ["learning rate", "critic's rate", "generator", "critic"]
    assert [row[5:7] for row in rows[1:]] == [["0.001", "0.001"], ["0.001", "0.0004"], ["0.001", "0.0004"]]


def test_a_network_that_does_not_grow_has_one_period(state):
    lines = plan_of(state, configure=tiny_stylegan2)
    assert lines[7].split()[:6] == ["train", "8x8", "0", "0.096", "8", "0.001"]
    assert lines[8] == ""


def test_two_levels_at_the_second_are_the_whole_networks(state):
    whole = [f"{parameters(network.trainable_weights):,}" for network in (state.generator, state.critic)]
    assert plan_of(state)[9].split()[-2:] == whole
    assert plan_of(state)[7].split()[-2:] != whole


def test_periods_that_the_run_does_not_reach_are_left_out(state):
    lines = plan_of(state, total_kimg=0.048)
    periods = [line.split()[0] for line in lines[7:] if line.split() and line.split()[0] in ("train", "fade")]
    assert periods == ["train", "fade"]
    assert "0.016" in lines[8]  # of the fade-in's 0.032 kimg


def test_batches_of_other_devices_are_told(state):
    config = tiny_stylegan2()
    began = dataclasses.replace(resolved(config), batch_devices=8)
    shown = SimpleNamespace(
        config=began,
        dtype_policy="float32",
        generator=state.generator,
        critic=state.critic,
        phases=training_phases(config.loss, config.family.critic_first),
        augment_p=tf.Variable(0.0),
    )
    dataset = DatasetInfo("faces", 10, (8, 8), 3, "abc")

    def lines(replicas):
        plan = make_plan(
            shown, schedule_of(config), dataset, RunDirectory("runs/mine"), "1 GPU", "off", replicas=replicas
        )
        return [line for line in str(plan).splitlines() if line.startswith("Batches")]

    assert not lines(8)
    assert lines(1) == [
        "Batches    as chosen for 8 devices when the run began, added up from pieces as large as they had; losses "
        "and averages with them (--batch_size and --max_batch_per_device change it)"
    ]


def narrow_plan():
    return Plan(
        facts=(("Devices", "2 GPUs"), ("Note", "cropping cuts off a third: --crop=pad adds margins instead of that")),
        header=("period", "resolution", "from kimg", "learning rate"),
        rows=(("train", "1024x1024", "0", "0.001"),),
        place="/a/long/name/of/a/place/that/nobody/could/copy/if/it/were/broken",
        start="Starts from runs/a\n  generator: 3 of 7 arrays taken\n    new: synthesis/block_8, synthesis/block_16",
    )


def test_a_narrow_terminal_gets_whole_words_below_their_beginning():
    assert narrow_plan().fitted(42).splitlines() == [
        "Devices    2 GPUs",
        "Note       cropping cuts off a third:",
        "           --crop=pad adds margins instead",
        "           of that",
        "",
        "                    from  learning",
        "period  resolution  kimg      rate",
        " train   1024x1024     0     0.001",
        "",
        "Writes to",
        "           /a/long/name/of/a/place/that/nobody/could/copy/if/it/were/broken",
        "Starts from runs/a",
        "  generator: 3 of 7 arrays taken",
        "    new: synthesis/block_8,",
        "        synthesis/block_16",
    ]


def test_a_wide_terminal_and_a_log_get_whole_lines():
    assert narrow_plan().fitted(200) == str(narrow_plan())
    assert max(map(len, str(narrow_plan()).splitlines())) > 70
