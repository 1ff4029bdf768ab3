"""What a served generator answers: its endpoints, each with the meaning of what goes in and comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from stylegan_tf.images import to_uint8
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.sampling.latents import latents_from_seeds, noise_from_seeds
from stylegan_tf.serving.checks import checked

# A call must fit into memory next to others: 64 images of 1024x1024 at most, and 1024 of any size.
LARGEST_BATCH = 1024
LARGEST_BATCH_PIXELS = 2**26


Tensors = dict[str, tf.Tensor]
Computation = Callable[[Tensors], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class ServedGenerator:
    """A generator with the truncation at which it is served.

    Attributes:
        generator: The generator.
        truncation_psi: Of the endpoint that takes nothing but latents.
        truncation_cutoff: Layers, from the first, that are truncated; None for all.
    """

    generator: GeneratorAtLevel
    truncation_psi: float = 1.0
    truncation_cutoff: int | None = None

    @property
    def num_classes(self) -> int:
        """Number of classes, 0 for none."""
        return self.generator.num_classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return (*self.generator.size, self.generator.channels)

    @property
    def largest_batch(self) -> int:
        """Images that one call may ask for."""
        height, width, _ = self.image_shape
        return min(LARGEST_BATCH, max(1, LARGEST_BATCH_PIXELS // (height * width)))

    def map(self, z: tf.Tensor, class_id: tf.Tensor | None = None) -> tf.Tensor:
        """z [N, z_size] and classes [N] to ws [N, num_ws, w_size], not truncated."""
        return self.generator.map(z, None if class_id is None else tf.one_hot(class_id, self.num_classes))

    def truncate(self, ws: tf.Tensor, psi: tf.Tensor) -> tf.Tensor:
        """ws moved towards their average by psi [N], down to the cutoff."""
        return self.generator.truncate(ws, psi, self.truncation_cutoff)

    def synthesize(self, ws: tf.Tensor) -> tf.Tensor:
        """ws to images [N, H, W, C] float32, with the noise that is saved in the layers."""
        return self.generator.synthesize(ws)

    def synthesize_noise(self, ws: tf.Tensor, noise_seed: tf.Tensor, noise_strength: tf.Tensor) -> tf.Tensor:
        """The same with the noise of seeds [N], times strengths [N]."""
        strength = noise_strength[:, tf.newaxis, tf.newaxis, tf.newaxis]
        noise = noise_from_seeds(noise_seed, self.generator.noise_sizes)
        return self.generator.synthesize(ws, [strength * image for image in noise])


@dataclasses.dataclass(frozen=True)
class Field:
    """One input or output of an endpoint: its type, its shape (None is the batch), what it means."""

    name: str
    dtype: tf.DType
    shape: tuple[int | None, ...]
    meaning: str

    @property
    def spec(self) -> tf.TensorSpec:
        """For tracing."""
        return tf.TensorSpec(self.shape, self.dtype, self.name)

    def __str__(self) -> str:
        shape = ", ".join("batch" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.dtype.name} [{shape}]"


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A signature of the SavedModel.

    Attributes:
        name: Of the signature.
        meaning: What it does, in a sentence.
        inputs, outputs: What goes in, in the function's order, and what comes out.
        function: Tensors, positional, to a dict of tensors by output name.
    """

    name: str
    meaning: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    function: Callable[..., dict[str, tf.Tensor]]

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(map(str, self.inputs))} -> {', '.join(map(str, self.outputs))}"


def build_endpoints(served: ServedGenerator) -> list[Endpoint]:
    """All endpoints of a generator; those of a conditional one take `class_id` beside the latents.

    Encoding costs time and a server computes every output of a signature, so each form of the images is a
    signature of its own: from_z, from_z_float, from_z_png and so on.
    """
    fields = _Fields.of(served)
    answers = _Answers(served, fields)
    forms = _image_forms(served.image_shape)
    pixels, as_pixels = forms[""]
    meaning = f"images of latents, at truncation_psi {served.truncation_psi:g}"
    default = _then(answers.images_at_default_psi, as_pixels)
    return [
        _endpoint(served, "serving_default", meaning, (fields.z, *fields.classes), pixels, default),
        *(
            _endpoint(served, name + ending, meaning, inputs, output, _then(make_images, finish))
            for name, meaning, inputs, make_images in _image_sources(fields, answers)
            for ending, (output, finish) in forms.items()
        ),
        *(
            _endpoint(served, name, meaning, inputs, fields.ws, make_ws)
            for name, meaning, inputs, make_ws in _ws_sources(fields, answers)
        ),
    ]


@dataclasses.dataclass(frozen=True)
class _Fields:
    """What may go into endpoints."""

    z: Field
    seed: Field
    psi: Field
    classes: tuple[Field, ...]
    ws: Field
    noise_seed: Field
    noise_strength: Field

    @classmethod
    def of(cls, served: ServedGenerator) -> _Fields:
        generator = served.generator
        class_id = Field("class_id", tf.int64, (None,), f"class, 0 to {served.num_classes - 1}")
        return cls(
            z=Field("z", tf.float32, (None, generator.z_size), "latents, each number drawn from N(0, 1)"),
            seed=Field("seed", tf.int64, (None,), "any number; the same one gives the same image"),
            psi=Field("truncation_psi", tf.float32, (None,), "1 for full variety, towards 0 for the average image"),
            classes=(class_id,) if served.num_classes else (),
            ws=Field("ws", tf.float32, (None, generator.num_ws, generator.w_size), "one w for each layer"),
            noise_seed=Field("noise_seed", tf.int64, (None,), "any number; the same one gives the same noise"),
            noise_strength=Field("noise_strength", tf.float32, (None,), "0 for no noise, 1 for as much as in training"),
        )


class _Answers:
    """What endpoints compute of their inputs, which are named by their fields."""

    def __init__(self, served: ServedGenerator, fields: _Fields) -> None:
        self._served = served
        # One trace of each, which all signatures call: the saved graph holds the network once for each kind of noise.
        self._synthesize = tf.function(served.synthesize, input_signature=[fields.ws.spec], autograph=False)
        with_noise = [fields.ws.spec, fields.noise_seed.spec, fields.noise_strength.spec]
        self._synthesize_noise = tf.function(served.synthesize_noise, input_signature=with_noise, autograph=False)
        self.has_noise = served.generator.has_noise

    def ws_untruncated(self, inputs: Tensors) -> tf.Tensor:
        return self._served.map(inputs["z"], inputs.get("class_id"))

    def ws_truncated(self, inputs: Tensors) -> tf.Tensor:
        return self._served.truncate(inputs["ws"], inputs["truncation_psi"])

    def ws_of_z(self, inputs: Tensors) -> tf.Tensor:
        return self.ws_truncated({**inputs, "ws": self.ws_untruncated(inputs)})

    def ws_of_seed(self, inputs: Tensors) -> tf.Tensor:
        return self.ws_of_z({**inputs, "z": latents_from_seeds(inputs["seed"], self._served.generator.z_size)})

    def images_of_ws(self, inputs: Tensors) -> tf.Tensor:
        return self._synthesize(inputs["ws"])

    def images_of_ws_and_noise(self, inputs: Tensors) -> tf.Tensor:
        return self._synthesize_noise(inputs["ws"], inputs["noise_seed"], inputs["noise_strength"])

    def images_of_z(self, inputs: Tensors) -> tf.Tensor:
        return self._synthesize(self.ws_of_z(inputs))

    def images_of_seed(self, inputs: Tensors) -> tf.Tensor:
        return self._synthesize(self.ws_of_seed(inputs))

    def images_at_default_psi(self, inputs: Tensors) -> tf.Tensor:
        psi = tf.fill(tf.shape(inputs["z"])[:1], self._served.truncation_psi)
        return self.images_of_z({**inputs, "truncation_psi": psi})


def _image_sources(fields: _Fields, answers: _Answers) -> list[tuple[str, str, tuple[Field, ...], Computation]]:
    """What images are made of: name, meaning, inputs, float images."""
    psi, classes = fields.psi, fields.classes
    sources: list[tuple[str, str, tuple[Field, ...], Computation]] = [
        ("from_seed", "images of seeds", (fields.seed, psi, *classes), answers.images_of_seed),
        ("from_z", "images of latents", (fields.z, psi, *classes), answers.images_of_z),
        ("synthesize", "images of intermediate latents", (fields.ws,), answers.images_of_ws),
    ]
    if answers.has_noise:
        meaning = "images of intermediate latents with the noise of seeds"
        inputs = (fields.ws, fields.noise_seed, fields.noise_strength)
        sources.append(("synthesize_noise", meaning, inputs, answers.images_of_ws_and_noise))
    return sources


def _ws_sources(fields: _Fields, answers: _Answers) -> list[tuple[str, str, tuple[Field, ...], Computation]]:
    """What intermediate latents are made of, likewise."""
    psi, classes = fields.psi, fields.classes
    return [
        ("from_seed_ws", "intermediate latents of seeds", (fields.seed, psi, *classes), answers.ws_of_seed),
        ("from_z_ws", "intermediate latents of latents", (fields.z, psi, *classes), answers.ws_of_z),
        ("map", "intermediate latents of latents, not truncated", (fields.z, *classes), answers.ws_untruncated),
        ("truncate", "intermediate latents moved towards their average", (fields.ws, psi), answers.ws_truncated),
    ]


def _image_forms(shape: tuple[int, int, int]) -> dict[str, tuple[Field, Callable[[tf.Tensor], tf.Tensor]]]:
    """Ending of the signature's name -> the output and how it is made of float images."""
    return {
        "": (Field("images", tf.uint8, (None, *shape), "pixels"), to_uint8),
        "_float": (
            Field("images_float", tf.float32, (None, *shape), "pixels, about -1 to 1, not clipped"),
            tf.identity,
        ),
        "_png": (
            Field("png_bytes", tf.string, (None,), "PNG files"),
            lambda images: tf.io.encode_png(to_uint8(images)),
        ),
    }


def _then(make_images: Computation, finish: Callable[[tf.Tensor], tf.Tensor]) -> Computation:
    return lambda inputs: finish(make_images(inputs))


def _endpoint(
    served: ServedGenerator, name: str, meaning: str, inputs: tuple[Field, ...], output: Field, compute: Computation
) -> Endpoint:
    def function(*tensors: Any) -> dict[str, tf.Tensor]:
        by_name = {field.name: tensor for field, tensor in zip(inputs, tensors, strict=True)}
        return {output.name: compute(checked(by_name, served.largest_batch, served.num_classes))}

    return Endpoint(name, meaning, inputs, (output,), function)
