"""Signals that are told of while C code keeps the main thread."""

import hashlib
import os
import signal
import threading
import time

from stylegan_tf.stop_signals import told_at_once


def test_a_signal_is_told_before_its_handler_can_run():
    came = {}
    before = signal.signal(signal.SIGTERM, lambda *_: came.setdefault("handled", time.monotonic()))
    try:
        with told_at_once(lambda: came.setdefault("told", time.monotonic())):
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 1_000_000)  # some tenths of a second without Python
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came["told"] < came["handled"]


def test_other_signals_are_not_told():
    came = []
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with told_at_once(lambda: came.append(1)):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not came
    assert signal.set_wakeup_fd(-1) == -1
