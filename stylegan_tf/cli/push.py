"""Writes the averaged generator of a run to a repository on a hub of models, as safetensors with a model card.

  stylegan-tf push RUN hf://USER/NAME
  stylegan-tf push RUN hf://USER/NAME --dry_run                        says what would be written, and asks no hub
  stylegan-tf push RUN hf://USER/NAME --checkpoint=best --license=mit --private

It is read back by stylegan_tf.load_generator("hf://USER/NAME") and by --run_dir=hf://USER/NAME of other commands.
The token is huggingface_hub's: that of `hf auth login`, or HF_TOKEN. docs/pretrained.md says what is published.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.early_checks import check_run
from stylegan_tf.cli.flags import FlagGroup, require_given, require_run, run_flags
from stylegan_tf.errors import require
from stylegan_tf.hub.address import HubAddress, parse_hub_address
from stylegan_tf.invocation import command
from stylegan_tf.printing import tell_note

if TYPE_CHECKING:
    from stylegan_tf.hub.card import Measurement

FLAGS = flags.FlagValues()
FLAGS.set_gnu_getopt(True)  # flags may come behind the words

_WHAT = FlagGroup(FLAGS, "What")
_RUN_DIR, _CHECKPOINT = run_flags(_WHAT)
_TO = _WHAT.text("to", "", "the repository, hf://USER/NAME; it is made where there is none")
_HOW = FlagGroup(FLAGS, "How")
_PRIVATE = _HOW.switch("private", False, "make a repository that only you, or your organisation, can see")
_LICENCE = _HOW.text("license", "", "its short name on the hub, such as cc-by-nc-4.0; empty: the card names none")
_MESSAGE = _HOW.text("message", "", "of the commit; empty: run and kimg")
_DRY_RUN = _HOW.switch("dry_run", False, "show the card and the files, and upload nothing")

# What the words RUN hf://USER/NAME stand for.
WORDS = (_RUN_DIR, _TO)


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; see `app.run`."""
    app.run(main, argv, FLAGS, WORDS)


def main() -> None:
    """Checks the flags, asks the hub, writes the files and uploads them."""
    require_run(_RUN_DIR)
    require_given(_TO, "the repository, hf://USER/NAME")
    address = parse_hub_address(_TO.value)
    require(not address.revision, "push writes to the main branch; leave the revision out", _TO.value)
    check_run(_RUN_DIR.value)
    with app.quiet_startup():  # after the flags: bad ones should not wait for TensorFlow
        from stylegan_tf.files import work_folder
        from stylegan_tf.hub.card import check_licence
        from stylegan_tf.hub.connection import require_hub
        from stylegan_tf.hub.push import CARD_FILE, FILES, check_repository, push_repository, write_repository
        from stylegan_tf.runs.load import load_run
    check_licence(_LICENCE.value)
    require_hub()
    if not _DRY_RUN.value:
        check_repository(address, _PRIVATE.value)
    trained = load_run(_RUN_DIR.value, _CHECKPOINT.value)
    kimg = f"{trained.images_seen / 1000:g} kimg"
    with work_folder() as folder:
        write_repository(folder, address, trained, measured(_RUN_DIR.value, trained.images_seen), _LICENCE.value)
        sizes = [f"  {name:<20}{(folder / name).stat().st_size:>14,} bytes" for name in FILES]
        if _DRY_RUN.value:
            card = (folder / CARD_FILE).read_text(encoding="utf-8")
            print("\n".join([card, f"{address} would get, of {_RUN_DIR.value} at {kimg}:", *sizes, _visible()]))
            return
        message = _MESSAGE.value or f"{Path(_RUN_DIR.value).resolve().name} at {kimg}"
        print(f"Uploading to {address}", flush=True)
        page = push_repository(address, folder, message, _PRIVATE.value)
    if not _LICENCE.value:
        tell_note("push", "without --license the card does not say what others may do with the network")
    print("\n".join([f"wrote {page}, of {_RUN_DIR.value} at {kimg}:", *sizes, _next_steps(address)]))


def measured(run_dir: str, images_seen: int) -> list[Measurement]:
    """What the run's own file says of this state: the latest result of each protocol."""
    from stylegan_tf.evaluation.results import number, read_results
    from stylegan_tf.hub.card import Measurement
    from stylegan_tf.runs.directory import RunDirectory

    file = RunDirectory(run_dir).results_file
    if not file.is_file():
        return []
    latest = {
        result.protocol: result
        for result in read_results(file)
        if result.source == "run" and result.images_seen == images_seen
    }
    return [
        Measurement(
            result.protocol,
            {name: number(value) for name, value in result.values.items()},
            {name: number(value) for name, value in result.floor.items()},
            result.fakes,
        )
        for result in latest.values()
    ]


def _visible() -> str:
    return "A repository that is made would be private." if _PRIVATE.value else "A repository that is made is public."


def _next_steps(address: HubAddress) -> str:
    return "\n".join(["Next:", f"  {command(f'sample --run_dir={address} --seeds=0-15')}"])


if __name__ == "__main__":
    run()
