"""Networks and layers are written with keras.ops: another Keras backend gives the same numbers."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

CHILD = """
import sys
import keras
import numpy as np
import stylegan_tf.networks  # registers what is loaded

assert keras.backend.backend() == sys.argv[2]
file = np.load(sys.argv[1])
for network, name in (
    (keras.saving.load_model(sys.argv[3]), "generator"), (keras.saving.load_model(sys.argv[4]), "critic"),
):
    for level in (0, 1):
        key = f"{name}_{level}"
        got = keras.ops.convert_to_numpy(network(file[f"{key}_in"], level=level, fade_in=0.5))
        want = file[f"{key}_out"]
        error = np.max(np.abs(got - want)) / np.max(np.abs(want))
        if got.shape != want.shape or not error < 1e-4:
            sys.exit(f"{key}: {got.shape} instead of {want.shape}, relative error {error}")
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
def test_same_numbers(family, backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    from stylegan_tf import networks

    options = {"num_levels": 2, "feature_maps_base": 32, "feature_maps_max": 8}
    if family == "stylegan2":
        options["architecture"] = "growing"
        synthesis, critic = networks.StyleGAN2SynthesisNetwork(**options), networks.StyleGAN2Critic(**options)
    else:
        options["fused_from"] = 8
        synthesis, critic = networks.SynthesisNetwork(**options), networks.Critic(**options)
    generator = networks.Generator(6, networks.MappingNetwork(5, num_layers=2, design=family), synthesis)
    arrays = {}
    rng = np.random.default_rng(0)
    for network, name in ((generator, "generator"), (critic, "critic")):
        network.build()
        for level in (0, 1):
            size = 4 << level
            inputs = rng.normal(size=(4, 6) if name == "generator" else (4, size, size, 3)).astype(np.float32)
            arrays[f"{name}_{level}_in"] = inputs
            arrays[f"{name}_{level}_out"] = np.asarray(network(inputs, level=level, fade_in=0.5))
        network.save(tmp_path / f"{name}.keras")
    np.savez(tmp_path / "numbers.npz", **arrays)

    files = [tmp_path / "numbers.npz", backend, tmp_path / "generator.keras", tmp_path / "critic.keras"]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, files)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert child.returncode == 0, child.stderr[-2000:]
