"""The schedule against the published one, and its corners."""

import numpy as np
import pytest
from tiny_run import resolved_schedule, schedule_of

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.presets import PRESETS, preset
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.configuration.schedule import Schedule

table = ResolutionTable.parse


def test_equals_the_published_schedule(reference):
    published = reference("stylegan1_schedule")
    config = resolved_schedule(
        start_resolution=8,
        batch_size=table("4:128,32:64,64:32,128:16"),
        learning_rate=table("4:0.001,128:0.0015"),
        learning_rate_rampup_kimg=100.0,
        total_kimg=8000.0,
    )
    schedule = Schedule(config, (4, 4), 6)
    for images_seen, row in zip(published.inputs["cur_nimg"], published.outputs["schedule"], strict=True):
        kimg, lod, resolution, batch_size, generator_rate, critic_rate, _ = row
        stage = schedule.at(int(images_seen))
        assert images_seen / 1000 == pytest.approx(kimg, abs=1e-2)
        assert 5 - stage.level + (1 - stage.fade_in) == pytest.approx(lod, abs=1e-5)
        assert stage.period.size == (resolution, resolution)
        assert stage.batch_size == batch_size
        assert stage.learning_rate == pytest.approx(generator_rate, rel=1e-5)
        assert stage.critic_learning_rate == pytest.approx(critic_rate, rel=1e-5)


def test_published_settings_of_the_1024_preset():
    config = preset("stylegan1")
    schedule = schedule_of(config, 9)
    assert schedule.total_images == 25_000_000
    assert schedule.periods[0].size == (8, 8)
    by_size = {period.size[0]: period for period in schedule.periods}
    batch_sizes = {8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4, 1024: 4}
    assert {size: period.batch_size for size, period in by_size.items()} == batch_sizes
    rates = {8: 0.001, 16: 0.001, 32: 0.001, 64: 0.001, 128: 0.0015, 256: 0.002, 512: 0.002, 1024: 0.002}
    assert {size: period.learning_rate for size, period in by_size.items()} == rates  # WGAN-GP: at most 0.002
    logistic = schedule_of(config.replace({"loss": "logistic"}), 9)
    assert logistic.periods[-1].learning_rate == 0.003
    assert {period.length for period in schedule.periods[:-1]} == {600_000}


def test_fading_rises_from_zero_to_one_and_then_stays():
    config = resolved_schedule(
        start_resolution=4, stage_kimg=table("1"), fade_kimg=table("2"), batch_size=table("8"), total_kimg=20.0
    )
    schedule = Schedule(config, (4, 4), 3)
    seen = [schedule.at(images) for images in (0, 1000, 1001, 2000, 3000, 3001, 4000, 5000, 19_999)]
    assert [stage.level for stage in seen] == [0, 0, 1, 1, 1, 1, 1, 2, 2]
    np.testing.assert_allclose([stage.fade_in for stage in seen], [1, 1, 0.0005, 0.5, 1, 1, 1, 0.5, 1])
    assert schedule.periods[-1].start + schedule.periods[-1].length == schedule.total_images


def test_without_fading_the_levels_follow_each_other():
    config = resolved_schedule(
        start_resolution=4, stage_kimg=table("1"), fade_kimg=table("0"), batch_size=table("8"), total_kimg=5.0
    )
    assert [period.level for period in Schedule(config, (4, 4), 3).periods] == [0, 1, 2]


def test_a_rectangle_grows_from_its_own_base():
    config = resolved_schedule(
        start_resolution=8, stage_kimg=table("1"), fade_kimg=table("1"), batch_size=table("8"), total_kimg=9.0
    )
    sizes = [period.size for period in Schedule(config, (4, 6), 5).periods]
    assert sizes == [(8, 12), (16, 24), (16, 24), (32, 48), (32, 48), (64, 96), (64, 96)]


def test_batch_sizes_follow_the_area_of_a_rectangle():
    assert table("4:8,64:2").at((32, 128)) == 2
    assert table("4:8,64:2").at((32, 120)) == 8


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
@pytest.mark.parametrize("grows", [True, False])
def test_only_networks_that_grow_begin_at_a_small_resolution(family, grows):
    architecture = "growing" if grows else "skip"
    config = TrainConfig().replace(
        {
            "family": family,
            "generator_architecture": architecture,
            "critic_architecture": architecture,
            "start_resolution": 4,
            "batch_size": table("4:16,16:8"),
            "total_kimg": 5000.0,
        }
    )
    periods = schedule_of(config, 3).periods
    if family == "stylegan1" or grows:
        assert [(period.level, period.fading) for period in periods] == [
            (0, False),
            (1, True),
            (1, False),
            (2, True),
            (2, False),
        ]
    else:
        (only,) = periods
        assert (only.level, only.size, only.fading, only.batch_size) == (2, (16, 16), False, 8)
        assert (only.start, only.length) == (0.0, 5_000_000)


def test_batch_sizes_that_are_left_open_follow_the_devices():
    growing, fixed = TrainConfig(), TrainConfig().replace({"family": "stylegan2"})
    assert schedule_of(growing, 9).at(0).batch_size == 128
    assert schedule_of(growing, 9, num_devices=2).at(0).batch_size == 256
    assert schedule_of(fixed, 9).at(0).batch_size == 4
    assert schedule_of(fixed, 9, num_devices=2).at(0).batch_size == 8


def test_steps_are_counted_from_where_a_period_begins():
    """Every step has its own number, also where the one before ended in the middle of it, as 600 kimg of 128 do."""
    config = resolved_schedule(
        start_resolution=4,
        stage_kimg=table("0.608"),
        fade_kimg=table("0.3"),
        batch_size=table("4:128,8:64,16:24"),
        total_kimg=4.0,
    )
    schedule = Schedule(config, (4, 4), 3)
    images_seen, numbers = 0, {}
    while images_seen < schedule.total_images:
        stage = schedule.at(images_seen)
        numbers.setdefault(stage.period.index, []).append(stage.step_at(images_seen))
        images_seen += stage.batch_size
    assert set(numbers) == {0, 1, 2, 3, 4}
    assert numbers[0][0] == 0
    for found in numbers.values():
        assert found == list(range(found[0], found[0] + len(found)))
    assert schedule.at(512).step_at(512 + 128) == 5  # of the step that follows, were this period to go on


@pytest.mark.parametrize("batch_sizes", ["8", "4:8,8:24,16:4", "4:64,8:40"])
@pytest.mark.parametrize("total_kimg", [0.02, 0.072, 0.076, 0.08, 0.1, 0.4])
@pytest.mark.parametrize("images_seen", [0, 70, 73, 200])
def test_periods_reached_are_those_of_the_steps(batch_sizes, total_kimg, images_seen):
    config = resolved_schedule(
        start_resolution=4,
        stage_kimg=table("0.072"),
        fade_kimg=table("0.0125"),
        batch_size=table(batch_sizes),
        total_kimg=total_kimg,
    )
    schedule, seen, wanted = Schedule(config, (4, 4), 3), images_seen, []
    while seen < schedule.total_images:
        period = schedule.at(seen).period
        wanted += [period] if period not in wanted else []
        seen += period.batch_size
    assert schedule.reached(images_seen) == wanted


def test_the_critic_may_learn_at_a_rate_of_its_own():
    config = preset("stylegan1").replace(
        {"critic_learning_rate": table("4:0.0005,128:0.004"), "loss": "logistic", "learning_rate_rampup_kimg": 1000.0}
    )
    schedule = schedule_of(config, 9)
    rates = {period.size[0]: (period.learning_rate, period.critic_learning_rate) for period in schedule.periods}
    assert [rates[size] for size in (8, 64, 128, 1024)] == [
        (0.001, 0.0005),
        (0.001, 0.0005),
        (0.0015, 0.004),
        (0.003, 0.004),
    ]
    stage = schedule.at(250_000)
    assert (stage.learning_rate, stage.critic_learning_rate) == pytest.approx((0.00025, 0.000125))
    assert schedule.rates_differ
    capped = schedule_of(config.replace({"loss": "wgan-gp"}), 9).periods[-1]
    assert (capped.learning_rate, capped.critic_learning_rate) == (0.002, 0.002)


def test_without_a_rate_of_its_own_the_critic_has_the_generators():
    schedule = schedule_of(preset("stylegan1"), 9)
    assert all(period.critic_learning_rate == period.learning_rate for period in schedule.periods)
    assert not schedule.rates_differ
    late = preset("stylegan1").replace({"critic_learning_rate": table("4:0.001,128:0.0015,256:0.002,1024:0.0001")})
    assert schedule_of(late, 9).rates_differ
    assert not schedule_of(late.replace({"total_kimg": 5000.0}), 9).rates_differ  # ends before they differ


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_reach_their_resolution(name):
    config = preset(name)
    config.validate()
    size = (int(config.data.resolution or 32),) * 2
    schedule = schedule_of(config, config.num_levels_for(size))
    assert schedule.periods[-1].size == size
    assert schedule.periods[-1].start < schedule.total_images


def test_unknown_preset():
    with pytest.raises(ValueError, match="preset must be one of tiny-stylegan2, .*Received: preset=huge"):
        preset("huge")


def test_default_configuration_is_valid():
    TrainConfig().validate()


def test_learning_rates_over_kimg_are_functions_of_the_clock_alone():
    values = {"learning_rate": KimgTable.parse("0:0.004,50%:0.004,100%:0.001"), "critic_learning_rate": table("0.002")}
    schedule = Schedule(resolved_schedule(**values, batch_size=table("8"), total_kimg=8.0), (4, 4), 3, grows=False)
    rates = [schedule.at(images).learning_rate for images in (0, 4000, 6000, 8000)]
    assert rates == pytest.approx([0.004, 0.004, 0.0025, 0.001])
    assert schedule.at(6000).critic_learning_rate == 0.002
    assert schedule.rates_differ and schedule.rates_move
    assert schedule.rates_at_end(schedule.periods[0]) == pytest.approx((0.001, 0.002))
    limited = Schedule(schedule.config, (4, 4), 3, grows=False, learning_rate_limit=0.003)
    assert [limited.at(images).learning_rate for images in (0, 8000)] == pytest.approx([0.003, 0.001])


def test_batch_sizes_over_kimg_split_periods_and_not_the_fade():
    config = resolved_schedule(
        start_resolution=4,
        stage_kimg=table("1"),
        fade_kimg=table("2"),
        batch_size=KimgTable.parse("0:4,2:8:step"),
        total_kimg=6.0,
    )
    schedule = Schedule(config, (4, 4), 2)
    rows = [(period.level, period.fading, period.start, period.batch_size) for period in schedule.periods]
    assert rows == [(0, False, 0, 4), (1, True, 1000, 4), (1, True, 2000, 8), (1, False, 3000, 8)]
    assert [schedule.at(images).fade_in for images in (1500, 2000, 2500, 3000)] == [0.25, 0.5, 0.75, 1.0]
    assert [period.into_level for period in schedule.periods] == [0, 0, 1000, 0]


def test_settings_of_other_sections_over_kimg():
    config = TrainConfig().replace(
        {
            "loss": "logistic",
            "total_kimg": 4.0,
            "r1_gamma": KimgTable.parse("0:2,2:1"),
            "adam_beta2": KimgTable.parse("0:0.9,100%:0.99"),
        }
    )
    schedule = schedule_of(config, 3)
    assert schedule.at(1000).settings == pytest.approx({"r1_gamma": 1.5, "adam_beta2": 0.9225})
    assert schedule_of(TrainConfig(), 3).at(1000).settings == {}


def test_a_batch_size_that_begins_at_a_share_of_the_run_is_in_force_there():
    config = resolved_schedule(batch_size=KimgTable.parse("0:4,1%:8:step"), total_kimg=14.5)
    schedule = Schedule(config, (4, 4), 2, grows=False)  # 1 % of 14.5 is rounded, and in percent a little less than 1
    assert [(period.start, period.batch_size) for period in schedule.periods] == [(0, 4), (145, 8)]
