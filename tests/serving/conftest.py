"""Tiny generators and runs that the serving tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import pytest
import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.configuration.resolve import resolve
from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.networks.build import build_generator, shape_of
from stylegan_tf.networks.generator import Generator
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.serving.endpoints import ServedGenerator, build_endpoints
from stylegan_tf.serving.export import write_saved_model
from stylegan_tf.serving.verify import fixed_inputs
from stylegan_tf.serving.warmup import write_warmup
from stylegan_tf.training.state import TrainState

TINY = {
    "z_size": 8,
    "w_size": 12,
    "mapping_layers": 2,
    "feature_maps_base": 32,
    "feature_maps_max": 8,
    "start_resolution": 4,
    "truncation_psi": 0.6,
    "truncation_cutoff": 3,
}


def _look_trained(generator: Generator) -> None:
    """Noise strengths, biases and the mean of w start at zero, where mistakes with them would not show."""
    for weight in generator.weights:
        if weight.path.rpartition("/")[2] in ("strength", "bias", "w_average"):
            weight.assign(0.2 * keras.random.normal(weight.shape))
    for layer in generator.synthesis.to_rgb:
        layer.kernel.assign(0.3 * layer.kernel)  # few pixels beyond [-1, 1]


@pytest.fixture(scope="session")
def make_served() -> Callable[..., ServedGenerator]:
    """`make_served(num_levels, num_classes, level=, fade_in=, cutoff=, **fields)`: a tiny generator to serve."""

    def make(
        num_levels: int = 2,
        num_classes: int = 0,
        *,
        level: int | None = None,
        fade_in: float | None = None,
        cutoff: int | None = 3,
        **fields: Any,
    ) -> ServedGenerator:
        keras.utils.set_random_seed(7)
        config = TrainConfig().replace({**TINY, **fields})
        generator = build_generator(config.network, shape_of(config, num_levels, num_classes))
        _look_trained(generator)
        return ServedGenerator(GeneratorAtLevel(generator, level, fade_in), 0.6, cutoff)

    return make


class Model(NamedTuple):
    """A model as a server finds it: the base path, which holds version 1, and what it was made of."""

    base_path: Path
    served: ServedGenerator


@pytest.fixture(scope="session")
def pets(make_served, tmp_path_factory) -> Model:
    """A conditional model of three classes, 8x8 RGB."""
    served = make_served(num_levels=2, num_classes=3)
    base_path = tmp_path_factory.mktemp("pets")
    endpoints = build_endpoints(served)
    write_saved_model(endpoints, base_path / "1")
    write_warmup(base_path / "1", [(endpoint.name, fixed_inputs(served, endpoint, 1)) for endpoint in endpoints])
    return Model(base_path, served)


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    """`make_run(path, images_seen=, label_names=, checkpoint=)`: a run of 8x8 images, faded in from 1000 to 2000."""

    def make(path: Path, images_seen: int = 1750, label_names: tuple[str, ...] = (), checkpoint: bool = True) -> Path:
        config = TrainConfig().replace(
            {
                **TINY,
                "stage_kimg": ResolutionTable.parse("1"),
                "fade_kimg": ResolutionTable.parse("1"),
                "total_kimg": 10.0,
                "batch_size": ResolutionTable.parse("4"),
                "use_labels": bool(label_names),
            }
        )
        directory = RunDirectory(path)
        dataset = DatasetInfo("made up", 100, (8, 8), 3, "0" * 8, label_names)
        resolved = resolve(config, dataset.size, 1)
        directory.prepare(config, resolved, dataset)
        if checkpoint:
            state = TrainState(config, 2, len(label_names), "float32")
            _look_trained(state.generator_ema)
            state.set_clock(images_seen, Schedule.from_config(resolved, 2).at(images_seen))
            tf.train.CheckpointManager(state.checkpoint, str(directory.checkpoints), max_to_keep=1).save()
        return path

    return make


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One browser for all tests of the page."""
    from browsing import open_browser  # needs selenium

    driver = open_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def api(make_served, tmp_path_factory):
    """A model without classes, of 8x8 images."""
    from browsing import export_to

    return export_to(tmp_path_factory.mktemp("plain"), make_served(), truncation_psi=0.6)


@pytest.fixture
def page(browser, api):
    """The page before `api`, with nothing kept."""
    from browsing import Page, serving

    with serving(api) as server:
        page = Page(browser, server.url)
        page.wait()
        yield page
        # Nothing that the policy forbids, and no error in the scripts.
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
