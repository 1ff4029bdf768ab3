"""Measures generated images: of a run's averaged generator, of an export, or of a directory that any program made.

  stylegan-tf evaluate --run_dir=RUN
  stylegan-tf evaluate --export=EXPORT --data=DATA --metrics=fd10k_full_efficientnet_lite0,swd2k
  stylegan-tf evaluate --images=DIR --data=DATA --metrics=pr2k3_full_efficientnet_lite0
  stylegan-tf evaluate --compare RUN_A RUN_B RUN_C --output=comparison.png
  stylegan-tf evaluate --list

Every result names its protocol, network, number of images and seed. Beside a value is what real images score against
real images. docs/metrics.md explains the protocols and their networks.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.early_checks import check_data, check_networks
from stylegan_tf.cli.flags import (
    FlagGroup,
    average_flag,
    cache_flag,
    check_picture_file,
    require_one,
    run_flags,
    training_flag,
)
from stylegan_tf.configuration.resolutions import parse_size
from stylegan_tf.data.decode import CROPS
from stylegan_tf.errors import require
from stylegan_tf.exports.layout import newest_version
from stylegan_tf.hub.address import is_hub_address
from stylegan_tf.metrics.protocols import DEFAULT_PROTOCOLS, EXAMPLES, PUBLISHED, Protocol, parse_protocols, protocol
from stylegan_tf.printing import tell_note
from stylegan_tf.runs.averages import EMA, average_names

if TYPE_CHECKING:
    from stylegan_tf.data.image_set import ImageSet
    from stylegan_tf.data.loading import DataSettings
    from stylegan_tf.evaluation.evaluator import Evaluator
    from stylegan_tf.evaluation.generated import FakeImages
    from stylegan_tf.evaluation.results import Result

FLAGS = flags.FlagValues()


_WHAT = FlagGroup(FLAGS, "What")
_RUN_DIR, _CHECKPOINT = run_flags(_WHAT, several=True, hub=True)
_AVERAGE = average_flag(_WHAT, several=True)
_EXPORT = _WHAT.text("export", "", "an export, or one version of it; its noise is fixed")
_IMAGES = _WHAT.text("images", "", "generated images from any program, in any form that --data of train.py takes")
_METRICS = _WHAT.words("metrics", DEFAULT_PROTOCOLS, "protocols, joined by commas; --list explains them")

_REALS = FlagGroup(FLAGS, "Real images")
_DATA = _REALS.text("data", "", "as for train.py; empty: what the run, or the export, was trained on")
_RESOLUTION = _REALS.text(
    "resolution", "", "size of --images, such as 256, at which both sets are compared; empty: what fits them"
)
_USE_LABELS = _REALS.switch(
    "use_labels", False, "generated classes follow the labels of --data; a run's own data have their labels anyway"
)
_CROP = training_flag(_REALS, "crop", CROPS, note="; with --run_dir, as the run has it")

_NETWORKS = FlagGroup(FLAGS, "Feature networks")
_WEIGHTS = _NETWORKS.words(
    "weights",
    [],
    "files of networks: inception=FILE, vgg16=URL#sha256=CHECKSUM, classifier=FILE, model=FILE; see docs/metrics.md",
)
_CACHE_DIR = cache_flag(_NETWORKS, "downloads and features of real images are kept")

_HOW = FlagGroup(FLAGS, "How")
_SEED = _HOW.whole("seed", 0, "of the generated images", least=0, most=10**9)
_NUM_DEVICES = training_flag(_HOW, "num_devices", least=0)
_RESULTS = _HOW.text("results", "", "file that JSON lines are added to; empty: RUN/metrics.jsonl for runs")

_COMPARING = FlagGroup(FLAGS, "Comparing")
_COMPARE = _COMPARING.words("compare", [], "runs, or files of results; draws their metrics over kimg to --output")
_OUTPUT = _COMPARING.text("output", "comparison.png", "the chart: a .png, .svg, .jpg or .webp")
_LIST = _COMPARING.switch("list", False, "list protocols and stop")


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; see `app.run`."""
    app.run(main, join_compared(list(sys.argv if argv is None else argv)), FLAGS)


def main() -> None:
    """Lists, compares or measures."""
    if _LIST.value:
        print(describe_protocols())
    elif _COMPARE.value:
        _compare()
    else:
        _measure()


def describe_protocols() -> str:
    """All published protocols, and examples of the others."""
    names = [*PUBLISHED, *EXAMPLES]
    width = max(map(len, names))
    lines = ["As published:"]
    for name in names:
        if name == EXAMPLES[0]:
            lines += ["", "With other networks, or other numbers of images (examples; 2k is 2,000, for swd 2,048):"]
        lines.append(f"  {name:<{width}}  {protocol(name).meaning}")
    return "\n".join(lines)


def _compare() -> None:
    output = Path(_OUTPUT.value)
    check_picture_file(_OUTPUT.name, output, (".png", ".svg", ".jpg", ".webp"))
    from stylegan_tf.evaluation.comparison import differences, draw_comparison, read_runs

    runs = read_runs([Path(path) for path in _COMPARE.value])
    for note in differences(runs):
        tell_note("evaluate", note)
    panels = draw_comparison(runs, output)
    print(f"wrote {output}: {panels} metric{'s' if panels > 1 else ''} of {', '.join(runs)}")


def _measure() -> None:
    require_one((_RUN_DIR, _EXPORT, _IMAGES), "--compare, --list")
    require(
        bool(_RUN_DIR.value) or _AVERAGE.value == EMA, "--average belongs to --run_dir; leave it out", _AVERAGE.value
    )
    protocols = parse_protocols(_METRICS.value)
    require(bool(protocols), "--metrics must name protocols", "none")
    if _RUN_DIR.value:
        check_networks(_RUN_DIR.value, _CHECKPOINT.value, _AVERAGE.value, several=True)
        here = not is_hub_address(_RUN_DIR.value)
        require(here or bool(_DATA.value), "--data must name the real images, which no hub holds", "none")
    elif _EXPORT.value:
        newest_version(Path(_EXPORT.value))
    else:
        check_data(_IMAGES.value)
    if _DATA.value:
        check_data(_DATA.value)
    if _RESOLUTION.value:
        parse_size(_RESOLUTION.value, "--resolution")
    with app.quiet_startup():  # after the flags: bad ones should not wait for TensorFlow
        from stylegan_tf.evaluation.networks import build_networks, parse_weights
        from stylegan_tf.evaluation.results import check_results_file
        from stylegan_tf.training import devices
    if _RESULTS.value:
        check_results_file(Path(_RESULTS.value))
    weights = parse_weights(_WEIGHTS.value)
    strategy = devices.choose_strategy(_NUM_DEVICES.value)
    with strategy.scope():  # before any image is made or read: a missing network is said at once
        networks = build_networks(protocols, weights, _cache())
    if is_hub_address(_RUN_DIR.value):
        _measure_hub(protocols, networks, strategy)
    elif _RUN_DIR.value:
        _measure_run(protocols, networks, strategy)
    elif _EXPORT.value:
        _measure_export(protocols, networks, strategy)
    else:
        _measure_images(protocols, networks, strategy)


def _measure_run(protocols: list[Protocol], networks: Any, strategy: Any) -> None:
    from stylegan_tf.evaluation.generated import NetworkImages, Origin, follow_labels
    from stylegan_tf.runs.averages import check_average, mixing_sources
    from stylegan_tf.runs.directory import RunDirectory
    from stylegan_tf.runs.load import read_run

    directory = RunDirectory(_RUN_DIR.value)
    config = directory.read_config()
    prefixes = directory.find_checkpoints(_CHECKPOINT.value)
    averages = average_names(_AVERAGE.value, config)
    sources = mixing_sources(averages, config, directory)
    for prefix, average in itertools.product(prefixes, averages):
        check_average(average, prefix, sources)
    dataset = directory.read_dataset()
    data = config.data
    require(
        bool(_DATA.value or data.data),
        "--data must name the real images, as this run does not know what it was trained on",
        "none",
    )
    settings = _data_settings(
        _DATA.value or data.data,
        dataset.size,
        dataset.channels,
        base_size=config.base_size,
        use_labels=_USE_LABELS.value or (data.use_labels and not _DATA.value),
        crop=data.crop,
        background=data.background,
        on_error=data.on_error,
        cache_dir=data.cache_dir,
    )
    reals = _read(settings)
    if not _DATA.value and not dataset.fingerprint.startswith(reals.fingerprint):
        tell_note("evaluate", f"{settings.data} is no longer what the run was trained on")
    evaluator = _evaluator(protocols, networks, strategy, reals)
    results = []
    for prefix, average in itertools.product(prefixes, averages):
        with strategy.scope():
            trained = read_run(prefix, config, dataset, average, sources)
        tell_note("evaluate", trained.average_note)
        origin = Origin("run", _RUN_DIR.value, trained.images_seen, average=average)
        fakes = NetworkImages(trained.generator, origin, strategy)
        tell_note("evaluate", follow_labels(fakes, dataset.label_names, reals, required=settings.use_labels))
        print(f"{_RUN_DIR.value} at {trained.moment}", flush=True)
        results += _report(evaluator, fakes, Path(_RESULTS.value or directory.results_file))
    if len(averages) > 1:
        print("\n".join(describe_best(results)))


def describe_best(results: Sequence[Result]) -> list[str]:
    """A line for each protocol of which one result of several is best, with the flags that choose its network."""
    from stylegan_tf.evaluation.results import best, number

    found = [best(results, name) for name in dict.fromkeys(result.protocol for result in results)]
    return [
        f"Best by {result.protocol}: {number(result.value)} with --average={result.average} "
        f"--checkpoint={(result.images_seen or 0) / 1000:g}"
        for result in found
        if result is not None and result.lower_is_better is not None
    ]


def _measure_hub(protocols: list[Protocol], networks: Any, strategy: Any) -> None:
    from stylegan_tf.evaluation.generated import NetworkImages, Origin, follow_labels
    from stylegan_tf.hub.read import load_networks

    with strategy.scope():
        trained = load_networks(_RUN_DIR.value)
    config, dataset = trained.config, trained.dataset
    settings = _data_settings(
        _DATA.value,
        dataset.size,
        dataset.channels,
        base_size=config.base_size,
        use_labels=_USE_LABELS.value,
        crop=config.data.crop,
        background=config.data.background,
    )
    reals = _read(settings)
    fakes = NetworkImages(trained.generator, Origin("hub", _RUN_DIR.value, trained.images_seen), strategy)
    tell_note("evaluate", follow_labels(fakes, dataset.label_names, reals, required=_USE_LABELS.value))
    print(f"{_RUN_DIR.value} at {trained.images_seen / 1000:g} kimg", flush=True)
    _report(_evaluator(protocols, networks, strategy, reals), fakes, Path(_RESULTS.value) if _RESULTS.value else None)


def _measure_export(protocols: list[Protocol], networks: Any, strategy: Any) -> None:
    from stylegan_tf.evaluation.exported import ExportImages
    from stylegan_tf.evaluation.generated import follow_labels

    fakes = ExportImages(_EXPORT.value)
    data = _DATA.value or fakes.dataset
    require(bool(data), "--data must name the real images, as this export does not say what it was trained on", "none")
    reals = _read(_data_settings(data, fakes.size, fakes.channels, use_labels=_USE_LABELS.value))
    if _USE_LABELS.value:
        tell_note("evaluate", follow_labels(fakes, fakes.label_names, reals, required=True))
    evenly = fakes.num_classes and fakes.labels is None
    print(f"{fakes.origin.path}{', all classes equally likely' if evenly else ''}")
    _report(_evaluator(protocols, networks, strategy, reals), fakes, Path(_RESULTS.value) if _RESULTS.value else None)


def _measure_images(protocols: list[Protocol], networks: Any, strategy: Any) -> None:
    from stylegan_tf.evaluation.generated import SetImages

    needs_reals = [entry.name for entry in protocols if entry.reals != 0]
    require(bool(_DATA.value) or not needs_reals, f"--data must name real images for {', '.join(needs_reals)}", "none")
    size = parse_size(_RESOLUTION.value, "--resolution") if _RESOLUTION.value else None
    fakes = SetImages(_read(_data_settings(_IMAGES.value, size, 0)))
    reals = _read(_data_settings(_DATA.value, fakes.size, fakes.channels)) if _DATA.value else None
    print(f"{_IMAGES.value}: {len(fakes):,} images")
    _report(_evaluator(protocols, networks, strategy, reals), fakes, Path(_RESULTS.value) if _RESULTS.value else None)


def _evaluator(protocols: list[Protocol], networks: Any, strategy: Any, reals: ImageSet | None) -> Evaluator:
    from stylegan_tf.evaluation.evaluator import Evaluator

    return Evaluator(protocols, reals, networks, _cache() / "metrics", strategy=strategy, seed=_SEED.value)


def _report(evaluator: Evaluator, fakes: FakeImages, file: Path | None) -> list[Result]:
    from stylegan_tf.evaluation.results import append_results, notes, table

    results = evaluator.evaluate(fakes)
    print("\n".join([table(results), *notes(results, evaluator.feature_counts)]))
    if file is None:
        print("\n".join(result.to_json() for result in results))
    else:
        try:
            append_results(file, results)
        except (OSError, ValueError):
            print("\n".join(result.to_json() for result in results))  # they took long
            raise
        print(f"added to {file}")
    return results


def _data_settings(data: str, size: tuple[int, int] | None, channels: int, **values: Any) -> DataSettings:
    from stylegan_tf.data.loading import DataSettings

    chosen = {"crop": _CROP.value, "cache_dir": _CACHE_DIR.value, "base_size": size or (4, 4), **values}
    return DataSettings(data, size, channels=channels, **chosen)


def _read(settings: DataSettings) -> ImageSet:
    from stylegan_tf.data.loading import load_image_set
    from stylegan_tf.data.sources.listing import others_text
    from stylegan_tf.progress import ProgressLine

    with ProgressLine("Reading the data") as progress:
        image_set = load_image_set(settings, progress=progress)
    if image_set.ignored:
        print(f"{settings.data}: left out: {others_text(image_set.ignored)}", flush=True)
    return image_set


def _cache() -> Path:
    from stylegan_tf.data.loading import cache_folder

    return cache_folder(_CACHE_DIR.value)


def join_compared(arguments: list[str]) -> list[str]:
    """`--compare A B C` as `--compare=A,B,C`."""
    if "--compare" not in arguments:
        return arguments
    start = arguments.index("--compare")
    end = next((i for i in range(start + 1, len(arguments)) if arguments[i].startswith("-")), len(arguments))
    return [*arguments[:start], f"--compare={','.join(arguments[start + 1 : end])}", *arguments[end:]]


if __name__ == "__main__":
    run()
