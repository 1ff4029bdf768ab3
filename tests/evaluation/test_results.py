"""Lines of results, tables of them, and which is best."""

import dataclasses
import json
import math
import subprocess
import sys

import pytest
from made_up import make_result

from stylegan_tf.evaluation.results import Result, append_results, best, notes, number, read_results, table
from stylegan_tf.files import DiskError
from stylegan_tf.metrics.protocols import protocol


def test_a_line_says_what_it_was_measured_with():
    line = json.loads(make_result().to_json())
    for name in ("protocol", "network_sha256", "fakes", "reals", "seed", "data_fingerprint", "images_seen", "version"):
        assert line[name] == getattr(make_result(), name)


def test_a_name_of_several_lines_stays_on_one(tmp_path):
    result = dataclasses.replace(make_result(), path="runs/a\u2028b\x85c\nd", data="\x1c")
    append_results(tmp_path / "metrics.jsonl", [result, make_result()])
    assert read_results(tmp_path / "metrics.jsonl") == [result, make_result()]


def test_lines_are_added_and_read_back(tmp_path):
    file = tmp_path / "run" / "metrics.jsonl"
    append_results(file, [make_result(kimg=1)])
    append_results(file, [make_result(kimg=2), make_result(kimg=3)])
    assert [result.images_seen for result in read_results(file)] == [1000, 2000, 3000]
    assert read_results(file)[0] == make_result(kimg=1)
    assert len(file.read_text().splitlines()) == 3
    assert [path.name for path in file.parent.iterdir()] == ["metrics.jsonl"]


ADD = """
import sys
from pathlib import Path
from stylegan_tf.evaluation.results import Result, append_results
result = Result.from_json(sys.argv[2])
sys.stdin.readline()
for _ in range(25):
    append_results(Path(sys.argv[1]), [result])
"""


@pytest.mark.slow
def test_processes_that_add_at_once_lose_no_line(tmp_path):
    file = tmp_path / "metrics.jsonl"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, str(file), make_result(kimg=number).to_json()], stdin=subprocess.PIPE
        )
        for number in range(4)
    ]
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    assert [process.wait(60) for process in processes] == [0] * 4
    assert sorted(result.images_seen for result in read_results(file)) == sorted([0, 1000, 2000, 3000] * 25)


def test_a_damaged_last_line_and_a_full_disk_lose_nothing(tmp_path, small_files):
    file = tmp_path / "metrics.jsonl"
    old = f"{make_result(kimg=1).to_json()}\n".encode() + b'{"protocol": "caf\xc3'
    file.write_bytes(old)
    with pytest.raises(DiskError, match="ulimit") as caught, small_files(1000):
        append_results(file, [make_result(kimg=2)] * 4)
    assert caught.value.filename == str(file)
    assert file.read_bytes() == old
    append_results(file, [make_result(kimg=2)])
    assert file.read_bytes() == old + f"\n{make_result(kimg=2).to_json()}\n".encode()
    with pytest.raises(ValueError, match="line 2: .*Remove that line"):
        read_results(file)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_first_result_that_found_no_room_leaves_no_empty_file(tmp_path, small_files):
    with pytest.raises(DiskError), small_files(100):
        append_results(tmp_path / "metrics.jsonl", [make_result()])
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_no_text_is_kept(tmp_path):
    result = dataclasses.replace(make_result(), path="caf\udce9")
    append_results(tmp_path / "metrics.jsonl", [result])
    assert read_results(tmp_path / "metrics.jsonl") == [result]


def test_values_that_are_not_finite_are_valid_json():
    line = make_result(divergence=math.inf, coverage=1.0).to_json()
    assert json.loads(line, parse_constant=lambda name: pytest.fail(name))["values"]["divergence"] is None
    assert math.isnan(Result.from_json(line).values["divergence"])


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"protocol": "x"}', '{"values": {}, "floor": {}, "other": 1}'])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(ValueError, match="a result must be a line that this package wrote"):
        read_results(tmp_path / "a.jsonl")


def test_best():
    results = [*(make_result(kimg=kimg, x=x) for kimg, x in ((1, 3.0), (2, 2.0), (3, 2.0))), make_result("is2k", x=0.0)]
    assert best(results, results[0].protocol).images_seen == 2000
    higher = [make_result(kimg=1, lower=False, x=3.0), make_result(kimg=2, lower=False, x=math.nan)]
    assert best(higher, higher[0].protocol).images_seen == 1000
    assert best(list(reversed(higher)), higher[0].protocol).images_seen == 1000
    assert best(results, "swd2k") is None


def test_table():
    second = make_result("pr2k3_full_efficientnet_lite0", lower=False, precision=0.5, recall=0.25)
    lines = table([make_result(), second])
    rows = [line.split() for line in lines.splitlines()]
    assert rows[1] == ["fd2k_full_efficientnet_lite0", "frechet_distance", "400.00", "45.00", "lower", "2,000", "2,339"]
    assert rows[2][:3] == ["pr2k3_full_efficientnet_lite0", "precision", "0.5000"]
    assert rows[3] == ["recall", "0.2500"]
    numbers = zip(lines.splitlines()[1:], ["400.00", "0.5000", "0.2500"], strict=True)
    assert len({line.index(text) + len(text) for line, text in numbers}) == 1  # they stand below each other


def test_other_weights_of_inception_are_not_passed_off_as_the_published_ones():
    def of(network, checksum):
        return dataclasses.replace(make_result("fid50k_full"), network=network, network_sha256=checksum)

    assert notes([of("inception", "6726825d" + "0" * 56), of("vgg16", "f" * 64)]) == []
    [note] = notes([of("inception", "f" * 64), of("inception", "f" * 64)])
    assert note.startswith("fid50k_full: these Inception weights (SHA-256 ffffffff...) are not the published ones")


def test_a_frechet_distance_of_few_reals_is_called_biased():
    few = dataclasses.replace(make_result(), reals=300)
    kernel = dataclasses.replace(make_result("kd_full_efficientnet_lite0", kernel_distance=1.0), reals=300)
    counts = {"efficientnet_lite0": 1280}
    (note,) = notes([few, kernel, make_result()], counts)
    assert note.startswith(
        "fd2k_full_efficientnet_lite0: with 300 real images for 1,280 features this number is biased"
    )
    for name in ("fd2k_full_efficientnet_lite0", "fid50k_full", "fd_full_model", "fid50k"):
        (note,) = notes([dataclasses.replace(few, protocol=name)], counts)
        named = note.partition("(")[2].partition(")")[0]
        assert (protocol(name).metric, protocol(named).metric) == ("frechet", "kernel")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.1235"),
        (-0.0005, "-0.0005"),
        (-4e-6, "0.0000"),
        (45.678, "45.68"),
        (1234.56, "1,234.6"),
        (math.inf, "inf"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text
