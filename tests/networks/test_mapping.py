from __future__ import annotations

import keras
import numpy as np
import pytest

from stylegan_tf.networks import MappingNetwork

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(3, 6)).astype(np.float32)
LABELS = np.eye(4, dtype=np.float32)[[2, 0, 3]]


def normalized(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-8)


def naive(network: MappingNetwork, x: np.ndarray) -> np.ndarray:
    """Normalise, then dense layers of gain sqrt(2) with leaky ReLU."""
    x = normalized(x) if network.normalize else x
    rate = network.learning_rate_multiplier
    for layer in network.dense:
        kernel = layer.kernel.numpy().astype(np.float64)
        x = x @ kernel * (np.sqrt(2) / np.sqrt(x.shape[1]) * rate) + layer.bias.numpy() * rate
        x = np.where(x > 0, x, 0.2 * x)
    return x


def with_random_biases(network: MappingNetwork) -> MappingNetwork:
    for layer in network.dense:
        layer.bias.assign(np.random.default_rng(1).normal(size=layer.bias.shape) * 50)
    return network


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("num_layers", "hidden_size"), [(1, None), (3, None), (3, 11), (0, None)])
def test_formula(num_layers, hidden_size, normalize):
    network = MappingNetwork(5, num_layers=num_layers, hidden_size=hidden_size, normalize=normalize)
    network.build((None, 6))
    got = with_random_biases(network)(Z)
    np.testing.assert_allclose(got, naive(network, Z.astype(np.float64)), rtol=1e-4, atol=1e-5)
    assert network.output_size == got.shape[1] == (5 if num_layers else 6)
    assert [layer.units for layer in network.dense[:-1]] == [hidden_size or 5] * max(num_layers - 1, 0)


@pytest.mark.parametrize("num_layers", [0, 2])
@pytest.mark.parametrize("label_input", ["embedded", "one_hot"])
def test_labels_are_put_beside_the_latent(label_input, num_layers):
    network = MappingNetwork(5, num_layers=num_layers, num_classes=4, label_input=label_input)
    network.build((None, 6))
    got = with_random_biases(network)(Z, labels=LABELS)
    beside = LABELS @ network.label_embedding.numpy() if label_input == "embedded" else LABELS
    want = naive(network, np.concatenate([Z, beside], axis=1).astype(np.float64))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    assert network.output_size == got.shape[1]


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(
    ("z_size", "num_classes", "label_input"),
    [(6, 0, "normalized"), (6, 4, "normalized"), (0, 4, "normalized"), (6, 4, "embedded")],
)
def test_stylegan2_design(z_size, num_classes, label_input, normalize):
    """Its gain is behind the activation, so that it scales the bias too; labels may be normalised on their own."""
    network = MappingNetwork(
        5, num_layers=2, num_classes=num_classes, normalize=normalize, design="stylegan2", label_input=label_input
    )
    network.build((None, z_size))
    with_random_biases(network)
    parts = [Z.astype(np.float64)] if z_size else []
    if label_input == "embedded":
        parts = [np.concatenate([*parts, LABELS @ network.label_embedding.numpy()], axis=1)]
    elif num_classes:
        network.label_dense.bias.assign(np.linspace(-1, 1, 5))
        kernel = network.label_dense.kernel.numpy().astype(np.float64)
        parts.append(LABELS @ kernel / np.sqrt(4) + network.label_dense.bias.numpy())
    x = np.concatenate([normalized(part) if normalize else part for part in parts], axis=1)
    for layer in network.dense:
        x = x @ layer.kernel.numpy().astype(np.float64) / np.sqrt(x.shape[1]) * 0.01 + 0.01 * layer.bias.numpy()
        x = np.sqrt(2) * np.where(x > 0, x, 0.2 * x)
    got = network(Z if z_size else None, labels=LABELS if num_classes else None)
    np.testing.assert_allclose(got, x, rtol=1e-4, atol=1e-5)


def test_an_unknown_design_is_refused():
    with pytest.raises(ValueError, match="design must be one of.*Received: 'stylegan9'"):
        MappingNetwork(5, design="stylegan9")
    with pytest.raises(ValueError, match="label_input must be one of.*Received: 'beside'"):
        MappingNetwork(5, label_input="beside")


def test_integer_labels_are_taken_too():
    network = MappingNetwork(5, num_layers=1, num_classes=4)
    np.testing.assert_array_equal(network(Z, labels=LABELS.astype(np.int64)), network(Z, labels=LABELS))


def test_missing_labels_are_refused():
    network = MappingNetwork(5, num_layers=1, num_classes=4)
    with pytest.raises(ValueError, match=r"labels must be given.*4 classes.*Received: labels=None"):
        network(Z)


def test_is_float32_under_every_policy():
    network = MappingNetwork(5, num_layers=2, dtype="mixed_bfloat16")
    assert network(Z).dtype == "float32"
    np.testing.assert_allclose(network(Z), naive(network, Z.astype(np.float64)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"label_input": "one_hot"}, {"design": "stylegan2", "label_input": "normalized"}],
    ids=["stylegan1", "stylegan2"],
)
def test_config_round_trip_and_saving(options, tmp_path):
    network = MappingNetwork(
        5, num_layers=2, hidden_size=7, learning_rate_multiplier=0.1, num_classes=4, normalize=False, **options
    )
    config = network.get_config()
    assert (config["design"], config["label_input"]) == (options.get("design", "stylegan1"), options["label_input"])
    assert MappingNetwork.from_config(config).get_config() == config

    z, labels = keras.Input((6,)), keras.Input((4,))
    model = keras.Model([z, labels], network(z, labels=labels))
    assert model.output_shape == (None, 5)
    with_random_biases(network)
    model.save(tmp_path / "mapping.keras")
    loaded = keras.saving.load_model(tmp_path / "mapping.keras")
    np.testing.assert_array_equal(loaded([Z, LABELS]), model([Z, LABELS]))


def test_configurations_of_earlier_versions_are_read():
    config = {**MappingNetwork(5).get_config(), "design": "stylegan"}
    assert MappingNetwork.from_config(config).design == "stylegan1"
