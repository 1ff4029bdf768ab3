"""The door for programs: one line from a path to images."""

from __future__ import annotations

import operator
import subprocess
import sys

import numpy as np
import pytest
from unverified import export_unverified

import stylegan_tf
from stylegan_tf.errors import UserError
from stylegan_tf.runs.load import load_run
from stylegan_tf.sampling.sampler import Sampler

NAMES = ("cat", "dog", "owl")


@pytest.fixture(scope="module", params=[(), NAMES], ids=["plain", "labelled"])
def places(request, make_run, tmp_path_factory):
    """A run, and an export of it."""
    folder = tmp_path_factory.mktemp("trained")
    run = make_run(folder / "run", label_names=request.param)
    export_unverified(str(run), str(folder / "exports"))
    return run, folder / "exports"


@pytest.mark.slow
def test_a_run_and_its_export_draw_the_same(places):
    loaded = [stylegan_tf.load_generator(place) for place in places]
    for generator in loaded:
        assert (generator.size, generator.channels, generator.psi) == ((8, 8), 3, 0.6)
        assert generator.num_classes == len(generator.label_names) in (0, 3)
    for arguments in ({"psi": 1.0}, {"psi": 0.3}, {}):
        of_run, of_export = (generator.images(range(5), **arguments) for generator in loaded)
        assert of_run.shape == (5, 8, 8, 3) and of_run.dtype == np.uint8
        np.testing.assert_allclose(of_run.astype(int), of_export.astype(int), atol=1)
    assert np.std(loaded[0].images([3, 4], psi=1.0)[0].astype(int) - loaded[0].images(4, psi=1.0)[0]) > 0


@pytest.mark.slow
def test_images_are_those_of_every_other_command(places):
    trained = load_run(places[0])
    sampler = Sampler(trained.generator)
    generator = stylegan_tf.load_generator(places[0])
    classes = [2, 0] if generator.num_classes else None
    labels = None if classes is None else np.eye(3, dtype=np.float32)[classes]
    cutoff = trained.config.run.truncation_cutoff or None
    np.testing.assert_array_equal(generator.images([7, 8], 0.5, classes), sampler.images([7, 8], 0.5, cutoff, labels))


@pytest.mark.slow
def test_what_does_not_fit_is_named(places, tmp_path):
    generator = stylegan_tf.load_generator(places[0])
    with pytest.raises(UserError, match="seeds must be"):
        generator.images([])
    for classes in ([0], [0, 5]):
        with pytest.raises(UserError, match="classes must be"):
            generator.images([1, 2], classes=classes)
    with pytest.raises(
        UserError, match=r"config.json, an export of export.py, or hf://USER/NAME\. Received: .*nothing"
    ):
        stylegan_tf.load_generator(tmp_path / "nothing")
    with pytest.raises(UserError, match="an export has one state"):
        stylegan_tf.load_generator(places[1], checkpoint="best")


def test_the_package_itself_needs_no_tensorflow():
    code = "import sys, stylegan_tf; stylegan_tf.__version__; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        operator.attrgetter("nothing")(stylegan_tf)
