"""Data sets of TensorFlow Datasets, an optional package."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

from stylegan_tf.data.sources.base import Item, Source, digest
from stylegan_tf.data.sources.labels import NO_LABELS, require_labels
from stylegan_tf.data.sources.tar_archive import BytesItem
from stylegan_tf.errors import UserError
from stylegan_tf.invocation import install

PREFIX = "tfds:"


class TfdsSource(Source):
    """One split of a data set, downloaded and prepared if it is not there yet.

    The encoded files are taken as they are stored, so that they are decoded as all others are.

    Args:
        data: "tfds:NAME", "tfds:NAME/CONFIG", "tfds:NAME:SPLIT" or "tfds:NAME/CONFIG:SPLIT". The split is "train" if
            it is left out, and can be a part, such as "train[:10%]".
        use_labels: Whether labels must be there.

    Raises:
        ImportError: The package is missing; the message names the extra that installs it.
        ValueError: An unknown name or split, a failed download, no feature "image", or labels asked for where there
            are none.
    """

    kind = "TensorFlow data set"
    random_access = False

    def __init__(self, data: str, *, use_labels: bool = False) -> None:
        if importlib.util.find_spec("tensorflow_datasets") is None:
            raise ImportError(
                "TensorFlow Datasets is needed for data that starts with 'tfds:', and is not installed. "
                f"Install it with: {install('tfds')}. Received: data={data!r}."
            )
        import tensorflow_datasets as tfds

        self.name = data
        name, _, split = data.removeprefix(PREFIX).partition(":")
        self._split = split or "train"
        try:
            self._builder = tfds.builder(name)
            self._builder.download_and_prepare()
            self._count = int(self._builder.info.splits[self._split].num_examples)
        except Exception as error:  # of the network, the file system, or the data set's own code
            raise UserError(
                "TensorFlow Datasets must know, or be able to download, a data set of this name and split. "
                f"Received: data={data!r} ({type(error).__name__}: {error})."
            ) from error
        declared = self._builder.info.features
        features = dict(declared.items()) if isinstance(declared, tfds.features.FeaturesDict) else {}
        image = features.get("image")
        if not isinstance(image, tfds.features.Image) or not self._count:
            raise UserError(
                "A data set must have at least one picture in a feature 'image'. "
                f"Received: data={data!r} with {self._count} examples of {sorted(features)}."
            )
        self.channels = image.shape[-1] if image.shape[-1] in (1, 3, 4) else None
        label = features.get("label")
        self._labelled = label is not None and isinstance(label, tfds.features.ClassLabel) and self._first_label() >= 0
        if label is not None and self._labelled:
            self.label_names = tuple(label.names)
        else:
            require_labels(NO_LABELS, use_labels, "the data set must have a class label as its feature 'label'", data)

    def __len__(self) -> int:
        return self._count

    def items(self, start: int = 0) -> Iterator[Item]:
        """Gives the pictures from number `start` on, in the order in which they are stored."""
        for number, example in enumerate(self._examples().skip(start).as_numpy_iterator(), start):
            content = example["image"]
            label = int(example["label"]) if self._labelled else -1
            yield BytesItem(str(number), label, content, len(content))

    def signature(self) -> str:
        """Of the data set's full name with its version, the split, and the number of examples."""
        return digest([self._builder.info.full_name, self._split, str(self._count), *self.label_names])

    def _first_label(self) -> int:
        """Below 0 in a split whose pictures nobody labelled, as many test splits are."""
        return int(next(self._examples().take(1).as_numpy_iterator())["label"])

    def _examples(self) -> Any:
        import tensorflow_datasets as tfds

        return self._builder.as_dataset(
            split=self._split, shuffle_files=False, decoders={"image": tfds.decode.SkipDecoding()}
        )
