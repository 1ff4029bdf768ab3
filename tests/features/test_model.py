"""Somebody's own model as a feature network."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.features.model import ModelFeatures


def save(model, path, as_saved_model=False):
    if as_saved_model:
        model.export(path, verbose=False)
    else:
        path = path.with_suffix(".keras")
        model.save(path)
    return path


@pytest.fixture(params=[False, True], ids=["keras", "saved_model"])
def as_saved_model(request):
    return request.param


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "model"


def dense_model(shape, outputs=1, dtype="float32"):
    """Flattens and multiplies by a fixed matrix; several outputs are multiples of the first."""
    image = keras.Input(shape, dtype=dtype)
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    dense = keras.layers.Dense(5, use_bias=False)
    first = dense(x)
    kernel = np.random.default_rng(0).standard_normal(dense.kernel.shape).astype(np.float32)
    dense.set_weights([kernel])
    return keras.Model(image, [first * (n + 1) for n in range(outputs)] if outputs > 1 else first), kernel / 255


def test_the_output_of_images_of_its_size(folder, as_saved_model, random_image, relative_error):
    model, matrix = dense_model([8, 6, 3])
    network = ModelFeatures(save(model, folder, as_saved_model))
    images = np.concatenate([random_image(seed, 8, 6) for seed in range(3)])
    assert relative_error(network(images, batch_size=2), images.reshape(3, -1) @ matrix) < 1e-5
    assert (network.name, network.feature_count, network.class_names) == ("model", 5, ())
    assert len(network.checksum) == 64


def test_images_are_resized_to_a_fixed_size(folder, as_saved_model, random_image, relative_error):
    model, matrix = dense_model([4, 4, 3])
    network = ModelFeatures(save(model, folder, as_saved_model))
    blocks = random_image(0, 4, 4)
    smooth = tf.image.resize(blocks, [16, 16], antialias=True)
    want = tf.image.resize(smooth, [4, 4], antialias=True).numpy().reshape(1, -1) @ matrix
    assert relative_error(network.compute(smooth).features, want) < 1e-5


def test_images_keep_their_size_where_it_is_free_and_maps_are_averaged(folder, as_saved_model, random_image):
    image = keras.Input([None, None, 3])
    model = keras.Model(image, keras.layers.Rescaling([1.0, 0.1, 0.01])(image))
    network = ModelFeatures(save(model, folder, as_saved_model))
    image = random_image(0, 5, 7)
    np.testing.assert_allclose(network(image), image.mean(axis=(1, 2)) * [1, 0.1, 0.01], rtol=1e-5)
    assert network.feature_count == 3


def test_a_model_of_one_channel_gets_the_mean(folder, random_image, relative_error):
    model, matrix = dense_model([4, 4, 1])
    image = random_image(0, 4, 4)
    got = ModelFeatures(save(model, folder))(image)
    assert relative_error(got, image.mean(axis=-1).reshape(1, -1) @ matrix) < 1e-5


def test_whole_numbers_are_rounded_and_kept_in_range(folder, relative_error):
    model, matrix = dense_model([2, 2, 3], dtype="uint8")
    image = np.linspace(-20, 280, 12, dtype=np.float32).reshape(1, 2, 2, 3)
    got = ModelFeatures(save(model, folder)).compute(tf.constant(image)).features
    assert relative_error(got, np.clip(np.rint(image), 0, 255).reshape(1, -1) @ matrix) < 1e-5


def test_the_last_of_several_outputs(folder, as_saved_model, random_image, relative_error):
    model, matrix = dense_model([4, 4, 3], outputs=12)
    image = random_image(0, 4, 4)
    got = ModelFeatures(save(model, folder, as_saved_model))(image)
    assert relative_error(got, 12.0 * image.reshape(1, -1) @ matrix) < 1e-5


@pytest.mark.slow
def test_outputs_by_name(folder, as_saved_model, random_image, relative_error):
    model, matrix = dense_model([4, 4, 3], outputs=2)
    image = random_image(0, 4, 4)
    named = keras.Model(model.inputs, {"features": model.outputs[0], "logits": model.outputs[1]})
    got = ModelFeatures(save(named, folder, as_saved_model))(image)
    assert relative_error(got, image.reshape(1, -1) @ matrix) < 1e-5
    others = keras.Model(model.inputs, {"one": model.outputs[0], "two": model.outputs[1]})
    with pytest.raises(ValueError, match="must be called 'features'. Received: .*: one, two"):
        ModelFeatures(save(others, folder.with_name("others"), as_saved_model))


def test_the_checksum_depends_on_every_file(folder):
    path = save(dense_model([4, 4, 3])[0], folder, as_saved_model=True)
    before = ModelFeatures(path).checksum
    assert ModelFeatures(path).checksum == before
    (path / "assets").mkdir(exist_ok=True)
    (path / "assets" / "note").write_text("other")
    assert ModelFeatures(path).checksum != before


def lambda_model(folder):
    image = keras.Input([4, 4, 3])
    return save(keras.Model(image, keras.layers.Lambda(lambda x: x + 1)(image)), folder)


def two_inputs(folder):
    images = [keras.Input([4, 4, 3]) for _ in range(2)]
    return save(keras.Model(images, images[0] + images[1]), folder)


def vectors(folder):
    image = keras.Input([4])
    return save(keras.Model(image, image + 1), folder)


def free_count(folder):
    image = keras.Input([None, None, 3])
    return save(keras.Model(image, keras.layers.Reshape([-1])(image)), folder)


def no_file(folder):
    return folder / "none.keras"


def no_model(folder):
    folder.mkdir()
    return folder


def text_file(folder):
    folder.with_suffix(".keras").write_text("x")
    return folder.with_suffix(".keras")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda_model, "must be a .keras file that can be read"),
        (no_file, "must be a .keras file that can be read"),
        (text_file, "must be a .keras file that can be read"),
        (no_model, "must hold a SavedModel with a signature"),
        (two_inputs, "with one input"),
        (vectors, "must take images"),
        (free_count, "fixed number of features"),
    ],
)
def test_other_models_are_refused_in_one_line(make, message, folder):
    with pytest.raises(ValueError, match=f"{message}.*Received") as error:
        ModelFeatures(make(folder))
    assert "\n" not in str(error.value)
