"""The schedule against the published one, and its corners."""

import numpy as np
import pytest

from stylegan_tf.config import ResolutionTable, ScheduleConfig, TrainConfig
from stylegan_tf.presets import preset
from stylegan_tf.training.schedule import Schedule, published_batch_sizes

table = ResolutionTable.parse


def test_equals_the_published_schedule(reference):
    published = reference("stylegan1_schedule")
    config = ScheduleConfig(
        start_resolution=8, batch_size=table("4:128,32:64,64:32,128:16"), learning_rate=table("4:0.001,128:0.0015"),
        learning_rate_rampup_kimg=100.0, total_kimg=8000.0,
    )
    schedule = Schedule(config, (4, 4), 6)
    for images_seen, row in zip(published.inputs["cur_nimg"], published.outputs["schedule"], strict=True):
        kimg, lod, resolution, batch_size, generator_rate, critic_rate, _ = row
        stage = schedule.at(int(images_seen))
        assert images_seen / 1000 == pytest.approx(kimg, abs=1e-2)
        assert 5 - stage.level + (1 - stage.fade_in) == pytest.approx(lod, abs=1e-5)
        assert stage.phase.size == (resolution, resolution)
        assert stage.batch_size == batch_size
        assert stage.learning_rate == pytest.approx(generator_rate, rel=1e-5) == pytest.approx(critic_rate)


def test_published_settings_of_the_1024_preset():
    config = preset("stylegan1")
    schedule = Schedule.from_config(config, 9)
    assert schedule.total_images == 25_000_000
    assert schedule.phases[0].size == (8, 8)
    by_size = {phase.size[0]: phase for phase in schedule.phases}
    batch_sizes = {8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4, 1024: 4}
    assert {size: phase.batch_size for size, phase in by_size.items()} == batch_sizes
    rates = {8: 0.001, 16: 0.001, 32: 0.001, 64: 0.001, 128: 0.0015, 256: 0.002, 512: 0.002, 1024: 0.002}
    assert {size: phase.learning_rate for size, phase in by_size.items()} == rates  # WGAN-GP: at most 0.002
    logistic = Schedule.from_config(config.replace({"loss": "logistic"}), 9)
    assert logistic.phases[-1].learning_rate == 0.003
    assert {phase.length for phase in schedule.phases[:-1]} == {600_000}


def test_published_batch_sizes_of_eight_devices():
    eight = published_batch_sizes(8)
    assert [eight.at((size, size)) for size in (4, 8, 16, 32, 64, 1024)] == [512, 256, 128, 64, 32, 32]
    assert published_batch_sizes(3).rows == published_batch_sizes(2).rows


def test_fading_rises_from_zero_to_one_and_then_stays():
    config = ScheduleConfig(
        start_resolution=4, stage_kimg=table("1"), fade_kimg=table("2"), batch_size=table("8"), total_kimg=20.0
    )
    schedule = Schedule(config, (4, 4), 3)
    seen = [schedule.at(images) for images in (0, 1000, 1001, 2000, 3000, 3001, 4000, 5000, 19_999)]
    assert [stage.level for stage in seen] == [0, 0, 1, 1, 1, 1, 1, 2, 2]
    np.testing.assert_allclose([stage.fade_in for stage in seen], [1, 1, 0.0005, 0.5, 1, 1, 1, 0.5, 1])
    assert schedule.phases[-1].start + schedule.phases[-1].length == schedule.total_images


def test_without_fading_the_levels_follow_each_other():
    config = ScheduleConfig(start_resolution=4, stage_kimg=table("1"), fade_kimg=table("0"), total_kimg=5.0)
    assert [phase.level for phase in Schedule(config, (4, 4), 3).phases] == [0, 1, 2]


def test_a_rectangle_grows_from_its_own_base():
    config = ScheduleConfig(start_resolution=8, stage_kimg=table("1"), fade_kimg=table("1"), total_kimg=9.0)
    sizes = [phase.size for phase in Schedule(config, (4, 6), 5).phases]
    assert sizes == [(8, 12), (16, 24), (16, 24), (32, 48), (32, 48), (64, 96), (64, 96)]


def test_batch_sizes_follow_the_area_of_a_rectangle():
    assert table("4:8,64:2").at((32, 128)) == 2
    assert table("4:8,64:2").at((32, 120)) == 8


@pytest.mark.parametrize("name", ["tiny", "stylegan1", "stylegan1-256", "digits"])
def test_presets_are_valid_and_reach_their_resolution(name):
    config = preset(name)
    config.validate()
    size = (int(config.data.resolution or 32),) * 2
    schedule = Schedule.from_config(config, config.num_levels_for(size))
    assert schedule.phases[-1].size == size
    assert schedule.phases[-1].start < schedule.total_images


def test_unknown_preset():
    with pytest.raises(ValueError, match="preset must be one of tiny, .*Received: preset=huge"):
        preset("huge")


def test_default_configuration_is_valid():
    TrainConfig().validate()
