"""The data sets of Keras: with tiny files where it looks for them, and without a network."""

import gzip
import urllib.error

import numpy as np
import pytest

from stylegan_tf.data.sources.find import open_source


@pytest.fixture
def keras_folder(tmp_path, monkeypatch):
    """Stands in for ~/.keras; nothing can be downloaded."""
    from keras.src.utils import file_utils

    def fail(*arguments, **kwargs):
        raise urllib.error.URLError("no network here")

    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setattr(file_utils, "urlretrieve", fail)
    return tmp_path


def test_training_split_with_names_of_classes(keras_folder):
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    folder = keras_folder / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        for kind, content in (("images-idx3", bytes(16) + images.tobytes()), ("labels-idx1", bytes(8) + b"\3\11\0")):
            (folder / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))
    source = open_source("keras:fashion_mnist", use_labels=True)
    assert (len(source), source.channels, source.kind) == (3, 1, "Keras data set")
    assert [source.label_names[item.label] for item in source.items()] == ["Dress", "Ankle boot", "T-shirt/top"]
    np.testing.assert_array_equal(np.asarray(next(source.items(2)).open()), images[2])
    assert source.signature() == open_source("keras:fashion_mnist").signature()


def test_colour(monkeypatch):
    import keras

    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    labels = np.array([[9], [0], [6]], np.uint8)
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: ((images, labels), (images[:0], labels[:0])))
    source = open_source("keras:cifar10")
    assert [source.label_names[item.label] for item in source.items()] == ["truck", "airplane", "frog"]
    assert source.channels == 3
    np.testing.assert_array_equal(np.asarray(next(source.items()).open()), images[0])


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mnist", "mnist.npz"),
        ("fashion_mnist", "fashion-mnist/train-images-idx3-ubyte.gz"),
        ("cifar10", r"cifar-10-batches-py-target_archive \(cifar-10-python.tar.gz under"),
    ],
)
def test_no_network(keras_folder, name, file):
    message = rf"could not download {name} .*no network here.*put it where Keras looks for it: ~/.keras/datasets/{file}"
    with pytest.raises(ValueError, match=message):
        open_source(f"keras:{name}")


@pytest.mark.parametrize("data", ["keras:", "keras:imdb", "keras:MNIST"])
def test_unknown_names(data):
    with pytest.raises(ValueError, match=rf"one of keras:mnist, keras:fashion_mnist, keras:cifar10\. .*'{data}'"):
        open_source(data)
