"""A run's directory: what lies where.

config.json    the configuration as asked, and what became of what it left open
dataset.json   what was trained on
log.txt        what was printed
samples/       grids of the same latents, by kimg; reals.png
progress.gif   the grids as an animation
tensorboard/   events
checkpoints/   the state
best/          the state that was best by the first metric, where metrics were measured
metrics.jsonl  what was measured, a JSON object a line
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.model_sections import NetworkConfig
from stylegan_tf.configuration.resolve import Decisions, ResolvedConfig, config_json
from stylegan_tf.errors import UserError
from stylegan_tf.files import remove_rests, write_text
from stylegan_tf.json_files import as_record, read_bounded, read_json
from stylegan_tf.locks import locked
from stylegan_tf.runs.checkpoints import CheckpointFolder, Found, newest_whole, tell_passed_over
from stylegan_tf.runs.dataset_info import DatasetInfo

_LOCK = ".lock"

# Beside those of the networks, what their shapes depend on.
_FORM_FIELDS = {"resolution", "base_size", "channels", "use_labels"}

# What may change where the images stay as they are, a prepared set's, say, but makes other images of most data.
_IMAGE_FIELDS = ("data", "crop", "background", "on_error")


class RunDirectory:
    """Paths of a run.

    Args:
        path: The directory; it need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.dataset_file = self.path / "dataset.json"
        self.log_file = self.path / "log.txt"
        self.samples = self.path / "samples"
        self.progress_file = self.path / "progress.gif"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.path / "best"
        self.results_file = self.path / "metrics.jsonl"

    def check(self, config: TrainConfig, dataset: DatasetInfo) -> None:
        """Makes sure that a run can start here, or that the run here is the same one; writes nothing.

        Raises:
            ValueError: When something else is here, or a run with another configuration or other data.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"run_dir must be a directory. Received: {self.path}, a file.")
        if not self.config_file.exists():
            if self.path.exists() and not all(
                path.name == _LOCK or path.match(".*.part") for path in self.path.iterdir()
            ):
                raise UserError(
                    "run_dir must be empty, new, or the directory of a run; choose another --run_dir. "
                    f"Received: {self.path}, which holds other files and no config.json."
                )
        elif self.begun():
            self._refuse_differences(config, dataset)
        else:
            self.read_config()  # a start that came to nothing, and no config.json of another program

    def begun(self) -> bool:
        """Whether training came as far as a checkpoint or a second grid of samples: before, all may still change."""
        folders = (self.checkpoints, self.best)
        grids = set(self.sample_grids()) - {self.sample_grid(0)}
        return any(CheckpointFolder(folder).numbers() for folder in folders) or bool(grids)

    def sample_grid(self, images_seen: int) -> Path:
        """Where a grid of samples goes."""
        return self.samples / f"kimg_{images_seen / 1000:09.2f}.png"

    def sample_grids(self) -> list[Path]:
        """The grids of samples that were drawn so far, in order."""
        return sorted(self.samples.glob("kimg_*.png"))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other trainings out while the block runs. Makes the directory. Raises ValueError when one is at it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path / _LOCK, "this run is being trained"):
            yield

    def check_free(self) -> None:
        """Raises ValueError when another process is training here: to be asked before the data are read."""
        if (self.path / _LOCK).exists():
            with self.locked():
                pass

    def prepare(self, config: TrainConfig, resolved: ResolvedConfig, dataset: DatasetInfo) -> None:
        """Starts a run here, or goes on with the one that is here; raises as `check` does.

        Args:
            config: As asked.
            resolved: What it became.
            dataset: What is trained on.
        """
        self.check(config, dataset)
        for folder in (self.checkpoints, self.best):
            CheckpointFolder(folder).remove_rests()
        for folder in (self.path, self.samples):
            remove_rests(folder)
        # Written again when resuming: fields that may change have their newest values. First, since it is what makes
        # this a run's directory, however soon the run is killed.
        write_text(self.config_file, config_json(config, resolved))
        if not self.begun() or not self.dataset_file.exists() or not self.read_dataset().fingerprint:
            write_text(self.dataset_file, json.dumps(dataclasses.asdict(dataset), indent=2) + "\n")

    def _refuse_differences(self, config: TrainConfig, dataset: DatasetInfo) -> None:
        advice = (
            f"{self.path} holds a run; choose another --run_dir, or give its own settings with "
            f"--preset={self.config_file} (flags left out are the preset's)."
        )
        known = self.read_dataset() if self.dataset_file.exists() else dataset
        saved = self.read_config()
        differences = saved.differences(config)
        decisions = self.read_decisions()
        if saved.schedule.batch_size is None or (decisions and "batch_size" in decisions.values):
            differences.pop("batch_size", None)  # it was left open when the run began, so that another one may be given
        for name in saved.without_meaning().keys() & config.without_meaning().keys():
            differences.pop(name, None)
        if not known.fingerprint:  # a converted network, whose training begins now: only the networks must stay
            fixed = {field.name for field in dataclasses.fields(NetworkConfig)} | _FORM_FIELDS
            differences = {name: values for name, values in differences.items() if name in fixed}
        if differences:
            listed = "; ".join(f"{name} was {old}, is now {new}" for name, (old, new) in differences.items())
            raise UserError(f"a run can only be resumed with its own configuration. Received: {listed}. {advice}")
        if not known.fingerprint:
            form, other = ((info.size, info.channels, info.num_classes) for info in (known, dataset))
            if form != other:
                raise UserError(
                    "the images must have the size, the channels and the number of classes of the networks, "
                    f"{known.form}. Received: {dataset.form}."
                )
        elif dataset.fingerprint and known.fingerprint != dataset.fingerprint:
            names = [name for name in _IMAGE_FIELDS if saved.get(name) != config.get(name)]
            causes = [f"{name} was {saved.get(name)}, is now {config.get(name)}" for name in names]
            raise UserError(
                f"a run can only be resumed with its own images ({known.count}, fingerprint {known.fingerprint}). "
                f"Received: {'; '.join([*causes, f'{dataset.count} images'])}, fingerprint {dataset.fingerprint}. "
                f"{advice}"
            )

    def read_config(self) -> TrainConfig:
        """The configuration. Raises ValueError when this is no run's directory."""
        if not self.config_file.exists():
            raise UserError(f"run_dir must be the directory of a run, which holds config.json. Received: {self.path}.")
        with self._telling_config_file():
            config = TrainConfig.from_json(read_bounded(self.config_file))
            config.check_fields()
        return config

    def read_decisions(self) -> Decisions | None:
        """What the run that is here decided of open settings; None before it began, or when it did not keep it."""
        if not self.config_file.exists() or not self.begun():
            return None
        with self._telling_config_file():
            return Decisions.from_json(read_bounded(self.config_file))

    @contextlib.contextmanager
    def _telling_config_file(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise UserError(f"{self.config_file} must be the configuration of a run: {error}") from error

    def read_dataset(self) -> DatasetInfo:
        """What was trained on. Raises ValueError when the file is missing or is something else."""
        try:
            return as_record(DatasetInfo, read_json(self.dataset_file))
        except (OSError, ValueError) as error:
            raise UserError(f"{self.dataset_file} must describe the run's data. Received: {error}.") from error

    def newest_checkpoint(self) -> Found | None:
        """The newest whole checkpoint, be it the best one; None without any. ValueError when all are damaged."""
        return newest_whole(CheckpointFolder(self.checkpoints), CheckpointFolder(self.best))

    def free_neighbour(self) -> Path:
        """A directory beside this one that is not there yet: its name with -2, or a higher number."""
        number = 2
        while (found := self.path.with_name(f"{self.path.name}-{number}")).exists():
            number += 1
        return found

    def newest_images_seen(self) -> int:
        """The clock of the newest whole checkpoint, by its name; 0 when there is none."""
        found = self.newest_checkpoint()
        return int(found.prefix.rpartition("-")[2]) if found else 0

    def find_checkpoints(self, which: str = "newest") -> list[str]:
        """Prefixes of whole checkpoints, by images seen. Damaged ones that are passed over are told on stderr.

        Args:
            which: "newest", "best" (by the first metric of the training), "all" that are kept, or a number of kimg.

        Raises:
            ValueError: When there is none, or the one that is asked for is damaged.
        """
        best, kept = CheckpointFolder(self.best), CheckpointFolder(self.checkpoints)
        there = [(number, folder) for folder in (best, kept) for number in folder.numbers()]
        if not there:
            raise UserError(f"the run must have a checkpoint; train it first. Received: none in {self.checkpoints}.")
        if which == "newest" and (newest := self.newest_checkpoint()):
            tell_passed_over(newest)
            return [newest.prefix]
        if which == "best":
            chosen = [(number, best) for number in best.numbers()[-1:]]
        else:
            chosen = [(number, folder) for number, folder in there if which == "all" or _is_kimg(which, number)]
        if not chosen:
            numbers = ", ".join(f"{number / 1000:g}" for number in sorted({number for number, _ in there}))
            wanted = "; training keeps the best one with --metrics" if which == "best" else ""
            raise UserError(
                f"checkpoint must be newest, best, all, or one of the kimg {numbers}{wanted}. "
                f"Received: checkpoint={which} of {self.path}."
            )
        return self._whole(chosen, which)

    def _whole(self, chosen: list[tuple[int, CheckpointFolder]], which: str) -> list[str]:
        """Prefixes of the whole ones of some checkpoints, one a number; raises ValueError when there is none."""
        damage = [folder.damage(number) for number, folder in chosen]
        pairs = list(zip(chosen, damage, strict=True))
        whole = {number: folder.prefix(number) for (number, folder), reason in pairs if not reason}
        damaged = "; ".join(f"ckpt-{number} is damaged ({reason})" for (number, _), reason in pairs if reason)
        if not whole:
            raise UserError(f"checkpoint must be a whole one. Received: checkpoint={which} of {self.path}: {damaged}.")
        if damaged:
            print(f"WARNING: {damaged}: passed over.", file=sys.stderr, flush=True)
        return [whole[number] for number in sorted(whole)]


def _is_kimg(text: str, images_seen: int) -> bool:
    try:
        return round(float(text) * 1000) == images_seen
    except (ValueError, OverflowError):
        return False
