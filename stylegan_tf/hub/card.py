"""The model card, README.md: what a stranger should know of a network, in Markdown with a head for the hub."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Sequence

from stylegan_tf.errors import require
from stylegan_tf.hub.address import HubAddress
from stylegan_tf.hub.layout import CONFIG_FILE, LIBRARY, SAMPLES_FILE, WEIGHTS_FILE, dataset_name
from stylegan_tf.invocation import PROGRAM
from stylegan_tf.pretrained.published_names import family_of, published_module
from stylegan_tf.printing import printable
from stylegan_tf.progress import counted
from stylegan_tf.runs.load import LoadedRun

PIPELINE = "unconditional-image-generation"
_MOST_NAMES = 50
_KINDS = {1: "grey", 3: "RGB", 4: "RGBA"}


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A line of the card's table of metrics, as it is shown.

    Attributes:
        protocol: Its name.
        values: What it gave, by name.
        reals: What real images give against real ones, by name; empty where nothing is known.
        fakes: How many generated images took part.
    """

    protocol: str
    values: dict[str, str]
    reals: dict[str, str]
    fakes: int


def check_licence(name: str) -> None:
    """Raises UserError for what no hub has as the name of a licence; empty is for none."""
    sound = re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", name) is not None
    require(not name or sound, "--license must be a short name as the hub has it, such as mit or cc-by-nc-4.0", name)


def model_card(
    address: HubAddress,
    trained: LoadedRun,
    seeds: Sequence[int],
    measurements: Sequence[Measurement],
    licence: str = "",
) -> str:
    """The text of README.md.

    Args:
        address: Where it will lie.
        trained: The network.
        seeds: Of the images in `SAMPLES_FILE`.
        measurements: Metrics of this state.
        licence: Its name on the hub; empty where none is given.
    """
    settings = trained.config.run
    seen = f"seeds {seeds[0]}-{seeds[-1]}, psi {settings.truncation_psi:g}"
    return "\n".join(
        [
            *_head(trained, licence),
            f"# {address.name}",
            "",
            f"The averaged generator of a training with {LIBRARY}: "
            f"{trained.config.family.describe(trained.config.network)}.",
            "",
            f"![{seen}]({SAMPLES_FILE})",
            "",
            f"Samples: {seen}, not chosen.",
            "",
            *_table(("", ""), _facts(trained)),
            "",
            *_use(address, trained),
            *_metrics(measurements),
            *_files(trained),
        ]
    )


def _head(trained: LoadedRun, licence: str) -> list[str]:
    tags = [LIBRARY, trained.config.network.family, "gan", "image-generation", "tensorflow", "keras"]
    return [
        "---",
        f"library_name: {LIBRARY}",
        f"pipeline_tag: {PIPELINE}",
        *([f"license: {licence}"] if licence else []),
        "tags:",
        *(f"- {tag}" for tag in tags),
        "---",
        "",
    ]


def _facts(trained: LoadedRun) -> list[tuple[str, str]]:
    generator, dataset, settings = trained.generator, trained.dataset, trained.config.run
    network = trained.config.network
    size = "{}x{}".format(*generator.size)
    if generator.size != generator.full_size or generator.fade_in is not None:
        size += " of {}x{}, which it grows to".format(*generator.full_size)
    name = _plain(dataset_name(dataset)) or "not known"
    reach = f"the first {settings.truncation_cutoff} layers" if settings.truncation_cutoff else "all layers"
    return [
        ("Images", f"{size}, {_KINDS[generator.channels]} (height x width)"),
        ("Family", trained.config.family.title(network)),
        ("Latents", f"z {generator.z_size}, w {generator.w_size}"),
        ("Classes", _classes(dataset.label_names)),
        ("Trained on", f"{name}, {counted(dataset.count, 'image')}" if dataset.count else name),
        ("Trained for", f"{trained.images_seen / 1000:g} kimg (thousands of images seen)"),
        ("Truncation", f"psi {settings.truncation_psi:g} in {reach}, where nothing else is asked for"),
    ]


def _classes(names: Sequence[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(_plain(name) for name in names[:_MOST_NAMES])
    return f"{len(names)}: {shown}{', ...' if len(names) > _MOST_NAMES else ''}"


def _use(address: HubAddress, trained: LoadedRun) -> list[str]:
    height, width = trained.generator.size
    psi = trained.config.run.truncation_psi
    shape = f"uint8 [3, {height}, {width}, {trained.generator.channels}]"
    return [
        "## Use",
        "",
        "```python",
        "import stylegan_tf",
        "",
        f'generator = stylegan_tf.load_generator("{address}")',
        f"images = generator.images([0, 1, 2], psi={psi:g})  # {shape}",
        "```",
        "",
        "```",
        f"{PROGRAM} sample --run_dir={address} --seeds=0-15",
        "```",
        "",
        "A seed always gives the same image. psi 1 gives all the variety, smaller ones images nearer to the mean.",
        "",
    ]


def _metrics(measurements: Sequence[Measurement]) -> list[str]:
    if not measurements:
        return []
    rows = [
        (measured.protocol if index == 0 else "", name, value, measured.reals.get(name, ""), f"{measured.fakes:,}")
        for measured in measurements
        for index, (name, value) in enumerate(measured.values.items())
    ]
    return [
        "## Metrics",
        "",
        *_table(("protocol", "", "value", "real images alone", "images"), rows),
        "",
        "Numbers of other feature networks, or of other numbers of images, are not comparable with these.",
        "",
    ]


def _files(trained: LoadedRun) -> list[str]:
    network = trained.generator.network
    said = published_module(family_of(network)).published_metadata(network)
    text = f"`{WEIGHTS_FILE}` has the arrays with the names and the layout of {said['names']}"
    if "arguments" in said:
        text += "; its metadata has the arguments of that code's generator"
    return ["## Files", "", f"{text}.", f"`{CONFIG_FILE}` has the settings of the networks and of the training.", ""]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _plain(text: str) -> str:
    """Text of others that Markdown leaves as it is."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", html.escape(printable(text), quote=False))
