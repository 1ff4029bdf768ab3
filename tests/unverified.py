"""Exports for tests of other things than exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from stylegan_tf.cli.export import export_run


def export_unverified(run: str | Path, output: str | Path, average: str = "ema") -> Path:
    """Exports a run without running what was written in another process, which takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylegan_tf.serving.export.verify_export", lambda *arguments: None)
        return export_run(run, output, warmup_batches=(), average=average)
