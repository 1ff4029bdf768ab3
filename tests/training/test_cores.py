"""How the cores of a CPU share a step."""

import os

import pytest
from tiny_run import table, tiny_config

from stylegan_tf.data.workers import core_count
from stylegan_tf.training.cores import parts_at_once, use_cores


@pytest.mark.parametrize(
    ("images", "group", "cores", "parts"),
    [
        (8, 4, 1, 1),
        (8, 4, 2, 2),
        (8, 4, 64, 2),
        (16, 4, 3, 2),
        (24, 4, 4, 3),
        (8, None, 8, 1),
        (8, 0, 3, 2),
        (6, 1, 4, 3),
        (3, 4, 4, 1),
        (7, 1, 4, 1),
        (1, 1, 4, 1),
    ],
)
def test_parts_are_equal_and_leave_groups_whole(images, group, cores, parts):
    assert parts_at_once(images, group, cores) == parts


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr("stylegan_tf.training.cores.core_count", lambda: 2)
    for name in ("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS"):
        monkeypatch.setenv(name, "")  # so that it goes away at the end, too
        monkeypatch.delenv(name)


def told():
    return os.environ.get("TF_ENABLE_ONEDNN_OPTS"), os.environ.get("TF_NUM_INTRAOP_THREADS")


@pytest.mark.parametrize(
    ("values", "threads"),
    [
        ({"batch_size": 8}, "1"),
        ({"batch_size": table("4:4,8:8")}, "1"),
        ({"batch_size": 4}, None),
        ({"batch_size": None}, None),
        ({"batch_size": 8, "num_devices": 2}, None),
    ],
)
def test_operations_get_the_threads_that_parts_leave(two_cores, tmp_path, values, threads):
    use_cores(tiny_config(**values), tmp_path)
    assert told() == ("1", threads)


def test_what_the_environment_says_stays(two_cores, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "5")
    use_cores(tiny_config(batch_size=8), tmp_path)
    assert told() == ("0", "5")


def test_nothing_is_set_where_there_is_a_card(two_cores, tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidiactl").touch()
    use_cores(tiny_config(batch_size=8), tmp_path)
    assert told() == (None, None)


def test_cores_are_those_that_this_process_may_use():
    assert 1 <= core_count() <= os.cpu_count()
