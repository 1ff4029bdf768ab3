"""The classifier command as people run it."""

from __future__ import annotations

import functools
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from stylegan_tf.cli import classifier
from stylegan_tf.features.classifier import ClassifierFeatures, TrainedClassifier, build_classifier


@pytest.fixture
def command(run_command):
    """`command(**flags)`: exit code, stdout, stderr."""
    return functools.partial(run_command, classifier)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Dark and light pictures of 14x16 in directories of these names, and one class more in another set."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for number in range(60):
        name, brightness = (("dark", 60), ("light", 190))[number % 2]
        pixels = random.integers(brightness - 40, brightness + 40, (16, 14, 3)).astype(np.uint8)
        (folder / name).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.slow
def test_it_trains_says_how_well_and_writes(command, pictures, tmp_path):
    output = tmp_path / "new" / "tones.keras"
    code, out, err = command(data=pictures, output=output, epochs=12)
    assert (code, err) == (0, "")
    assert re.fullmatch(
        rf"wrote {output}: \d+\.\d% right of 6 held-out pictures, 2 classes at 14x14, .* s\n", out.splitlines(True)[-1]
    )
    network = ClassifierFeatures(output)
    assert network.class_names == ("dark", "light")
    tones = np.stack([np.full([14, 14, 3], value, np.uint8) for value in (60, 190)])
    assert np.argmax(network.compute(tones).logits, axis=1).tolist() == [0, 1]


def test_flags_reach_the_training(command, pictures, tmp_path, monkeypatch):
    asked = {}

    def train(images, labels, class_names, **options):
        asked.update(options, shape=images.shape, labels=np.bincount(labels).tolist(), class_names=class_names)
        return TrainedClassifier(build_classifier((8, 10), 1, 2), 0.876, 6)

    monkeypatch.setattr("stylegan_tf.features.classifier.train_classifier", train)
    output = tmp_path / "x.keras"
    code, out, err = command(data=pictures, output=output, epochs=3, seed=5, resolution="8x10", channels=1)
    assert (code, err) == (0, "")
    assert "87.6% right of 6 held-out pictures, 2 classes at 8x10" in out
    del asked["progress"]
    assert asked == {
        "shape": (60, 8, 10, 1),
        "labels": [30, 30],
        "class_names": ("dark", "light"),
        "epochs": 3,
        "seed": 5,
    }
    assert ClassifierFeatures(output).class_names == ("dark", "light")


def test_what_is_left_out_of_the_set_is_told(command, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "stylegan_tf.features.classifier.train_classifier",
        lambda *_, **__: TrainedClassifier(build_classifier((8, 8), 3, 2), 0.5, 6),
    )
    folder = shutil.copytree(pictures, tmp_path / "set")
    (folder / "dark" / "clip.mov").write_bytes(b"no picture")
    (folder / "red").mkdir()
    code, out, err = command(data=folder, output=tmp_path / "x.keras", resolution="8")
    assert (code, err) == (0, "classifier: note: folders without pictures are not classes: 'red'.\n")
    assert f"{folder}: left out: 1 other file (.mov 1)\n" in out


def test_large_pictures_are_made_small_unless_a_resolution_is_given(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (900, 700)).save(tmp_path / name / "1.png")
    source = classifier.find_source(str(tmp_path), use_labels=True)
    assert classifier._fitting_size(source) == (64, 64)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"data": ""}, "--data must be given: a labelled set of pictures. Received: nothing."),
        ({"output": "model.h5"}, "--output must be a file that ends in .keras. Received: model.h5."),
        ({"channels": "4"}, "--channels must be 1, 3, or 0 for what the data has. Received: 4."),
        ({"resolution": "big"}, "resolution must be"),
        ({"resolution": "4"}, "at least 6x6"),
        ({"epochs": "0"}, "--epochs=0"),
        ({"data": "/no/such/folder"}, "/no/such/folder"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(command, pictures, tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(**{"data": pictures, "output": "x.keras", **flags})
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("classifier: ")
    assert message in err
    assert not list(tmp_path.iterdir())


def test_a_set_without_labels(command, pictures, tmp_path):
    code, _, err = command(data=pictures / "dark", output=tmp_path / "x.keras")
    assert (code, err.count("\n")) == (2, 1)
    assert "label" in err
