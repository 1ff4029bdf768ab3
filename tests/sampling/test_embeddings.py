"""Files of TensorBoard's projector."""

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from stylegan_tf.files import DiskError
from stylegan_tf.sampling.embeddings import shrink, write_points


def images_of(count, height, width, channels=3):
    """Each of one shade of its own."""
    shades = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(shades, (count, height, width, channels)).copy()


def test_points_sprites_and_values_belong_together(tmp_path):
    points = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    columns = {"seed": range(10, 17), "class": ["a\tb", *"cdefgh"]}
    written = write_points(tmp_path, "w", points, images_of(7, 4, 6), columns)
    assert written == tmp_path / "projector_config.pbtxt"
    (embedding,) = text_format.Parse(written.read_text(), ProjectorConfig()).embeddings
    assert embedding.tensor_name == "w"
    np.testing.assert_allclose(np.loadtxt(tmp_path / embedding.tensor_path), points, rtol=1e-5)
    lines = (tmp_path / embedding.metadata_path).read_text().splitlines()
    assert lines == ["seed\tclass", "10\ta b", "11\tc", "12\td", "13\te", "14\tf", "15\tg", "16\th"]
    assert list(embedding.sprite.single_image_dim) == [6, 4]  # width, height
    with Image.open(tmp_path / embedding.sprite.image_path) as sprite:
        assert sprite.size == (3 * 6, 3 * 4)  # the smallest square that holds seven
        shades = np.asarray(sprite)[::4, ::6, 0].reshape(-1)
    assert shades[:7].tolist() == list(range(7))


def test_a_full_disk_leaves_the_earlier_projection(tmp_path, small_files):
    write_points(tmp_path, "w", np.zeros([2, 3]), images_of(2, 4, 4), {"seed": [5, 9]})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(DiskError, match="ulimit"), small_files(4096):
        write_points(tmp_path, "w", np.ones([200, 99]), images_of(200, 4, 4), {"seed": range(200)})
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_names_of_classes_stay_in_their_cell(tmp_path):
    names = ["a\tb\nc", "\x1b[1m\udce9"]
    write_points(tmp_path, "w", np.zeros([2, 3]), images_of(2, 4, 4), {"seed": [5, 9], "class": names})
    lines = (tmp_path / "projector" / "metadata.tsv").read_text().split("\n")
    assert lines == ["seed\tclass", "5\ta b c", "9\t\\x1b[1m\\udce9", ""]


def test_a_single_column_has_no_heading(tmp_path):
    """The projector would take it for the first point's value."""
    write_points(tmp_path, "w", np.zeros([2, 3]), images_of(2, 4, 4), {"seed": [5, 9]})
    assert (tmp_path / "projector" / "metadata.tsv").read_text() == "5\n9\n"


@pytest.mark.parametrize(("size", "expected"), [((32, 32), (32, 32)), ((256, 128), (64, 32)), ((100, 400), (16, 64))])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_large_images_become_thumbnails(size, expected, channels):
    images = images_of(3, *size, channels)
    if channels == 4:
        images[..., 3] = 255
    small = shrink(images)
    assert small.shape == (3, *expected, channels)
    assert (small == images[:, :1, :1]).all()


@pytest.mark.parametrize(
    ("points", "images", "seeds", "received"),
    [(3, 2, 3, r"3 points, with \[2, 3\]"), (3, 3, 4, r"3 points, with \[3, 4\]"), (0, 0, 0, "0 points"),
     (16385, 16385, 16385, "16385 points")],
)  # fmt: skip
def test_what_does_not_fit_is_refused(tmp_path, points, images, seeds, received):
    with pytest.raises(ValueError, match=rf"^points must be 1 to 16384, .*Received: {received}"):
        write_points(
            tmp_path, "w", np.zeros([points, 1]), np.zeros([images, 1, 1, 1], np.uint8), {"seed": range(seeds)}
        )
    assert not list(tmp_path.iterdir())
