"""Whatever happens to a manifest or an archive, it is refused in plain words, or read as it was: nothing else."""

import json
import random
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stylegan_tf.configuration.schedule import Period
from stylegan_tf.data import verify as verifying
from stylegan_tf.data.decode import PictureForm
from stylegan_tf.data.image_file import UnusableImageError, reason
from stylegan_tf.data.pipeline import ImagePipeline
from stylegan_tf.data.prepare import prepare
from stylegan_tf.data.prepared import ENCODINGS, MANIFEST, Manifest, PreparedImageSet
from stylegan_tf.data.sources.find import open_source
from stylegan_tf.data.sources.folder import FolderSource
from stylegan_tf.data.verify import verify_set
from stylegan_tf.training.loop import read_batches
from tests.data.made_up_source import encode, noise

ODD = [
    None, True, -1, 0, 1, 2.5, 10**9, 2**63, 10**400, float("nan"), float("inf"), "", "x", "\ud800", "../x", [], {},
    [[]], [0], {"a": 1}, [2**62, 2**62],
]  # fmt: skip


@pytest.fixture(scope="module")
def sets(tmp_path_factory, write_pictures, small_shards):
    folder = write_pictures(tmp_path_factory.mktemp("pictures"), 6)
    root = tmp_path_factory.mktemp("sets")
    source = FolderSource(str(folder), str(folder), use_labels=True)
    with small_shards(4):
        for encoding in ENCODINGS:
            prepare(source, root / encoding, PictureForm((8, 8), 3), 2, encoding=encoding)
    return root


def places(value, path=()):
    """The ways to all values inside of a value."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def mutated(fields, draw):
    """A manifest in which one value is gone, another one, or doubled."""
    path = draw.choice([path for path in places(fields) if path])
    whole = fields
    for key in path[:-1]:
        whole = whole[key]
    kind = draw.randrange(4)
    if kind == 0:
        del whole[path[-1]]
    elif kind == 1 and isinstance(whole, list):
        whole.insert(path[-1], whole[path[-1]])
    elif kind == 2 and isinstance(whole, dict):
        whole[draw.choice(["", "count", "x" * 300, "../" + str(path[-1])])] = whole.pop(path[-1])
    else:
        whole[path[-1]] = draw.choice(ODD)
    return fields


def is_refused(directory):
    try:
        image_set = PreparedImageSet(directory)
        image_set.read(0, np.arange(len(image_set)))
    except ValueError as error:
        assert len(str(error)) < 2000
        return True
    return False


@pytest.fixture
def directory(sets, tmp_path, request):
    return Path(shutil.copytree(sets / request.param, tmp_path / "set"))


@pytest.mark.parametrize("directory", ENCODINGS, indirect=True)
def test_manifests_of_other_values(directory):
    text, draw, refused = (directory / MANIFEST).read_text(), random.Random(0), 0
    whole = Manifest.read(directory)
    for _ in range(400):
        (directory / MANIFEST).write_text(json.dumps(mutated(json.loads(text), draw)))
        if is_refused(directory):
            refused += 1
        else:
            assert Manifest.read(directory) == whole
    assert refused > 350


@pytest.mark.parametrize("directory", ENCODINGS, indirect=True)
def test_manifests_of_other_bytes(directory):
    content, draw = (directory / MANIFEST).read_bytes(), random.Random(1)
    whole = Manifest.read(directory)
    for _ in range(400):
        (directory / MANIFEST).write_bytes(damaged(content, draw))
        if not is_refused(directory):
            assert Manifest.read(directory) == whole


@pytest.mark.parametrize("directory", ["raw"], indirect=True)
def test_verify_calls_no_changed_manifest_whole(directory, small_shards):
    text, draw = (directory / MANIFEST).read_text(), random.Random(2)
    whole = Manifest.read(directory)
    with small_shards(4):
        for _ in range(60):
            (directory / MANIFEST).write_text(json.dumps(mutated(json.loads(text), draw)))
            try:
                damages = verifying.verify_set(directory)
            except ValueError:
                continue
            assert damages or Manifest.read(directory) == whole


@pytest.mark.parametrize("directory", ["raw"], indirect=True)
def test_sets_without_a_checksum_are_read(directory, small_shards):
    """As older versions wrote them."""
    fields = json.loads((directory / MANIFEST).read_text())
    del fields["checksum"]
    (directory / MANIFEST).write_text(json.dumps(fields))
    assert not is_refused(directory)
    with small_shards(4):
        assert verify_set(directory) == []


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff\xfe", b"", b"null", b'{"format": 1}', None])
@pytest.mark.parametrize("directory", ["raw"], indirect=True)
def test_what_is_no_manifest(directory, content):
    (directory / MANIFEST).unlink()
    if content is None:
        (directory / MANIFEST).mkdir()
    else:
        (directory / MANIFEST).write_bytes(content)
    with pytest.raises(ValueError, match="manifest of a prepared set could not be read"):
        PreparedImageSet(directory)


@pytest.mark.parametrize("directory", ["png"], indirect=True)
def test_an_index_of_another_shard(directory):
    first = directory / "8x8" / "shard-00000.index.npy"
    first.write_bytes(first.read_bytes()[:-8] + bytes(8))
    with pytest.raises(ValueError, match="does not say where 4 records of"):
        PreparedImageSet(directory).read(0, np.arange(6))


def damaged(content, draw):
    content = bytearray(content)
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(content))
        kind = draw.randrange(4)
        if kind == 0:
            content[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            content[at : at + 4] = draw.choice([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff"])
        elif kind == 2:
            del content[at : at + draw.randrange(1, 40)]
        else:
            content[at:at] = content[max(0, at - draw.randrange(1, 40)) : at]
        if len(content) < 10:
            break
    return bytes(content)


def write_archives(folder):
    pictures = {f"{number}.png": encode(Image.fromarray(noise(4, 4, 3, seed=number))) for number in range(3)}
    for name, content in pictures.items():
        (folder / name).write_bytes(content)
    for compression in ("", "gz", "bz2", "xz"):
        with tarfile.open(folder / f"a.tar{compression}", f"w:{compression}", format=tarfile.PAX_FORMAT) as archive:
            for name in pictures:
                archive.add(folder / name, f"folder/ä{'x' * 120}{name}")
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(folder / f"{method}.zip", "w", method) as archive:
            for name, content in pictures.items():
                archive.writestr(name, content)
    np.savez_compressed(folder / "a.npz", images=np.zeros((3, 4, 4), np.uint8), labels=np.arange(3))
    np.save(folder / "a.npy", np.zeros((3, 4, 4), np.uint8))
    return sorted(path for path in folder.iterdir() if path.suffix != ".png")


def test_archives_of_other_bytes(tmp_path):
    draw = random.Random(3)
    for path in write_archives(tmp_path):
        content = path.read_bytes()
        for number in range(40):
            changed = tmp_path / f"changed-{number}{path.suffix}"  # a name of its own, as open files are kept
            changed.write_bytes(damaged(content, draw))
            try:
                source = open_source(str(changed))
                items = list(source.items())
            except ValueError as error:
                assert "Received: " in str(error), error
                continue
            for item in items:
                try:
                    with item.open() as image:
                        image.load()
                except (UnusableImageError, OSError, SyntaxError, ValueError, EOFError) as error:
                    assert reason(error)
            changed.unlink()


@pytest.mark.parametrize("directory", ["png"], indirect=True)
def test_training_tells_why_images_cannot_be_read(directory):
    """TensorFlow's own error would say that a function failed, and be shown as a bug."""
    path = directory / "8x8" / "shard-00000.tfrecord"
    path.write_bytes(path.read_bytes()[:60] + bytes(len(path.read_bytes()) - 60))
    pipeline = ImagePipeline(PreparedImageSet(directory))
    period = Period(0, 1, (8, 8), False, 0.0, 1.0, 6, 0.001, 0.001)
    with pytest.raises(ValueError, match=r"The prepared set is damaged: image \d of .*8x8/shard-00000.tfrecord"):
        next(read_batches(pipeline, tf.distribute.get_strategy(), period, 0))
