"""Pictures that are in memory are under way a few at a time, and the set is the same however its shards were cut."""

import dataclasses
import threading

import pytest
from PIL import Image

from stylegan_tf.data import workers
from stylegan_tf.data.decode import PictureForm
from stylegan_tf.data.prepare import prepare
from stylegan_tf.data.prepared import ENCODINGS, MANIFEST
from stylegan_tf.data.shards import note_path
from stylegan_tf.data.sources.base import in_batches
from stylegan_tf.data.verify import verify_set
from tests.data.made_up_source import BytesItem, ListSource, encode, noise

COUNT = 20


@dataclasses.dataclass(frozen=True)
class HeldItem(BytesItem):
    size: int = 100

    @property
    def held_bytes(self):
        return self.size


def made_up_source(size=100):
    contents = [encode(Image.fromarray(noise(9, 8, 3, seed=number))) for number in range(COUNT)]
    contents[3] = contents[9] = b"broken"
    items = [HeldItem(str(number), number % 2, content, size) for number, content in enumerate(contents)]
    return ListSource(items, ("a", "b"), random_access=False)


@pytest.fixture(autouse=True)
def _shards(small_shards):
    with small_shards(8):
        yield


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("in_flight", [1, 400, 600, 800, 1000, 10**6])
def test_a_set_does_not_depend_on_where_its_shards_were_cut(encoding, in_flight, tmp_path, monkeypatch, files_of):
    for name, limit in (("whole", 2**40), ("cut", in_flight)):
        monkeypatch.setattr(workers, "IN_FLIGHT_BYTES", limit)
        prepare(
            made_up_source(),
            tmp_path / name,
            PictureForm((8, 8), 3),
            2,
            encoding=encoding,
            on_error="skip",
            max_workers=1,
        )
    assert files_of(tmp_path / "cut") == files_of(tmp_path / "whole")
    assert verify_set(tmp_path / "cut") == []


def test_a_set_goes_on_where_parts_of_a_shard_were_written(tmp_path, monkeypatch, files_of):
    prepare(made_up_source(), tmp_path / "whole", PictureForm((8, 8), 3), 2, on_error="skip")
    monkeypatch.setattr(workers, "IN_FLIGHT_BYTES", 400)
    source = made_up_source()
    source._items[13] = None  # as a source that fails in the second shard
    with pytest.raises(AttributeError):
        prepare(source, tmp_path / "cut", PictureForm((8, 8), 3), 2, on_error="skip")
    assert note_path(tmp_path / "cut", 0).is_file()
    assert list((tmp_path / "cut" / ".work").glob("parts-*"))
    prepare(made_up_source(), tmp_path / "cut", PictureForm((8, 8), 3), 2, on_error="skip")
    assert files_of(tmp_path / "cut") == files_of(tmp_path / "whole")


def test_shards_whose_note_or_file_was_damaged_are_written_again(tmp_path, files_of):
    source, whole = made_up_source(), tmp_path / "whole"
    prepare(source, whole, PictureForm((8, 8), 3), 2, on_error="skip")
    directory = tmp_path / "begun"
    with pytest.raises(ValueError, match="2 of 20 pictures could not be read"):
        prepare(source, directory, PictureForm((8, 8), 3), 2)
    note_path(directory, 0).write_text('{"count": 1e9, "files": [[[]]]}')
    note_path(directory, 1).write_bytes(b"\xff\x00")
    (directory / "4x4" / "shard-00002.tfrecord").write_bytes(b"cut")
    prepare(source, directory, PictureForm((8, 8), 3), 2, on_error="skip")
    assert files_of(directory).keys() == files_of(whole).keys()
    assert (directory / MANIFEST).read_bytes() == (whole / MANIFEST).read_bytes()
    assert verify_set(directory) == []


@pytest.mark.parametrize(("sizes", "expected"), [([3, 3, 3, 3], 3), ([20, 1, 20], 1), ([1] * 20, 8)])
def test_tasks_wait_until_those_under_way_are_small_enough(sizes, expected, monkeypatch):
    monkeypatch.setattr(workers, "IN_FLIGHT_BYTES", 10)
    under_way, most, lock = [], [], threading.Lock()

    class Executor(workers.ThreadPoolExecutor):
        def submit(self, function, size):
            with lock:
                under_way.append(size)
                most.append(len(under_way))
            return super().submit(function, size)

    def work(size):
        with lock:
            under_way.remove(size)
        return size

    with Executor(4) as executor:
        pool = workers.Pool(executor, 4, None)
        assert sorted(pool.run(work, sizes, None, lambda size: size)) == sorted(sizes)
    assert max(most) <= expected


def test_batches_end_at_a_number_of_items_or_bytes():
    items = [HeldItem(str(number), 0, b"", size) for number, size in enumerate([1, 1, 5, 1, 1, 1, 1])]
    batches = [[item.size for item in batch] for batch in in_batches(items, 3, 5)]
    assert batches == [[1, 1, 5], [1, 1, 1], [1]]
    assert [len(batch) for batch in in_batches(items, 10, 5)] == [3, 4]
