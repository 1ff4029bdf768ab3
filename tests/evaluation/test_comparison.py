"""The chart of several runs."""

import dataclasses
import re
import sys

import numpy as np
import pytest
from made_up import make_result
from PIL import Image

from stylegan_tf.evaluation import comparison
from stylegan_tf.evaluation.comparison import draw_comparison, read_runs
from stylegan_tf.evaluation.results import append_results
from stylegan_tf.invocation import install


def write_run(folder, *results):
    append_results(folder / "metrics.jsonl", results)
    return folder


def test_runs_are_called_by_the_end_of_their_path(tmp_path):
    paths = [write_run(tmp_path / name, make_result()) for name in ("a/run", "b/run", "c/other")]
    assert list(read_runs(paths)) == ["a/run", "b/run", "other"]
    assert list(read_runs([paths[2] / "metrics.jsonl"])) == ["other"]
    far = [write_run(tmp_path / name / "runs" / "cats", make_result()) for name in ("host_a", "host_b")]
    assert list(read_runs(far)) == ["host_a/runs/cats", "host_b/runs/cats"]


def test_what_holds_no_results_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must hold metrics\.jsonl; train it with --metrics"):
        read_runs([tmp_path])
    run = write_run(tmp_path / "run", make_result())
    with pytest.raises(ValueError, match="must be different ones"):
        read_runs([run, tmp_path / "run"])


def test_panels_hold_each_metric_and_the_later_of_two_measurements():
    runs = {
        "a": [make_result(kimg=1, x=5.0), make_result(kimg=2, x=4.0), make_result(kimg=1, x=3.0)],
        "b": [
            make_result(kimg=2, x=9.0),
            make_result("pr2k3", kimg=2, precision=0.1, recall=0.2),
            make_result(kimg=None, x=0.0),
        ],
    }
    panels = comparison._panels(runs)
    assert [value for _, value in panels] == ["x", "precision", "recall"]
    lines = next(iter(panels.values()))
    assert {name: {at: result.value for at, result in line.items()} for name, line in lines.items()} == {
        "a": {1.0: 3.0, 2.0: 4.0},
        "b": {2.0: 9.0},
    }


def test_what_does_not_compare_is_told_once_for_each_protocol():
    other = dataclasses.replace(make_result(kimg=2, x=9.0), data="cats", data_fingerprint="c" * 16, reals=300)
    runs = {"a": [make_result(kimg=1, x=5.0), make_result("swd2k", x=1.0)], "b": [other, other]}
    assert comparison.differences(runs) == [
        "fd2k_full_efficientnet_lite0 does not compare, since its real images differ (a: portraits bbbbbbbb, b: cats "
        "cccccccc): drawn apart",
        "fd2k_full_efficientnet_lite0 does not compare, since its numbers of real images differ (a: 2,339, b: 300): "
        "drawn apart",
        "swd2k was measured of a, not of b",
    ]
    assert comparison.differences({"a": runs["a"], "c": runs["a"]}) == []


def test_what_does_not_compare_has_panels_of_its_own():
    other = dataclasses.replace(make_result(x=9.0), data="cats", data_fingerprint="c" * 16)
    panels = comparison._panels({"a": [make_result(x=5.0)], "b": [make_result(x=4.0)], "c": [other]})
    assert {title.splitlines()[1]: list(lines) for (title, _), lines in panels.items()} == {
        "real images: portraits bbbbbbbb": ["a", "b"],
        "real images: cats cccccccc": ["c"],
    }


def test_kernel_distances_of_other_numbers_of_images_share_an_axis():
    one, other = "kd2k_full_efficientnet_lite0", "kd300_full_efficientnet_lite0"
    runs = {"a": [make_result(one, x=5.0)], "b": [make_result(other, x=4.0)]}
    assert list(comparison._panels(runs)) == [("kd_full_efficientnet_lite0", "x")]
    assert comparison.differences(runs) == []
    runs["b"].append(make_result(one, x=4.0))  # then the same protocol is there to compare by
    assert list(comparison._panels(runs)) == [(one, "x"), (other, "x")]
    biased = {"a": [make_result("fd2k_full_model", x=5.0)], "b": [make_result("fd300_full_model", x=4.0)]}
    assert len(comparison._panels(biased)) == 2


def test_the_chart_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    runs = {
        "slow": [make_result(kimg=at, frechet_distance=900.0 / at) for at in (1, 2, 3)],
        "fast": [make_result(kimg=at, frechet_distance=500.0 / at) for at in (1, 2, 3)],
    }
    output = tmp_path / "charts" / "comparison.png"
    assert draw_comparison(runs, output) == 1
    with Image.open(output) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape[1] > 400
    for colour in ((31, 119, 180), (255, 127, 14)):  # matplotlib's first two
        assert np.sum(np.all(np.abs(pixels - colour) < 20, axis=-1)) > 200
    assert [path.name for path in output.parent.iterdir()] == ["comparison.png"]


def test_results_without_a_clock_are_refused(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="must have results over kimg"):
        draw_comparison({"a": [dataclasses.replace(make_result(), images_seen=None)]}, tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_a_missing_matplotlib_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=re.escape(install("metrics"))):
        draw_comparison({"a": [make_result()]}, tmp_path / "x.png")


@pytest.mark.slow
def test_names_with_signs_of_formulas_are_drawn_as_they_are(tmp_path):
    pytest.importorskip("matplotlib")
    runs = {"lr=$x$_{": [make_result(kimg=1, x=5.0)], "a$b\x1b[1m\udce9": [make_result(kimg=1, x=2.0)]}
    assert draw_comparison(runs, tmp_path / "chart.png") == 1
