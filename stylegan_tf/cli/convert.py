"""Turns published networks, NVIDIA's pickles, into a run directory, and networks of a run into safetensors.

  stylegan-tf convert --list
  stylegan-tf convert --url=NAME --output_dir=RUN        downloads one of the list, or a URL
  stylegan-tf convert --pickle=FILE --output_dir=RUN
  stylegan-tf convert --run_dir=RUN --safetensors=FILE   the other way

Pickles are read as data: no code in them is run, and no other framework is needed. docs/pretrained.md has the formats.
"""

from __future__ import annotations

import re
import shlex
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.flags import FlagGroup, cache_flag, require_one, run_flags
from stylegan_tf.errors import UserError, require
from stylegan_tf.files import check_writable, is_new_or_empty
from stylegan_tf.invocation import command
from stylegan_tf.names import can_be_written

if TYPE_CHECKING:
    from stylegan_tf.pretrained.published_file import PublishedFile
    from stylegan_tf.training.conversion import Conversion

FLAGS = flags.FlagValues()

_FROM_PICKLE = FlagGroup(FLAGS, "From a pickle")
_PICKLE = _FROM_PICKLE.text("pickle", "", "file of published networks")
_URL = _FROM_PICKLE.text(
    "url", "", "a name of --list, or the address of a pickle; a checksum after it, #sha256=HEX, is checked"
)
_OUTPUT_DIR = _FROM_PICKLE.text("output_dir", "", "the run's directory; new or empty")
_SKIP_CRITIC = _FROM_PICKLE.switch("skip_critic", False, "leave the file's critic out and make a new one")
_DRY_RUN = _FROM_PICKLE.switch("dry_run", False, "print what the file holds and stop; needs no --output_dir")
_CACHE_DIR = cache_flag(_FROM_PICKLE, "downloads are kept")
_LIST = _FROM_PICKLE.switch("list", False, "list well-known published networks and stop")

_TO_SAFETENSORS = FlagGroup(FLAGS, "To safetensors")
_RUN_DIR, _CHECKPOINT = run_flags(_TO_SAFETENSORS)
_SAFETENSORS = _TO_SAFETENSORS.text("safetensors", "", "file to be written")
_NETWORK = _TO_SAFETENSORS.choice(
    "network", "generator_ema", "which of the run's networks", ("generator_ema", "generator", "critic")
)


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; see `app.run`."""
    app.run(main, argv, FLAGS)


def main() -> None:
    """Checks the flags, and converts what they name."""
    if _LIST.value:
        from stylegan_tf.pretrained.catalogue import describe_catalogue

        print(describe_catalogue())
        return
    source = require_one((_PICKLE, _URL, _RUN_DIR), "--list")
    needed, other = (_SAFETENSORS, _OUTPUT_DIR) if _RUN_DIR.value else (_OUTPUT_DIR, _SAFETENSORS)
    require(bool(needed.value) or _DRY_RUN.value, f"--{needed.name} must be given with --{source.name}", "none")
    require(not other.value, f"--{other.name} cannot be combined with --{source.name}", other.value)
    for flag in (_SKIP_CRITIC, _DRY_RUN, _CACHE_DIR) if _RUN_DIR.value else (_NETWORK, _CHECKPOINT):
        require(flag.value == flag.default, f"--{flag.name} cannot be combined with --{source.name}", flag.value)
    if _OUTPUT_DIR.value:
        check_output(Path(_OUTPUT_DIR.value))
    if needed.value:
        check_target(needed)
    if _RUN_DIR.value:
        export_safetensors(_RUN_DIR.value, _NETWORK.value, _CHECKPOINT.value, Path(_SAFETENSORS.value))
        return
    path = Path(_PICKLE.value) if _PICKLE.value else _download(_URL.value)
    convert_pickle(path, _OUTPUT_DIR.value, skip_critic=_SKIP_CRITIC.value, dry_run=_DRY_RUN.value, source=_URL.value)


def check_target(flag: flags.FlagHolder) -> None:
    """Raises ValueError when nothing can be written where a flag says: before the work, not after it."""
    target = Path(flag.value)
    folder = next(parent for parent in target.resolve().parents if parent.exists())
    try:
        check_writable(folder)
    except OSError as error:
        reason = f"{error.strerror}: {folder}"
        raise UserError(f"--{flag.name} must be where files can be written. Received: {target} ({reason}).") from None


def check_output(target: Path) -> None:
    """Raises ValueError unless a directory is new or empty: before a download, not after it."""
    require(is_new_or_empty(target), "--output_dir must be new or empty", f"{target}, which exists")
    path = str(target.resolve())  # where it is written, by TensorFlow, which wants UTF-8
    require(can_be_written(path), "--output_dir must lie in folders whose names are written in UTF-8", repr(path))
    require(target.resolve() != Path.cwd(), "--output_dir must not be the current directory", target)


def convert_pickle(
    path: Path, run_dir: str, *, skip_critic: bool = False, dry_run: bool = False, source: str = ""
) -> None:
    """Reads a pickle, says what it holds, and writes the run.

    Args:
        path: The pickle.
        run_dir: Directory of the run; new or empty.
        skip_critic: Leave the file's critic out.
        dry_run: Write nothing.
        source: Where the file was downloaded from.

    Raises:
        ValueError: For a file that is not sound or not known.
        OSError: When something cannot be read or written.
    """
    with app.quiet_startup():
        from stylegan_tf.pretrained.read import read_published_file
        from stylegan_tf.training.conversion import convert, plan_conversion
    try:
        file = read_published_file(path, skip_critic=skip_critic)
    except ValueError as error:
        again = f" It came from {source}: delete the file to download it again." if source else ""
        raise UserError(f"{error}{again}") from None
    conversion = plan_conversion(file, run_dir or "run")
    print(f"{path}\n{describe_conversion(file, conversion)}", flush=True)
    if dry_run:
        return
    taken = convert(file, conversion)
    listed = ", ".join(f"{role} {count} of {count}" for role, count in taken.items())
    print(f"Arrays taken: {listed}. {_missing(file)}Wrote {run_dir}.\n{_next_steps(file, conversion)}")


def export_safetensors(run_dir: str, network: str, checkpoint: str, target: Path) -> None:
    """Writes one network of a run with its published names.

    Args:
        run_dir: Directory of the run.
        network: "generator_ema", "generator" or "critic".
        checkpoint: See `RunDirectory.find_checkpoints`.
        target: The file.

    Raises:
        ValueError: When there is no such run or checkpoint.
        ImportError: Without the extra safetensors.
        OSError: When the file cannot be written.
    """
    require(target.suffix == ".safetensors", "--safetensors must be a file's name ending with .safetensors", target)
    with app.quiet_startup():
        from stylegan_tf.networks.build import build_critic, build_generator, shape_of
        from stylegan_tf.pretrained.safetensors_file import write_safetensors
        from stylegan_tf.runs.directory import RunDirectory
        from stylegan_tf.runs.load import restore_network
    directory = RunDirectory(run_dir)
    config, dataset = directory.read_config(), directory.read_dataset()
    prefix = directory.find_checkpoints(checkpoint)[-1]
    build = build_critic if network == "critic" else build_generator
    built = build(config.network, shape_of(config, config.num_levels_for(dataset.size), dataset.num_classes))
    kimg = restore_network(prefix, network, built) / 1000
    count = write_safetensors(built, target, {"network": network, "run": directory.path.name, "kimg": f"{kimg:g}"})
    size = target.stat().st_size
    print(f"Wrote {target}: {network} of {run_dir} at {kimg:g} kimg, {count} arrays, {size:,} bytes.")


def describe_conversion(file: PublishedFile, conversion: Conversion) -> str:
    """What was worked out from a file, as lines for a terminal."""
    from stylegan_tf.networks.sizes import feature_maps_at
    from stylegan_tf.training.conversion import count_numbers

    config, network = conversion.config, conversion.config.network
    size, base = config.data.resolution, config.base_size[0]
    limits = int(network.feature_maps_base.values()[0]), network.feature_maps_max
    maps = [feature_maps_at(level, *limits) for level in range(conversion.num_levels)]
    kinds = {1: "grey", 3: "RGB", 4: "RGBA"}
    lines = [
        ("Format", file.code),
        ("Networks", ", ".join(f"{role} {numbers:,} numbers" for role, numbers in count_numbers(file).items())),
        ("Images", f"{size}x{size} {kinds[config.channels]}, from {base}x{base}"),
        ("Maps", f"{', '.join(map(str, maps))} by resolution"),
        ("Latents", _latents(conversion)),
        ("Labels", _labels(conversion)),
        ("Noise", "in every layer" if network.noise else "none"),
    ]
    lines += config.family.details(network)
    lines += [("Grown", f"to level of detail {file.lod:g}")] if file.lod else []
    if config.augment.augment != "off":
        lines.append(("Augment", f"{config.augment.augment_transforms}, strength {file.augment_p:g}"))
    count = f", {file.num_images:,} images" if file.num_images else ""
    lines += [("Trained on", f"{file.data}{count}")] if file.data else []
    return "\n".join(f"  {name:<12}{text}" for name, text in lines)


def _latents(conversion: Conversion) -> str:
    network = conversion.config.network
    if not network.mapping_layers:
        return f"z {network.z_size}, normalised; no mapping network"
    width = f" of {network.mapping_width}" if network.mapping_width else ""
    return (
        f"z {network.z_size}, w {network.w_size}, {network.mapping_layers} mapping layers{width} that learn at "
        f"{network.mapping_learning_rate_multiplier:g}"
    )


def _labels(conversion: Conversion) -> str:
    classes, network = conversion.dataset.num_classes, conversion.config.network
    if not classes:
        return "none"
    applies = "label_design" not in conversion.config.without_meaning()
    design = f", as {network.label_design} has them" if applies else ""
    return f"{classes} classes{', which the critic predicts' if network.critic_classifies else design}"


def _missing(file: PublishedFile) -> str:
    lacking = []
    if "critic" not in file.networks:
        lacking.append("the critic is new")
    if len(file.networks.keys() & {"generator", "generator_ema"}) == 1:
        lacking.append("one generator serves as the averaged one and as the one in training")
    return f"In the run {' and '.join(lacking)}. " if lacking else ""


def _next_steps(file: PublishedFile, conversion: Conversion) -> str:
    path = conversion.config.run.run_dir
    run, export = shlex.quote(path), shlex.quote(f"exports/{Path(path).name}")
    labels = " --use_labels" if conversion.dataset.num_classes else ""
    settings = f"--preset={run}/config.json --initialize_from={run}"
    return "\n".join(
        [
            "Networks belong to whoever published them: mind their licence, which often allows no commercial use.",
            "Next:",
            f"  {command(f'sample --run_dir={run} --seeds=0-15')}",
            f"  {command(f'export --run_dir={run} --output_dir={export}')}",
            f"  {command(f'train {settings} --data=PICTURES{labels} --run_dir=RUN')}",
        ]
    )


def _download(given: str) -> Path:
    """Downloads a network of the list, or a URL, into the cache; says the file's checksum."""
    with app.quiet_startup():
        from stylegan_tf.downloads import split_checksum
        from stylegan_tf.pretrained.catalogue import find_published
        from stylegan_tf.pretrained.fetch import cached_pickle, fetch_pickle

    if _CACHE_DIR.value:
        check_target(_CACHE_DIR)
    advice = ""
    if "://" in given:
        require(given.lower().startswith(("http://", "https://")), "--url must begin with http:// or https://", given)
        try:
            parts = urllib.parse.urlsplit(given)
        except ValueError as error:
            raise UserError(f"--url must be an address. Received: {given!r}: {error}.") from None
        named = "@" in parts.netloc
        require(not named, "--url must be without user and password; or give --pickle", "one with them")
        url, checksum = split_checksum(given)
        name = re.sub(r"[^\w.-]+", "_", Path(urllib.parse.unquote(parts.path)).name) or "networks.pkl"
    else:
        entry = find_published(given)
        url, checksum, name = entry.url, entry.sha256, f"{entry.name}.pkl"
        print(f"{entry.name}: {entry.licence}; see {entry.page}", flush=True)
        advice = f"Or fetch it from {entry.page} with a browser, and give --pickle=FILE"
        require(bool(url), f"{entry.name} must be fetched from {entry.page}; then give --pickle=FILE", given)
    path = cached_pickle(url, name, _CACHE_DIR.value)
    fetch_pickle(url, path, checksum, advice)
    return path


if __name__ == "__main__":
    run()
