"""From what a user calls data to a set of images: in memory, prepared into the cache, or prepared before."""

import csv
import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from stylegan_tf.data import loading
from stylegan_tf.data.decode import PictureForm
from stylegan_tf.data.image_set import ArrayImageSet
from stylegan_tf.data.loading import (
    DataSettings,
    UnreadImageSet,
    cache_directory,
    default_cache,
    default_size,
    find_source,
    load_image_set,
    resolve_form,
)
from stylegan_tf.data.pipeline import ImagePipeline
from stylegan_tf.data.prepare import prepare
from stylegan_tf.data.prepared import INCOMPLETE, MANIFEST, PreparedImageSet
from stylegan_tf.data.pyramid import image_pyramid
from stylegan_tf.data.sources.base import Item, Source, spread_items
from stylegan_tf.data.sources.find import open_source

PORTRAITS = pathlib.Path(loading.__file__).with_name("portraits.npz")
COUNT = 12


def pixels(folder: pathlib.Path) -> np.ndarray:
    """What is in the pictures of a folder, uint8 `[N, 16, 16, 3]`."""
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*/*.png"))])


def spoil(path: pathlib.Path) -> None:
    """Makes a picture unreadable, but leaves its size and time of change."""
    state = path.stat()
    path.write_bytes(bytes(state.st_size))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.fixture
def folder(tmp_path, write_pictures) -> pathlib.Path:
    """Twelve noisy PNGs, six in each of two folders."""
    return write_pictures(tmp_path / "pictures", COUNT, (16, 16))


@pytest.fixture
def settings(folder, tmp_path) -> DataSettings:
    return DataSettings(str(folder), use_labels=True, cache_dir=str(tmp_path / "cache"))


@pytest.fixture
def large(monkeypatch) -> None:
    """Every set is too large for memory."""
    monkeypatch.setattr(loading, "MEMORY_LIMIT", 0)


class TestPortraits:
    def test_facts(self):
        portraits = load_image_set(DataSettings("portraits"))
        assert isinstance(portraits, ArrayImageSet)
        assert portraits.name == "portraits"
        assert portraits.images.shape == (2339, 32, 32, 3)
        assert portraits.sizes[:4] == ((32, 32), (16, 16), (8, 8), (4, 4))
        assert portraits.label_names == ("noto", "twemoji", "fluent")  # whether they are asked for or not
        assert np.bincount(portraits.labels).tolist() == [780, 779, 780]
        with np.load(PORTRAITS, allow_pickle=False) as arrays:
            np.testing.assert_array_equal(portraits.images, arrays["images"])

    def test_background_is_white_and_most_of_each_image_is_drawing(self):
        white = (load_image_set(DataSettings("portraits")).images == 255).all(axis=-1)
        assert white[:, 0, 0].mean() > 0.8
        assert (white.mean(axis=(1, 2)) < 0.8).all()

    def test_file_is_small_and_carries_its_notice(self):
        assert PORTRAITS.stat().st_size < 4 * 10**6
        notice = PORTRAITS.with_name("PORTRAITS_NOTICE").read_text()
        for line in ("Apache License", "CC BY 4.0", "Copyright (c) Microsoft Corporation", "WITHOUT WARRANTY"):
            assert line in notice

    def test_codes_allow_a_split_by_base(self):
        with np.load(PORTRAITS, allow_pickle=False) as arrays:
            codes, base_codes, labels = arrays["codes"], arrays["base_codes"], arrays["labels"]
        assert len(set(base_codes.tolist())) == 130
        assert len(set(zip(codes.tolist(), labels.tolist(), strict=True))) == 2339
        assert "1F468-1F3FB-200D-1F33E" in codes[base_codes == "1F468-200D-1F33E"]

    @pytest.mark.slow
    def test_other_sizes_and_channels(self):
        small = load_image_set(DataSettings("portraits", (16, 8), (4, 2), channels=1))
        assert small.images.shape == (2339, 16, 8, 1)
        assert load_image_set(DataSettings("portraits", base_size=(7, 7))).image_shape() == (28, 28, 3)


@pytest.mark.parametrize(
    ("size", "base_size", "expected"),
    [
        ((32, 32), (4, 4), (32, 32)),
        ((63, 200), (4, 4), (32, 32)),
        ((28, 28), (7, 7), (28, 28)),
        ((40, 60), (4, 6), (32, 48)),
        ((3, 3), (4, 4), (4, 4)),
        ((3000, 5000), (4, 4), (1024, 1024)),
        ((3000, 5000), (4, 6), (512, 768)),
        ((600, 600), (1, 1), (256, 256)),  # images are halved eight times at most
    ],
)
def test_default_size(tmp_path, size, base_size, expected):
    for index in range(3):
        Image.new("1", size[::-1]).save(tmp_path / f"{index}.png")
    source = open_source(str(tmp_path))
    assert default_size(source, base_size) == expected
    assert resolve_form(DataSettings(str(tmp_path), base_size=base_size), source).size == expected


class TestDefaultSize:
    def test_is_that_of_the_median_and_passes_over_broken_pictures(self, folder):
        Image.new("L", (640, 640)).save(folder / "a/large.png")
        (folder / "a/broken.png").write_bytes(b"")
        (folder / "b/text.jpg").write_text("hello")
        assert default_size(open_source(str(folder)), (4, 4)) == (16, 16)

    def test_heights_and_widths_have_medians_of_their_own(self, tmp_path):
        for number, size in enumerate([(64, 8), (8, 64), (32, 32)]):
            Image.new("1", size).save(tmp_path / f"{number}.png")
        assert default_size(open_source(str(tmp_path)), (4, 4)) == (32, 32)

    def test_pictures_are_turned_upright_first(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        Image.new("RGB", (96, 64)).save(tmp_path / "lying.jpg", exif=exif)
        assert default_size(open_source(str(tmp_path)), (6, 4)) == (96, 64)

    def test_nothing_can_be_opened(self, tmp_path):
        for number in range(5):
            (tmp_path / f"{number}.png").write_bytes(b"")
        with pytest.raises(ValueError, match=r"5 of 5 pictures.*could not be read.*0\.png.*2\.png.*; and 2 more\."):
            default_size(open_source(str(tmp_path)), (4, 4))


@dataclasses.dataclass(frozen=True)
class Number(Item):
    """A picture that is not there."""

    def open(self) -> Image.Image:
        raise NotImplementedError


class Numbers(Source):
    """Counts what is taken from it."""

    name = kind = "numbers"

    def __init__(self, count: int, random_access: bool) -> None:
        self.random_access = random_access
        self.taken = 0
        self._count = count

    def __len__(self) -> int:
        return self._count

    def items(self, start: int = 0) -> Iterator[Item]:
        for number in range(start, self._count):
            self.taken += 1
            yield Number(str(number), -1)

    def signature(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("count", "random_access", "expected"),
    [
        (3, True, [0, 1, 2]),
        (4, True, [0, 1, 2, 3]),
        (10, True, [0, 3, 6, 9]),
        (10**9, True, [0, 25 * 10**7, 50 * 10**7, 75 * 10**7]),
        (10**9, False, [0, 1, 2, 3]),
    ],
)
def test_items_are_spread_over_the_source(count, random_access, expected):
    source = Numbers(count, random_access)
    assert [int(item.name) for item in spread_items(source, 4)] == expected
    assert source.taken <= 5


class TestInMemory:
    def test_images_and_labels_in_order(self, settings, folder):
        image_set = load_image_set(settings)
        assert isinstance(image_set, ArrayImageSet)
        assert image_set.name == str(folder)
        np.testing.assert_array_equal(image_set.images, pixels(folder))
        assert image_set.labels.tolist() == [0] * 6 + [1] * 6
        assert image_set.labels.dtype == np.int32
        assert image_set.label_names == ("a", "b")
        assert not pathlib.Path(settings.cache_dir).exists()

    def test_more_than_one_batch_of_threads(self, tmp_path):
        images = np.random.default_rng(0).integers(0, 256, (200, 4, 4)).astype(np.uint8)
        np.savez(tmp_path / "images.npz", images=images, labels=np.arange(200) % 7)
        reports = []
        image_set = load_image_set(DataSettings(str(tmp_path / "images.npz")), progress=lambda *r: reports.append(r))
        np.testing.assert_array_equal(image_set.images[..., 0], images)
        assert image_set.labels.tolist() == [number % 7 for number in range(200)]
        assert reports[-1] == (200, 200)
        assert [done for done, _ in reports] == sorted({done for done, _ in reports})
        assert {total for _, total in reports} == {200}

    def test_without_labels(self, settings):
        image_set = load_image_set(dataclasses.replace(settings, use_labels=False))
        assert image_set.labels is None
        assert image_set.num_classes == 0

    def test_no_labels_where_they_are_asked_for(self, settings, folder):
        Image.new("L", (4, 4)).save(folder / "stray.png")
        with pytest.raises(ValueError, match=r"stray\.png"):
            load_image_set(settings)

    def test_nothing_there(self):
        with pytest.raises(ValueError, match="nothing was found there"):
            load_image_set(DataSettings("/no/such/folder"))

    @pytest.mark.parametrize(("shape", "channels"), [((8, 8), 1), ((8, 8, 1), 1), ((8, 8, 3), 3), ((8, 8, 4), 4)])
    def test_channels_are_those_of_the_data(self, tmp_path, shape, channels):
        images = np.random.default_rng(0).integers(0, 256, (3, *shape)).astype(np.uint8)
        np.save(tmp_path / "images.npy", images)
        image_set = load_image_set(DataSettings(str(tmp_path / "images.npy")))
        np.testing.assert_array_equal(image_set.images, images.reshape(3, 8, 8, channels))

    def test_channels_may_be_chosen(self, settings):
        assert load_image_set(dataclasses.replace(settings, channels=1)).image_shape() == (16, 16, 1)
        assert load_image_set(dataclasses.replace(settings, channels=4)).image_shape() == (16, 16, 4)

    def test_pictures_that_may_differ_become_colour(self, tmp_path):
        Image.new("L", (4, 4), 9).save(tmp_path / "grey.png")
        assert load_image_set(DataSettings(str(tmp_path))).images.tolist() == np.full((1, 4, 4, 3), 9).tolist()

    def test_crop_and_background_are_used(self, tmp_path):
        picture = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
        picture.paste((9, 9, 9, 255), (0, 0, 2, 4))
        picture.save(tmp_path / "wide.png")
        plain = DataSettings(str(tmp_path), (4, 4), channels=1)
        middle = load_image_set(plain).images[0, :, :, 0]
        assert (middle == 255).all()  # the part with the drawing is cut off
        assert (load_image_set(dataclasses.replace(plain, background="black")).images == 0).all()
        padded = load_image_set(dataclasses.replace(plain, crop="pad", background="#505050")).images[0, :, :, 0]
        assert padded[0].tolist() == padded[3].tolist() == [0x50] * 4
        assert padded[1, 0] < 30

    def test_home_is_expanded(self, settings, folder, monkeypatch):
        monkeypatch.setenv("HOME", str(folder.parent))
        assert len(load_image_set(dataclasses.replace(settings, data="~/pictures"))) == COUNT


class TestBadPictures:
    def test_they_are_named(self, settings, folder):
        for name in ("a/01.png", "b/07.png", "b/08.png", "b/11.png"):
            spoil(folder / name)
        named = r"Received: a/01\.png: .*b/07\.png: .*b/08\.png: .*; and 1 more\."
        with pytest.raises(ValueError, match=rf"4 of 12 pictures.*--on_error=skip.*{named}"):
            load_image_set(settings)

    def test_what_each_one_is_is_said_in_plain_words(self, settings, folder):
        (folder / "a/empty.png").write_bytes(b"")
        (folder / "a/page.jpg").write_text("<!DOCTYPE html><html><body>404</body></html>")
        (folder / "a/cut.png").write_bytes((folder / "a/00.png").read_bytes()[:300])
        said = (
            "Received: a/cut.png: the file ends early (truncated); a/empty.png: the file is empty; "
            "a/page.jpg: a web page, not a picture."
        )
        with pytest.raises(ValueError, match=re.escape(said)):
            load_image_set(settings)

    def test_no_size_can_be_chosen_where_all_are_bad(self, settings, folder):
        for path in folder.glob("*/*.png"):
            spoil(path)
        with pytest.raises(ValueError, match=r"12 of 12 pictures could not .*--resolution.*inspect .*/pictures"):
            load_image_set(dataclasses.replace(settings, on_error="skip"))

    def test_or_left_out(self, settings, folder):
        expected = np.delete(pixels(folder), [1, 7], axis=0)
        spoil(folder / "a/01.png")
        spoil(folder / "b/07.png")
        image_set = load_image_set(dataclasses.replace(settings, on_error="skip"))
        np.testing.assert_array_equal(image_set.images, expected)
        assert image_set.labels.tolist() == [0] * 5 + [1] * 5

    def test_none_is_left(self, settings, folder):
        for path in folder.glob("*/*.png"):
            spoil(path)
        with pytest.raises(ValueError, match="12 of 12 pictures"):
            load_image_set(dataclasses.replace(settings, size=(16, 16), on_error="skip"))

    @pytest.mark.usefixtures("large")
    def test_of_large_sets(self, settings, folder):
        expected = np.delete(pixels(folder), 7, axis=0)
        spoil(folder / "b/07.png")
        with pytest.raises(ValueError, match=r"1 of 12 pictures.*left_out\.csv.*Received: b/07\.png: [^;]+$"):
            load_image_set(settings)
        image_set = load_image_set(dataclasses.replace(settings, on_error="skip"))
        np.testing.assert_array_equal(image_set.read(0, np.arange(11))[0], expected)
        with (image_set.directory / "left_out.csv").open(newline="") as file:
            assert [row[0] for row in csv.reader(file)] == ["picture", "b/07.png"]
        with pytest.raises(ValueError, match=r"--on_error=skip left out 1 picture that could not be read"):
            load_image_set(settings)  # "fail" does not take what "skip" has made


@pytest.mark.usefixtures("large")
class TestCache:
    @pytest.mark.slow
    def test_same_images_as_in_memory_and_prepared_once(self, settings, folder, monkeypatch):
        reports = []
        cached = load_image_set(settings, max_workers=1, progress=lambda *report: reports.append(report))
        assert isinstance(cached, PreparedImageSet)
        assert cached.directory.parent == pathlib.Path(settings.cache_dir)
        assert cached.sizes == ((16, 16), (8, 8), (4, 4))
        assert reports[-1] == (COUNT, COUNT)
        with monkeypatch.context() as patch:
            patch.setattr(loading, "MEMORY_LIMIT", 2**28)
            in_memory = load_image_set(settings)
        assert cached.fingerprint == in_memory.fingerprint
        assert cached.labels_fingerprint == in_memory.labels_fingerprint
        assert cached.label_names == in_memory.label_names
        for halvings in range(3):
            for found, expected in zip(
                ImagePipeline(cached, seed=1, mirror=True).batches(halvings, 8).take(3).as_numpy_iterator(),
                ImagePipeline(in_memory, seed=1, mirror=True).batches(halvings, 8).take(3).as_numpy_iterator(),
                strict=True,
            ):
                np.testing.assert_array_equal(found[0], expected[0])
                np.testing.assert_array_equal(found[1], expected[1])

        spoil(folder / "a/00.png")  # whoever decodes it once more fails
        reports.clear()
        again = load_image_set(settings, progress=lambda *report: reports.append(report))
        assert (again.directory, again.fingerprint) == (cached.directory, cached.fingerprint)
        assert reports == []
        # It is there, so nothing has to be prepared.
        assert isinstance(load_image_set(settings, prepare_large=False), PreparedImageSet)

    @pytest.mark.slow
    def test_a_damaged_set_is_prepared_again(self, settings):
        cached = load_image_set(settings, max_workers=1)
        (cached.directory / "4x4" / "shard-00000.tfrecord").unlink()
        again = load_image_set(settings, max_workers=1)
        assert (again.directory, again.fingerprint) == (cached.directory, cached.fingerprint)
        assert again.read(2, np.arange(COUNT))[0].shape == (COUNT, 4, 4, 3)

    @pytest.mark.slow
    def test_a_changed_picture_is_noticed(self, settings, folder):
        before = load_image_set(settings, max_workers=1)
        Image.new("RGB", (16, 16), (1, 2, 3)).save(folder / "a/00.png")
        after = load_image_set(settings, max_workers=1)
        assert after.directory != before.directory
        assert after.fingerprint != before.fingerprint
        assert after.read(0, np.array([0]))[0][0, 0, 0].tolist() == [1, 2, 3]
        assert len(list(pathlib.Path(settings.cache_dir).iterdir())) == 2

    def test_nothing_is_written_before_it_is_wanted(self, settings, folder):
        image_set = load_image_set(settings, prepare_large=False)
        assert isinstance(image_set, UnreadImageSet)
        assert not pathlib.Path(settings.cache_dir).exists()
        assert (image_set.name, len(image_set), image_set.channels) == (str(folder), COUNT, 3)
        assert image_set.sizes[:3] == ((16, 16), (8, 8), (4, 4))
        assert image_set.label_names == ("a", "b")
        assert image_set.directory.parent == pathlib.Path(settings.cache_dir)
        assert image_set.fingerprint == image_set.labels_fingerprint == ""
        with pytest.raises(NotImplementedError, match="not prepared yet"):
            image_set.read(0, np.array([0]))

    def test_a_name_for_every_way_to_convert(self, settings):
        def name(**changes) -> str:
            changed = dataclasses.replace(settings, **changes)
            source = open_source(changed.data, use_labels=changed.use_labels)
            return cache_directory(changed, source, resolve_form(changed, source)).name

        changes = [
            {},
            {"size": (8, 8)},
            {"base_size": (8, 8)},
            {"channels": 1},
            {"use_labels": False},
            {"crop": "pad"},
            {"background": "black"},
        ]
        names = [name(**change) for change in changes]
        assert len(set(names)) == len(changes)
        # What does not change the images does not change the name.
        assert name(size=(16, 16), channels=3, on_error="skip", cache_dir="/elsewhere") == names[0]

    def test_limit_is_of_the_converted_images(self, settings, monkeypatch):
        for size, limit in (((16, 16), COUNT * 16 * 16 * 3), ((4, 4), COUNT * 4 * 4 * 3)):
            sized = dataclasses.replace(settings, size=size)
            monkeypatch.setattr(loading, "MEMORY_LIMIT", limit)
            assert isinstance(load_image_set(sized, prepare_large=False), ArrayImageSet)
            monkeypatch.setattr(loading, "MEMORY_LIMIT", limit - 1)
            assert isinstance(load_image_set(sized, prepare_large=False), UnreadImageSet)

    def test_the_user_s_cache(self, settings, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        assert default_cache() == tmp_path / ".cache/stylegan_tf"
        image_set = load_image_set(dataclasses.replace(settings, cache_dir=""), prepare_large=False)
        assert image_set.directory.parent == tmp_path / ".cache/stylegan_tf"
        image_set = load_image_set(dataclasses.replace(settings, cache_dir="~/mine"), prepare_large=False)
        assert image_set.directory.parent == tmp_path / "mine"
        monkeypatch.setenv("XDG_CACHE_HOME", "/large/disk")
        assert default_cache() == pathlib.Path("/large/disk/stylegan_tf")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, write_pictures) -> tuple[str, np.ndarray]:
    """A prepared set without labels, of 16x16, 8x8 and 4x4, and its images."""
    folder = write_pictures(tmp_path_factory.mktemp("pictures"), COUNT, (16, 16))
    directory = tmp_path_factory.mktemp("prepared") / "set"
    prepare(open_source(str(folder)), directory, PictureForm((16, 16), 3), 3, max_workers=1)
    return str(directory), pixels(folder)


class TestPrepared:
    def test_is_opened_as_it_is(self, prepared):
        directory, images = prepared
        image_set = load_image_set(DataSettings(directory))
        assert isinstance(image_set, PreparedImageSet)
        assert image_set.sizes == ((16, 16), (8, 8), (4, 4))
        np.testing.assert_array_equal(image_set.read(0, np.arange(COUNT))[0], images)
        assert load_image_set(DataSettings(directory, (16, 16), channels=3)).fingerprint == image_set.fingerprint

    def test_a_smaller_resolution_of_it(self, prepared):
        directory, images = prepared
        image_set = load_image_set(DataSettings(directory, (8, 8)))
        assert image_set.sizes == ((8, 8), (4, 4))
        for halvings, expected in enumerate(image_pyramid(images, 3)[1:]):
            np.testing.assert_array_equal(image_set.read(halvings, np.arange(COUNT))[0], expected)
        assert image_set.fingerprint != load_image_set(DataSettings(directory)).fingerprint

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"size": (32, 32)}, r"one that the prepared set holds: 16x16, 8x8, 4x4;.*Received: 32x32"),
            ({"size": (8, 16)}, r"one that the prepared set holds: 16x16, 8x8, 4x4;.*Received: 8x16"),
            ({"base_size": (2, 2)}, r"must hold the base size 2x2; it holds 16x16, 8x8, 4x4\."),
            ({"base_size": (7, 7)}, "must hold the base size 7x7"),
            ({"size": (8, 8), "base_size": (16, 16)}, "must hold the base size 16x16; it holds 8x8, 4x4"),
            ({"channels": 1}, r"prepared with 3 channels;.*Received: channels=1"),
            ({"use_labels": True}, r"prepared without labels; prepare it again with --use_labels"),
        ],
    )
    def test_what_it_does_not_hold(self, prepared, changes, message):
        with pytest.raises(ValueError, match=message):
            load_image_set(DataSettings(prepared[0], **changes))

    def test_one_that_is_not_complete(self, tmp_path):
        (tmp_path / INCOMPLETE).write_text("{}")
        with pytest.raises(ValueError, match=r"not complete.*Run the command that prepared it again"):
            load_image_set(DataSettings(str(tmp_path)))

    def test_a_damaged_manifest(self, tmp_path):
        (tmp_path / MANIFEST).write_text('{"format": ')
        with pytest.raises(ValueError, match=r"manifest of a prepared set could not be read"):
            load_image_set(DataSettings(str(tmp_path)))

    def test_is_a_source_too(self, prepared, folder):
        directory, images = prepared
        source = find_source(directory)
        assert (source.kind, len(source), source.channels) == ("prepared set", COUNT, 3)
        for item, expected in zip(source.items(), images, strict=True):
            np.testing.assert_array_equal(np.asarray(item.open()), expected)
        assert find_source(str(folder)).kind == "folder"


class TestImpossibleSettings:
    def test_a_size_that_the_base_size_does_not_lead_to(self, settings):
        with pytest.raises(ValueError, match=r"must be the base size 4x4 doubled.*Received: resolution=16x8\."):
            load_image_set(dataclasses.replace(settings, size=(16, 8)))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"size": (0, 4)}, r"size must be a height and a width.*Received: size=\(0, 4\)"),
            ({"size": (4,)}, r"size must be a height and a width.*Received: size=\(4,\)"),
            ({"base_size": (0, 4)}, r"base_size must be.*Received: base_size=\(0, 4\)"),
            ({"channels": 2}, r"channels must be 1.*Received: channels=2"),
            ({"crop": "middle"}, r"crop must be one of center, pad, none\. Received: crop=middle"),
            ({"on_error": "ignore"}, r"on_error must be one of fail, skip\. Received: on_error=ignore"),
        ],
    )
    def test_others(self, changes, message):
        with pytest.raises(ValueError, match=message):
            DataSettings("portraits", **changes)

    def test_no_colour(self, settings):
        with pytest.raises(ValueError, match=r"background must be a colour.*Received: background='nowhere'"):
            load_image_set(dataclasses.replace(settings, background="nowhere"))


class TestLabelNotes:
    def test_labels_that_cannot_be_classes_do_not_matter_without_use_labels(self, folder, settings):
        (folder / "dataset.json").write_text('{"labels": [["a.png", [0.5, 1.5]]]}')
        with pytest.raises(ValueError, match="must give a label to every image"):
            load_image_set(settings)
        for limit in (2**28, 0):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(loading, "MEMORY_LIMIT", limit)
                image_set = load_image_set(dataclasses.replace(settings, use_labels=False), max_workers=1)
            assert image_set.label_names == ()
            assert "must give a label to every image" in image_set.label_notes[0]
            assert image_set.read(0, np.arange(2))[1] is None

    @pytest.mark.parametrize("limit", [2**28, 0])
    def test_classes_without_pictures_are_named(self, folder, settings, monkeypatch, limit):
        monkeypatch.setattr(loading, "MEMORY_LIMIT", limit)
        names = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.png"))
        (folder / "dataset.json").write_text(json.dumps({"labels": [[name, 2] for name in names]}))
        image_set = load_image_set(settings, max_workers=1)
        assert image_set.label_notes == ("2 of 3 classes have no pictures: '0', '1'",)

    def test_a_prepared_set_of_classes_that_cannot_be_written(self, folder, settings, tmp_path):
        (folder / "dataset.json").unlink(missing_ok=True)
        source = open_source(str(folder), use_labels=True)
        source.label_names = ("caf\udce9", source.label_names[1])
        prepare(source, tmp_path / "set", PictureForm((16, 16), 3), 3, max_workers=1)
        prepared = dataclasses.replace(settings, data=str(tmp_path / "set"))
        assert load_image_set(prepared).label_names[0] == r"caf\udce9"


def test_a_cache_without_a_home_is_a_clear_error(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # of a user without a home or an entry
    with pytest.raises(ValueError, match="--cache_dir, or set HOME or XDG_CACHE_HOME"):
        default_cache()


def test_what_earlier_versions_prepared_is_found():
    class MadeUp:
        label_names = ("a",)

        def signature(self):
            return "s"

    form = PictureForm((8, 12), 3, "pad", "#808080")
    assert cache_directory(DataSettings("x", cache_dir="c"), MadeUp(), form) == pathlib.Path("c/05f3b6d5207bdeb1")


def test_notes_on_the_form_of_pictures_are_made_where_they_are_asked_for(tmp_path, settings):
    (tmp_path / "wide").mkdir()
    Image.new("RGB", (64, 16)).save(tmp_path / "wide" / "0.png")
    wide = dataclasses.replace(settings, data=str(tmp_path / "wide"), size=(16, 16), crop="center", use_labels=False)
    assert load_image_set(wide).form_notes == ()
    assert [note[:20] for note in load_image_set(wide, with_notes=True).form_notes] == ["cropping cuts off 75"]
