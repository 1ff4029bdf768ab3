"""The phases of StyleGAN2, with their gradients, against the published ones."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.losses.regularizers import path_length_penalty, path_lengths
from stylegan_tf.pretrained.published_names import load_published_critic, load_published_generator
from stylegan_tf.pretrained.stylegan2_names import critic_entries, generator_entries
from stylegan_tf.training.draws import Draws
from stylegan_tf.training.flat_weights import FlatWeights
from stylegan_tf.training.gradients import PhaseGradients, StepKind
from stylegan_tf.training.phases import Phase
from stylegan_tf.training.preparation import make_objective
from stylegan_tf.training.state import TrainState

LEVEL = 3  # 32x32
PHASES = ("Gmain", "Greg_plmean0", "Greg_plmean1.5", "Dmain", "Dreg", "Dboth")
MEANS_BEFORE = (0.0, 1.5)  # running means of path lengths


@pytest.fixture(scope="module")
def file(reference):
    return reference("stylegan2_losses")


@pytest.fixture(scope="module")
def state(file):
    settings, kwargs = file.config, file.config["G"]
    config = TrainConfig().replace(
        {
            "family": "stylegan2",
            "z_size": kwargs["z_dim"],
            "w_size": kwargs["w_dim"],
            "mapping_layers": kwargs["mapping_kwargs"]["num_layers"],
            "feature_maps_base": kwargs["synthesis_kwargs"]["channel_base"] // 2,
            "feature_maps_max": kwargs["synthesis_kwargs"]["channel_max"],
            "style_mixing_probability": 0.0,
            "loss": "logistic",
            "r1_gamma": settings["r1_gamma"],
            "critic_regularization_interval": settings["gain_dreg"],
            "path_length_weight": settings["pl_weight"],
            "path_length_decay": settings["pl_decay"],
            "path_length_batch_shrink": settings["pl_batch_shrink"],
            "generator_regularization_interval": settings["gain_greg"],
        }
    )
    made = TrainState(config, LEVEL + 1, 0, "float32")
    for prefix, load, network in [
        ("G/", load_published_generator, made.generator),
        ("D/", load_published_critic, made.critic),
    ]:
        load(network, {name[2:]: array for name, array in file.variables.items() if name.startswith(prefix)})
    return made


@pytest.fixture
def path_length_mean(state):
    """Sets the running mean; zero again afterwards."""
    yield state.path_length_mean.assign
    state.path_length_mean.assign(0.0)


def draws_of(file, state, count, path_noise=None):
    fixed = [layer.noise.fixed_noise for block in state.generator.synthesis.blocks for layer in block]
    return Draws(
        z=file.inputs["z"][:count],
        other_z=file.inputs["z"][:count],
        crossover=np.full(count, 99),
        noise=[tf.tile(noise, (count, 1, 1, 1)) for noise in fixed],
        factors=tf.zeros(count),
        path_noise=path_noise,
    )


def phase_of(state, name):
    """The published phase: of the state's own, but for the one that does both, as without lazy regularisation."""
    if name == "Dboth":
        return Phase("critic", "critic", 0, main=True, regularizer=True)
    network = "generator" if name.startswith("G") else "critic"
    (phase,) = (p for p in state.phases if p.network == network and p.main == ("main" in name))
    return phase


def run_phase(file, state, name, channels_last):
    objective = make_objective(state.config.loss)
    gradients, phase = PhaseGradients(state, objective), phase_of(state, name)
    reals = tf.constant(channels_last(file.inputs["reals"]))
    kind = StepKind(LEVEL, len(reals), phase)
    count = gradients.images(kind)
    noise = tf.constant(channels_last(file.inputs["pl_randn"])) if "Greg" in name else None
    compute = gradients.generator if phase.network == "generator" else gradients.critic
    draws = draws_of(file, state, count, noise)
    result = compute(tf.constant(1.0), reals[:count], tf.zeros([count, 0]), draws, kind=kind)
    return result, kind.phase.interval


def assert_published_gradients(file, state, result, name, relative_error):
    network = "G" if name.startswith("G") else "D"
    model, entries_of = {"G": (state.generator, generator_entries), "D": (state.critic, critic_entries)}[network]
    entries = entries_of(model)
    gradients = FlatWeights(model, LEVEL).split(result.gradient)
    found = {id(w): g for w, g in zip(model.active_weights(LEVEL), gradients, strict=True)}
    names = file.config["grad_vars"][network]
    assert len(names) == 3
    for variable_name in names:
        variable, layout = entries[variable_name]
        want = layout.to_ours(file.outputs[f"{name}/grad_{variable_name}"])
        assert relative_error(found[id(variable)], want) < 1e-3, variable_name


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.slow
def test_gradients(name, file, state, path_length_mean, channels_last, relative_error):
    if "plmean" in name:
        path_length_mean(float(name.partition("plmean")[2]))
    result, _ = run_phase(file, state, name, channels_last)
    assert_published_gradients(file, state, result, name, relative_error)


@pytest.mark.slow
def test_main_phase_of_the_generator(file, state, channels_last):
    result, _ = run_phase(file, state, "Gmain", channels_last)
    assert set(result.report) == {"generator_loss"}
    assert float(result.report["generator_loss"]) == pytest.approx(file.outputs["Gmain/G_loss"].mean(), rel=1e-4)


@pytest.mark.parametrize("before", MEANS_BEFORE)
def test_path_lengths(before, file, state, path_length_mean, channels_last):
    assert file.config["pl_mean0"] == list(MEANS_BEFORE)
    name = f"Greg_plmean{before:g}"
    path_length_mean(before)
    result, interval = run_phase(file, state, name, channels_last)
    assert interval == file.config["gain_greg"]
    after, penalties = file.outputs[f"{name}/pl_mean_after"], file.outputs[f"{name}/pl_penalty"]
    report = {key: float(value) for key, value in result.report.items()}
    assert set(report) == {"path_length", "path_length_penalty"}
    assert report["path_length_penalty"] == pytest.approx(penalties.mean(), rel=1e-3)
    weighted = report["path_length_penalty"] * state.config.loss.path_length_weight
    assert weighted == pytest.approx(file.outputs[f"{name}/G_reg"].mean(), rel=1e-3)
    assert float(result.means["path_length"]) == pytest.approx(after, rel=1e-4)
    if before == 0.0:
        assert report["path_length"] == pytest.approx((after + np.sqrt(penalties)).mean(), rel=1e-4)
    w = state.generator.map(file.inputs["z"][:4])[:, 0]
    np.testing.assert_allclose(result.means["w"], np.mean(w, axis=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["Dmain", "Dreg", "Dboth"])
def test_critic(name, file, state, channels_last):
    result, interval = run_phase(file, state, name, channels_last)
    published = {key.partition("/")[2]: value for key, value in file.outputs.items() if key.startswith(f"{name}/")}
    assert interval == (file.config["gain_dreg"] if name == "Dreg" else 1)
    report = {key: float(value) for key, value in result.report.items()}
    if name != "Dreg":
        assert report["real_scores"] == pytest.approx(published["scores_real"].mean(), rel=1e-4)
        assert report["fake_scores"] == pytest.approx(published["scores_fake"].mean(), rel=1e-4)
        assert report["real_signs"] == published["signs_real"].mean()
        loss = published["D_loss"].mean() + (published["D_reg"].mean() if name == "Dboth" else 0.0)
        assert report["critic_loss"] == pytest.approx(loss, rel=1e-4)
        assert set(result.means) == {"w"}
    else:
        assert not {"real_scores", "fake_scores", "real_signs", "critic_loss"} & set(report)
        assert result.means == {}
    if name != "Dmain":
        assert report["gradient_penalty"] == pytest.approx(published["r1_penalty"].mean(), rel=1e-3)
        norms = np.sqrt(published["r1_penalty"])
        assert report["critic_gradient_norm"] == pytest.approx(norms.mean(), rel=1e-3)
    else:
        assert not {"gradient_penalty", "critic_gradient_norm"} & set(report)


def test_scores_losses_and_penalties_of_each_image(file, state, channels_last, relative_error):
    """What the phases report is means; these are their terms."""
    objective, outputs = make_objective(state.config.loss), file.outputs
    reals, z = tf.constant(channels_last(file.inputs["reals"])), tf.constant(file.inputs["z"])
    real_scores, fake_scores = state.critic(reals), state.critic(state.generator(z, noise="fixed"))
    for name in ("Dmain", "Dreg", "Dboth"):
        assert relative_error(real_scores, outputs[f"{name}/scores_real"]) < 1e-4
        np.testing.assert_array_equal(np.sign(real_scores), outputs[f"{name}/signs_real"])
    for name in ("Gmain", "Dmain", "Dboth"):
        assert relative_error(fake_scores, outputs[f"{name}/scores_fake"]) < 1e-4
        np.testing.assert_array_equal(np.sign(fake_scores), outputs[f"{name}/signs_fake"])
    assert relative_error(objective.generator_loss(fake_scores), outputs["Gmain/G_loss"]) < 1e-4
    for name in ("Dmain", "Dboth"):
        assert relative_error(objective.critic_loss(real_scores, fake_scores), outputs[f"{name}/D_loss"]) < 1e-4
    weighted, terms = objective.critic_penalty(state.critic, reals, reals, tf.zeros(8), 1.0)
    for name in ("Dreg", "Dboth"):
        assert relative_error(terms["gradient_penalty"], outputs[f"{name}/r1_penalty"]) < 1e-3
        assert relative_error(weighted, outputs[f"{name}/D_reg"]) < 1e-3


def test_path_lengths_of_each_image(file, state, channels_last, relative_error):
    noise = tf.constant(channels_last(file.inputs["pl_randn"]))
    ws = state.generator.map(file.inputs["z"][:4])
    lengths = path_lengths(lambda ws: state.generator.synthesis(ws, noise="fixed"), ws, noise)
    for before in MEANS_BEFORE:
        name = f"Greg_plmean{before:g}"
        penalty, mean = path_length_penalty(lengths, tf.constant(before), 0.01)
        assert relative_error(penalty, file.outputs[f"{name}/pl_penalty"]) < 1e-3
        assert relative_error(2.0 * penalty, file.outputs[f"{name}/G_reg"]) < 1e-3
        assert relative_error(mean, file.outputs[f"{name}/pl_mean_after"]) < 1e-4


def test_nothing_published_is_left_out(file):
    statistics = {
        "Gmain": {"scores_fake", "signs_fake", "G_loss"},
        "Greg_plmean0": {"pl_penalty", "G_reg", "pl_mean_after"},
        "Greg_plmean1.5": {"pl_penalty", "G_reg", "pl_mean_after"},
        "Dmain": {"scores_fake", "signs_fake", "scores_real", "signs_real", "D_loss"},
        "Dreg": {"scores_real", "signs_real", "r1_penalty", "D_reg"},
        "Dboth": {"scores_fake", "signs_fake", "scores_real", "signs_real", "D_loss", "r1_penalty", "D_reg"},
    }
    assert set(statistics) == set(PHASES)
    tested = {f"{phase}/{name}" for phase, names in statistics.items() for name in names}
    tested |= {f"{phase}/grad_{name}" for phase in PHASES for name in file.config["grad_vars"][phase[0]]}
    assert set(file.outputs) == tested


@pytest.mark.slow
def test_the_phases_are_weighed_by_their_intervals(file, state, channels_last):
    """The regulariser's gradient is that of every step times the steps that it stands for."""
    lazy, _ = run_phase(file, state, "Dreg", channels_last)
    both, _ = run_phase(file, state, "Dboth", channels_last)
    main, _ = run_phase(file, state, "Dmain", channels_last)
    results = [FlatWeights(state.critic, LEVEL).split(result.gradient) for result in (lazy, both, main)]
    for one, whole, part in zip(*results, strict=True):
        scale = np.max(np.abs(whole))
        np.testing.assert_allclose(one / 16.0, whole - part, atol=2e-6 * scale)


def test_phases_of_the_state(state):
    assert [dataclasses.astuple(phase) for phase in state.phases] == [
        ("generator", "generator", 1, True, False, 1, 1),
        ("generator regularizer", "generator", 3, False, True, 4, 4),
        ("critic", "critic", 0, True, False, 1, 1),
        ("critic regularizer", "critic", 2, False, True, 16, 16),
    ]
