"""A run and an export of an earlier version stay usable: StyleGAN2 at 8x8 after two steps, made in November 2026.

`tests/training/test_run.py` goes on with an older one, of a growing network in the midst of its training.
"""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tiny_run import write_images

from stylegan_tf import load_generator
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.serving.rest import RestApi
from stylegan_tf.training.run import run_training
from stylegan_tf.training.transfer import read_networks

PSI = 0.7


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """run/, export/1/, and images.npy, what both drew for seeds 0 to 3 when they were made."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(Path(__file__).parent / "old" / "stylegan2.tar.gz") as archive:
        # Python 3.11 knows filters from its fourth patch on; the archive is our own.
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder


def assert_same_images(images, old):
    """Up to rounding, which differs between processors."""
    np.testing.assert_allclose(np.asarray(images, int), np.load(old / "images.npy").astype(int), atol=1)


@pytest.mark.parametrize("kind", ["run", "export"])
@pytest.mark.slow
def test_it_draws_what_it_drew(old, kind):
    assert_same_images(load_generator(old / kind).images(range(4), psi=PSI), old)


def test_the_export_is_served(old):
    request = {"signature_name": "from_seed", "inputs": {"seed": [0, 1, 2, 3], "truncation_psi": [PSI] * 4}}
    status, answer = RestApi(old / "export").answer("POST", "/v1/models/stylegan:predict", json.dumps(request).encode())
    assert status == 200, answer
    assert_same_images(answer["outputs"], old)


@pytest.mark.parametrize("kind", ["run", "export"])
def test_another_run_can_start_from_it(old, kind):
    networks = read_networks(old / kind)
    assert networks.family == "stylegan2"
    ws = networks.weights["generator_ema"]["generator/w_average"]
    assert ws.shape == (4,) and np.any(ws != 0)


@pytest.mark.slow
def test_the_run_goes_on(old, tmp_path, capsys):
    pictures = write_images(tmp_path / "pictures", count=8)
    asked = {"data": str(pictures), "run_dir": str(old / "run"), "total_kimg": 0.016}
    config = RunDirectory(old / "run").read_config().replace(asked)
    assert run_training(config) == 0
    assert "Resuming at 0.008 kimg" in capsys.readouterr().out
    assert RunDirectory(old / "run").newest_images_seen() == 16
