"""Times reading real images, and preparing them, against the obvious alternatives; each in a process of its own.

    python benchmarks/data.py                          everything
    python benchmarks/data.py --parts=read --sizes=64  one part

Parts:
  read      images a second and peak memory on a folder of 8,000 files: prepared sets and the raw folder with this
            package, keras.utils.image_dataset_from_directory, and a PyTorch DataLoader where PyTorch is installed.
            "First epoch" counts from nothing, listing and decoding included (of a prepared set, what it takes to
            open it); "10 epochs" is the mean over ten. Files are JPEGs at 256x256 and PNGs at 64x64; all shuffle, and
            give batches of 32.
  step      images a second at 32x32, for comparison with what benchmarks/train_step.py says that a step eats
  memory    peak memory while batches are read from prepared sets of 10,000, 100,000 and 1,000,000 records
  prepare   preparing a folder against decoding and resizing it with Pillow in as many processes, nothing written

Everything is made in a temporary directory, 6 GiB at most, and removed.
"""

from __future__ import annotations

import concurrent.futures
import glob
import importlib.util
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from PIL import Image

from stylegan_tf.cli import app

PARTS = ("read", "step", "memory", "prepare")
FILE_TYPES = {64: "png", 256: "jpg"}
BATCH = 32
EPOCHS = 10

_PARTS = flags.DEFINE_list("parts", list(PARTS), f"of {', '.join(PARTS)}", module_name="Benchmark")
_SIZES = flags.DEFINE_list("sizes", ["64", "256"], "image sizes of read and prepare", module_name="Benchmark")
_FILES = flags.DEFINE_integer("files", 8000, "files in the folder", 100, module_name="Benchmark")
_RECORDS = flags.DEFINE_list(
    "records", ["10000", "100000", "1000000"], "sizes of the sets of the memory part", module_name="Benchmark"
)
_REPEATS = flags.DEFINE_integer("repeats", 3, "of the prepare part; medians are printed", 1, module_name="Benchmark")


def main() -> None:
    """Runs the parts."""
    with tempfile.TemporaryDirectory() as scratch:
        for part in _PARTS.value:
            {"read": _read, "step": _step, "memory": _memory, "prepare": _prepare}[part](Path(scratch))


def _read(scratch: Path) -> None:
    for size in map(int, _SIZES.value):
        folder = _pictures(scratch, size)
        prepared = {encoding: _prepared(scratch, folder, size, encoding) for encoding in ("raw", "png")}
        contenders = {
            "prepared, raw": ("prepared", prepared["raw"]),
            "prepared, png": ("prepared", prepared["png"]),
            "raw folder": ("folder", folder),
            "image_dataset_from_directory": ("keras", folder),
        }
        if importlib.util.find_spec("torch"):
            contenders["PyTorch DataLoader"] = ("torch", folder)
        measured = {name: _in_process(kind, path, size, scratch) for name, (kind, path) in contenders.items()}
        base = measured["image_dataset_from_directory"]
        print(f"\n{_FILES.value:,} files of {size}x{size}, {FILE_TYPES[size]}: images a second (times Keras)")
        print(f"{'':>30}{'first epoch':>18}{'later epochs':>18}{f'{EPOCHS} epochs':>18}{'peak MiB':>10}")
        for name, result in measured.items():
            cells = [f"{result[key]:,.0f} ({result[key] / base[key]:.1f})" for key in ("first", "later", "together")]
            row = "".join(f"{cell:>18}" for cell in cells) + f"{result['peak_mib']:>10,.0f}"
            print(f"{name:>30}{row}", flush=True)


def _step(scratch: Path) -> None:
    source = scratch / "step.npy"
    np.save(source, np.random.default_rng(0).integers(0, 256, (8000, 32, 32, 3), np.uint8))
    result = _in_process("prepared", _prepared(scratch, source, 32, "raw"), 32, scratch)
    print(f"\n32x32, prepared: {result['later']:,.0f} images a second")


def _memory(scratch: Path) -> None:
    print(f"\n{'records of 16x16 grey':>22}{'images/s':>12}{'peak MiB':>10}{'above import MiB':>18}")
    for count in map(int, _RECORDS.value):
        source = scratch / "records.npy"
        np.save(source, np.random.default_rng(0).integers(0, 256, (count, 16, 16), np.uint8))
        directory = _prepared(scratch, source, 16, "raw")
        result = _in_process("records", directory, 16, scratch)
        row = f"{result['later']:>12,.0f}{result['peak_mib']:>10,.0f}{result['grown_mib']:>18,.1f}"
        print(f"{count:>22,}{row}", flush=True)
        shutil.rmtree(directory)


def _prepare(scratch: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    print(f"\npreparing against Pillow alone, {cores} processes each: pictures a second")
    print(f"{'':>26}{'prepare':>10}{'Pillow':>10}{'ratio':>8}")
    for size in map(int, _SIZES.value):
        folder = _pictures(scratch, size)
        _prepare_line(f"{FILE_TYPES[size]} {size}x{size} to {size}x{size}", scratch, folder, size, cores)
    photos = _photos(scratch)
    _prepare_line("jpg 3000x4000 to 256x256", scratch, photos, 256, cores)


def _prepare_line(name: str, scratch: Path, folder: Path, size: int, cores: int) -> None:
    count = len(os.listdir(folder))
    ours, theirs = [], []
    for _ in range(_REPEATS.value):
        started = time.perf_counter()
        shutil.rmtree(_prepared(scratch, folder, size, "raw"))
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        _pillow_alone(folder, size, cores)
        theirs.append(time.perf_counter() - started)
    rates = [count / float(np.median(seconds)) for seconds in (ours, theirs)]
    print(f"{name:>26}{rates[0]:>10,.0f}{rates[1]:>10,.0f}{rates[0] / rates[1]:>8.2f}", flush=True)


def _pillow_alone(folder: Path, size: int, cores: int) -> None:
    files = sorted(glob.glob(f"{folder}/*"))
    chunks = [(files[start : start + 50], size) for start in range(0, len(files), 50)]
    with concurrent.futures.ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_decode_and_resize, chunks))


def _decode_and_resize(task: tuple[list[str], int]) -> None:
    files, size = task
    for file in files:
        with Image.open(file) as image:
            np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))


def _prepared(scratch: Path, data: Path, size: int, encoding: str) -> Path:
    from stylegan_tf.configuration.resolutions import count_levels
    from stylegan_tf.data.loading import DataSettings, find_source, resolve_form
    from stylegan_tf.data.prepare import prepare

    directory = scratch / f"{data.name}-{encoding}"
    source = find_source(str(data))
    prepare(
        source,
        directory,
        resolve_form(DataSettings(str(data), (size, size)), source),
        count_levels((size, size), (4, 4)),
        encoding=encoding,
    )
    return directory


def _pictures(scratch: Path, size: int) -> Path:
    """A folder of pictures with smooth and sharp parts and some noise, so that they compress as real ones do."""
    folder = scratch / f"{FILE_TYPES[size]}-{size}"
    if folder.exists():
        return folder
    folder.mkdir()
    for number, image in enumerate(_drawn(_FILES.value, (size, size))):
        options = {"quality": 90} if FILE_TYPES[size] == "jpg" else {}
        image.save(folder / f"{number:05d}.{FILE_TYPES[size]}", **options)
    return folder


def _photos(scratch: Path) -> Path:
    folder = scratch / "photos"
    folder.mkdir()
    for number, image in enumerate(_drawn(40, (3000, 4000))):
        image.save(folder / f"{number:02d}.jpg", quality=90)
    return folder


def _drawn(count: int, size: tuple[int, int]) -> Iterator[Image.Image]:
    import stylegan_tf.data

    with np.load(Path(stylegan_tf.data.__file__).with_name("portraits.npz")) as arrays:
        portraits = arrays["images"]
    random = np.random.default_rng(0)
    for _ in range(count):
        subject = Image.fromarray(portraits[random.integers(len(portraits))])
        ground = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
        subject, ground = (picture.resize(size[::-1], Image.Resampling.BICUBIC) for picture in (subject, ground))
        blend = np.asarray(Image.blend(subject, ground, 0.5), np.int16)
        yield Image.fromarray(np.clip(blend + random.integers(-6, 7, (*size, 1)), 0, 255).astype(np.uint8))


def _in_process(kind: str, path: Path, size: int, scratch: Path) -> dict[str, float]:
    """Runs a contender in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, __file__, "contender", kind, str(path), str(size), str(scratch / "cache")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{kind} failed:\n{result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


def contend(kind: str, path: str, size: int, cache: str) -> None:
    """Reads epochs and prints what was measured as JSON."""
    open_epochs = {
        "prepared": _open_prepared,
        "folder": _open_folder,
        "keras": _open_keras,
        "torch": _open_torch,
        "records": _open_prepared,
    }[kind]
    modules = {"torch": "torch", "keras": "keras"}
    importlib.import_module(modules.get(kind, "stylegan_tf.data.pipeline"))
    imported = _peak_mib()
    started = time.perf_counter()
    read_epoch = open_epochs(path, size, cache)
    seconds, counts = [], []
    for _ in range(EPOCHS if kind != "records" else 1):
        counts.append(sum(len(batch) for batch in read_epoch()))
        seconds.append(time.perf_counter() - started - sum(seconds))
    later = slice(1, None) if len(seconds) > 1 else slice(None)
    print(
        json.dumps(
            {
                "first": counts[0] / seconds[0],
                "later": sum(counts[later]) / sum(seconds[later]),
                "together": sum(counts) / sum(seconds),
                "peak_mib": _peak_mib(),
                "grown_mib": _peak_mib() - imported,
            }
        )
    )


Epoch = Callable[[], Iterable[Any]]


def _open_prepared(path: str, size: int, cache: str) -> Epoch:
    from stylegan_tf.data.prepared import PreparedImageSet

    return _pipeline_epochs(PreparedImageSet(path, (size, size)))


def _open_folder(path: str, size: int, cache: str) -> Epoch:
    from stylegan_tf.data.loading import DataSettings, load_image_set

    return _pipeline_epochs(load_image_set(DataSettings(path, (size, size), cache_dir=cache)))


def _pipeline_epochs(image_set: Any) -> Epoch:
    from stylegan_tf.data.pipeline import ImagePipeline

    batches = iter(ImagePipeline(image_set).batches(0, BATCH))
    # At most 100,000 images, so that a million records take no longer.
    steps = min(len(image_set), 100_000) // BATCH
    return lambda: (next(batches)[0] for _ in range(steps))


def _open_keras(path: str, size: int, cache: str) -> Epoch:
    import keras

    data = keras.utils.image_dataset_from_directory(
        path, labels=None, image_size=(size, size), batch_size=BATCH, shuffle=True, verbose=False
    )
    return lambda: data


def _open_torch(path: str, size: int, cache: str) -> Epoch:
    import torch

    data = _TorchFolder(path, size)
    loader = torch.utils.data.DataLoader(
        data, BATCH, shuffle=True, num_workers=len(os.sched_getaffinity(0)), persistent_workers=True
    )
    return lambda: loader


class _TorchFolder:
    """What a DataLoader needs of a folder: a number of pictures, and each as an array."""

    def __init__(self, path: str, size: int) -> None:
        self.files = sorted(glob.glob(f"{path}/*"))
        self.size = (size, size)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> np.ndarray:
        with Image.open(self.files[index]) as image:
            return np.array(image.convert("RGB").resize(self.size, Image.Resampling.LANCZOS))


def _peak_mib() -> float:
    """Most memory that this process and its children have held at once, as far as the system says."""
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + children) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["contender"]:
        contend(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        app.run(main)
