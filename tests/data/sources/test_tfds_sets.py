"""TensorFlow Datasets, if it is installed: a tiny data set that is made here."""

import importlib.util
import pickle

import numpy as np
import pytest

from stylegan_tf.data.sources.find import open_source


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install .*tensorflow-datasets.*\. Received: data='tfds:mnist'"):
        open_source("tfds:mnist")


class TestWithThePackage:
    @pytest.fixture
    def tfds(self, tmp_path, monkeypatch):
        tfds = pytest.importorskip("tensorflow_datasets")
        monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))

        class TinyPictures(tfds.core.GeneratorBasedBuilder):
            """Five pictures and three."""

            VERSION = tfds.core.Version("1.2.3")
            BUILDER_CONFIGS = [  # noqa: RUF012
                tfds.core.BuilderConfig(name="labelled", description="With labels."),
                tfds.core.BuilderConfig(name="plain", description="Without labels."),
                tfds.core.BuilderConfig(name="sounds", description="Without images."),
            ]

            def _info(self):
                features = {"number": tfds.features.Scalar(np.int64)}
                if self.builder_config.name != "sounds":
                    features["image"] = tfds.features.Image(shape=(4, 4, 3))
                if self.builder_config.name == "labelled":
                    features["label"] = tfds.features.ClassLabel(names=["even", "odd"])
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, dl_manager):
                return {"train": self._generate_examples(5), "test": self._generate_examples(3)}

            def _generate_examples(self, count):
                for number in range(count):
                    values = {"number": number, "image": np.full((4, 4, 3), number, np.uint8), "label": number % 2}
                    yield number, {key: values[key] for key in self.info.features}

        yield tfds
        tfds.core.registered._DATASET_REGISTRY.pop("tiny_pictures", None)

    @pytest.mark.parametrize(
        ("data", "count"),
        [
            ("tfds:tiny_pictures", 5),
            ("tfds:tiny_pictures/labelled", 5),
            ("tfds:tiny_pictures:test", 3),
            ("tfds:tiny_pictures/labelled:train[:40%]", 2),
            ("tfds:tiny_pictures:train+test", 8),
        ],
    )
    def test_splits_and_labels(self, tfds, values, data, count):
        source = open_source(data, use_labels=True)
        assert (len(source), source.channels, source.random_access) == (count, 3, False)
        assert source.label_names == ("even", "odd")
        items = list(source.items())
        assert len(items) == count
        assert [item.label for item in items] == [value % 2 for value in values(source)]
        assert values(source, 2) == values(source)[2:]
        assert pickle.loads(pickle.dumps(items[0])).open().getpixel((1, 1)) == (values(source)[0],) * 3
        assert source.signature() == open_source(data).signature()

    def test_without_labels(self, tfds):
        source = open_source("tfds:tiny_pictures/plain")
        assert {item.label for item in source.items()} == {-1}
        with pytest.raises(ValueError, match="must have a class label as its feature 'label'; or train without labels"):
            open_source("tfds:tiny_pictures/plain", use_labels=True)

    def test_signatures_differ(self, tfds):
        names = ("tfds:tiny_pictures", "tfds:tiny_pictures:test", "tfds:tiny_pictures/plain")
        assert len({open_source(name).signature() for name in names}) == 3

    def test_without_images(self, tfds):
        with pytest.raises(ValueError, match="at least one picture in a feature 'image'"):
            open_source("tfds:tiny_pictures/sounds")

    @pytest.mark.parametrize("data", ["tfds:", "tfds:tiny_pictures:nothing", "tfds:tiny_pictures/nothing"])
    def test_unknown_names(self, tfds, data):
        with pytest.raises(ValueError, match=r"a data set of this name and split\. Received: data='tfds:"):
            open_source(data)
