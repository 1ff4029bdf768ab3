"""The small classifier on squares and stripes that one can tell apart."""

from __future__ import annotations

import hashlib
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.features.classifier import ClassifierFeatures, build_classifier, save_classifier, train_classifier

NAMES = ("stripes", "bars", "flat")


def draw(count, side=12, channels=1, seed=0):
    """Horizontal stripes, vertical bars and flat grey, with noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(NAMES), count)
    wave = np.where(np.arange(side) % 4 < 2, 60.0, -60.0)
    patterns = np.stack([np.tile(wave[:, None], (1, side)), np.tile(wave, (side, 1)), np.zeros([side, side])])
    images = 128 + patterns[labels][..., None] + random.normal(scale=20, size=[count, side, side, channels])
    return np.clip(images, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def trained():
    return train_classifier(*draw(400), NAMES, epochs=4, batch_size=32)


@pytest.fixture(scope="module")
def path(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "shapes.keras"
    save_classifier(trained.model, NAMES, path)
    return path


@pytest.fixture(scope="module")
def network(path):
    return ClassifierFeatures(path)


@pytest.mark.slow
def test_it_learns_what_can_be_told_apart(trained, network):
    assert trained.held_out == 40
    assert trained.accuracy > 0.95
    images, labels = draw(200, seed=1)
    logits = network.compute(tf.constant(images.repeat(3, axis=-1))).logits
    assert np.mean(np.argmax(logits, axis=1) == labels) > 0.95


class TestWithoutTraining:
    """What Keras is asked to train on and to test on."""

    @pytest.fixture
    def asked(self, monkeypatch):
        """The first pixel of images that are trained on, of those that are tested on, and a weight before training."""
        calls = []

        def fit(model, images, labels, batch_size, epochs, **_):
            np.testing.assert_array_equal(images[:, 0, 0, 0], labels)
            calls.append([set(labels.tolist()), None, model.get_layer("features").kernel.numpy()])

        def evaluate(model, images, labels, *_, **__):
            np.testing.assert_array_equal(images[:, 0, 0, 0], labels)
            calls[-1][1] = set(labels.tolist())
            return {"accuracy": 0.25}

        monkeypatch.setattr(keras.Model, "fit", fit)
        monkeypatch.setattr(keras.Model, "evaluate", evaluate)
        return calls

    def test_images_are_trained_on_or_held_out_as_the_seed_says(self, asked):
        numbers = np.arange(50)
        images = np.broadcast_to(numbers.astype(np.uint8)[:, None, None, None], [50, 6, 6, 1])
        for seed in (0, 0, 1):
            trained = train_classifier(images, numbers, [str(n) for n in numbers], seed=seed)
            assert (trained.accuracy, trained.held_out) == (0.25, 5)
        for fitted, tested, _ in asked:
            assert (len(fitted), len(tested)) == (45, 5)
            assert fitted | tested == set(range(50))
        (_, first, weight), (_, again, weight_again), (_, other, weight_of_other) = asked
        assert first == again != other
        np.testing.assert_array_equal(weight, weight_again)
        assert not np.allclose(weight, weight_of_other)


@pytest.mark.slow
def test_what_is_read_back_is_what_was_trained(trained, network, path, relative_error):
    images, _ = draw(3, seed=2)
    outputs = network.compute(tf.constant(images.repeat(3, axis=-1)))
    assert relative_error(outputs.logits, trained.model(images.astype(np.float32))) < 1e-5
    inside = keras.Model(trained.model.inputs[0], trained.model.get_layer("features").output)
    assert relative_error(network(images), inside(images.astype(np.float32))) < 1e-5
    assert (network.name, network.feature_count, network.class_names) == ("classifier", 128, NAMES)
    assert network.checksum == hashlib.sha256(path.read_bytes()).hexdigest()


def test_images_of_another_size_are_resized(network, relative_error):
    images, _ = draw(2, side=24)
    resized = tf.image.resize(images.repeat(3, axis=-1), [12, 12], antialias=True)
    assert relative_error(network(images), network.compute(resized).features) < 1e-5


def test_it_is_a_plain_keras_model_without_what_training_needed(path):
    model = keras.models.load_model(path)
    assert not model.compiled
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_classifier_and_progress_counts_all_epochs(trained):
    seen = []
    again = train_classifier(*draw(400), NAMES, epochs=4, batch_size=32, progress=lambda *numbers: seen.append(numbers))
    for one, two in zip(trained.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)
    assert seen == [(32 * (step + 1), 32 * 48) for step in range(48)]


@pytest.mark.parametrize(("size", "convolutions", "last"), [((6, 9), 1, 3), ((28, 28), 3, 3), ((64, 80), 4, 4)])
def test_it_halves_down_to_a_few_pixels(size, convolutions, last):
    model = build_classifier(size, 3, 7)
    assert model.output_shape == (None, 7)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in layers] == [32, 32, 64, 128][-convolutions:]
    flat = next(layer for layer in model.layers if isinstance(layer, keras.layers.Flatten))
    assert flat.input.shape[1] == last


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros([40, 12, 12, 1], np.float32)}, "images must be uint8"),
        ({"images": np.zeros([9, 12, 12, 1], np.uint8), "labels": np.zeros(9, int)}, "at least 10 images"),
        ({"images": np.zeros([40, 5, 12, 1], np.uint8)}, r"at least 6x6.*size=\(5, 12\)"),
        ({"labels": np.zeros(39, int)}, r"labels must be a number from 0 to 2 for each of 40 images.*\(39,\)"),
        ({"labels": np.full(40, 3)}, "labels must be .* 3 to 3"),
        ({"class_names": ("one",), "labels": np.zeros(40, int)}, "2 classes"),
        ({"epochs": 0}, "epochs=0"),
    ],
)
def test_other_arguments_are_refused(change, message):
    images, labels = draw(40)
    with pytest.raises(ValueError, match=message):
        train_classifier(**{"images": images, "labels": labels, "class_names": NAMES, **change})


def test_other_files_are_refused(trained, tmp_path):
    plain = tmp_path / "plain.keras"
    trained.model.save(plain)
    (tmp_path / "text.keras").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "list.keras", "w") as archive:
        archive.writestr("class_names.json", "[")
    for name in ("plain", "text", "list", "missing"):
        with pytest.raises(ValueError, match=f"classifier wrote. Received: '.*/{name}.keras'"):
            ClassifierFeatures(tmp_path / f"{name}.keras")


def test_nothing_is_left_of_a_file_that_cannot_be_written(trained, tmp_path):
    (tmp_path / "taken.keras").mkdir()
    with pytest.raises(OSError):
        save_classifier(trained.model, NAMES, tmp_path / "taken.keras")
    with pytest.raises(TypeError):
        save_classifier(trained.model, [b"no text"], tmp_path / "new.keras")
    assert [file.name for file in tmp_path.iterdir()] == ["taken.keras"]
