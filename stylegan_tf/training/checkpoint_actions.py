"""The action that saves checkpoints, and restoring the newest of them."""

from __future__ import annotations

import tensorflow as tf

from stylegan_tf.configuration.sections import RunConfig
from stylegan_tf.errors import UserError
from stylegan_tf.runs.checkpoints import CheckpointFolder, Found, readable
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.actions import IntervalAction, LoopState
from stylegan_tf.training.soundness import require_sound
from stylegan_tf.training.state import TrainState


def save_sound(loop: LoopState, folder: CheckpointFolder, keep: int) -> str:
    """Saves the state of the loop, after making sure that it is sound, and returns the checkpoint's prefix.

    Args:
        loop: Where the run is.
        folder: Where the checkpoint goes.
        keep: How many checkpoints stay there.

    Raises:
        NonFiniteError: When it is not sound; nothing is saved then.
        DiskError: When the disk took no more.
    """
    loop.state.set_clock(loop.images_seen, loop.schedule.at(loop.images_seen))
    require_sound(loop.state, loop.statistics.newest())  # both raise before anything unsound is saved
    return folder.save(loop.state.checkpoint, loop.images_seen, keep)


class Checkpoints(IntervalAction):
    """Saves the state, after making sure that it is sound.

    Args:
        state: The state.
        directory: Where.
        settings: Tell interval and number kept.
    """

    def __init__(self, state: TrainState, directory: RunDirectory, settings: RunConfig) -> None:
        super().__init__(settings.checkpoint_interval_kimg)
        self.state = state
        self.keep = settings.keep_checkpoints
        self.directory, self.folder = directory, CheckpointFolder(directory.checkpoints)
        self.newest: Found | None = None

    def _work(self, loop: LoopState) -> None:
        self.newest = Found(save_sound(loop, self.folder, self.keep))

    def restore(self) -> int:
        """Restores the newest whole checkpoint, if there is one, and returns the images seen.

        That of converted networks has no optimizers, which then start new.

        Raises:
            ValueError: When all checkpoints are damaged, or the newest whole one does not fit the networks.
        """
        self.newest = self.directory.newest_checkpoint()
        if self.newest is None:
            return 0
        try:
            with readable(self.newest.prefix) as prefix:
                self.state.restore(prefix)
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"a checkpoint must fit the networks. Received: {self.newest.prefix}: {error}") from error
        return int(self.state.images_seen.numpy())
