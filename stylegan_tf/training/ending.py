"""What a run says at its end."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

from stylegan_tf.invocation import command
from stylegan_tf.progress import format_seconds
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.actions import LoopState
from stylegan_tf.training.log import Logger
from stylegan_tf.training.loop import StopRequest


def tell_stop(stop: StopRequest, log: Logger, how: str) -> int:
    """Says how a run was stopped, and returns its exit code."""
    number = stop.signal or signal.SIGINT
    log(f"Stopped by {signal.Signals(number).name} {how}; run the same command to continue.")
    return 128 + number


def describe_end(directory: RunDirectory, loop: LoopState, checkpoint: str, best: str) -> str:
    """Where everything lies, and what to do with it.

    Args:
        directory: Of the run.
        loop: At its end.
        checkpoint: Prefix of the newest one.
        best: The best state by the metrics, in words; empty without.
    """
    path = directory.path
    run_dir, exports, logs = map(shlex.quote, map(str, (path, Path("exports", path.name), directory.tensorboard)))
    return "\n".join(
        [
            f"Finished {loop.images_seen / 1000:g} kimg in {format_seconds(loop.seconds)}.",
            f"  last samples   {directory.sample_grids()[-1]}",
            f"  animation      {directory.progress_file}",
            f"  checkpoint     {checkpoint}",
            *([f"  best           {best}", f"  metrics        {directory.results_file}"] if best else []),
            f"  configuration  {directory.config_file}",
            f"  log            {directory.log_file}",
            "Next:",
            f"  {command(f'sample --run_dir={run_dir} --seeds=0-63 --output=grid.png')}",
            f"  {command(f'export --run_dir={run_dir} --output_dir={exports}')}",
            f"  tensorboard --logdir={logs}",
        ]
    )
