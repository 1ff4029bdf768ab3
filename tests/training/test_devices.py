"""Choices that depend on the devices, with devices that are not there."""

import resource
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

from stylegan_tf.training import devices


@pytest.fixture
def machine(monkeypatch):
    """`machine(capabilities, cpu_flags)`: makes TensorFlow find these GPUs and this CPU."""

    def fake(capabilities=(), cpu_flags=()):
        gpus = [SimpleNamespace(name=f"GPU:{index}", details=details) for index, details in enumerate(capabilities)]
        real = tf.config.list_physical_devices
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus if kind == "GPU" else real(kind))
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: gpu.details)
        monkeypatch.setattr(devices, "_cpu_flags", lambda: set(cpu_flags))
        return gpus

    return fake


def gpu(*capability, name="Card"):
    return {"compute_capability": capability, "device_name": name}


@pytest.mark.parametrize(
    ("cpu_flags", "policy"),
    [
        ({"fpu", "avx512f", "avx512_bf16"}, "mixed_bfloat16"),
        ({"amx_bf16", "amx_tile"}, "mixed_bfloat16"),
        ({"avx512f", "avx2"}, "float32"),
        (set(), "float32"),
    ],
)
def test_auto_on_a_cpu_takes_bfloat16_where_it_is_fast(machine, cpu_flags, policy):
    machine(cpu_flags=cpu_flags)
    assert devices.choose_dtype_policy("auto") == policy


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [
        ([gpu(8, 0)], "mixed_bfloat16"),
        ([gpu(9, 0), gpu(8, 6)], "mixed_bfloat16"),
        ([gpu(7, 5)], "float32"),
        ([gpu(9, 0), gpu(7, 0)], "float32"),
        ([{}], "float32"),
        ([gpu(10, 0)], "mixed_bfloat16"),
    ],
    ids=str,
)
def test_auto_on_gpus_takes_bfloat16_where_all_of_them_have_it(machine, capabilities, policy):
    machine(capabilities, cpu_flags={"amx_bf16"} if policy == "float32" else ())  # the CPU has no say then
    assert devices.choose_dtype_policy("auto") == policy


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_policy_that_is_asked_for_is_taken_anywhere(machine, name):
    machine([gpu(7, 5)])
    assert devices.choose_dtype_policy(name) == name


def test_cpu_flags_of_a_machine(monkeypatch, tmp_path):
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(devices, "Path", lambda path: file)
    assert devices._cpu_flags() == set()  # no Linux
    file.write_text("processor\t: 0\n\n")
    assert devices._cpu_flags() == set()  # an ARM, say
    file.write_text("processor\t: 0\nflags\t\t: fpu amx_bf16\nbugs\t: spectre\nprocessor\t: 1\nflags\t: other\n")
    assert {"fpu", "amx_bf16"} <= devices._cpu_flags()
    assert "spectre" not in devices._cpu_flags()


@pytest.mark.parametrize(
    ("name", "gpus", "chosen"),
    [("on", 0, "on"), ("off", 1, "off"), ("auto", 1, "auto"), ("auto", 0, "off"), ("on", 1, "on"), ("off", 0, "off")],
)
def test_jit(machine, name, gpus, chosen):
    machine([gpu(9, 0)] * gpus)
    assert devices.choose_jit(name) == chosen


@pytest.fixture
def mirrored(monkeypatch):
    """Records what a mirrored strategy would be made of, and which GPUs got memory growth."""
    made = SimpleNamespace(devices=None, growing=[])
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda names: setattr(made, "devices", names))
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda g, on: made.growing.append((g.name, on)))
    return made


@pytest.mark.parametrize(("asked", "used"), [(0, ["GPU:0", "GPU:1"]), (2, ["GPU:0", "GPU:1"])])
def test_gpus_of_a_strategy(machine, mirrored, asked, used):
    machine([gpu(9, 0)] * 2)
    devices.choose_strategy(asked)
    assert mirrored.devices == used
    assert mirrored.growing == [("GPU:0", True), ("GPU:1", True)]


@pytest.mark.parametrize(("asked", "gpus"), [(0, 1), (1, 1), (1, 2)])
def test_one_gpu_needs_no_strategy_of_its_own(machine, mirrored, asked, gpus):
    machine([gpu(9, 0)] * gpus)
    assert devices.choose_strategy(asked) is tf.distribute.get_strategy()
    assert mirrored.devices is None and mirrored.growing


def test_more_gpus_than_there_are(machine, mirrored):
    machine([gpu(9, 0)] * 2)
    with pytest.raises(ValueError, match=r"^num_devices must be at most 2, the GPUs found\. Received: 3\.$"):
        devices.choose_strategy(3)
    assert mirrored.devices is None


@pytest.mark.parametrize("asked", [0, 1])
def test_one_cpu_needs_no_strategy_of_its_own(machine, asked):
    machine()
    assert devices.choose_strategy(asked) is tf.distribute.get_strategy()


def test_devices_in_words(machine):
    machine()
    assert devices.describe_devices(SimpleNamespace(num_replicas_in_sync=1)) == "1 CPU device (TensorFlow finds no GPU)"
    assert devices.describe_devices(SimpleNamespace(num_replicas_in_sync=2)).startswith("2 CPU devices (")
    machine([gpu(9, 0, name="Card B"), gpu(9, 0, name="Card A"), gpu(9, 0, name="Card A")])
    assert devices.describe_devices(SimpleNamespace(num_replicas_in_sync=2)) == "2 of 3 GPUs (Card A, Card B)"
    machine([{}])
    assert devices.describe_devices(SimpleNamespace(num_replicas_in_sync=1)) == "1 of 1 GPU (GPU)"


def test_memory_is_this_process_on_a_cpu_and_the_first_gpu_otherwise(machine, monkeypatch):
    machine()
    assert 50 * 2**20 < devices.memory_used() < 2**40  # TensorFlow alone is more than 50 MiB
    machine([gpu(9, 0)])
    usage = {"GPU:0": {"current": 7, "peak": 9}}
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", usage.__getitem__)
    assert (devices.memory_used(), devices.memory_peak()) == (7, 9)


def test_memory_is_counted_in_pages_of_the_system_s_size(monkeypatch):
    """Within what the system itself says, in kB."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the system has no /proc")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    used = devices.memory_used()
    assert used == pytest.approx(int(line.split()[1]) * 1024, rel=0.2)
    monkeypatch.setattr(devices.os, "sysconf", {"SC_PAGE_SIZE": 65536}.__getitem__)
    assert devices.memory_used() == pytest.approx(used * 65536 / resource.getpagesize(), rel=0.2)


@pytest.mark.parametrize(("platform", "unit"), [("linux", 1024), ("darwin", 1)])
def test_memory_where_the_system_tells_only_the_most_that_was_used(monkeypatch, platform, unit):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(devices, "Path", lambda path: Path("/no such folder") / path.lstrip("/"))
    monkeypatch.setattr(devices.sys, "platform", platform)
    monkeypatch.setattr(devices.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=5000))
    assert devices.memory_used() == devices.memory_peak() == 5000 * unit
    monkeypatch.setattr(devices, "resource", None)
    assert devices.memory_used() == devices.memory_peak() == 0


def test_the_smallest_limit_of_the_memory_counts(machine, monkeypatch):
    machine()
    limits = {"memory.max": "max"}
    monkeypatch.setattr(devices, "text_or_empty", lambda file: limits.get(file.name, ""))
    everything = devices.memory_total()
    assert everything > 2**28
    limits["memory.max"] = "123456789"
    assert devices.memory_total() == 123456789
    limits["memory.limit_in_bytes"] = "1234567"
    assert devices.memory_total() == 1234567


def test_the_smallest_card_counts(machine, monkeypatch):
    machine([gpu(8, 0), gpu(8, 0)])
    monkeypatch.setattr(devices, "card_memory", lambda count: [count * 2**30, 2**30])
    assert devices.memory_total(2) == 2**30
    monkeypatch.setattr(devices, "card_memory", lambda count: [])
    assert devices.memory_total() == 0


def test_no_machine_makes_a_thousand_devices_of_its_cores(machine):
    machine()
    with pytest.raises(ValueError, match="num_devices must be at most .* which has no GPU. Received: 100000"):
        devices.choose_strategy(100000)
