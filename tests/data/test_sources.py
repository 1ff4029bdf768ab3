"""Where images come from: the built-in set, folders, arrays, and what is said when there are none."""

import pathlib

import numpy as np
import pytest
from PIL import Image

import stylegan_tf.data.sources as sources
from stylegan_tf.data.sources import ImageSet, default_size, load_images

PORTRAITS = pathlib.Path(sources.__file__).with_name("portraits.npz")


def save(path: pathlib.Path, value: int, size: tuple[int, int] = (8, 8)) -> None:
    """Writes a plain grey image of (height, width) `size`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (value,) * 3).save(path)


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    for name, value in (("b/2.png", 20), ("a/9.png", 10), ("b/1.bmp", 30), ("a/deep/1.webp", 40)):
        save(tmp_path / name, value)
    (tmp_path / "README.txt").write_text("not an image")
    (tmp_path / "a" / ".hidden.png").write_bytes(b"not an image either")
    return tmp_path


class TestPortraits:
    def test_facts(self):
        portraits = load_images("portraits", size=None, channels=None, use_labels=True)
        assert portraits.images.shape == (2339, 32, 32, 3)
        assert portraits.label_names == ("noto", "twemoji", "fluent")
        assert np.bincount(portraits.labels).tolist() == [780, 779, 780]
        assert portraits.num_classes == 3
        assert len(np.unique(portraits.images.reshape(2339, -1), axis=0)) == 2339

    def test_background_is_white_and_most_of_each_image_is_drawing(self):
        images = load_images("portraits").images
        white = (images == 255).all(axis=-1)
        assert white[:, 0, 0].mean() > 0.8
        assert (white.mean(axis=(1, 2)) < 0.8).all()

    def test_file_is_small_and_carries_its_notice(self):
        assert PORTRAITS.stat().st_size < 4 * 10**6
        notice = PORTRAITS.with_name("PORTRAITS_NOTICE").read_text()
        for line in (
            "Apache License",
            "CC BY 4.0",
            "Copyright (c) Microsoft Corporation",
            "WITHOUT WARRANTY",
        ):
            assert line in notice

    def test_codes_allow_a_split_by_base(self):
        with np.load(PORTRAITS, allow_pickle=False) as arrays:
            codes, base_codes, labels = arrays["codes"], arrays["base_codes"], arrays["labels"]
        assert len(set(base_codes.tolist())) == 130
        assert len(set(zip(codes.tolist(), labels.tolist(), strict=True))) == 2339
        assert "1F468-1F3FB-200D-1F33E" in codes[base_codes == "1F468-200D-1F33E"]

    def test_other_sizes_and_channels(self):
        small = load_images("portraits", size=(16, 8), channels=1)
        assert small.images.shape == (2339, 16, 8, 1)
        assert small.labels is None
        assert default_size("portraits", (4, 4)) == (32, 32)
        assert default_size("portraits", (7, 7)) == (28, 28)


class TestFolder:
    def test_order_is_that_of_relative_paths(self, folder):
        image_set = load_images(str(folder), size=(4, 4))
        assert image_set.images.shape == (4, 4, 4, 3)
        # a/9.png, a/deep/1.webp (lossy), b/1.bmp, b/2.png
        np.testing.assert_allclose(image_set.images[:, 0, 0, 0], [10, 40, 30, 20], atol=1)
        assert image_set.num_classes == 0
        assert image_set.label_names == ()

    def test_labels_are_first_level_folders(self, folder):
        image_set = load_images(str(folder), size=(4, 4), channels=1, use_labels=True)
        assert image_set.labels.tolist() == [0, 0, 1, 1]
        assert image_set.labels.dtype == np.int32
        assert image_set.label_names == ("a", "b")

    def test_labels_need_folders(self, folder):
        save(folder / "stray.png", 0)
        with pytest.raises(
            ValueError, match=r"subfolder named after its class.*'stray.png'.*Received: data="
        ):
            load_images(str(folder), size=(4, 4), use_labels=True)

    def test_links_are_followed_once(self, folder):
        (folder / "b" / "back").symlink_to(folder, target_is_directory=True)
        assert len(load_images(str(folder), size=(4, 4))) == 4

    def test_size_defaults_to_the_median(self, folder):
        save(folder / "c/large.png", 0, size=(600, 600))
        assert load_images(str(folder)).image_shape == (8, 8, 3)

    def test_home_is_expanded(self, folder, monkeypatch):
        monkeypatch.setenv("HOME", str(folder.parent))
        assert len(load_images(f"~/{folder.name}", size=(4, 4))) == 4

    def test_broken_image_is_named(self, folder):
        whole = (folder / "b/1.bmp").read_bytes()
        (folder / "b/1.bmp").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(
            ValueError, match=r"could not be read\. Repair or remove.*1\.bmp \(OSError.*truncated"
        ):
            load_images(str(folder), size=(4, 4))

    def test_text_with_an_image_name_is_named(self, folder):
        (folder / "a/text.jpg").write_text("hello")
        with pytest.raises(ValueError, match=r"text\.jpg \(UnidentifiedImageError"):
            load_images(str(folder))

    def test_empty_folder(self, tmp_path):
        with pytest.raises(ValueError, match=r"must hold images.*none was found.*Received: data="):
            load_images(str(tmp_path))

    def test_memory_limit_says_how_much_is_needed(self, folder, monkeypatch):
        monkeypatch.setattr(sources, "MAX_BYTES", 2**30)
        with pytest.raises(ValueError, match=r"at most 1 GiB; 4 images of 16384x16384 .* need 3\.0 GiB"):
            load_images(str(folder), size=(16384, 16384))


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
    ],
)
def test_default_size(tmp_path, size, base_size, expected):
    for index in range(3):
        path = tmp_path / f"{index}.png"
        Image.new("1", size[::-1]).save(path)
    assert default_size(str(tmp_path), base_size) == expected


class TestArrays:
    @pytest.fixture
    def images(self):
        return np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)

    def test_npy(self, tmp_path, images):
        np.save(tmp_path / "images.npy", images)
        np.testing.assert_array_equal(load_images(str(tmp_path / "images.npy")).images, images)
        assert load_images(str(tmp_path / "images.npy"), size=(4, 4), channels=1).image_shape == (4, 4, 1)
        assert default_size(str(tmp_path / "images.npy"), (3, 3)) == (6, 6)

    def test_grey_without_a_channel_axis(self, tmp_path, images):
        np.save(tmp_path / "grey.npy", images[..., 0])
        np.testing.assert_array_equal(load_images(str(tmp_path / "grey.npy")).images, images[..., :1])
        colour = load_images(str(tmp_path / "grey.npy"), channels=3).images
        np.testing.assert_array_equal(colour, np.repeat(images[..., :1], 3, axis=-1))

    def test_npz_with_labels(self, tmp_path, images):
        path = str(tmp_path / "images.npz")
        np.savez(path, images=images, labels=np.array([0, 2, 1, 0, 1, 2], np.uint8))
        image_set = load_images(path, use_labels=True)
        assert image_set.labels.tolist() == [0, 2, 1, 0, 1, 2]
        assert image_set.label_names == ("0", "1", "2")
        assert load_images(path).num_classes == 0

    def test_what_is_missing_is_said(self, tmp_path, images):
        np.savez(tmp_path / "no_images.npz", x_train=images)
        with pytest.raises(ValueError, match=r"must hold an array 'images'.*x_train"):
            load_images(str(tmp_path / "no_images.npz"))
        np.save(tmp_path / "images.npy", images)
        with pytest.raises(ValueError, match="holds an array 'labels'"):
            load_images(str(tmp_path / "images.npy"), use_labels=True)
        np.save(tmp_path / "float.npy", images / 255)
        with pytest.raises(ValueError, match=r"must be uint8.*Received: float64"):
            load_images(str(tmp_path / "float.npy"))

    def test_pickles_are_refused(self, tmp_path):
        np.save(tmp_path / "objects.npy", np.array([object()]), allow_pickle=True)
        with pytest.raises(ValueError, match="array file could not be read"):
            load_images(str(tmp_path / "objects.npy"))


class TestErrors:
    @pytest.mark.parametrize("data", ["", "/no/such/folder", "portrait"])
    def test_nothing_there(self, data):
        with pytest.raises(ValueError, match=r"'portraits' \(the built-in set\).*nothing was found"):
            load_images(data, size=(4, 4))

    def test_one_image_file(self, folder):
        with pytest.raises(ValueError, match=r"must be a folder, not one file.*9\.png"):
            load_images(str(folder / "a/9.png"))

    def test_impossible_arguments(self):
        with pytest.raises(ValueError, match=r"size must be.*Received: size=\(0, 4\)"):
            load_images("portraits", size=(0, 4))
        with pytest.raises(ValueError, match=r"channels must be 1.*Received: channels=2"):
            load_images("portraits", channels=2)
        with pytest.raises(ValueError, match=r"base_size must be.*Received: base_size=\(0, 4\)"):
            default_size("portraits", (0, 4))


class TestImageSet:
    images = np.zeros((3, 4, 4, 1), np.uint8)
    labels = np.array([0, 1, 0], np.int32)

    def test_fingerprint_depends_on_contents_alone(self):
        first = ImageSet(self.images, self.labels, ("a", "b"), "here")
        assert first.fingerprint == ImageSet(self.images.copy(), self.labels, ("a", "b"), "there").fingerprint
        assert len(first.fingerprint) == 16
        changed = self.images.copy()
        changed[2, 3, 3, 0] = 1
        others = [
            ImageSet(changed, self.labels, ("a", "b")),
            ImageSet(self.images, self.labels[::-1] * 0, ("a", "b")),
            ImageSet(self.images, self.labels, ("a", "c")),
            ImageSet(self.images),
            ImageSet(self.images.reshape(3, 2, 8, 1), self.labels, ("a", "b")),
        ]
        assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 6

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((images.astype(np.float32),), "must be uint8"),
            ((images[0],), "must be uint8"),
            ((images[:0],), "N at least 1"),
            ((images.repeat(2, -1),), "1, 3 or 4 channels"),
            ((images, labels[:2], ("a", "b")), r"labels must be int32 of shape \[3\]"),
            ((images, labels, ("a",)), "labels must lie from 0 to 0"),
            ((images, None, ("a",)), "label_names need labels"),
        ],
    )
    def test_impossible_sets_are_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            ImageSet(*arguments)
