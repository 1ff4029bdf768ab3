from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_networks import SMALL, assert_config_and_file_keep, gradients_by_path

from stylegan_tf.networks import Generator, MappingNetwork, SynthesisNetwork
from stylegan_tf.networks.styles import truncate

Z = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
LABELS = np.eye(4, dtype=np.float32)[[2, 0]]


def small(mapping_layers: int = 2, num_classes: int = 0, label_input: str = "embedded", **options) -> Generator:
    keras.utils.set_random_seed(0)
    generator = Generator(
        6,
        MappingNetwork(5, num_layers=mapping_layers, num_classes=num_classes, label_input=label_input),
        SynthesisNetwork(**{**SMALL, **options}),
    )
    generator.build()
    rng = np.random.default_rng(0)
    for weight in [*generator.trainable_weights, generator.w_average]:
        weight.assign(weight + 0.5 * rng.normal(size=weight.shape))
    return generator


@pytest.fixture(scope="module")
def generator() -> Generator:
    return small()


@pytest.mark.slow
def test_maps_truncates_and_synthesizes(generator):
    ws = generator.map(Z)
    assert ws.shape == (2, 4, 5)
    for index in range(4):
        np.testing.assert_array_equal(ws[:, index], generator.mapping(Z))
    np.testing.assert_array_equal(generator(Z), generator.synthesis(ws))
    for psi, cutoff in ((0.7, None), (0.3, 2), (np.array([0.1, 0.9], np.float32), 3)):
        truncated = truncate(ws, generator.w_average, psi, cutoff)
        got = generator(Z, truncation_psi=psi, truncation_cutoff=cutoff)
        np.testing.assert_array_equal(got, generator.synthesis(truncated))


def test_psi_zero_gives_one_image_to_all(generator):
    images = generator(Z, truncation_psi=0.0)
    np.testing.assert_allclose(images[0], images[1], atol=1e-5)
    assert np.max(np.abs(generator(Z)[0] - generator(Z)[1])) > 0.01


def test_passes_level_fade_in_and_noise_on(generator):
    ws = generator.map(Z)
    np.testing.assert_array_equal(generator(Z, level=0), generator.synthesis(ws, level=0))
    np.testing.assert_array_equal(
        generator(Z, fade_in=0.3, noise="none"), generator.synthesis(ws, fade_in=0.3, noise="none")
    )


def test_mean_of_w_moves_towards_the_mean_of_a_batch():
    generator = small()
    before = generator.w_average.numpy()
    w = np.random.default_rng(3).normal(size=(8, 5)).astype(np.float32)
    generator.update_w_average(w, decay=0.9)
    np.testing.assert_allclose(generator.w_average, 0.9 * before + 0.1 * w.mean(axis=0), rtol=1e-5)
    assert "w_average" not in [weight.name for weight in generator.trainable_weights]


def test_a_new_generator_has_its_mean_at_zero():
    generator = Generator(6, MappingNetwork(5, num_layers=1), SynthesisNetwork(num_levels=1, feature_maps_base=8))
    generator.build()
    np.testing.assert_array_equal(generator.w_average, np.zeros(5))


@pytest.mark.parametrize("label_input", ["embedded", "one_hot"])
@pytest.mark.parametrize("mapping_layers", [0, 1])
def test_labels(mapping_layers, label_input):
    # Without mapping layers w is as long as the input with its labels, and so is its mean.
    generator = small(mapping_layers, num_classes=4, label_input=label_input)
    width = 5 if mapping_layers else (12 if label_input == "embedded" else 10)
    assert generator.w_average.shape == (width,)
    images = generator(Z, labels=LABELS, truncation_psi=0.5)
    assert images.shape == (2, 8, 8, 3)
    assert np.max(np.abs(images - generator(Z, labels=LABELS[::-1], truncation_psi=0.5))) > 1e-3
    with pytest.raises(ValueError, match="labels must be given.*4 classes"):
        generator(Z)


def test_builds_itself_when_it_is_called():
    generator = Generator(6, MappingNetwork(5, num_layers=1), SynthesisNetwork(num_levels=1, feature_maps_base=8))
    assert generator(Z).shape == (2, 4, 4, 3)
    assert generator.w_average.shape == (5,)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "mapping_layers": 0,
            "num_classes": 4,
            "label_input": "one_hot",
            "constant_input": False,
            "style": False,
            "noise": False,
            "normalization": "pixel",
            "blur": False,
        },
        {"num_classes": 4, "base_size": (4, 6), "channels": 1, "fused_from": 8, "dtype": "mixed_bfloat16"},
    ],
    ids=["published", "progressive", "labels_fused_bfloat16"],
)
@pytest.mark.slow
def test_config_round_trip_and_saving(options, tmp_path):
    generator = small(**options)
    labels = LABELS if "num_classes" in options else None
    assert_config_and_file_keep(generator, lambda network: network(Z, labels=labels, truncation_psi=0.5), tmp_path)
    images = generator(Z, labels=labels, truncation_psi=0.5)
    generator.save_weights(tmp_path / "generator.weights.h5")
    generator.set_weights([np.zeros(weight.shape) for weight in generator.weights])
    generator.load_weights(tmp_path / "generator.weights.h5")
    np.testing.assert_array_equal(generator(Z, labels=labels, truncation_psi=0.5), images)


def test_is_usable_in_a_functional_model(generator):
    z = keras.Input((6,))
    model = keras.Model(z, generator(z, truncation_psi=0.5))
    assert model.output_shape == (None, 8, 8, 3)
    np.testing.assert_allclose(model(Z), generator(Z, truncation_psi=0.5), rtol=1e-5, atol=1e-5)


def test_a_half_precision_policy_does_not_round_latents():
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        generator = small()
    finally:
        keras.config.set_dtype_policy(policy)
    assert generator.synthesis.compute_dtype == "bfloat16"
    np.testing.assert_array_equal(generator(Z), generator.synthesis(generator.map(Z)))
    truncated = truncate(generator.map(Z), generator.w_average, tf.constant(0.7))
    np.testing.assert_array_equal(generator(Z, truncation_psi=tf.constant(0.7)), generator.synthesis(truncated))


def test_every_trainable_weight_has_a_gradient_and_is_active(generator):
    paths = {variable.path for variable in generator.trainable_weights}
    gradients = gradients_by_path(generator, lambda: generator(Z, fade_in=0.5))
    assert gradients.keys() == paths
    for path, gradient in gradients.items():
        assert np.max(np.abs(gradient)) > 1e-4, path
    assert {v.path for v in generator.active_weights(1)} == paths
    above = ("layer_2", "layer_3", "to_rgb_1")
    below = {path for path in paths if not any(name in path for name in above)}
    assert {v.path for v in generator.active_weights(0)} == below


def test_an_unknown_batch_inside_a_compiled_function(generator):
    @tf.function(input_signature=[tf.TensorSpec([None, 6]), tf.TensorSpec([None])], autograph=False)
    def run(z, psi):
        return generator(z, truncation_psi=psi, truncation_cutoff=2)

    psi = np.array([0.5, 0.8], np.float32)
    np.testing.assert_allclose(run(Z, psi), generator(Z, truncation_psi=psi, truncation_cutoff=2), rtol=1e-4, atol=1e-5)
    assert run(Z[:1], psi[:1]).shape == (1, 8, 8, 3)
