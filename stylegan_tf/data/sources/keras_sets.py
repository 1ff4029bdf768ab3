"""The data sets that Keras downloads."""

from __future__ import annotations

import importlib
import os

from stylegan_tf.data.sources.arrays import ArraySource, images_of_array
from stylegan_tf.data.sources.base import Source
from stylegan_tf.data.sources.labels import numbered_labels
from stylegan_tf.errors import UserError

PREFIX = "keras:"

_DIGITS = tuple("0123456789")
_CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# Names of the classes, and where Keras looks below its folder before it downloads.
SETS = {
    "mnist": (_DIGITS, "mnist.npz"),
    "fashion_mnist": (_CLOTHES, os.path.join("fashion-mnist", "train-images-idx3-ubyte.gz") + " and its three others"),
    "cifar10": (_OBJECTS, "cifar-10-batches-py-target_archive (cifar-10-python.tar.gz under this name)"),
}


def open_keras_set(data: str) -> Source:
    """The training split of a data set of Keras, which is downloaded if it is not there yet.

    Args:
        data: "keras:" and one of "mnist", "fashion_mnist", "cifar10".

    Raises:
        ValueError: Another name, or a set that could not be downloaded.
    """
    name = data.removeprefix(PREFIX)
    if name not in SETS:
        known = ", ".join(f"{PREFIX}{each}" for each in SETS)
        raise UserError(f"A data set of Keras must be one of {known}. Received: data={data!r}.")
    label_names, looked_for = SETS[name]
    module = importlib.import_module(f"keras.datasets.{name}")  # takes seconds, as it imports TensorFlow
    try:
        (images, labels), _ = module.load_data()
    except Exception as error:  # of the network, the file system, or what was downloaded
        folder = os.path.join(os.environ.get("KERAS_HOME") or os.path.join("~", ".keras"), "datasets")
        raise UserError(
            f"Keras could not download {name} ({error}). Check the network, or download the file elsewhere and put it "
            f"where Keras looks for it: {os.path.join(folder, looked_for)}. Received: data={data!r}."
        ) from error
    images = images_of_array(images, data)
    found = numbered_labels(labels.ravel(), len(images), f"data={data!r}", label_names)
    return ArraySource(data, "Keras data set", images, found, signature=[data, str(len(images))])
