"""Prepares, inspects and verifies sets of pictures.

  stylegan-tf dataset prepare --data=SOURCE --output=DIR
      writes every resolution of the growing schedule, from any source; stylegan-tf train --data=DIR trains on it
  stylegan-tf dataset inspect SOURCE
      counts, sizes, labels, duplicates, broken pictures, and a contact sheet; of a source or a prepared set
  stylegan-tf dataset verify DIR
      checks every file, record and image of a prepared set

A SOURCE is a folder, a zip or tar archive, .npy, .npz or idx files, TFRecords of the original StyleGAN, a prepared set,
keras:mnist, keras:fashion_mnist, keras:cifar10, tfds:NAME, or portraits. `prepare --help` lists the flags of prepare,
and so on. Exit codes: 0; 2 for something to mend, such as pictures that cannot be read; 130 or 143 when stopped.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.flags import FlagGroup, check_picture_file, require_given, training_flag
from stylegan_tf.configuration.resolutions import count_levels, parse_size
from stylegan_tf.data.advice import form_notes
from stylegan_tf.data.contact_images import contact_images
from stylegan_tf.data.decode import CROPS
from stylegan_tf.data.inspection import inspect_source
from stylegan_tf.data.inspection_report import format_inspection
from stylegan_tf.data.loading import DataSettings, find_source, resolve_form
from stylegan_tf.data.prepare import prepare
from stylegan_tf.data.prepared import ENCODINGS, LEFT_OUT, Manifest, PreparedImageSet, is_prepared, level_folder
from stylegan_tf.data.sources.base import Source
from stylegan_tf.data.sources.labels import classes_notes
from stylegan_tf.data.sources.listing import others_text
from stylegan_tf.data.unreadable import ON_ERROR
from stylegan_tf.data.verify import verify_set
from stylegan_tf.errors import USER_ERROR, require
from stylegan_tf.files import expanded
from stylegan_tf.invocation import command
from stylegan_tf.printing import printable, tell_note
from stylegan_tf.progress import ProgressLine, counted, format_seconds

SHEET_IMAGES = 64
SHEET_CELL = 96  # pixels

_COLOURS = {1: "grey", 3: "RGB", 4: "RGBA"}

PREPARE, INSPECT, VERIFY = flags.FlagValues(), flags.FlagValues(), flags.FlagValues()
ALL_FLAGS = (PREPARE, INSPECT, VERIFY)


_PREPARE, _INSPECT, _VERIFY = map(FlagGroup, (PREPARE, INSPECT, VERIFY))

_DATA = _PREPARE.text("data", "", "the source, see above")
_OUTPUT = _PREPARE.text("output", "", "directory to write: a new one, or an unfinished one to continue")
_RESOLUTION = training_flag(_PREPARE, "resolution")
_BASE_SIZE = training_flag(_PREPARE, "base_size")
_CHANNELS = training_flag(_PREPARE, "channels")
_CROP = training_flag(_PREPARE, "crop", CROPS)
_BACKGROUND = training_flag(_PREPARE, "background")
_USE_LABELS = _PREPARE.switch(
    "use_labels", False, "make folders labels, as in cats/1.png; the data's own labels are kept anyway"
)
_ENCODING = _PREPARE.choice(
    "encoding", "raw", "Raw pixels are read fastest; png takes less space, without loss", ENCODINGS
)
_ON_ERROR = _PREPARE.choice(
    "on_error",
    "fail",
    "Pictures that cannot be read: name them at the end and leave the set incomplete, or leave them out",
    ON_ERROR,
)
_INSPECT_DATA = _INSPECT.text("data", "", "the source or prepared set; also without --data=")
_INSPECT_LABELS = _INSPECT.switch("use_labels", False, "count folders as labels, as in cats/1.png")
_SHEET = _INSPECT.text("sheet", "contact_sheet.png", "where the contact sheet is written; empty for none")
_VERIFY_DATA = _VERIFY.text("data", "", "the prepared set; also without --data=")
_WORKERS, _INSPECT_WORKERS, _VERIFY_WORKERS = (
    group.whole("workers", 0, "processes; 0 for one for each core", least=0) for group in (_PREPARE, _INSPECT, _VERIFY)
)


def main_prepare() -> int:
    """Prepares a set; returns the exit code."""
    require_given(_DATA, "a source, such as a folder of pictures")
    require_given(_OUTPUT, "a directory to write")
    size = parse_size(_RESOLUTION.value, "resolution") if _RESOLUTION.value else None
    settings = DataSettings(
        _DATA.value,
        size,
        parse_size(_BASE_SIZE.value, "base_size"),
        _CHANNELS.value,
        _USE_LABELS.value,
        _CROP.value,
        _BACKGROUND.value,
        _ON_ERROR.value,
    )
    if size is not None:
        count_levels(size, settings.base_size)
    output = expanded(_OUTPUT.value)
    source = find_source(settings.data, use_labels=settings.use_labels)
    form = resolve_form(settings, source)
    _say_source(source)
    _say_notes(form_notes(source, form))
    started = time.monotonic()
    try:
        with ProgressLine("Preparing") as progress:
            image_set = prepare(
                source,
                output,
                form,
                count_levels(form.size, settings.base_size),
                encoding=_ENCODING.value,
                on_error=settings.on_error,
                max_workers=_WORKERS.value or None,
                progress=progress,
            )
    except KeyboardInterrupt as stop:
        print(f"dataset: stopped; finished parts are in {output}, run the same command to continue.", file=sys.stderr)
        return app.interrupted_exit_code(stop)
    _say_prepared(image_set, time.monotonic() - started)
    return 0


def main_inspect() -> int:
    """Prints what a source or a prepared set holds; returns the exit code."""
    require_given(_INSPECT_DATA, "a source or a prepared set")
    sheet = expanded(_SHEET.value) if _SHEET.value else None
    if sheet is not None:
        check_picture_file(_SHEET.name, sheet)
    folder = expanded(_INSPECT_DATA.value).resolve()
    require(
        sheet is None or folder not in sheet.resolve().parents,
        "the contact sheet would become one of the pictures; choose a --sheet elsewhere, or --sheet= for none",
        sheet,
    )
    source = find_source(_INSPECT_DATA.value, use_labels=_INSPECT_LABELS.value)
    if is_prepared(_INSPECT_DATA.value):
        print(_describe_manifest(Manifest.read(expanded(_INSPECT_DATA.value))))
    else:
        _say_source(source)
    with ProgressLine("Looking at") as progress:
        inspection = inspect_source(source, max_workers=_INSPECT_WORKERS.value or None, progress=progress)
    print(format_inspection(inspection))
    _say_notes(classes_notes(inspection.labels))
    if sheet is not None:
        _write_sheet(source, sheet)
    if inspection.broken:
        of_all = f"{len(inspection.broken):,} of {counted(inspection.count, 'picture')} cannot be read"
        advice = "repair or remove them, or leave them out with --on_error=skip of train or prepare"
        print(f"dataset: {of_all}; {advice}.", file=sys.stderr)
        return USER_ERROR
    return 0


def main_verify() -> int:
    """Checks a prepared set; returns the exit code."""
    require_given(_VERIFY_DATA, "the directory of a prepared set")
    directory = expanded(_VERIFY_DATA.value)
    started = time.monotonic()
    with ProgressLine("Verifying", "images") as progress:
        damages = verify_set(directory, max_workers=_VERIFY_WORKERS.value or None, progress=progress)
    manifest = Manifest.read(directory)
    if damages:
        for damage in damages:
            print(printable(str(damage)))
        print(f"dataset: {directory} is damaged; delete it and prepare it again.", file=sys.stderr)
        return USER_ERROR
    print(
        f"{directory} is whole: {counted(manifest.count, 'image')} at {counted(len(manifest.sizes), 'size')} in "
        f"{counted(len(manifest.files), 'file')}, checked in {format_seconds(time.monotonic() - started)}."
    )
    return 0


def _say_source(source: Source) -> None:
    ignored = f"; left out: {others_text(source.ignored)}" if source.ignored else ""
    labels = f", {counted(len(source.label_names), 'class', 'classes')}" if source.label_names else ""
    name = printable(source.name)
    print(f"{name}: {source.kind}, {counted(len(source), 'picture')}{labels}{ignored}", flush=True)
    _say_notes(source.label_notes)


def _say_notes(notes: Sequence[str]) -> None:
    for note in notes:
        tell_note("dataset", note)


def _say_prepared(image_set: PreparedImageSet, seconds: float) -> None:
    print(_describe_manifest(image_set.manifest))
    _say_notes(image_set.label_notes)
    print(f"Took       {format_seconds(seconds)}")
    base_size = image_set.sizes[-1]
    words = ["train", f"--data={image_set.directory}", f"--run_dir=runs/{image_set.directory.name}"]
    if base_size != DataSettings.base_size:
        words.append(f"--base_size={level_folder(base_size)}")
    print(f"Train with {command(shlex.join(words))}")


def _describe_manifest(manifest: Manifest) -> str:
    sizes = " down to ".join(dict.fromkeys(level_folder(manifest.sizes[place]) for place in (0, -1)))
    size = sum(check.bytes for check in manifest.files.values())
    lines = [
        f"Images     {manifest.count:,} of {sizes}, {_COLOURS[manifest.channels]}",
        f"Files      {len(manifest.files):,}, {manifest.encoding}, {size / 2**20:,.1f} MiB",
        f"Made from  {printable(str(manifest.source['data']))} ({manifest.source['kind']}), crop "
        f"{manifest.source['crop']}",
    ]
    if manifest.label_names:
        counted_names = zip(manifest.label_counts, manifest.label_names, strict=True)
        classes = sorted(counted_names, key=lambda entry: -entry[0])
        named = ", ".join(f"{printable(name)} {count:,}" for count, name in classes[:10])
        more = f" and {len(classes) - 10:,} more" if len(classes) > 10 else ""
        lines.append(f"Labels     {counted(len(classes), 'class', 'classes')}: {named}{more}")
    if manifest.source.get("left_out"):
        lines.append(f"Left out   {counted(manifest.source['left_out'], 'picture')}, listed in {LEFT_OUT}")
    return "\n".join(lines)


def _write_sheet(source: Source, path: Path) -> None:
    with app.quiet_startup():
        from stylegan_tf.images import save_picture
        from stylegan_tf.sampling.sheet import sheet
    images, names = contact_images(source, SHEET_IMAGES, SHEET_CELL)
    if not images:
        return
    columns = max(1, round(len(images) ** 0.5))
    rows = -(-len(images) // columns)
    blank = np.full((rows * columns - len(images), *images[0].shape), 255, np.uint8)
    cells = np.concatenate([np.stack(images), blank]).reshape(rows, columns, *images[0].shape)
    save_picture(path, sheet(cells, cell_captions=[printable(Path(name).name) for name in names], scale=1))
    print(f"Contact sheet: {path}, {len(images)} of {counted(len(source), 'picture')}")


COMMANDS = {"prepare": (main_prepare, PREPARE), "inspect": (main_inspect, INSPECT), "verify": (main_verify, VERIFY)}


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Chooses the command by its name and runs it with its own flags; a bare word after it is --data."""
    program, *words = sys.argv if argv is None else argv
    name = words[0] if words else ""
    if name not in COMMANDS:
        if name in ("--help", "-h", "-help", "help"):
            app.run(main_prepare, [program, "--help"], flags.FlagValues())  # of all of them: this file's docstring
        print(f"dataset: name a command: {', '.join(COMMANDS)}. Received: {name!r}. See --help.", file=sys.stderr)
        sys.exit(USER_ERROR)
    arguments = words[1:]
    if arguments and not arguments[0].startswith("-"):
        arguments[0] = f"--data={arguments[0]}"
    command, values = COMMANDS[name]
    app.run(command, [program, *arguments], values)


if __name__ == "__main__":
    run()
