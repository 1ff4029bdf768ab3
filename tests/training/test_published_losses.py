"""WGAN-GP and the logistic loss with R1, with their gradients, against the published ones."""

import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.losses.objectives import ADVERSARIAL_LOSSES, GradientPenalty, Objective, ZeroCentered
from stylegan_tf.pretrained.published_names import load_published_critic, load_published_generator
from stylegan_tf.pretrained.stylegan1_names import critic_entries, style_entries
from stylegan_tf.training.draws import Draws
from stylegan_tf.training.flat_weights import FlatWeights
from stylegan_tf.training.gradients import PhaseGradients, StepKind
from stylegan_tf.training.phases import training_phases
from stylegan_tf.training.state import TrainState

REFERENCE = pathlib.Path(__file__).parents[1] / "reference"
FILES = ("losses", "losses_cond10")
WASSERSTEIN, LOGISTIC = ADVERSARIAL_LOSSES["wgan-gp"], ADVERSARIAL_LOSSES["logistic"]
OBJECTIVES = {
    "D_wgan_gp": Objective(WASSERSTEIN, GradientPenalty(), drift_weight=0.001),
    "D_wgan_gp_wgan_target2": Objective(WASSERSTEIN, GradientPenalty(target=2.0), drift_weight=0.001),
    "D_logistic_simplegp_r1_gamma10": Objective(LOGISTIC, ZeroCentered(10.0)),
}
GENERATOR_OBJECTIVES = {
    "G_wgan": OBJECTIVES["D_wgan_gp"],
    "G_logistic_nonsaturating": OBJECTIVES["D_logistic_simplegp_r1_gamma10"],
}


@pytest.fixture(scope="module")
def states():
    """Made once for each file."""
    return {}


@pytest.fixture
def published(request, reference, states):
    """The file of the test's case, and a state with its weights."""
    name = request.node.callspec.params["case"][0]
    file = reference(name)
    if name not in states:
        states[name] = make_state(file)
    return file, states[name]


def make_state(file):
    kwargs = file.config["G"]["kwargs"]
    config = TrainConfig().replace(
        {
            "z_size": kwargs["latent_size"],
            "w_size": kwargs["dlatent_size"],
            "feature_maps_base": kwargs["fmap_base"],
            "feature_maps_max": kwargs["fmap_max"],
            "style_mixing_probability": 0.0,
        }
    )
    state = TrainState(config, 4, kwargs["label_size"], "float32")
    for prefix, load, network in [
        ("G/", load_published_generator, state.generator),
        ("D/", load_published_critic, state.critic),
    ]:
        load(network, {name[2:]: array for name, array in file.variables.items() if name.startswith(prefix)})
    return state


def draws_of(file, state):
    fixed = [layer.noise.fixed_noise for layer in state.generator.synthesis.styled_layers]
    count = len(file.inputs["z"])
    return Draws(
        z=file.inputs["z"],
        other_z=file.inputs["z"],
        crossover=np.full(count, 99),
        noise=[tf.tile(noise, (count, 1, 1, 1)) for noise in fixed],
        factors=tf.constant(file.inputs["mixing"]),
    )


def gradients_of(file, state, objective, lod, network, channels_last):
    reals = tf.constant(channels_last(file.inputs["reals"]))
    (phase,) = (
        phase
        for phase in training_phases(state.config.loss, state.config.family.critic_first)
        if phase.network == network
    )
    kind = StepKind(level=3, batch_size=len(reals), phase=phase)
    labels, draws = tf.constant(file.inputs["labels"]), draws_of(file, state)
    compute = getattr(PhaseGradients(state, objective), network)
    return compute(tf.constant(1.0 - lod), reals, labels, draws, kind=kind)


def assert_equal_gradients(network, entries, gradient, file, key, relative_error):
    gradients = FlatWeights(network, 3).split(gradient)
    found = {id(weight): gradient for weight, gradient in zip(network.active_weights(3), gradients, strict=True)}
    names = file.config["grad_vars"][key[0]]
    assert names
    for name in names:
        variable, layout = entries[name]
        expected = layout.to_ours(file.outputs[f"{key}/grad_{name.replace('/', '.')}"])
        assert relative_error(found[id(variable)], expected) < 1e-3, name


def cases(names):
    """(file, loss, lod) for all that the files hold."""
    return [
        (file, name, lod)
        for file in FILES
        for lod in (0, 0.6)
        for name in names
        if f"out/{name}/lod{lod}/mean.npy" in zipfile.ZipFile(REFERENCE / f"{file}.npz").namelist()
    ]


@pytest.mark.parametrize("case", cases(OBJECTIVES), ids=str)
@pytest.mark.slow
def test_critic(case, published, channels_last, relative_error):
    file, state = published
    _, name, lod = case
    key = f"{name}/lod{lod}"
    gradient, report, means = gradients_of(file, state, OBJECTIVES[name], lod, "critic", channels_last)
    values = {name: float(value) for name, value in report.items()}
    outputs = file.outputs
    assert values["critic_loss"] == pytest.approx(outputs[f"{key}/mean"], rel=1e-3)
    assert values["real_scores"] == pytest.approx(outputs[f"{key}/stat_scores_real"].mean(), rel=1e-4)
    assert values["fake_scores"] == pytest.approx(outputs[f"{key}/stat_scores_fake"].mean(), rel=1e-4)
    if "wgan" in name:
        assert values["critic_gradient_norm"] == pytest.approx(outputs[f"{key}/stat_mixed_norms"].mean(), rel=1e-3)
    else:
        assert values["gradient_penalty"] == pytest.approx(outputs[f"{key}/stat_r1_penalty"].mean(), rel=1e-3)
    assert_equal_gradients(state.critic, critic_entries(state.critic), gradient, file, key, relative_error)
    assert_mean_of_w(means, file, state)


@pytest.mark.parametrize("case", cases(GENERATOR_OBJECTIVES), ids=str)
@pytest.mark.slow
def test_generator(case, published, channels_last, relative_error):
    file, state = published
    _, name, lod = case
    key, objective = f"{name}/lod{lod}", GENERATOR_OBJECTIVES[name]
    gradient, report, means = gradients_of(file, state, objective, lod, "generator", channels_last)
    assert set(report) == {"generator_loss"}
    assert float(report["generator_loss"]) == pytest.approx(file.outputs[f"{key}/mean"], rel=1e-4)
    assert_equal_gradients(state.generator, style_entries(state.generator), gradient, file, key, relative_error)
    assert_mean_of_w(means, file, state)


def assert_mean_of_w(means, file, state):
    assert set(means) == {"w"}
    ws = state.generator.map(file.inputs["z"], file.inputs["labels"])
    np.testing.assert_allclose(means["w"], np.mean(ws[:, 0], axis=0), rtol=1e-4, atol=1e-5)
