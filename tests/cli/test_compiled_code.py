"""Where compiled code is kept: by version and card, and only where the flags are known."""

from __future__ import annotations

import os
import sys

import pytest

from stylegan_tf.cli import compiled_code
from stylegan_tf.cli.compiled_code import keep_compiled_code

VARIABLES = ("TF_XLA_FLAGS", "XLA_FLAGS")


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that it goes away at the end, too
        monkeypatch.delenv(name)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(compiled_code, "_tensorflow_version", lambda: "2.21.0")


@pytest.fixture
def card(tmp_path):
    """A file system with a card and its driver."""
    driver = tmp_path / "proc" / "driver" / "nvidia"
    (driver / "gpus" / "0000:01:00.0").mkdir(parents=True)
    (driver / "gpus" / "0000:01:00.0" / "information").write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 9\n")
    (driver / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27\n")
    return tmp_path


def flags():
    return [os.environ.get(name, "") for name in VARIABLES]


def test_folders_are_named_by_version_card_and_driver(card, tmp_path):
    keep_compiled_code(str(tmp_path / "cache"), system=card)
    folder = tmp_path / "cache" / "xla" / "tensorflow-2.21.0" / "NVIDIA-H100-80GB-HBM3-580.65.06"
    assert flags() == [
        f"--tf_xla_persistent_cache_directory={folder / 'code'}",
        f"--xla_gpu_per_fusion_autotune_cache_dir={folder / 'autotuning'}",
    ]
    assert (folder / "code").is_dir() and (folder / "autotuning").is_dir()


def test_the_environment_goes_first(card, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=/there")
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0")
    keep_compiled_code(str(tmp_path / "cache"), system=card)
    assert flags()[0] == "--tf_xla_persistent_cache_directory=/there"
    assert flags()[1].startswith("--xla_gpu_autotune_level=0 --xla_gpu_per_fusion_autotune_cache_dir=")


def test_without_a_card_nothing_is_kept_unless_it_is_asked_for(tmp_path):
    keep_compiled_code(str(tmp_path / "cache"), system=tmp_path)
    assert flags() == ["", ""] and not (tmp_path / "cache").exists()
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC\n")
    keep_compiled_code(str(tmp_path / "cache"), on_cpu=True, system=tmp_path)
    assert "/AMD-EPYC/code" in flags()[0]


def test_other_versions_are_given_no_flags(card, tmp_path, monkeypatch):
    monkeypatch.setattr(compiled_code, "_tensorflow_version", lambda: "2.30.0")
    keep_compiled_code(str(tmp_path / "cache"), system=card)
    assert flags() == ["", ""]


def test_a_cache_that_cannot_be_written_is_none(card, tmp_path):
    (tmp_path / "cache").write_text("a file")
    keep_compiled_code(str(tmp_path / "cache"), system=card)
    assert flags() == ["", ""]
