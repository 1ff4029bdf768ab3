"""Profiles of steps."""

from types import SimpleNamespace

import pytest
import tensorflow as tf
from tiny_run import report

from stylegan_tf.training import profile as profile_module
from stylegan_tf.training.profile import Profile
from stylegan_tf.training.statistics import Statistics


class Profiler:
    """Writes down what is asked of TensorFlow's profiler."""

    def __init__(self):
        self.calls = []

    def start(self, folder):
        self.calls.append("start")

    def stop(self):
        self.calls.append("stop")

    def Trace(self, name, step_num, _r):
        calls = self.calls

        class Marker:
            def __enter__(self):
                calls.append(step_num)

            def __exit__(self, *error):
                calls.append(-step_num)

        return Marker()


@pytest.fixture
def profiler(monkeypatch):
    made = Profiler()
    fake = SimpleNamespace(profiler=SimpleNamespace(experimental=made))
    monkeypatch.setattr(profile_module, "tf", fake)
    return made


def take_steps(profile, count, calls=None):
    for number in range(1, count + 1):
        if calls is not None:
            calls.append(f"step {number}")
        if profile.due(8 * number - 8, 8 * number):
            profile.run(SimpleNamespace(statistics=Statistics()))


def test_exactly_these_steps_are_recorded_each_in_its_marker(profiler, tmp_path):
    logged = []
    with Profile((3, 4), tmp_path, logged.append) as profile:
        take_steps(profile, 6, profiler.calls)
    assert profiler.calls == [
        "step 1", "step 2", "start", 3, "step 3", -3, 4, "step 4", -4, "stop", "step 5", "step 6"
    ]  # fmt: skip
    assert logged == [f"The profile of steps 3 to 4 lies in {tmp_path}/plugins/profile"]


def test_a_single_step(profiler, tmp_path):
    with Profile((2, 2), tmp_path, print) as profile:
        take_steps(profile, 3, profiler.calls)
    assert profiler.calls == ["step 1", "start", 2, "step 2", -2, "stop", "step 3"]


@pytest.mark.parametrize(("count", "steps"), [(4, "steps 3 to 4"), (2, "no whole step")])
def test_a_recording_ends_with_the_training(profiler, tmp_path, count, steps):
    """Also when the training is interrupted, or breaks down."""
    logged = []
    with pytest.raises(KeyboardInterrupt), Profile((3, 9), tmp_path, logged.append) as profile:
        take_steps(profile, count)
        raise KeyboardInterrupt
    assert profiler.calls[-2:] == [-count - 1, "stop"]
    assert profiler.calls.count("start") == profiler.calls.count("stop") == 1
    assert logged == [f"The profile of {steps} lies in {tmp_path}/plugins/profile"]


def test_a_recording_ends_before_what_else_is_done_at_the_end_and_says_so_once(profiler, tmp_path):
    logged = []
    with Profile((3, 9), tmp_path, logged.append) as profile:
        take_steps(profile, 4)
        profile.finish(None)
        assert profiler.calls[-1] == "stop"
    with Profile((10, 11), tmp_path, logged.append) as profile:
        take_steps(profile, 1)
        profile.finish(None)
    assert profiler.calls.count("stop") == 1
    assert logged == [
        f"The profile of steps 3 to 4 lies in {tmp_path}/plugins/profile",
        "Nothing was profiled: this run ended after 1 steps, before step 10.",
    ]


def test_a_run_that_ends_before_says_so(profiler, tmp_path):
    logged = []
    with Profile((10, 11), tmp_path, logged.append) as profile:
        take_steps(profile, 4)
    assert profiler.calls == []
    assert logged == ["Nothing was profiled: this run ended after 4 steps, before step 10."]


def test_a_profile_holds_the_operations_of_its_steps(tmp_path):
    """With TensorFlow's own profiler."""
    statistics = Statistics()
    with Profile((2, 3), tmp_path, print) as profile:
        for number in range(1, 5):
            tf.linalg.matmul(tf.ones([64, 64]), tf.ones([64, 64]))
            statistics.add(8 * number, report())
            if profile.due(8 * number - 8, 8 * number):
                profile.run(SimpleNamespace(statistics=statistics))
    (file,) = tmp_path.glob("plugins/profile/*/*.xplane.pb")
    recorded = file.read_bytes()
    assert b"MatMul" in recorded
    assert b"train" in recorded
