"""Draws and writes what `stylegan_tf.cli.sample` was asked for; apart from it, since this needs TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.images import save_animation, save_picture
from stylegan_tf.names import nfc
from stylegan_tf.printing import printable
from stylegan_tf.sampling import figures
from stylegan_tf.sampling.latents import classes_from_seeds, loop_through, one_hot_labels, slerp
from stylegan_tf.sampling.sampler import Noise, Sampler
from stylegan_tf.sampling.seeds import parse_seeds


@dataclasses.dataclass(frozen=True)
class FigureRequest:
    """A figure that was asked for.

    Attributes:
        sampler: Draws the images.
        label_names: Of the classes; empty for a run without labels.
        output: A file, or for single images a directory.
        seeds, row_seeds: The images; on the left of a style-mixing figure.
        classes: Names or numbers; empty for each seed's own.
        psi, psis, cutoff: Truncation; the columns of its figure; layers, None for all.
        noise: "fixed", "seed" or "none".
        styles: What style mixing takes: "coarse", "middle", "fine" or layers such as "0-3".
        columns, captions, scale: Of a grid; None for what suits.
        realisations: Of noise.
        frames, frame_ms, space: Of an interpolation; frames from seed to seed, space "w" or "z".
    """

    sampler: Sampler
    label_names: tuple[str, ...]
    output: Path
    seeds: list[int]
    row_seeds: list[int]
    classes: list[str]
    psi: float
    psis: list[float]
    cutoff: int | None
    noise: str
    styles: list[str]
    columns: int | None
    captions: bool
    scale: int | None
    realisations: int
    frames: int
    frame_ms: int
    space: str


@dataclasses.dataclass(frozen=True)
class Subjects:
    """Seeds with their classes.

    Attributes:
        seeds: [N]; every seed with every class that was asked for, one class after the other.
        captions, file_names: By image.
        labels: One-hot [N, num_classes], or None for a run without labels.
    """

    seeds: list[int]
    captions: list[str]
    file_names: list[str]
    labels: np.ndarray | None


def draw_figure(figure: str, request: FigureRequest) -> str:
    """Draws and writes a figure; returns a summary of it.

    Raises:
        ValueError: For classes or styles that the generator does not have.
    """
    return _FIGURES[figure](request)


def _grid(request: FigureRequest) -> str:
    subjects = _subjects(request, request.seeds)
    images = _images(request, subjects)
    captions = subjects.captions if request.captions else []
    columns = request.columns or (len(request.seeds) if len(request.classes) > 1 else None)
    save_picture(request.output, figures.grid(images, captions, columns, request.scale))
    return f"{_counted(images)}, {_truncated(request)}"


def _single_images(request: FigureRequest) -> str:
    subjects = _subjects(request, request.seeds)
    count = request.sampler.batch_size
    for start in range(0, len(subjects.seeds), count):
        part = slice(start, start + count)
        labels = None if subjects.labels is None else subjects.labels[part]
        some = Subjects(subjects.seeds[part], subjects.captions[part], subjects.file_names[part], labels)
        for name, image in zip(some.file_names, _images(request, some), strict=True):
            save_picture(request.output / name, image)
    return f"{len(subjects.seeds)} images of {_size(request)}, {_truncated(request)}"


def _truncation(request: FigureRequest) -> str:
    subjects = _subjects(request, request.seeds)
    picture = figures.truncation(
        request.sampler,
        _ws(request, subjects, truncated=False),
        subjects.captions,
        request.psis,
        request.cutoff,
        _noise(request, subjects),
        request.scale,
    )
    save_picture(request.output, picture)
    return f"{len(subjects.seeds)} images of {_size(request)} by {len(request.psis)} psis, {_reach(request.cutoff)}"


def _style_mixing(request: FigureRequest) -> str:
    if not request.sampler.generator.has_styles:
        raise UserError("the style_mixing figure needs a generator with styles. Received: a run without them.")
    top, left = _subjects(request, request.seeds), _subjects(request, request.row_seeds)
    layers = _layers(request)
    picture = figures.style_mixing(
        request.sampler,
        _ws(request, top),
        _ws(request, left),
        top.captions,
        left.captions,
        layers,
        _noise(request, left),
        request.scale,
    )
    save_picture(request.output, picture)
    named = "; ".join(f"{name.splitlines()[0]}: layers {chosen[0]}-{chosen[-1]}" for name, chosen in layers.items())
    return f"{len(top.seeds)} by {len(left.seeds)} images of {_size(request)} ({named}), {_truncated(request)}"


def _noise_figure(request: FigureRequest) -> str:
    if not request.sampler.generator.has_noise:
        raise UserError(
            "the noise figure needs a generator with noise; train one with --noise. Received: a run without it."
        )
    subjects = _subjects(request, request.seeds)
    picture = figures.noise(
        request.sampler,
        _ws(request, subjects),
        subjects.captions,
        realisations=request.realisations,
        scale=request.scale,
    )
    save_picture(request.output, picture)
    return f"{len(subjects.seeds)} images of {_size(request)} with {request.realisations} noises, {_truncated(request)}"


def _interpolation(request: FigureRequest) -> str:
    subjects = _subjects(request, request.seeds)
    sampler = request.sampler
    if request.space == "w":
        path = loop_through(_ws(request, subjects), request.frames)
    else:
        z = loop_through(sampler.z(subjects.seeds), request.frames, slerp)
        labels = None if subjects.labels is None else loop_through(subjects.labels, request.frames)
        path = sampler.truncate(sampler.map(z, labels), request.psi, request.cutoff)
    noise = _noise(request, subjects)  # one noise for all frames: another one in each would flicker
    frames = figures.interpolation(sampler, path, noise if isinstance(noise, str) else noise[:1], request.scale)
    save_animation(request.output, list(frames), request.frame_ms)
    seconds = len(frames) * request.frame_ms / 1000
    count = len(subjects.seeds)
    return f"{len(frames)} frames of {_size(request)}, {seconds:g} s, through {count} images, {_truncated(request)}"


_FIGURES = {
    "grid": _grid,
    "images": _single_images,
    "truncation": _truncation,
    "style_mixing": _style_mixing,
    "noise": _noise_figure,
    "interpolation": _interpolation,
}


def _subjects(request: FigureRequest, seeds: Sequence[int]) -> Subjects:
    names = request.label_names
    chosen = [_class_number(text.strip(), names) for text in request.classes]
    if not names:
        return Subjects(
            list(seeds), [f"seed {seed}" for seed in seeds], [f"seed{seed:04d}.png" for seed in seeds], None
        )
    pairs = [(seed, number) for number in chosen for seed in seeds]
    if not chosen:
        own = np.asarray(classes_from_seeds(seeds, len(names))).tolist()
        pairs = list(zip(seeds, own, strict=True))
    return Subjects(
        [seed for seed, _ in pairs],
        [f"seed {seed}\n{printable(names[number])}" for seed, number in pairs],
        [f"seed{seed:04d}_class{number}.png" for seed, number in pairs],
        one_hot_labels([number for _, number in pairs], len(names)),
    )


def _class_number(text: str, names: Sequence[str]) -> int:
    if not names:
        raise UserError(f"--classes needs a run that was trained with labels. Received: {text!r}, for a run without.")
    alike = [nfc(name) for name in names]
    if text in names or nfc(text) in alike:
        return names.index(text) if text in names else alike.index(nfc(text))
    if text.isascii() and text.isdigit() and int(text) < len(names):
        return int(text)
    listed = ", ".join(map(printable, names[:20])) + (", ..." if len(names) > 20 else "")
    raise UserError(f"--classes must be names ({listed}) or numbers from 0 to {len(names) - 1}. Received: {text!r}.")


def _layers(request: FigureRequest) -> dict[str, range]:
    """What --styles names, with captions that say which resolutions that is."""
    generator = request.sampler.generator
    num_ws = generator.num_ws
    known = figures.style_layers(generator.level + 1)
    chosen = {}
    for text in request.styles:
        if text in ("coarse", "middle", "fine"):
            if text not in known:
                continue  # so few resolutions that there are no such styles
            layers = known[text]
        else:
            numbers = parse_seeds(text, "--styles, unless coarse, middle or fine, are layers and")
            layers = range(numbers[0], numbers[-1] + 1)
        if layers[-1] >= num_ws:
            raise UserError(f"--styles must be layers from 0 to {num_ws - 1}. Received: {text!r}.")
        name = text if text in known else f"layers {text}"
        chosen[f"{name}\n{figures.describe_layers(layers, generator)}"] = layers
    if not chosen:
        raise UserError(f"--styles must name some of {', '.join(known)}, or layers. Received: {request.styles}.")
    return chosen


def _ws(request: FigureRequest, subjects: Subjects, truncated: bool = True) -> np.ndarray:
    psi = request.psi if truncated else None
    return request.sampler.ws(subjects.seeds, psi, request.cutoff, subjects.labels)


def _noise(request: FigureRequest, subjects: Subjects) -> Noise:
    return np.asarray(subjects.seeds) if request.noise == "seed" else request.noise


def _images(request: FigureRequest, subjects: Subjects) -> np.ndarray:
    return request.sampler.synthesize(_ws(request, subjects), _noise(request, subjects))


def _size(request: FigureRequest) -> str:
    return "{}x{}".format(*request.sampler.size)


def _counted(images: np.ndarray) -> str:
    return f"{len(images)} images of {images.shape[1]}x{images.shape[2]}"


def _truncated(request: FigureRequest) -> str:
    return "psi 1, not truncated" if request.psi == 1 else f"psi {request.psi:g}, {_reach(request.cutoff)}"


def _reach(cutoff: int | None) -> str:
    return "truncated in all layers" if cutoff is None else f"truncated in the first {cutoff} layers"
