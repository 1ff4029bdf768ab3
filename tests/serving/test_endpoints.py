"""A written and reloaded SavedModel gives what the Python model gives, and refuses what makes no sense."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from stylegan_tf.images import to_uint8
from stylegan_tf.sampling.latents import latents_from_seeds, noise_from_seeds
from stylegan_tf.serving.endpoints import ServedGenerator, build_endpoints
from stylegan_tf.serving.export import write_saved_model
from stylegan_tf.serving.png import decode_png

pytestmark = pytest.mark.slow  # three models are written; what one gives is in test_saved_model.py, too

MODELS: dict[str, dict[str, Any]] = {
    "fading": {"num_levels": 3, "level": 1, "fade_in": 0.4},
    "conditional_grey_28": {"num_levels": 2, "num_classes": 3, "cutoff": None, "base_size": "14", "channels": 1},
    "rgba_16x24": {"num_levels": 2, "base_size": "8x12", "channels": 4},
}
CONDITIONAL = "conditional_grey_28"
SHAPES = {"fading": (8, 8, 3), "conditional_grey_28": (28, 28, 1), "rgba_16x24": (16, 24, 4)}
IMAGE_SIGNATURES = {
    source + form
    for source in ("from_seed", "from_z", "synthesize", "synthesize_noise")
    for form in ("", "_float", "_png")
}
WS_SIGNATURES = {"from_seed_ws", "from_z_ws", "map", "truncate"}


class Loaded(NamedTuple):
    path: Path
    served: ServedGenerator
    signatures: Any
    shape: tuple[int, int, int]

    def call(self, name: str, **inputs: Any) -> np.ndarray:
        """The one output of a signature; a conditional model gets class 0, 1, 2, 0 ... where none is given."""
        expected = self.signatures[name].structured_input_signature[1]
        if "class_id" in expected:
            inputs.setdefault("class_id", np.arange(len(next(iter(inputs.values())))) % 3)
        tensors = {key: tf.cast(value, expected[key].dtype) for key, value in inputs.items()}
        (output,) = self.signatures[name](**tensors).values()
        return output.numpy()


@pytest.fixture(scope="module")
def load(make_served, tmp_path_factory):
    """`load(name)`: a model, written and read back, once."""
    made: dict[str, Loaded] = {}

    def get(name: str) -> Loaded:
        if name not in made:
            served = make_served(**MODELS[name])
            path = tmp_path_factory.mktemp(name) / "model"
            write_saved_model(build_endpoints(served), path)
            made[name] = Loaded(path, served, tf.saved_model.load(path).signatures, SHAPES[name])
        return made[name]

    return get


def draw_z(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


def python_images(model: Loaded, z: Any, psi: Any, class_id: Any = None) -> np.ndarray:
    """Straight from the networks."""
    served = model.served
    labels = None
    if served.num_classes:
        labels = np.eye(served.num_classes, dtype=np.float32)[np.arange(len(z)) % 3 if class_id is None else class_id]
    return served.generator.network(
        tf.constant(z),
        labels=labels,
        truncation_psi=psi,
        truncation_cutoff=served.truncation_cutoff,
        level=served.generator.level,
        fade_in=served.generator.fade_in,
    ).numpy()


def assert_pixels(got: np.ndarray, images: np.ndarray) -> None:
    """uint8 of float images, but for values that lie on the border of two."""
    assert got.dtype == np.uint8
    exact = np.clip((images + 1.0) * 127.5, 0.0, 255.0)
    assert np.abs(got - exact).max() <= 0.501


def plain(specs: dict[str, tf.TensorSpec]) -> dict[str, Any]:
    return {name: (spec.dtype, spec.shape.as_list()) for name, spec in specs.items()}


@pytest.mark.parametrize("name", MODELS)
def test_signatures_are_the_contract(load, name):
    model = load(name)
    signatures = model.signatures
    assert set(signatures) == IMAGE_SIGNATURES | WS_SIGNATURES | {"serving_default"}
    latent = {"z": (tf.float32, [None, 8])}
    psi = {"truncation_psi": (tf.float32, [None])}
    classes = {"class_id": (tf.int64, [None])} if model.served.num_classes else {}
    ws = {"ws": (tf.float32, [None, 2 * (model.served.generator.level + 1), 12])}
    wanted = {
        "serving_default": latent | classes,
        "map": latent | classes,
        "truncate": ws | psi,
        "from_z": latent | psi | classes,
        "from_seed": {"seed": (tf.int64, [None])} | psi | classes,
        "synthesize": ws,
        "synthesize_noise": ws | {"noise_seed": (tf.int64, [None]), "noise_strength": (tf.float32, [None])},
    }
    outputs = {
        "": {"images": (tf.uint8, [None, *model.shape])},
        "_float": {"images_float": (tf.float32, [None, *model.shape])},
        "_png": {"png_bytes": (tf.string, [None])},
    }
    for signature, function in signatures.items():
        stem, form = next(
            (signature.removesuffix(ending), ending)
            for ending in ("_float", "_png", "_ws", "")
            if signature.endswith(ending)
        )
        assert plain(function.structured_input_signature[1]) == wanted[stem], signature
        assert plain(function.structured_outputs) == (ws if signature in WS_SIGNATURES else outputs[form]), signature


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_images_of_latents(load, name, batch):
    model, z = load(name), draw_z(batch)
    psi = np.linspace(-0.5, 1.0, batch, dtype=np.float32)
    images = python_images(model, z, psi)
    assert images.shape == (batch, *model.shape)
    assert np.std(images) > 0.05
    np.testing.assert_allclose(model.call("from_z_float", z=z, truncation_psi=psi), images, atol=2e-5, rtol=1e-5)
    assert_pixels(model.call("from_z", z=z, truncation_psi=psi), images)
    assert_pixels(np.stack([decode_png(png) for png in model.call("from_z_png", z=z, truncation_psi=psi)]), images)
    assert_pixels(model.call("serving_default", z=z), python_images(model, z, 0.6))


@pytest.mark.parametrize("name", ["fading", CONDITIONAL])
def test_images_of_seeds(load, name):
    model = load(name)
    seed, psi = np.array([0, -1, 2**62 + 1]), np.array([1.0, 0.7, 0.5], np.float32)
    images = python_images(model, latents_from_seeds(tf.constant(seed, tf.int64), 8).numpy(), psi)
    floats = model.call("from_seed_float", seed=seed, truncation_psi=psi)
    np.testing.assert_allclose(floats, images, atol=2e-5, rtol=1e-5)
    assert_pixels(model.call("from_seed", seed=seed, truncation_psi=psi), images)
    pngs = model.call("from_seed_png", seed=seed, truncation_psi=psi)
    assert_pixels(np.stack([decode_png(png) for png in pngs]), images)


@pytest.mark.parametrize("name", ["fading", CONDITIONAL])
def test_map_truncate_and_synthesize_are_the_steps_of_from_z(load, name):
    model, z = load(name), draw_z(2)
    psi = np.array([0.3, 0.8], np.float32)
    ws = model.call("map", z=z)
    assert ws.shape == (2, 2 * (model.served.generator.level + 1), 12)
    assert np.all(ws == ws[:, :1])
    truncated = model.call("truncate", ws=ws, truncation_psi=psi)
    cutoff = model.served.truncation_cutoff or ws.shape[1]
    average = model.served.generator.network.w_average.numpy()
    wanted = average + (ws - average) * psi[:, None, None]
    np.testing.assert_allclose(truncated[:, :cutoff], wanted[:, :cutoff], atol=1e-6)
    np.testing.assert_allclose(truncated[:, cutoff:], ws[:, cutoff:], atol=1e-6)
    images = python_images(model, z, psi)
    np.testing.assert_allclose(model.call("synthesize_float", ws=truncated), images, atol=2e-5, rtol=1e-5)
    assert_pixels(model.call("synthesize", ws=truncated), images)
    assert_pixels(np.stack([decode_png(png) for png in model.call("synthesize_png", ws=truncated)]), images)


@pytest.mark.parametrize("name", ["fading", CONDITIONAL])
def test_ws_of_seeds_and_latents_are_mapped_and_truncated(load, name):
    model, seed, psi = load(name), np.array([4, -7]), np.array([0.3, 1.0], np.float32)
    z = latents_from_seeds(tf.constant(seed, tf.int64), 8).numpy()
    wanted = model.call("truncate", ws=model.call("map", z=z), truncation_psi=psi)
    np.testing.assert_allclose(model.call("from_seed_ws", seed=seed, truncation_psi=psi), wanted, atol=1e-6)
    np.testing.assert_allclose(model.call("from_z_ws", z=z, truncation_psi=psi), wanted, atol=1e-6)


def test_noise_belongs_to_its_seed_and_has_a_strength(load):
    model = load("fading")
    ws = np.repeat(model.call("map", z=draw_z(1)), 5, axis=0)
    images = model.call(
        "synthesize_noise_float", ws=ws, noise_seed=[1, 2, 1, 1, 2], noise_strength=[1.0, 1.0, 1.0, 0.0, 0.0]
    )
    synthesis, level = model.served.generator.network.synthesis, model.served.generator.level
    noise = noise_from_seeds([1, 2], synthesis.noise_sizes(level))
    drawn = synthesis(ws[:2], level=level, fade_in=0.4, noise=noise).numpy()
    without = synthesis(ws[:1], level=level, fade_in=0.4, noise="none").numpy()
    np.testing.assert_allclose(images[:2], drawn, atol=2e-5, rtol=1e-5)
    np.testing.assert_allclose(images[2], images[0], atol=2e-5, rtol=1e-5)
    np.testing.assert_allclose(images[3:], without.repeat(2, axis=0), atol=2e-5, rtol=1e-5)
    assert np.abs(drawn[0] - drawn[1]).max() > 0.05 and np.abs(drawn - without).max() > 0.05


def test_a_network_without_noise_has_no_signature_that_takes_some(make_served):
    names = {endpoint.name for endpoint in build_endpoints(make_served(noise=False))}
    assert names == {name for name in IMAGE_SIGNATURES if "noise" not in name} | WS_SIGNATURES | {"serving_default"}


def test_each_layer_takes_its_own_w(load):
    model = load("fading")
    ws, other = model.call("map", z=draw_z(1)), model.call("map", z=draw_z(1, seed=1))
    plain = model.call("synthesize_float", ws=ws)
    for layer in range(ws.shape[1]):
        mixed = ws.copy()
        mixed[:, layer] = other[:, layer]
        assert np.abs(model.call("synthesize_float", ws=mixed) - plain).max() > 1e-3


def test_an_image_belongs_to_its_seed_whatever_the_batch(load):
    model = load("fading")
    seeds = np.array([5, 6, 7, 8, 5])
    psi = np.full(5, 0.8, np.float32)
    together = model.call("from_seed_float", seed=seeds, truncation_psi=psi)
    np.testing.assert_allclose(together[0], together[4], atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 0.05
    for index, seed in enumerate(seeds):
        alone = model.call("from_seed_float", seed=[seed], truncation_psi=psi[:1])
        np.testing.assert_allclose(alone[0], together[index], atol=2e-5, rtol=1e-5)
    again = model.call("from_seed_float", seed=seeds, truncation_psi=psi)
    np.testing.assert_array_equal(again, together)


def test_classes_change_the_image(load):
    model, z = load(CONDITIONAL), np.repeat(draw_z(1), 3, axis=0)
    images = model.call("from_z_float", z=z, truncation_psi=np.ones(3), class_id=[0, 1, 2])
    np.testing.assert_allclose(images, python_images(model, z, np.ones(3, np.float32), [0, 1, 2]), atol=2e-5, rtol=1e-5)
    assert min(np.abs(images[a] - images[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 0.05


def test_the_fade_in_is_baked_in(load):
    served = load("fading").served
    z, psi = draw_z(2), np.ones(2, np.float32)
    got = load("fading").call("from_z_float", z=z, truncation_psi=psi)
    whole = served.generator.network(z, truncation_psi=psi, truncation_cutoff=3, level=1).numpy()
    smooth = (
        served.generator.network(z, truncation_psi=psi, truncation_cutoff=3, level=0).numpy().repeat(2, 1).repeat(2, 2)
    )
    np.testing.assert_allclose(got, smooth + 0.4 * (whole - smooth), atol=2e-5, rtol=1e-5)


def test_an_empty_batch_is_refused(load):
    with pytest.raises(tf.errors.InvalidArgumentError, match="z must have at least one value"):
        load(CONDITIONAL).call("from_z", z=np.zeros((0, 8)), truncation_psi=np.zeros(0))


@pytest.mark.parametrize(("name", "mode"), [("fading", "RGB"), (CONDITIONAL, "L"), ("rgba_16x24", "RGBA")])
def test_png_files_have_the_models_channels(load, tmp_path, name, mode):
    model = load(name)
    path = tmp_path / "image.png"
    path.write_bytes(model.call("from_seed_png", seed=[1], truncation_psi=[0.7])[0])
    with Image.open(path) as picture:
        assert (picture.mode, picture.size) == (mode, (model.shape[1], model.shape[0]))


NAN, INFINITE = float("nan"), float("inf")
GOOD = {
    "z": np.zeros((2, 8)),
    "ws": np.zeros((2, 4, 12)),
    "seed": [1, 2],
    "truncation_psi": [0.5, 0.5],
    "class_id": [0, 2],
    "noise_seed": [1, 2],
    "noise_strength": [1.0, 0.0],
}
BAD = [
    ("truncation_psi", [0.5, NAN], "nan"),
    ("truncation_psi", [2.1, 0.5], "2.1"),
    ("truncation_psi", [-INFINITE, 0.5], "inf"),
    ("noise_strength", [0.5, NAN], "nan"),
    ("noise_strength", [-0.1, 0.5], "-0.1"),
    ("noise_strength", [0, 11], "11"),
    ("class_id", [0, 3], "[3]"),
    ("class_id", [-1, 0], "[-1]"),
    ("z", np.array([[0.0] * 8, [0.0] * 7 + [NAN]]), "nan"),
    ("z", np.full((2, 8), INFINITE), "inf"),
    ("z", np.full((2, 8), 1e30), "1e+30"),
    ("ws", np.full((2, 4, 12), NAN), "nan"),
]


@pytest.mark.parametrize(("field", "value", "received"), BAD)
def test_bad_values_are_answered_with_an_error_that_names_the_input(load, field, value, received):
    model = load(CONDITIONAL)
    signatures = [
        name for name, function in model.signatures.items() if field in function.structured_input_signature[1]
    ]
    assert signatures
    for name in signatures:
        inputs = {key: GOOD[key] for key in model.signatures[name].structured_input_signature[1]}
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{field} must ") as error:
            model.call(name, **{**inputs, field: value})
        assert received in str(error.value)


@pytest.mark.parametrize(("field", "value"), [("truncation_psi", [0.5]), ("class_id", [0, 1, 2])])
def test_inputs_of_unequal_batches_are_refused(load, field, value):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{field} must have as many values as z"):
        inputs = {name: GOOD[name] for name in ("z", "truncation_psi", "class_id")}
        load(CONDITIONAL).call("from_z", **{**inputs, field: value})


def test_a_batch_that_is_too_large_is_refused_by_every_signature(load):
    model = load(CONDITIONAL)
    assert model.served.largest_batch == 1024
    for name, function in model.signatures.items():
        fields = function.structured_input_signature[1]
        inputs = {key: np.repeat(np.asarray(GOOD[key])[:1], 1025, axis=0) for key in fields}
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"must have at most 1024 values. Received:. .1025."):
            model.call(name, **inputs)


@pytest.mark.parametrize(("levels", "most"), [(4, 1024), (7, 1024), (8, 256), (9, 64)])
def test_the_largest_batch_goes_with_the_size_of_the_images(make_served, levels, most):
    generator = types.SimpleNamespace(size=(2 ** (levels + 1),) * 2, channels=3)
    assert dataclasses.replace(make_served(num_levels=2), generator=generator).largest_batch == most


def test_the_saved_graph_holds_the_network_once_for_each_kind_of_noise(load):
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((load("fading").path / "saved_model.pb").read_bytes())
    functions = model.meta_graphs[0].graph_def.library.function
    with_convolutions = [f for f in functions if any(node.op.startswith("Conv2D") for node in f.node_def)]
    assert len(with_convolutions) == 2


def test_pixels_are_those_of_the_package(load):
    model, z = load("rgba_16x24"), draw_z(4)
    floats = model.call("from_z_float", z=z, truncation_psi=np.ones(4))
    pixels = model.call("from_z", z=z, truncation_psi=np.ones(4))
    np.testing.assert_array_equal(pixels, to_uint8(floats).numpy())
