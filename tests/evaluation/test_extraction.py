"""Features of sets of images: the same numbers whatever the batches, in memory that does not grow."""

import numpy as np
import pytest
from made_up import CLASSES, FEATURES, make_images, make_set

from stylegan_tf.evaluation.extraction import FeatureWriter, read_feature_set
from stylegan_tf.evaluation.reals import real_features
from stylegan_tf.files import DiskError
from stylegan_tf.metrics.frechet_distance import feature_statistics


def write(network, images, folder, batch=10, keep=("features", "logits"), **values):
    folder.mkdir(parents=True, exist_ok=True)
    writer = FeatureWriter(network, len(images), folder, keep, **values)
    for start in range(0, len(images), batch):
        writer.add(images[start : start + batch])
    return writer.close()


def test_statistics_features_and_logits_are_those_of_the_network(network, tmp_path):
    images = make_images(70)
    found = write(network, images, tmp_path)
    features = network(images)
    np.testing.assert_allclose(found.features, features, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.logits, features @ network._logits.numpy(), rtol=1e-4, atol=1e-5)
    assert found.count == 70
    expected, got = feature_statistics(features, 0), found.statistics.statistics(0)
    np.testing.assert_allclose(got.mean, expected.mean, rtol=1e-5)
    np.testing.assert_allclose(got.covariance, expected.covariance, rtol=1e-4, atol=1e-7)
    powers = np.exp(np.asarray(found.logits, np.float64))
    np.testing.assert_allclose(
        np.concatenate(list(found.probabilities())), powers / powers.sum(axis=1, keepdims=True), rtol=1e-9
    )


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
@pytest.mark.slow
def test_how_images_arrive_changes_no_bit(network, tmp_path, batch):
    """More than one block of rows, in odd and in even parts."""
    images = np.tile(make_images(350), (7, 1, 1, 1))
    whole, parts = write(network, images, tmp_path / "a", 2450), write(network, images, tmp_path / "b", batch)
    np.testing.assert_array_equal(whole.features, parts.features)
    for one, other in zip(whole.halves, parts.halves, strict=True):
        assert one.count == other.count == 1225
        np.testing.assert_array_equal(one.mean, other.mean)
        np.testing.assert_array_equal(one.scatter, other.scatter)


def test_halves_are_every_other_image(network, tmp_path):
    images = make_images(41)
    first, second = write(network, images, tmp_path, batch=6).split()
    for half, own in ((first, images[0::2]), (second, images[1::2])):
        features = network(own)
        assert half.count == len(half.features) == len(own)
        np.testing.assert_allclose(half.features, features, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(half.statistics.mean, features.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(half.statistics.statistics(1).covariance, np.cov(features.T), rtol=1e-3, atol=1e-6)


def test_only_what_is_asked_for_is_kept(network, tmp_path):
    found = write(network, make_images(20), tmp_path, keep=())
    assert found.features is None
    assert found.logits is None
    assert [path.name for path in tmp_path.iterdir()] == ["statistics.npz"]
    with pytest.raises(ValueError, match="need the logits of a classifier"):
        next(found.probabilities())


def test_features_stay_on_disk(network, tmp_path):
    found = write(network, make_images(20), tmp_path)
    assert isinstance(found.features, np.memmap)
    assert found.features.shape == (20, FEATURES)
    assert found.logits.shape == (20, CLASSES)
    np.testing.assert_array_equal(read_feature_set(tmp_path).features, found.features)


def test_missing_images_are_an_error_and_further_ones_are_left_out(network, tmp_path):
    images = make_images(12)
    writer = FeatureWriter(network, 13, tmp_path)
    writer.add(images)
    with pytest.raises(ValueError, match="must be 13 images. Received: 12"):
        writer.close()
    (tmp_path / "b").mkdir()
    writer = FeatureWriter(network, 8, tmp_path / "b", ["features"])
    writer.add(images)
    writer.add(images)
    assert len(writer.close().features) == 8


class Counting:
    """Counts the images that a network sees."""

    def __init__(self, network):
        self.network, self.seen = network, 0
        self.name, self.checksum = network.name, network.checksum
        self.feature_count, self.class_names = network.feature_count, network.class_names

    def compute(self, images):
        self.seen += 1
        return self.network.compute(images)


def test_real_features_are_worked_out_once_for_each_content(network, tmp_path):
    counting = Counting(network)
    reals = make_set(50)
    first = real_features(reals, counting, 50, ["features"], tmp_path)
    traces = counting.seen
    assert traces > 0
    again = real_features(make_set(50), counting, 50, [], tmp_path)  # equal images; fewer things wanted
    assert counting.seen == traces
    np.testing.assert_array_equal(first.statistics.mean, again.statistics.mean)
    real_features(reals, counting, 50, ["features", "logits"], tmp_path)  # more is wanted
    real_features(make_set(50, seed=1), counting, 50, [], tmp_path)  # other images
    real_features(reals, counting, 49, [], tmp_path)  # fewer of them
    counting.checksum = "1" * 64
    real_features(reals, counting, 50, [], tmp_path)  # another network
    assert counting.seen == 5 * traces
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_progress_is_told_after_every_batch(network, tmp_path):
    told = []
    real_features(make_set(100), network, 100, [], tmp_path, progress=lambda *numbers: told.append(numbers))
    assert told == [(48, 100), (96, 100), (100, 100)]


def test_an_interrupted_cache_leaves_nothing(network, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        real_features(make_set(50), network, 50, [], tmp_path, progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_real_images_come_in_an_order_of_their_own(network, tmp_path):
    """So that a part of a set that is sorted by class is like the whole."""
    reals = make_set(64)
    found = real_features(reals, network, 32, ["features"], tmp_path)
    features = network(reals.images)
    places = [int(np.argmin(np.abs(features - row).sum(axis=1))) for row in found.features]
    assert len(set(places)) == 32
    assert max(places) > 40
    assert places != sorted(places)


@pytest.mark.parametrize("name", ["statistics.npz", "features.npy"])
def test_a_damaged_cache_is_made_again(network, tmp_path, name):
    reals = make_set(50)
    mean = real_features(reals, network, 50, ["features"], tmp_path).statistics.mean
    [directory] = tmp_path.iterdir()
    file = directory / name
    file.write_bytes(file.read_bytes()[:150])
    found = real_features(reals, network, 50, ["features"], tmp_path)
    np.testing.assert_array_equal(found.statistics.mean, mean)
    assert len(found.features) == 50


def test_room_on_the_disk_is_taken_as_features_come(network, tmp_path):
    """What is written through a map of a file with holes ends the process where a disk is full."""
    images = make_images(20)
    writer = FeatureWriter(network, 20_000, tmp_path, ["features"])
    writer.add(images)
    assert (tmp_path / "features.npy").stat().st_size < 20_000 * 4


def test_a_full_cache_is_said_and_leaves_nothing(network, tmp_path, small_files):
    (tmp_path / "cache").mkdir()
    with pytest.raises(DiskError, match="ulimit") as caught, small_files(500):
        real_features(make_set(40), network, 40, ["features"], tmp_path / "cache")
    assert caught.value.filename.startswith(str(tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == []
