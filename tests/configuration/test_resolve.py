"""Settings that follow from resolution and devices, against the published rules."""

import json

import pytest

from stylegan_tf.configuration.config import TrainConfig, all_fields
from stylegan_tf.configuration.families import automatic_batch_size, published_batch_sizes
from stylegan_tf.configuration.presets import preset
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.configuration.resolve import Decisions, config_json, resolve

table = ResolutionTable.parse
OPEN = TrainConfig().replace(
    {
        "family": "stylegan2",
        "loss": "logistic",
        "batch_size": None,
        "r1_gamma": None,
        "ema_half_life_kimg": None,
        "augment": "adaptive",
        "augment_kimg": None,
    }
)
NAMES = ("batch_size", "critic_learning_rate", "r1_gamma", "ema_half_life_kimg", "augment_kimg", "augment_from")

# Batch size, gamma and half-life by (resolution, devices), from the published rules by hand.
BY_HAND = {
    (32, 1): (32, 0.0064, 10.0),
    (128, 1): (32, 0.1024, 10.0),
    (256, 1): (16, 0.8192, 5.0),
    (512, 1): (8, 6.5536, 2.5),
    (1024, 1): (4, 52.4288, 1.25),
    (32, 2): (64, 0.0032, 20.0),
    (32, 8): (64, 0.0032, 20.0),
    (1024, 8): (32, 6.5536, 10.0),
    (64, 100): (100, 0.008192, 31.25),
}


@pytest.mark.parametrize(("resolution", "devices"), BY_HAND)
def test_stylegan2_follows_the_published_rules(resolution, devices):
    filled = resolve(OPEN, (resolution, resolution), devices)
    batch, gamma, half_life = BY_HAND[resolution, devices]
    assert filled.schedule.batch_size == table(str(batch))
    assert filled.loss.r1_gamma == pytest.approx(gamma, rel=1e-9)
    assert filled.optimizer.ema_half_life_kimg == pytest.approx(half_life, rel=1e-9)
    filled.validate()


@pytest.mark.parametrize("devices", [1, 2, 3, 4, 8, 16, 100])
@pytest.mark.parametrize("resolution", [4 << n for n in range(9)])
def test_batch_sizes_of_squares(resolution, devices):
    want = max(min(devices * min(4096 // resolution, 32), 64), devices)
    assert automatic_batch_size((resolution, resolution), devices) == want


@pytest.mark.parametrize(("size", "batch", "gamma"), [((256, 1024), 8, 6.5536), ((128, 512), 16, 0.8192)])
def test_a_rectangle_counts_as_the_square_of_its_area(size, batch, gamma):
    filled = resolve(OPEN, size, 1)
    assert filled.schedule.batch_size == table(str(batch))
    assert filled.loss.r1_gamma == pytest.approx(gamma)


def test_gamma_and_half_life_follow_a_batch_size_that_is_given():
    filled = resolve(OPEN.replace({"batch_size": table("4:64,32:8")}), (64, 64), 4)
    assert filled.schedule.batch_size == table("4:64,32:8")
    assert filled.loss.r1_gamma == pytest.approx(0.0002 * 64**2 / 8)
    assert filled.optimizer.ema_half_life_kimg == pytest.approx(2.5)


def test_the_critic_learns_at_the_generators_rate_unless_it_has_one():
    config = OPEN.replace({"learning_rate": table("4:0.1,8:0.2")})
    assert resolve(config, (32, 32), 1).schedule.critic_learning_rate == table("4:0.1,8:0.2")
    apart = config.replace({"critic_learning_rate": 0.3})
    assert resolve(apart, (32, 32), 1).schedule.critic_learning_rate == table("0.3")


@pytest.mark.parametrize(("start", "kimg"), [("", 500.0), ("runs/other", 100.0)])
def test_the_strength_of_the_augmentation_moves_faster_when_networks_are_transferred(start, kimg):
    assert resolve(OPEN.replace({"initialize_from": start}), (32, 32), 1).augment.augment_kimg == kimg


def test_what_is_given_stays():
    given = {
        "batch_size": table("24"),
        "critic_learning_rate": table("0.5"),
        "r1_gamma": 0.0,
        "ema_half_life_kimg": 3.0,
        "augment_kimg": 7.0,
        "augment_from": 16,
    }
    config = OPEN.replace(given)
    filled = resolve(config, (256, 256), 8)
    assert all(filled.get(field.name) == config.get(field.name) for _, field in all_fields())


def test_nothing_else_changes_and_the_configuration_itself_stays_open():
    filled = resolve(OPEN, (32, 32), 1)
    assert all(OPEN.get(name) is None for name in NAMES)
    others = [field.name for _, field in all_fields() if field.name not in NAMES]
    assert all(filled.get(name) == OPEN.get(name) for name in others)
    assert TrainConfig.from_json(OPEN.to_json()) == OPEN


def test_stylegan_has_its_own_published_batch_sizes():
    filled = resolve(TrainConfig(), (1024, 1024), 2)
    assert filled.schedule.batch_size == published_batch_sizes(2) == table("4:256,32:128,64:64,128:32,256:16,512:8")
    gamma = resolve(TrainConfig().replace({"r1_gamma": None}), (256, 256), 1).loss.r1_gamma
    assert gamma == pytest.approx(0.0002 * 256**2 / 8)  # of the last resolution's batch


def test_published_batch_sizes_of_eight_devices():
    eight = published_batch_sizes(8)
    assert [eight.at((size, size)) for size in (4, 8, 16, 32, 64, 1024)] == [512, 256, 128, 64, 32, 32]
    assert published_batch_sizes(3).rows == published_batch_sizes(2).rows


def test_the_preset_leaves_open_what_is_filled_in():
    config = preset("stylegan2-ada")
    assert [config.get(name) for name in NAMES] == [None] * 6
    filled = resolve(config, (1024, 1024), 8)
    assert filled.schedule.batch_size == table("32")
    assert filled.loss.r1_gamma == pytest.approx(6.5536)
    assert filled.augment.augment_kimg == 500.0


def reopened(asked, resolved):
    """What the run's config.json tells a resumed run."""
    text = config_json(asked, resolved)
    assert TrainConfig.from_json(text) == asked
    return Decisions.from_json(text)


def test_a_run_goes_on_as_it_began_on_other_devices():
    began = resolve(OPEN, (256, 256), 8)
    assert (began.schedule.batch_size, began.batch_devices) == (table("64"), 8)
    kept = reopened(OPEN, began)
    for devices in (1, 2, 8, 16):
        goes_on = resolve(OPEN, (256, 256), devices, kept)
        assert [goes_on.get(name) for name in NAMES] == [began.get(name) for name in NAMES]
        assert goes_on.batch_devices == 8
        assert reopened(OPEN, goes_on) == kept


def test_what_is_asked_anew_is_done_as_long_as_it_is_asked_and_the_losses_stay():
    kept = reopened(OPEN, resolve(OPEN, (256, 256), 8))
    fewer = OPEN.replace({"batch_size": table("16")})
    goes_on = resolve(fewer, (256, 256), 1, kept)
    assert (goes_on.schedule.batch_size, goes_on.batch_devices) == (table("16"), 1)
    assert goes_on.loss.r1_gamma == pytest.approx(0.2048)
    assert goes_on.optimizer.ema_half_life_kimg == 20.0
    assert reopened(fewer, goes_on) == kept
    assert resolve(OPEN, (256, 256), 1, kept).schedule.batch_size == table("64")


def test_a_transfer_keeps_its_speed_without_the_flag():
    transfer = OPEN.replace({"initialize_from": "runs/other"})
    kept = reopened(transfer, resolve(transfer, (32, 32), 1))
    assert resolve(OPEN, (32, 32), 1, kept).augment.augment_kimg == 100.0


def test_a_run_of_a_version_that_adjusted_from_the_start_goes_on_so():
    text = json.loads(config_json(OPEN, resolve(OPEN, (32, 32), 1)))
    assert resolve(OPEN, (32, 32), 1, Decisions.from_json(json.dumps(text))).augment.augment_from == 32
    del text["augment"]["augment_from"], text["resolved"]["augment_from"]
    kept = Decisions.from_json(json.dumps(text))
    assert resolve(OPEN, (32, 32), 1, kept).augment.augment_from == 0


def test_the_strength_cannot_be_adjusted_from_a_resolution_that_there_is_not():
    config = TrainConfig().replace({"augment": "adaptive", "loss": "logistic", "augment_from": 64})
    with pytest.raises(ValueError, match="augment_from must be at most the last resolution, 32. Received: 64."):
        resolve(config, (48, 32), 1)


def test_a_file_of_a_version_that_kept_nothing():
    assert Decisions.from_json(OPEN.to_json()) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_devices", 0),
        ("num_devices", "two"),
        ("r1_gamma", -1.0),
        ("r1_gamma", None),
        ("batch_size", "x"),
        ("batch_size", "0.5"),
        ("augment_kimg", True),
    ],
)
def test_damaged_decisions_are_refused(name, value):
    text = json.loads(config_json(OPEN, resolve(OPEN, (32, 32), 1)))
    text["resolved"][name] = value
    with pytest.raises(ValueError, match=f"{name}|table"):
        Decisions.from_json(json.dumps(text))
