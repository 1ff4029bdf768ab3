"""Why no GPU is used, on machines that are not there."""

import ctypes
import dataclasses
import subprocess
import sys
from types import SimpleNamespace

import pytest
import tensorflow as tf

from stylegan_tf.training import gpu_diagnosis, run
from stylegan_tf.training.gpu_diagnosis import DriverAnswer, Facts, cuda_libraries, explain_missing_gpu

CUDA_BUILD = {"is_cuda_build": True, "cuda_version": "12.5.1", "cudnn_version": "9"}


def loads_all_but(*missing):
    return lambda name: f"{name}: cannot open shared object file" if name in missing else ""


NO_DRIVER = loads_all_but("libcuda.so.1")

# A host with two GPUs where everything works.
HEALTHY = Facts(
    environment={},
    devices=("/dev/nvidia0", "/dev/nvidia1"),
    closed_devices=(),
    driver_loaded=True,
    in_container=False,
    build=CUDA_BUILD,
    load_error=loads_all_but(),
    driver=lambda: DriverAnswer((12, 4), 0, 2),
)


def explain(**changes):
    return explain_missing_gpu(dataclasses.replace(HEALTHY, **changes))


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NVIDIA_VISIBLE_DEVICES": "void"},
        {"NVIDIA_VISIBLE_DEVICES": ""},
        {"NVIDIA_VISIBLE_DEVICES": "none"},
        {"CUDA_VISIBLE_DEVICES": "0"},
    ],
)
def test_silent_where_no_gpu_is_to_be_expected(environment):
    assert explain(environment=environment, devices=(), driver_loaded=False, load_error=NO_DRIVER) == ""


@pytest.mark.parametrize(
    "sign",
    [
        {"environment": {"NVIDIA_VISIBLE_DEVICES": "all"}},
        {"environment": {"NVIDIA_DRIVER_CAPABILITIES": "compute"}},
        {"driver_loaded": True},
        {"devices": ("/dev/nvidia0",)},
    ],
)
def test_any_sign_of_a_gpu_asks_for_a_reason(sign):
    nothing = {"environment": {}, "devices": (), "driver_loaded": False, "build": {"is_cuda_build": False}}
    assert explain(**nothing) == ""
    assert "built without CUDA" in explain(**{**nothing, **sign})


@pytest.mark.parametrize(
    ("changes", "reason", "remedy"),
    [
        (
            {"build": {"is_cuda_build": False}},
            "built without CUDA (tensorflow-cpu)",
            "pip install 'tensorflow[and-cuda]'",
        ),
        ({"environment": {"CUDA_VISIBLE_DEVICES": ""}}, "CUDA_VISIBLE_DEVICES='' hides all GPUs", "Unset it"),
        ({"environment": {"CUDA_VISIBLE_DEVICES": "-1,0"}}, "CUDA_VISIBLE_DEVICES='-1,0' hides", "Unset it"),
        (
            {"in_container": True, "devices": (), "load_error": NO_DRIVER},
            "container has no driver library libcuda.so.1",
            "--gpus all",
        ),
        ({"in_container": True, "load_error": NO_DRIVER}, "container has no driver library libcuda.so.1", "--gpus all"),
        ({"in_container": True, "devices": ()}, "container has no device file", "nvidia.com/gpu"),
        ({"load_error": NO_DRIVER}, "libcuda.so.1: cannot open shared object file", "Install NVIDIA's driver"),
        ({"devices": ()}, "no device file /dev/nvidia0", "modprobe nvidia"),
        ({"closed_devices": ("/dev/nvidia0", "/dev/nvidia1")}, "may not open /dev/nvidia0", "--group-add"),
        (
            {"driver": lambda: DriverAnswer((11, 8), 0, 2)},
            "supports CUDA 11.8, TensorFlow is built for CUDA 12.5.1",
            "Update NVIDIA's driver",
        ),
        (
            {"driver": lambda: DriverAnswer((12, 4), 803, 0)},
            "cuInit returns 803, the driver's library and its kernel",
            "restart the host",
        ),
        ({"driver": lambda: DriverAnswer((12, 4), 12345, 0)}, "cuInit returns 12345, ", "list of error codes"),
        ({"driver": lambda: DriverAnswer((12, 4), 0, 0)}, "shows no GPU", "nvidia-smi"),
        ({"load_error": loads_all_but("libcudnn.so.9")}, "the library libcudnn.so.9 cannot be loaded", "ldconfig"),
        (
            {"load_error": loads_all_but("libcublas.so.12", "libcudnn.so.9")},
            "the library libcublas.so.12 ",
            "pip install",
        ),
        ({}, "TensorFlow takes none of the GPUs", "TF_CPP_MIN_LOG_LEVEL=0"),
    ],
)
def test_each_reason_comes_with_what_to_do(changes, reason, remedy):
    text = explain(**changes)
    assert reason in text
    assert remedy in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": {"CUDA_VISIBLE_DEVICES": "0,-1"}},
        {"closed_devices": ("/dev/nvidia1",)},
        {"driver": lambda: DriverAnswer((12, 0), 0, 1)},
        {"driver": lambda: DriverAnswer((13, 1), 0, 1)},
        {"driver": lambda: DriverAnswer((0, 0), 0, 1)},
        {"build": {"is_cuda_build": True}, "driver": lambda: DriverAnswer((11, 0), 0, 1)},
    ],
    ids=[
        "hides the second",
        "second is closed",
        "older minor version",
        "newer driver",
        "silent driver",
        "unknown CUDA",
    ],
)
def test_what_is_no_reason(changes):
    assert explain(**changes) == explain()


def test_reasons_that_hide_others_come_first():
    """Everything is wrong at once, and is mended one by one."""
    broken = {
        "build": {"is_cuda_build": False},
        "environment": {"CUDA_VISIBLE_DEVICES": "-1"},
        "in_container": True,
        "devices": (),
        "load_error": loads_all_but("libcuda.so.1", "libcudnn.so.9"),
        "driver": lambda: DriverAnswer((11, 0), 100, 0),
    }
    mended = [
        ("without CUDA", {"build": CUDA_BUILD}),
        ("CUDA_VISIBLE_DEVICES", {"environment": {}}),
        ("libcuda.so.1", {"load_error": loads_all_but("libcudnn.so.9")}),
        ("device file", {"devices": ("/dev/nvidia0",)}),
        ("too old", {"driver": lambda: DriverAnswer((12, 5), 100, 0)}),
        ("cuInit returns 100", {"driver": lambda: DriverAnswer((12, 5), 0, 1)}),
        ("libcudnn.so.9", {"load_error": loads_all_but()}),
        ("takes none", {}),
    ]
    for reason, mending in mended:
        assert reason in explain(**broken)
        broken |= mending


def test_names_of_libraries():
    assert cuda_libraries(CUDA_BUILD) == [
        "libcudart.so.12",
        "libcublas.so.12",
        "libcublasLt.so.12",
        "libcufft.so.11",
        "libcusolver.so.11",
        "libcusparse.so.12",
        "libcudnn.so.9",
    ]
    assert cuda_libraries({"cuda_version": "13.0", "cudnn_version": "9"}) == [
        "libcudart.so.13",
        "libcublas.so.13",
        "libcublasLt.so.13",
        "libcudnn.so.9",
    ]
    assert cuda_libraries({}) == []
    assert cuda_libraries({"cuda_version": "64_12"}) == []


def test_loading_a_library():
    assert gpu_diagnosis._load_error("libc.so.6") == ""
    assert "libnone.so.1" in gpu_diagnosis._load_error("libnone.so.1")


DRIVER = """
int cuInit(unsigned flags) { return %d; }
int cuDriverGetVersion(int *version) { *version = 12100; return 0; }
int cuDeviceGetCount(int *count) { *count = 3; return 0; }
int cuDeviceGet(int *device, int index) { *device = 7 + index; return index > 1; }
int cuDeviceTotalMem_v2(unsigned long *size, int device) { *size = 1000 * device; return 0; }
"""


@pytest.mark.parametrize(("code", "answer"), [(0, DriverAnswer((12, 10), 0, 3)), (802, DriverAnswer((12, 10), 802, 0))])
def test_asking_a_driver(monkeypatch, tmp_path, code, answer):
    compiler = subprocess.run(["which", "gcc"], capture_output=True, text=True).stdout.strip()
    if not compiler:
        pytest.skip("needs gcc")
    source = tmp_path / "driver.c"
    source.write_text(DRIVER % code)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "libcuda.so.1", source], check=True)
    load = ctypes.CDLL
    monkeypatch.setattr(ctypes, "CDLL", lambda name: load(str(tmp_path / name)))
    assert gpu_diagnosis._ask_driver() == answer
    assert gpu_diagnosis.card_memory(3) == ([] if code else [7000, 8000])


def test_a_container_is_known_by_its_environment(monkeypatch):
    monkeypatch.setattr(gpu_diagnosis.Path, "exists", lambda path: False)
    for variable in ("KUBERNETES_SERVICE_HOST", "NVIDIA_DRIVER_CAPABILITIES"):
        monkeypatch.delenv(variable, raising=False)
    assert not gpu_diagnosis._in_container()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert gpu_diagnosis._in_container()
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    monkeypatch.setattr(gpu_diagnosis.Path, "exists", lambda path: str(path) == "/.dockerenv")
    assert gpu_diagnosis._in_container()


def test_this_machine_answers(monkeypatch):
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("has a GPU")
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "all")
    assert gpu_diagnosis.missing_gpu()
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [SimpleNamespace(name="GPU:0")])
    assert gpu_diagnosis.missing_gpu() == ""


def test_a_run_warns_before_it_reads_its_data(monkeypatch, capsys, tmp_path):
    class Stop(Exception):
        pass

    def prepare_run(config, dry_run):
        raise Stop

    config = SimpleNamespace(run=SimpleNamespace(run_dir=str(tmp_path / "run")))
    monkeypatch.setattr(run, "missing_gpu", lambda: "the cable is not plugged in")
    monkeypatch.setattr(run, "prepare_run", prepare_run)
    with pytest.raises(Stop):
        run.run_training(config)
    assert capsys.readouterr().err == "WARNING: training on the CPU, no GPU is used: the cable is not plugged in.\n"
    monkeypatch.setattr(run, "missing_gpu", lambda: "")
    with pytest.raises(Stop):
        run.run_training(config)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_the_warning_of_a_whole_process(tmp_path):
    """A process that is told of a GPU, with TensorFlow as it is here: one line on stderr, exit code 0."""
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("has a GPU")
    done = subprocess.run(
        [sys.executable, "train.py", "--dry_run", f"--run_dir={tmp_path / 'run'}"],
        capture_output=True,
        text=True,
        env={**gpu_diagnosis.os.environ, "NVIDIA_VISIBLE_DEVICES": "all"},
        timeout=200,
        cwd=gpu_diagnosis.Path(run.__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("WARNING: ")]
    assert len(warnings) == 1
    assert "no GPU is used" in warnings[0]
