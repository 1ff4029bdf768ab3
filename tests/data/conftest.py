"""Small sets of pictures, and preparing them without the half second that each worker process takes to start."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import stylegan_tf.data.prepare as preparing
from stylegan_tf.data import workers

_PROCESS_POOL = workers.pool


@contextlib.contextmanager
def _thread_pool(max_workers: int | None = None) -> Iterator[workers.Pool]:
    """As `workers.pool`, but one thread of this process does the work."""
    counter = multiprocessing.get_context("spawn").Value("q", 0)
    stop = threading.Event()
    executor = ThreadPoolExecutor(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_counter", counter)
        patch.setattr(workers, "_stop", stop)
        try:
            yield workers.Pool(executor, 1, counter)
        except BaseException:
            stop.set()
            raise
        finally:
            executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _small_shards(pictures: int = 8, processes: bool = False) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "MIN_SHARD_PICTURES", pictures)
        patch.setattr(workers, "pool", _PROCESS_POOL if processes else _thread_pool)
        yield


@pytest.fixture(scope="session")
def small_shards() -> Callable[..., Any]:
    """`with small_shards(pictures=8, processes=False)`: shards of so few pictures, and no worker processes."""
    return _small_shards


@pytest.fixture(scope="session")
def write_pictures() -> Callable[..., Path]:
    """`write_pictures(folder, count, size, classes)`: PNG files of noise, of different sizes unless one is given."""

    def write(folder: Path, count: int = 20, size: tuple[int, int] | None = None, classes: str = "ab") -> Path:
        random = np.random.default_rng(0)
        for number in range(count):
            path = folder / classes[number * len(classes) // count] / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            shape = size or (8 + number % 5, 16 + number % 3)
            Image.fromarray(random.integers(0, 256, (*shape, 3)).astype(np.uint8)).save(path)
        return folder

    return write


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """`files_of(directory)`: the contents of all files by relative path, hidden ones too."""
    return lambda directory: {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }
