"""Networks written to a hub: the files of a repository, and one commit of all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stylegan_tf.errors import UserError, require
from stylegan_tf.files import write_text
from stylegan_tf.hub.address import HubAddress
from stylegan_tf.hub.card import Measurement, model_card
from stylegan_tf.hub.connection import connected
from stylegan_tf.hub.layout import CARD_FILE, CONFIG_FILE, SAMPLES_FILE, WEIGHTS_FILE, describe_for_hub, require_ours
from stylegan_tf.images import save_png
from stylegan_tf.pretrained.safetensors_file import write_safetensors
from stylegan_tf.runs.load import LoadedRun
from stylegan_tf.sampling import figures
from stylegan_tf.sampling.latents import classes_from_seeds, one_hot_labels
from stylegan_tf.sampling.sampler import Sampler
from stylegan_tf.sampling.sheet import readable_scale

FILES = (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, SAMPLES_FILE)
_SHEET_WIDTH = 2048  # pixels of the picture of samples, about
_MOST_COLUMNS = 8


def check_repository(address: HubAddress, private: bool) -> None:
    """Asks the hub, before the work, whether a network may be written there.

    Args:
        address: The repository, which need not exist.
        private: Whether nobody else may see it.

    Raises:
        ImportError: Without the extra `hub`.
        UserError: Without a token, or with a refused one; for a repository that is public though it is to be private,
            or that holds something else.
    """
    with connected(address, "written") as hub:
        from huggingface_hub.errors import RepositoryNotFoundError

        hub.whoami()
        try:
            info = hub.model_info(address.repository)
        except RepositoryNotFoundError:
            return
        names = {file.rfilename for file in info.siblings or []}
        if CONFIG_FILE in names:
            file = hub.hf_hub_download(address.repository, CONFIG_FILE, revision=info.sha)
            require_ours(Path(file), address)
    if private and not info.private:
        raise UserError(f"{address} must be private for --private; change that on its page. Received: a public one.")
    strange = names.intersection(FILES) - {CARD_FILE}
    require(CONFIG_FILE in names or not strange, f"{address} must be new, or hold a network that `push` wrote", strange)


def write_repository(
    folder: Path, address: HubAddress, trained: LoadedRun, measurements: Sequence[Measurement], licence: str = ""
) -> None:
    """Writes the files of a repository.

    Args:
        folder: Where.
        address: Where they will lie; the card says it.
        trained: The network.
        measurements, licence: See `model_card`.

    Raises:
        OSError: When they cannot be written.
    """
    about = {"network": "generator_ema", "kimg": f"{trained.images_seen / 1000:g}"}
    write_safetensors(trained.generator.network, folder / WEIGHTS_FILE, about)
    write_text(folder / CONFIG_FILE, json.dumps(describe_for_hub(trained), indent=2, ensure_ascii=False) + "\n")
    seeds = _draw_samples(trained, folder / SAMPLES_FILE)
    write_text(folder / CARD_FILE, model_card(address, trained, seeds, measurements, licence))


def _draw_samples(trained: LoadedRun, file: Path) -> range:
    """Writes a picture of as many images as it has room for; returns their seeds."""
    generator, settings = trained.generator, trained.config.run
    width = generator.size[1] * readable_scale(generator.size)
    columns = min(max(_SHEET_WIDTH // width, 2), _MOST_COLUMNS)
    seeds = range(columns * max(columns // 2, 1))
    classes = trained.dataset.num_classes
    labels = one_hot_labels(np.asarray(classes_from_seeds(seeds, classes)), classes) if classes else None
    images = Sampler(generator).images(seeds, settings.truncation_psi, settings.truncation_cutoff or None, labels)
    save_png(file, figures.grid(images, columns=columns))
    return seeds


def push_repository(address: HubAddress, folder: Path, message: str, private: bool) -> str:
    """Writes the files of a folder to a repository, in one commit, and makes it where there is none.

    Args:
        address: The repository.
        folder: Of `write_repository`.
        message: Of the commit.
        private: Whether nobody else may see a repository that is made.

    Returns:
        The address of its page.

    Raises:
        UserError: When the hub refuses or cannot be reached; nothing is in the repository then that was not before. One
            that was made for it stays, empty.
    """
    with connected(address, "written") as hub:
        from huggingface_hub import CommitOperationAdd
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
        page = hub.create_repo(address.repository, private=private or None, exist_ok=True)
        operations = [CommitOperationAdd(name, str(folder / name)) for name in FILES]
        hub.create_commit(address.repository, operations, commit_message=message)
        return str(page)
