"""Starting from a published network by its name."""

import dataclasses
import hashlib
import pathlib
import shutil

import pytest
from tiny_run import write_images

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.downloads import download
from stylegan_tf.pretrained import catalogue, fetch
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.preparation import prepare_run
from stylegan_tf.training.published_source import PublishedSource

PICKLE = pathlib.Path(__file__).parents[1] / "reference" / "pickles" / "stylegan2_ada_2021style.pkl"


@pytest.fixture
def file(tmp_path):
    return pathlib.Path(shutil.copy(PICKLE, tmp_path / "published.pkl"))


@pytest.fixture
def downloads(file, monkeypatch):
    """The addresses that were asked for; the catalogue has "little", whose file is on this machine."""
    entry = dataclasses.replace(
        catalogue.PUBLISHED_NETWORKS[-1],
        name="little",
        url=f"file://{file}",
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    asked = []
    monkeypatch.setattr(catalogue, "PUBLISHED_NETWORKS", (*catalogue.PUBLISHED_NETWORKS, entry))
    monkeypatch.setattr(fetch, "download", lambda url, *rest, **more: asked.append(url) or download(url, *rest, **more))
    return asked


def config_of(tmp_path, form=None):
    small = TrainConfig().replace({"feature_maps_max": 4, "z_size": 8, "w_size": 8, "mapping_layers": 1})
    config = small if form is None else RunDirectory(form).read_config()
    return config.replace(
        {
            "family": "stylegan2",
            "loss": "logistic",
            "data": str(write_images(tmp_path / "images", 8, (16, 16))),
            "run_dir": str(tmp_path / "run"),
            "cache_dir": str(tmp_path / "cache"),
            "initialize_from": "little",
            "batch_size": 8,
            "dtype_policy": "float32",
        }
    )


@pytest.mark.slow
def test_it_is_downloaded_and_converted_once(downloads, tmp_path, capsys):
    source = PublishedSource("little", str(tmp_path / "cache"))
    source.prepare()
    assert source.converted and source.pickle.read_bytes() == PICKLE.read_bytes()
    assert f"with its form in --preset={source.run}/config.json" in capsys.readouterr().out
    source.pickle.unlink()  # not needed any more
    run = prepare_run(config_of(tmp_path, source.run))
    assert len(downloads) == 1
    assert f"Starts from {source.run} at 0 kimg" in run.start
    taken = [line for line in run.start.splitlines() if "arrays taken" in line]
    assert [line.split()[1] for line in taken] == [line.split()[3] for line in taken] and len(taken) == 3


def test_a_dry_run_downloads_nothing_and_says_what_it_would(downloads, tmp_path):
    run = prepare_run(config_of(tmp_path), dry_run=True)
    lines = run.start.splitlines()
    assert lines[0].startswith("Would start from little; its licence is Nvidia")
    assert lines[1].endswith(f"-little.pkl would be downloaded from file://{tmp_path}/published.pkl")
    assert lines[2].endswith("-little/config.json")
    assert not downloads and not (tmp_path / "cache").exists()


def test_another_file_leaves_nothing(downloads, file, tmp_path):
    file.write_bytes(file.read_bytes() + b"x")
    source = PublishedSource("little", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="must be .*; nothing was kept.*Or fetch it from .*--pickle=FILE"):
        source.prepare()
    assert not source.converted and not list(source.pickle.parent.iterdir())


def test_a_directory_of_that_name_goes_first(downloads, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "little").mkdir()
    with pytest.raises(ValueError, match="initialize_from must be a run's directory .* Received: little"):
        prepare_run(config_of(tmp_path))
    assert not downloads
