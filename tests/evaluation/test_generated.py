"""The images that are measured: of networks, of exports, of directories."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import warm_python
from made_up import make_generator, make_images, make_set

from stylegan_tf.data.image_set import ArrayImageSet
from stylegan_tf.evaluation.exported import ExportImages
from stylegan_tf.evaluation.generated import (
    NetworkImages,
    Origin,
    SetImages,
    follow_labels,
    read_labels,
    rgb,
    set_batches,
)
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.sampling.latents import latents_from_seeds
from stylegan_tf.sampling.sampler import Sampler
from stylegan_tf.serving.endpoints import ServedGenerator, build_endpoints
from stylegan_tf.serving.export import describe_model, write_saved_model


def joined(batches):
    return np.concatenate(list(batches))


def sampler_of(images):
    return images._sampler


@pytest.mark.slow
def test_images_are_those_of_their_seeds(generator):
    """The same that the sample command draws, not truncated, each with noise of its own."""
    found = joined(generator.batches(300, 0))
    assert found.shape == (300, 8, 8, 3)
    assert found.dtype == np.uint8
    seeds = np.arange(300)
    np.testing.assert_array_equal(found, sampler_of(generator).images(seeds, noise=seeds))
    assert np.any(found != sampler_of(generator).images(seeds))
    assert generator.origin.noise == "seed"


@pytest.mark.slow
def test_another_seed_gives_other_images(generator):
    assert not np.any(np.all(joined(generator.batches(20, 0)) == joined(generator.batches(20, 1)), axis=(1, 2, 3)))
    np.testing.assert_array_equal(joined(generator.batches(20, 1)), joined(generator.batches(20, 1)))


@pytest.mark.slow
def test_a_smaller_level_is_enlarged_to_the_full_size():
    full = make_generator()
    generator = sampler_of(full).generator.network
    images = NetworkImages(GeneratorAtLevel(generator, 0), Origin("run", "r"))
    assert images.size == (8, 8)
    small = Sampler(GeneratorAtLevel(generator, 0)).images([0, 1], noise=[0, 1])
    assert small.shape == (2, 4, 4, 3)
    np.testing.assert_array_equal(joined(images.batches(2, 0)), small.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.slow
def test_classes_are_drawn_like_the_labels_of_the_data():
    images = make_generator(num_classes=3)
    seeds = np.arange(600)
    evenly = np.bincount(images.classes(seeds), minlength=3)
    assert evenly.min() > 150
    images.labels = np.array([0] * 9 + [2], np.int32)
    shares = np.bincount(images.classes(seeds), minlength=3) / 600
    assert shares[1] == 0
    assert 0.05 < shares[2] < 0.15
    np.testing.assert_array_equal(images.classes(seeds[100:105]), images.classes(seeds)[100:105])
    one_hot = np.eye(3, dtype=np.float32)[images.classes(seeds[:4])]
    expected = sampler_of(images).images(seeds[:4], labels=one_hot, noise=seeds[:4])
    np.testing.assert_array_equal(joined(images.batches(4, 0)), expected)


def real_images(names, labels):
    images = np.zeros((len(labels), 8, 8, 3), np.uint8)
    return ArrayImageSet(images, np.array(labels, np.int32) if names else None, names, "theirs")


class TestFollowLabels:
    @pytest.mark.parametrize(
        ("ours", "theirs", "expected"),
        [
            (("a", "b", "c"), ("a", "b", "c"), [0, 2, 2, 1]),
            (("a", "b", "c"), ("c", "a", "b"), [2, 1, 1, 0]),
            (("0", "1", "2"), ("c", "a", "b"), [0, 2, 2, 1]),
            ((), ("c", "a", "b"), [0, 2, 2, 1]),
            (("a", "b", "c"), ("0", "1", "2"), [0, 2, 2, 1]),
            (("a", "caf\u00e9", "c"), ("a", "cafe\u0301", "c"), [0, 2, 2, 1]),
        ],
    )
    @pytest.mark.parametrize("required", [False, True])
    @pytest.mark.slow
    def test_the_same_classes(self, ours, theirs, expected, required):
        images = make_generator(num_classes=3)
        note = follow_labels(images, ours, real_images(theirs, [0, 2, 2, 1]), required=required)
        assert (images.labels.tolist(), note) == (expected, "")

    @pytest.mark.parametrize(
        ("theirs", "described"),
        [
            ((), "none"),
            (("a", "b"), "2, 'a', 'b'"),
            (("a", "b", "d"), "3, 'a', 'b', 'd'"),
            (("a", "b", "c", "d"), "4, 'a', 'b', 'c', 'd'"),
            (("0", "1"), "2, '0', '1'"),
        ],
    )
    def test_other_classes(self, theirs, described):
        images, reals = make_generator(num_classes=3), real_images(theirs, [0, 1, 1, 0])
        images.labels = np.array([1, 1])
        with pytest.raises(ValueError, match=rf"the classes of the generated ones.*Received: {described} in theirs"):
            follow_labels(images, ("a", "b", "c"), reals, required=True)
        note = follow_labels(images, ("a", "b", "c"), reals, required=False)
        found = f"other ones: {described}" if theirs else "no labels"
        assert images.labels is None
        assert note == f"all classes are equally likely (3, 'a', 'b', 'c'), as theirs has {found}"

    def test_classes_that_nobody_will_see_are_told(self):
        images, reals = make_generator(num_classes=2), real_images(("a", "b"), [1, 1])
        reals.label_notes = ("1 of 2 classes has no pictures: 'a'",)
        assert follow_labels(images, ("a", "b"), reals, required=True) == reals.label_notes[0]
        assert images.labels.tolist() == [1, 1]

    def test_a_generator_without_classes(self, generator):
        assert follow_labels(generator, (), real_images(("a", "b"), [0, 1]), required=True) == ""
        assert generator.labels is None


@pytest.mark.slow
def test_latents_map_and_synthesize(generator):
    seeds = np.arange(5)
    z = generator.latents(seeds)
    np.testing.assert_array_equal(z, latents_from_seeds(seeds, generator.z_size))
    images = generator.synthesize(generator.map(z, None))
    assert images.dtype == np.float32
    expected = sampler_of(generator).images(seeds)
    np.testing.assert_allclose(np.clip(np.rint((images + 1) * 127.5), 0, 255), expected, atol=1)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    images = make_generator(num_classes=2)
    served = ServedGenerator(sampler_of(images).generator, 0.7)
    path = tmp_path_factory.mktemp("export") / "1"
    endpoints = build_endpoints(served)
    write_saved_model(endpoints, path)
    (path / "assets.extra").mkdir(exist_ok=True)
    about = {
        **describe_model(served, endpoints),
        "images_seen": 3000,
        "label_names": ["x", "y"],
        "dataset": {"name": "d"},
    }
    (path / "assets.extra" / "model.json").write_text(json.dumps(about))
    return images, path


@pytest.mark.slow
def test_an_export_gives_the_images_of_its_networks(export):
    networks, path = export
    images = ExportImages(path.parent)
    assert (images.size, images.channels, images.num_classes, images.z_size) == ((8, 8), 3, 2, 8)
    assert images.origin == Origin("export", str(path), 3000, "fixed")
    assert images.dataset == "d"
    seeds = np.arange(20)
    classes = networks.classes(seeds)
    np.testing.assert_array_equal(images.classes(seeds), classes)
    one_hot = np.eye(2, dtype=np.float32)[classes]
    sampler = sampler_of(networks)
    np.testing.assert_allclose(
        joined(images.batches(20, 0)).astype(int), sampler.images(seeds, labels=one_hot).astype(int), atol=1
    )
    z = networks.latents(seeds)
    ws = networks.map(z, classes)
    np.testing.assert_allclose(images.map(z, classes), ws, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(images.synthesize(ws), networks.synthesize(ws), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("make", ["nothing", "empty version", "other file"])
def test_what_is_no_export_is_refused(tmp_path, make):
    if make != "nothing":
        (tmp_path / "1").mkdir()
    if make == "other file":
        (tmp_path / "1" / "saved_model.pb").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="export must be .*Received"):
        ExportImages(tmp_path)


def test_sets_of_images():
    image_set = make_set(30)
    images = SetImages(image_set)
    assert len(images) == 30
    assert images.origin == Origin("images", "made up 0")
    some = joined(images.batches(12, 0))
    everything = {image.tobytes() for image in image_set.images}
    assert len({image.tobytes() for image in some}) == 12
    assert {image.tobytes() for image in some} <= everything
    assert {image.tobytes() for image in joined(images.batches(30, 5))} == everything
    assert np.any(some != joined(images.batches(12, 1)))
    with pytest.raises(ValueError, match="at least 31 images"):
        images.batches(31, 0)


def test_labels_of_a_set():
    labelled = make_set(25, classes=3)
    np.testing.assert_array_equal(read_labels(labelled), labelled.labels)
    assert read_labels(make_set(3)) is None


def test_rgb():
    grey = np.array([[[[7]]]], np.uint8)
    np.testing.assert_array_equal(rgb(grey), [[[[7, 7, 7]]]])
    with_alpha = np.array([[[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 200, 51]]]], np.uint8)
    np.testing.assert_array_equal(rgb(with_alpha), [[[[10, 20, 30], [255, 255, 255], [204, 224, 244]]]])
    images = make_images(2)
    assert rgb(images) is images


def test_grey_sets_become_colour():
    grey = ArrayImageSet(make_images(4)[..., :1])
    assert joined(set_batches(grey, 4)).shape == (4, 8, 8, 3)


TWO_DEVICES = """
import sys
import numpy as np
sys.path[:0] = sys.argv[1:]
from made_up import make_generator
from stylegan_tf.training.devices import choose_strategy

strategy = choose_strategy(2)
one = make_generator()
with strategy.scope():
    two = make_generator(strategy=strategy)
a, b = (np.concatenate(list(images.batches(70, 3))) for images in (one, two))
np.testing.assert_array_equal(a, b)
print("equal")
"""


@pytest.mark.slow
def test_two_devices_make_the_same_images():
    tests = Path(__file__).parents[1]
    result = warm_python.run(
        [sys.executable, "-c", TWO_DEVICES, str(tests / "evaluation"), str(tests / "training")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.strip() == "equal", result.stderr
