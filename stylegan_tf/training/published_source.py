"""Starting from a published network by its name: it is downloaded and converted into the cache, once."""

from __future__ import annotations

import shlex
from pathlib import Path

from stylegan_tf.errors import UserError
from stylegan_tf.invocation import command
from stylegan_tf.pretrained.catalogue import PublishedEntry, find_published
from stylegan_tf.pretrained.fetch import cached_pickle, fetch_pickle
from stylegan_tf.pretrained.read import read_published_file
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.conversion import convert, plan_conversion


class PublishedSource:
    """A network of the catalogue as a run in the cache.

    Args:
        name: Of the catalogue.
        cache_dir: As the setting has it.

    Attributes:
        entry: What the catalogue says.
        pickle: Where the file is, or will be.
        run: The directory of the converted run.
    """

    def __init__(self, name: str, cache_dir: str) -> None:
        self.entry: PublishedEntry = find_published(name)
        self.pickle = cached_pickle(self.entry.url, f"{name}.pkl", cache_dir)
        self.run: Path = self.pickle.with_suffix("")

    @property
    def converted(self) -> bool:
        """Whether it is there already."""
        return RunDirectory(self.run).config_file.exists()

    def describe(self) -> str:
        """What `prepare` would do, as lines for a plan."""
        entry = self.entry
        fetched = "is there already" if self.pickle.is_file() else f"would be downloaded from {entry.url}"
        return (
            f"Would start from {entry.name}; its licence is {entry.licence}, see {entry.page}\n"
            f"  {self.pickle} {fetched}\n"
            f"  {self.run} would be made of it, with its form in {self._form}"
        )

    def prepare(self) -> None:
        """Downloads and converts what is not there, and says where it is.

        Raises:
            ValueError: When the download fails, or the file is not sound.
            OSError: When something cannot be written.
        """
        entry = self.entry
        print(f"{entry.name}: {entry.licence}; see {entry.page}", flush=True)
        if not self.converted:
            advice = (
                f"Or fetch it from {entry.page} with a browser, make a run of it ({command('convert')} "
                "--pickle=FILE --output_dir=RUN), and give that to --initialize_from"
            )
            fetch_pickle(entry.url, self.pickle, entry.sha256, advice)
            self._convert()
        print(f"It is converted in {self.run}, with its form in {self._form}.", flush=True)

    @property
    def _form(self) -> str:
        return f"--preset={shlex.quote(str(self.run))}/config.json"

    def _convert(self) -> None:
        try:
            file = read_published_file(self.pickle)
        except ValueError as error:
            raise UserError(f"{error} Delete the file to download it again.") from None
        try:
            convert(file, plan_conversion(file, self.run))
        except UserError:
            if not self.converted:  # else another process was faster
                raise
