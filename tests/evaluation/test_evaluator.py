"""Measuring by protocols: each gives what its metric gives, with the floor of real images beside it."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import warm_python
from made_up import PixelNetwork, make_generator, make_set

from stylegan_tf.evaluation.evaluator import Evaluator, check_reals
from stylegan_tf.evaluation.generated import SetImages
from stylegan_tf.metrics.frechet_distance import feature_statistics, frechet_distance
from stylegan_tf.metrics.inception_score import inception_score
from stylegan_tf.metrics.kernel_distance import kernel_distance, kernel_distance_subsets
from stylegan_tf.metrics.ms_ssim import ms_ssim
from stylegan_tf.metrics.precision_recall import density_coverage, precision_recall
from stylegan_tf.metrics.protocols import protocol


def small(name, fakes, network="pixels", **values):
    """A protocol over the made-up network and few images."""
    found = protocol(name)
    return dataclasses.replace(found, fakes=fakes, network=network if found.network else "", **values)


def evaluator(protocols, reals, tmp_path, network=None, **values):
    return Evaluator(protocols, reals, {"pixels": network or PixelNetwork()}, tmp_path / "cache", quiet=True, **values)


def softmax(logits):
    powers = np.exp(np.asarray(logits, np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


PROTOCOLS = [
    small("fd2k_full_model", 120),
    small("fd2k_model", 120, reals=90),
    small("kd2k_full_model", 120),
    small("kid2k_full", 120, options={"num_subsets": 5, "subset_size": 40}),
    small("pr2k3_full_model", 120),
    small("dc2k5_full_model", 120),
    small("is2k_classifier", 120, options={"splits": 4}),
    small("classes2k_classifier", 120),
]


@pytest.mark.slow
def test_values_are_those_of_the_metrics(generator, network, tmp_path):
    reals = make_set(101)
    results = evaluator(PROTOCOLS, reals, tmp_path).evaluate(generator)
    fakes = np.concatenate(list(generator.batches(120, 0)))
    real, fake = network(reals.images), network(fakes)
    mixed = 0.02  # the reals' order, which is not theirs here, decides what subsets hold
    expected = {
        0: [frechet_distance(feature_statistics(real, 0), feature_statistics(fake, 0))],
        2: [kernel_distance(real, fake)],
        4: precision_recall(real, fake, 3),
        5: density_coverage(real, fake, 5),
        6: inception_score(softmax(fake @ network._logits.numpy()), 4),
    }
    for index, values in expected.items():
        np.testing.assert_allclose(list(results[index].values.values()), values, rtol=1e-4, atol=1e-6)
    subsets = kernel_distance_subsets(real, fake, 5, 40)[0]
    assert results[3].value == pytest.approx(subsets, rel=0.3, abs=mixed)
    assert results[1].value != results[0].value  # 90 of the reals, and another divisor
    for result, used in zip(results, PROTOCOLS, strict=True):
        assert (result.protocol, result.fakes, result.seed) == (used.name, 120, 0)
        assert result.network_sha256 == "0" * 64
        assert (result.source, result.path, result.images_seen, result.noise) == ("run", "runs/made_up", 5000, "seed")
        assert (result.data, result.data_fingerprint) == ("made up 0", reals.fingerprint)
        assert result.image_size == "8x8"
    assert [result.reals for result in results] == [101, 90, 101, 101, 101, 101, 0, 101]


def test_a_set_against_itself(network, tmp_path):
    reals = make_set(120)
    results = evaluator(PROTOCOLS, reals, tmp_path).evaluate(SetImages(reals))
    by_name = {result.protocol: result.values for result in results}
    assert by_name["fd2k_full_model"]["frechet_distance"] == pytest.approx(0, abs=1e-6)
    assert by_name["kd2k_full_model"]["kernel_distance"] < 0  # unbiased: the diagonal is left out on one side only
    assert by_name["pr2k3_full_model"] == {"precision": 1.0, "recall": 1.0}
    assert by_name["dc2k5_full_model"]["coverage"] == 1.0
    classes = by_name["classes2k_classifier"]
    assert classes["coverage"] == 1.0
    assert classes["divergence"] == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_the_floor_is_half_of_the_reals_against_the_rest(generator, network, tmp_path):
    reals = make_set(101)
    results = evaluator(PROTOCOLS, reals, tmp_path).evaluate(generator)
    floors = {result.protocol: result.floor for result in results}
    assert 0 < floors["fd2k_full_model"]["frechet_distance"] < results[0].value
    assert abs(floors["kd2k_full_model"]["kernel_distance"]) < results[2].value
    assert floors["pr2k3_full_model"]["precision"] > 0.8
    assert floors["classes2k_classifier"]["divergence"] == pytest.approx(0, abs=1e-9)
    features = network(reals.images)
    assert floors["is2k_classifier"]["score"] == pytest.approx(
        inception_score(softmax(features @ network._logits.numpy()), 4)[0], rel=0.05
    )


@pytest.mark.slow
def test_a_seed_repeats_to_the_last_digit(generator, tmp_path):
    reals = make_set(101)
    protocols = [*PROTOCOLS, small("swd2k", 30), small("msssim2k", 30)]
    reals = make_set(101, size=16)
    wide = make_generator_16()
    first = evaluator(protocols, reals, tmp_path / "a").evaluate(wide)
    again = evaluator(protocols, reals, tmp_path / "b").evaluate(wide)
    other = evaluator(protocols, reals, tmp_path / "a", seed=1).evaluate(wide)
    for one, two, three in zip(first, again, other, strict=True):
        assert one.values == two.values
        assert one.floor == two.floor
        assert one.values != three.values or one.protocol == "classes2k_classifier"


def make_generator_16():
    """Images of 16x16: the smallest that patches are cut from."""
    return make_generator(levels=3, resolution="16")


@pytest.mark.slow
def test_pixels(tmp_path):
    reals, fakes = make_set(64, size=16), SetImages(make_set(40, seed=1, size=16))
    results = evaluator([small("swd2k", 40), small("msssim2k", 40)], reals, tmp_path).evaluate(fakes)
    assert list(results[0].values) == ["mean", "level_16"]
    assert results[0].value > results[0].floor["mean"] * 0.5 > 0
    assert results[0].network == results[0].network_sha256 == ""
    images = np.concatenate(list(fakes.batches(40, 0)))
    assert results[1].value == pytest.approx(np.mean(ms_ssim(images[0::2], images[1::2])))
    same = evaluator([small("swd2k", 64)], reals, tmp_path, seed=0).evaluate(SetImages(reals))
    assert same[0].value < results[0].value / 3  # patches at other places


@pytest.mark.slow
def test_patches_of_a_small_set_come_round_again(tmp_path):
    reals, fakes = make_set(10, size=16), SetImages(make_set(40, seed=1, size=16))
    assert evaluator([small("swd2k", 40)], reals, tmp_path).evaluate(fakes)[0].value > 0


@pytest.mark.slow
def test_path_lengths(generator, tmp_path):
    """Against the definition, with a network whose derivative is large: distances by hand."""
    for space in ("z", "w"):
        used = small(f"ppl2k_{space}end_model", 40)
        result = evaluator([used], None, tmp_path).evaluate(generator)[0]
        assert result.value > 0
        assert result.noise == "fixed"
        assert result.floor == {}
        assert result.reals == 0
        larger_step = dataclasses.replace(used, options={**used.options, "epsilon": 1e-2})
        # A derivative: nearly the same at another step.
        assert evaluator([larger_step], None, tmp_path).evaluate(generator)[0].value == pytest.approx(
            result.value, rel=0.5
        )
    anywhere = evaluator([small("ppl2k_wfull_model", 40)], None, tmp_path).evaluate(generator)[0]
    assert anywhere.value != result.value


@pytest.mark.slow
def test_separability(generator, tmp_path):
    pytest.importorskip("sklearn")
    result = evaluator([small("ls2k_classifier", 300)], None, tmp_path).evaluate(generator)[0]
    assert set(result.values) == {"w", "z"}
    assert all(1.0 <= value <= 8.0 for value in result.values.values())


def test_what_needs_a_generator_refuses_images(tmp_path):
    fakes = SetImages(make_set(50))
    with pytest.raises(ValueError, match="needs a generator; give --run_dir or --export"):
        evaluator([small("ppl2k_wend_model", 20)], None, tmp_path).evaluate(fakes)


def test_too_few_images_are_refused_before_any_is_read(tmp_path):
    reals = make_set(50)
    with pytest.raises(ValueError, match="measures 60 generated images.*Received: 50"):
        evaluator([small("fd2k_full_model", 60)], reals, tmp_path).evaluate(SetImages(make_set(50)))
    with pytest.raises(ValueError, match="needs 60 real images; a protocol whose name has _full.*Received: 50"):
        evaluator([small("fd2k_model", 20, reals=60)], reals, tmp_path)
    with pytest.raises(ValueError, match="give them with --data"):
        evaluator([small("fd2k_full_model", 20)], None, tmp_path)
    check_reals(protocol("pr50k3_full"), 1000)  # at most 200,000 of them


def test_images_of_another_size_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must have the size of the others"):
        evaluator([small("fd2k_full_model", 20)], make_set(30, size=16), tmp_path).evaluate(SetImages(make_set(30)))


def test_reals_are_looked_at_once_for_many_generators(generator, tmp_path, monkeypatch):
    reals = make_set(60)
    measuring = evaluator(PROTOCOLS[:1], reals, tmp_path)
    first = measuring.evaluate(generator)[0]
    monkeypatch.setattr(reals, "read", lambda *_: pytest.fail("read again"))
    assert measuring.evaluate(generator)[0].values == first.values
    assert evaluator(PROTOCOLS[:1], reals, tmp_path).evaluate(generator)[0].values == first.values


TWO_DEVICES = """
import sys
import pathlib
sys.path[:0] = sys.argv[2:]
from made_up import PixelNetwork, make_generator, make_set
import test_evaluator
from stylegan_tf.evaluation.evaluator import Evaluator
from stylegan_tf.training.devices import choose_strategy

strategy = choose_strategy(2)
reals = make_set(101)
protocols = [*test_evaluator.PROTOCOLS, test_evaluator.small("ppl2k_wend_model", 70)]
root = pathlib.Path(sys.argv[1])
one = Evaluator(protocols, reals, {"pixels": PixelNetwork()}, root / "1", quiet=True).evaluate(make_generator())
with strategy.scope():
    network, generator = PixelNetwork(), make_generator(strategy=strategy)
two = Evaluator(protocols, reals, {"pixels": network}, root / "2", quiet=True, strategy=strategy).evaluate(generator)
for a, b in zip(one, two, strict=True):
    assert a.values == b.values and a.floor == b.floor, (a, b)
print("equal")
"""


@pytest.mark.slow
def test_two_devices_give_the_same_numbers(tmp_path):
    tests = Path(__file__).parents[1]
    folders = [str(folder) for folder in (tests / "evaluation", tests / "training", tests)]
    result = warm_python.run(
        [sys.executable, "-c", TWO_DEVICES, str(tmp_path), *folders], capture_output=True, text=True, timeout=200
    )
    assert result.stdout.strip() == "equal", result.stderr


def test_a_stop_is_asked_for_beside_a_bar_too(tmp_path):
    class StopError(Exception):
        """Of this test."""

    def stop():
        raise StopError

    measuring = evaluator([small("kd2k_full_model", 60)], make_set(60), tmp_path)
    measuring.check_stop, measuring.quiet = stop, False
    with pytest.raises(StopError):
        measuring.evaluate(make_generator())
