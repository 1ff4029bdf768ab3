"""A third family is a module and a record: it trains, goes on, draws and is exported with no further word."""

import numpy as np
import pytest
from tiny_run import table, tiny_config, write_images
from toy_family import TOY
from unverified import export_unverified

from stylegan_tf import load_generator
from stylegan_tf.cli.convert import export_safetensors
from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.families import FAMILIES, register
from stylegan_tf.configuration.options import FAMILY_SUMMARIES
from stylegan_tf.configuration.presets import preset
from stylegan_tf.errors import UserError
from stylegan_tf.training.run import run_training


@pytest.fixture(scope="module", autouse=True)
def registered():
    register(TOY)
    yield
    del FAMILIES[TOY.name], FAMILY_SUMMARIES[TOY.name]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run of two steps, and one that resumes it for two more."""
    folder = tmp_path_factory.mktemp("toy")
    pictures = write_images(folder / "pictures", count=8)
    values = {"data": str(pictures), "run_dir": str(folder / "run"), "family": "toy", "batch_size": table("4")}
    assert run_training(tiny_config(**values, total_kimg=0.008)) == 0
    half_way = load_generator(folder / "run").images(range(4), psi=1.0)
    assert run_training(tiny_config(**values, total_kimg=0.016)) == 0
    assert np.any(load_generator(folder / "run").images(range(4), psi=1.0) != half_way)
    return folder / "run"


@pytest.mark.slow
def test_the_plan_says_what_it_is(run_dir):
    log = (run_dir / "log.txt").read_text()
    assert "Networks   Toys" in log
    assert "Resuming at 0.008 kimg" in log


@pytest.mark.slow
def test_an_export_draws_what_the_run_draws(run_dir, tmp_path):
    export_unverified(run_dir, tmp_path / "export")
    images = load_generator(run_dir).images(range(3), psi=0.5)
    assert images.shape == (3, 8, 8, 3) and images.std() > 0
    np.testing.assert_array_equal(load_generator(tmp_path / "export").images(range(3), psi=0.5), images)


@pytest.mark.slow
def test_it_has_no_published_names(run_dir, tmp_path):
    with pytest.raises(
        UserError, match=r"published names are known of the families stylegan1, stylegan2. Received: toy"
    ):
        export_safetensors(str(run_dir), "generator_ema", "newest", tmp_path / "toy.safetensors")


def test_an_unknown_family_is_refused():
    with pytest.raises(UserError, match="family must be one of stylegan1, stylegan2, toy. Received: stylegan9"):
        TrainConfig().replace({"family": "stylegan9", "data": "any"}).validate()


def test_families_have_the_names_that_people_know():
    names = {name: preset(name).family.title(preset(name).network) for name in ("progan", "stylegan1", "stylegan2-f")}
    assert names == {"progan": "ProGAN", "stylegan1": "StyleGAN", "stylegan2-f": "StyleGAN2"}
