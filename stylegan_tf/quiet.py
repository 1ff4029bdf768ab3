"""TensorFlow's start: what must be set before and behind its import, and no lines of native libraries on the way."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from stylegan_tf.files import disk_errno

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

_redirecting = threading.RLock()  # file descriptor 2 is the process's


def log_less() -> None:
    """Must be called before TensorFlow is imported: errors alone are logged, unless the environment asks for more."""
    os.environ.setdefault(LOG_LEVEL, "2")


def no_remapper() -> None:
    """Leaves Grappler's remapper out, which joins operations.

    With oneDNN, which TensorFlow uses by itself on processors with VNNI, it ends the process at a depthwise
    convolution that it has joined with an activation (EfficientNet has them); without, it fails with a page of
    warnings on the second-order gradients of a biased leaky ReLU.
    """
    sys.modules["tensorflow"].config.optimizer.set_experimental_options({"remapping": False})


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Keeps what native libraries print off stderr: wrap the first import of TensorFlow in it.

    TensorFlow prints some lines while it is imported, and when it looks for GPUs on a machine without a driver,
    whatever TF_CPP_MIN_LOG_LEVEL says. With 0 there, everything is printed; likewise when the block fails.
    """
    log_less()
    with contextlib.nullcontext() if os.environ[LOG_LEVEL] == "0" else quiet_libraries():
        yield
        if "tensorflow" in sys.modules:
            no_remapper()
            if not Path("/dev/nvidiactl").exists():
                # The first look for GPUs prints an error where there is no driver, which is no error there.
                sys.modules["tensorflow"].config.list_physical_devices("GPU")


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keeps what native libraries print off stderr, unless the block fails for a reason that is no user's."""
    with _redirecting, contextlib.ExitStack() as stack:
        try:
            real = os.dup(2)
        except OSError:  # it is closed
            yield
            return
        kept = stack.enter_context(tempfile.TemporaryFile())
        _flush_errors()
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception as error:
            if disk_errno(error) is not None:
                raise
            kept.seek(0)
            with contextlib.suppress(OSError):  # which would hide the error
                os.write(real, kept.read())
            raise
        finally:
            _flush_errors()
            os.dup2(real, 2)
            os.close(real)


def _flush_errors() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
