"""What the tests share: the published reference numbers, and how numbers are compared."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import importlib.util
import json
import math
import os
import pathlib
import random
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:  # there are as many workers as cores: threads of each would be in the way
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    if hasattr(os, "sched_setaffinity"):  # each keeps to cores of its own, with the commands that it starts
        _worker, _workers = int(os.environ["PYTEST_XDIST_WORKER"][2:]), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[_worker::_workers] or os.sched_getaffinity(0))
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # here and in commands alike, whose numbers are compared
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process with threads cannot fork (tests/warm_python.py)
# A script that runs the suite in its background makes it ignore Ctrl-C, and nohup hang-ups; commands that tests start
# would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

import numpy as np
import pytest

# Tracing makes many objects that live long: looking through all of them at Python's usual pace takes 5 % of the time.
gc.set_threshold(200_000, 50, 1000)

# One seed for all tests: what a test draws does not depend on which tests ran before it.
SEED = 20190613

REFERENCE_FOLDER = pathlib.Path(__file__).parent / "reference"


# The files that take longest, longest first: what begins last should be short, or one process ends long after others.
LONGEST = (
    "training/test_run.py",
    "training/test_steps.py",
    "serving/test_export.py",
    "pretrained/test_fuzzed_files.py",
    "training/test_replicas.py",
    "test_notebook.py",
    "serving/test_endpoints.py",
    "cli/test_convert.py",
    "augment/test_pipeline.py",
    "training/test_launches.py",
    "serving/test_saved_model.py",
    "training/test_metric_actions.py",
    "cli/test_evaluate.py",
    "cli/test_train_command.py",
    "training/test_transfer.py",
    "pretrained/test_hostile_files.py",
    "serving/test_client.py",
    "serving/test_portable.py",
    "networks/test_stylegan2_synthesis.py",
    "serving/test_rest.py",
    "training/test_enlarged_images.py",
    "serving/test_page.py",
    "serving/test_page_keeping.py",
    "serving/test_warmup.py",
    "training/test_conversion.py",
    "cli/test_sample.py",
    "evaluation/test_generated.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """pytest-xdist would begin with the files of most tests, which are the quickest ones."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first; the others keep their order."""
    places = {REFERENCE_FOLDER.parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are numbered: what they hold may differ from process to process (times, the order of maps)."""
    return argname if isinstance(val, bytes) else None


@dataclasses.dataclass(frozen=True)
class Reference:
    """One file of reference numbers: made by running the public code, never by ours.

    Attributes:
        config: How the numbers were made; the constructor's arguments under "kwargs" (or "G" and "D").
        inputs, outputs: By name, without "in/" and "out/".
        variables: Weights by published name.
    """

    config: dict[str, Any]
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    variables: dict[str, np.ndarray]


@functools.cache
def _load_reference(name: str) -> Reference:
    with np.load(REFERENCE_FOLDER / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}

    def part(prefix: str) -> dict[str, np.ndarray]:
        return {key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)}

    return Reference(json.loads(str(arrays["config"])), part("in/"), part("out/"), part("var/"))


@pytest.fixture(scope="session")
def load_script() -> Callable[[str], Any]:
    """`load_script("tools/name.py")`: a script of the repository as a module, without running its main."""

    def load(path: str) -> Any:
        file = pathlib.Path(__file__).parents[1] / path
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def small_files() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """`with small_files(4096):` lets no file grow beyond so many bytes, as a full disk would; child processes too."""
    resource = pytest.importorskip("resource")

    @contextlib.contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture(scope="module", autouse=True)
def _quick_tensorflow() -> None:
    """TensorFlow takes longer to optimize a graph than a test takes to run it; other processes do optimize theirs.

    It forgets the kernels of all operations and functions when it is seeded, and to make them anew takes longer than
    to run them. Only operations that keep a seed of their own (`tf.random.normal`) would need it: here nothing uses
    those, but Keras' random functions, which do not. So kernels are forgotten once a file.
    """
    if "tensorflow" in sys.modules:
        from tensorflow.python.eager import context

        sys.modules["tensorflow"].config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        context.context().clear_kernel_cache()
        context.Context._set_global_seed = _seed_and_keep_kernels


def _seed_and_keep_kernels(self: Any, seed: int) -> None:
    self._seed, self._rng = seed, random.Random(seed)


@pytest.fixture
def optimized_graphs() -> Iterator[None]:
    """For tests of what TensorFlow makes of graphs."""
    optimizer = sys.modules["tensorflow"].config.optimizer
    optimizer.set_experimental_options({"disable_meta_optimizer": False})
    yield
    optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(autouse=True)
def _seed_random_numbers() -> None:
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(SEED)


@pytest.fixture(scope="session")
def quick_xla() -> None:
    """XLA compiles as ever, but does not polish its machine code. Without effect once XLA has read its settings."""
    import tensorflow as tf

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
        tf.function(lambda: tf.zeros([]) + 1.0, jit_compile=True)()


@pytest.fixture(scope="module")
def warm_clean_processes() -> Iterator[None]:
    """Processes that verify exports begin with TensorFlow imported; fresh ones are in the tests of the verification."""
    import warm_python

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylegan_tf.serving.verify.subprocess", warm_python)
        yield


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Reference]:
    """`reference(name)` reads tests/reference/<name>.npz."""
    return _load_reference


@pytest.fixture(scope="session")
def relative_error() -> Callable[[Any, Any], float]:
    """`relative_error(got, want)`: the largest difference on the scale of the largest wanted value.

    Fails at once where the shapes differ or a number is not finite.
    """

    def error(got: Any, want: Any) -> float:
        got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
        assert got.shape == want.shape
        assert np.all(np.isfinite(got))
        return float(np.max(np.abs(got - want)) / np.max(np.abs(want)))

    return error


@pytest.fixture(scope="session")
def channels_last() -> Callable[[np.ndarray], np.ndarray]:
    """[N, C, H, W] to [N, H, W, C]."""
    return lambda images: np.transpose(np.asarray(images), (0, 2, 3, 1))


@pytest.fixture(scope="session")
def channels_first() -> Callable[[Any], np.ndarray]:
    """[N, H, W, C] to [N, C, H, W]."""
    return lambda images: np.transpose(np.asarray(images), (0, 3, 1, 2))


@pytest.fixture(scope="session")
def level_of_lod() -> Callable[[float, int], tuple[int, float]]:
    """`level_of_lod(lod, num_levels)`: our level and fade-in for the published level of detail.

    lod counts halvings from the largest resolution; its fraction is the share of the next smaller one.
    """

    def level_and_fade_in(lod: float, num_levels: int) -> tuple[int, float]:
        return num_levels - 1 - math.floor(lod), 1.0 - (lod - math.floor(lod))

    return level_and_fade_in


def _fused_from(fused_scale: bool | str) -> int | None:
    return {"auto": 128, True: 0, False: None}[fused_scale]


def _num_levels(kwargs: dict[str, Any]) -> int:
    return int(math.log2(kwargs["resolution"])) - 1


@pytest.fixture(scope="session")
def build_published_generator() -> Callable[..., Any]:
    """`build_published_generator(kwargs, progressive=False)`: the untrained network of those published arguments."""
    from stylegan_tf.networks import Generator, MappingNetwork, SynthesisNetwork

    def build(kwargs: dict[str, Any], progressive: bool = False) -> Any:
        traditional = {"constant_input": False, "style": False, "noise": False, "normalization": "pixel", "blur": False}
        mapping = MappingNetwork(
            kwargs.get("dlatent_size", kwargs["latent_size"]),
            num_layers=0 if progressive else kwargs.get("mapping_layers", 8),
            hidden_size=kwargs.get("mapping_fmaps"),
            num_classes=kwargs["label_size"],
            label_input="one_hot" if progressive else "embedded",
        )
        synthesis = SynthesisNetwork(
            num_levels=_num_levels(kwargs),
            channels=kwargs["num_channels"],
            feature_maps_base=kwargs["fmap_base"],
            feature_maps_max=kwargs["fmap_max"],
            fused_from=_fused_from(kwargs["fused_scale"]),
            **(traditional if progressive else {}),
        )
        generator = Generator(kwargs["latent_size"], mapping, synthesis)
        generator.build()
        return generator

    return build


@pytest.fixture(scope="session")
def build_published_critic() -> Callable[..., Any]:
    """`build_published_critic(kwargs, progressive=False)`: as `build_published_generator`."""
    from stylegan_tf.networks import Critic

    def build(kwargs: dict[str, Any], progressive: bool = False) -> Any:
        critic = Critic(
            num_levels=_num_levels(kwargs),
            channels=kwargs["num_channels"],
            num_classes=kwargs["label_size"],
            feature_maps_base=kwargs["fmap_base"],
            feature_maps_max=kwargs["fmap_max"],
            minibatch_stddev_group=kwargs.get("mbstd_group_size", 4),
            fused_from=_fused_from(kwargs["fused_scale"]),
            blur=not progressive,
        )
        critic.build()
        return critic

    return build


def _stylegan2_options(kwargs: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Arguments that generator and critic share, and that are written in another way."""
    levels = int(math.log2(kwargs["img_resolution"])) - 1
    return {
        "num_levels": levels,
        "channels": kwargs["img_channels"],
        "architecture": part["architecture"],
        "feature_maps_base": part["channel_base"] // 2,
        "feature_maps_max": part["channel_max"],
        "clamp": part["conv_clamp"],
    }


@pytest.fixture(scope="session")
def build_published_stylegan2_generator() -> Callable[..., Any]:
    """`build_published_stylegan2_generator(kwargs, **options)`: the untrained network of those published arguments.

    Options replace arguments of `StyleGAN2SynthesisNetwork`.
    """
    from stylegan_tf.networks import Generator, MappingNetwork, StyleGAN2SynthesisNetwork

    def build(kwargs: dict[str, Any], **options: Any) -> Any:
        mapping = MappingNetwork(
            kwargs["w_dim"],
            num_layers=kwargs["mapping_kwargs"]["num_layers"],
            num_classes=kwargs["c_dim"],
            design="stylegan2",
            label_input="normalized",
        )
        arguments = {**_stylegan2_options(kwargs, kwargs["synthesis_kwargs"]), **options}
        generator = Generator(kwargs["z_dim"], mapping, StyleGAN2SynthesisNetwork(**arguments))
        generator.build()
        return generator

    return build


@pytest.fixture(scope="session")
def build_published_stylegan2_critic() -> Callable[..., Any]:
    """`build_published_stylegan2_critic(kwargs, **options)`: likewise."""
    from stylegan_tf.networks import StyleGAN2Critic

    def build(kwargs: dict[str, Any], **options: Any) -> Any:
        statistic = kwargs["epilogue_kwargs"]
        arguments = {
            **_stylegan2_options(kwargs, kwargs),
            "num_classes": kwargs["c_dim"],
            "minibatch_stddev_group": statistic["mbstd_group_size"],
            "minibatch_stddev_features": statistic["mbstd_num_channels"],
            **options,
        }
        critic = StyleGAN2Critic(**arguments)
        critic.build()
        return critic

    return build
