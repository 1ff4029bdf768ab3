"""A training step: what its phases update, accumulation, precision."""

import re
import time

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import tiny_config, tiny_stylegan2

from stylegan_tf.augment.pipeline import Augmentation
from stylegan_tf.background import background_is_busy
from stylegan_tf.configuration.model_sections import LOSSES
from stylegan_tf.training import compilation
from stylegan_tf.training.draws import draw_augmentation_pair, draw_path_noise, make_draws
from stylegan_tf.training.flat_weights import FlatWeights
from stylegan_tf.training.gradients import PhaseGradients, StepKind
from stylegan_tf.training.phases import Phase
from stylegan_tf.training.pieces import accumulate
from stylegan_tf.training.preparation import make_objective
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.steps import TrainingStep, average_decay

BOTH = pytest.mark.parametrize("configure", [tiny_config, tiny_stylegan2], ids=["stylegan1", "stylegan2"])
LOSS_SCALED = pytest.param("mixed_float16", marks=pytest.mark.slow)
MERGED = {"critic_regularization_interval": 1, "generator_regularization_interval": 1}


@pytest.fixture(autouse=True)
def _run_eagerly():
    """Tracing would take most of the time; what is compiled is tested where that is the point, and by whole runs."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def compiled(_run_eagerly):
    """For tests that want functions compiled after all."""
    tf.config.run_functions_eagerly(False)


def compile_many_steps(policy, request):
    """With loss scaling it takes so many steps until one counts that tracing them is quicker."""
    if policy == "mixed_float16":
        request.getfixturevalue("compiled")


def make_step(
    configure=tiny_config,
    policy="float32",
    classes=0,
    levels=2,
    augmentation=None,
    limit=0,
    jit="off",
    tell=print,
    **values,
):
    config = configure(**values)
    state = TrainState(config, levels, classes, policy)
    state.set_learning_rates(0.01, 0.01)
    return TrainingStep(
        state,
        make_objective(config.loss),
        tf.distribute.get_strategy(),
        augmentation=augmentation,
        images_at_once=(lambda batch_size: limit) if limit else None,
        jit_compile=jit,
        tell=tell,
    )


def batch(count=8, size=8, classes=0):
    random = np.random.default_rng(1)
    images = tf.constant(random.integers(0, 256, (count, size, size, 3), dtype=np.uint8))
    return images, tf.one_hot(np.arange(count) % max(classes, 1), classes)


def run(step, images_seen=0, fade_in=0.5, level=1, classes=0, phases=None):
    """A step of eight images, with all of its phases."""
    phases = step.state.phases if phases is None else phases
    return step(batch(classes=classes, size=4 << level), level, 8, phases, images_seen, fade_in)


def arrays_of(*owners):
    return [variable.numpy() for owner in owners for variable in owner]


def weights_of(step):
    state = step.state
    return arrays_of(state.generator.weights, state.critic.weights, state.generator_ema.weights)


def equal(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize(
    ("loss", "policy"),
    [("wgan-gp", "float32"), ("logistic", "float32"), ("wgan-gp", "mixed_bfloat16"), ("logistic", "mixed_float16")],
)
@pytest.mark.slow
def test_a_step_trains_every_active_weight_and_no_other(loss, policy, request):
    compile_many_steps(policy, request)
    step = make_step(policy=policy, classes=3, levels=3, loss=loss, resolution="16")
    state = step.state
    networks = (state.generator, state.critic)
    before = {id(v): v.numpy() for network in networks for v in network.weights}
    # Loss scaling leaves the first steps out, until the scale is low enough.
    for index in range(12 if policy == "mixed_float16" else 2):
        report = run(step, 8 * index, classes=3)
    assert all(np.isfinite(value) for name, value in report.items() if not name.endswith("weight_gradient_norm"))
    for network in networks:
        active = {id(weight) for weight in network.active_weights(1)}
        for weight in network.trainable_weights:
            changed = not np.array_equal(before[id(weight)], weight.numpy())
            assert changed == (id(weight) in active), weight.path
    assert not np.array_equal(before[id(state.generator.w_average)], state.generator.w_average.numpy())


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", LOSS_SCALED])
@pytest.mark.slow
def test_a_step_of_stylegan2_trains_every_weight(policy, request):
    compile_many_steps(policy, request)
    step = make_step(tiny_stylegan2, policy, classes=3)
    networks = (step.state.generator, step.state.critic)
    before = {id(v): v.numpy() for network in networks for v in network.weights}
    for index in range(12 if policy == "mixed_float16" else 2):
        report = run(step, 8 * index, 1.0, classes=3)
    assert all(np.isfinite(value) for name, value in report.items() if not name.endswith("weight_gradient_norm"))
    for network in networks:
        for weight in network.trainable_weights:
            assert not np.array_equal(before[id(weight)], weight.numpy()), weight.path
    assert not np.array_equal(before[id(step.state.generator.w_average)], step.state.generator.w_average.numpy())
    assert float(step.state.path_length_mean) > 0.0


@BOTH
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.slow
def test_every_loss_trains_both_networks_of_every_family(configure, loss):
    step = make_step(configure, loss=loss)
    networks = (step.state.generator, step.state.critic)
    before = [arrays_of(network.trainable_weights) for network in networks]
    for index in range(2):
        report = run(step, 8 * index, phases=[phase for phase in step.state.phases if phase.due(index)])
        assert all(np.isfinite(value) for value in report.values())
    for network, arrays in zip(networks, before, strict=True):
        for weight, array in zip(network.trainable_weights, arrays, strict=True):
            # Within its margin the hinge loss, as WGAN's, is that of any other zero of the scores.
            if weight is not step.state.critic.score.bias:
                assert not np.array_equal(array, weight.numpy()), weight.path


# By phase: which of generator, critic, their optimizers, mean of w, mean of path lengths change; what is reported.
PHASES = {
    "generator": ({"generator", "generator optimizer", "w"}, {"generator_loss", "generator_weight_gradient_norm"}),
    "generator regularizer": (
        {"generator", "generator optimizer", "w", "path lengths"},
        {"path_length", "path_length_penalty"},
    ),
    "critic": (
        {"critic", "critic optimizer", "w"},
        {"critic_loss", "real_scores", "fake_scores", "real_signs", "critic_weight_gradient_norm"},
    ),
    "critic regularizer": ({"critic", "critic optimizer"}, {"gradient_penalty", "critic_gradient_norm"}),
}


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.slow
def test_a_phase_updates_its_network_and_leaves_the_other_alone(name):
    step = make_step(tiny_stylegan2)
    state = step.state

    def values():
        return {
            "generator": arrays_of(state.generator.trainable_weights),
            "critic": arrays_of(state.critic.trainable_weights),
            "generator optimizer": arrays_of(state.generator_optimizer.variables),
            "critic optimizer": arrays_of(state.critic_optimizer.variables),
            "w": [state.generator.w_average.numpy()],
            "path lengths": [state.path_length_mean.numpy()],
        }

    before = values()
    report = run(step, phases=[phase for phase in state.phases if phase.name == name])
    changed, reported = PHASES[name]
    after = values()
    assert {part for part in before if not equal(before[part], after[part])} == changed
    assert set(report) == reported


@pytest.mark.slow
def test_the_lazy_penalty_of_wgan_gp_draws_fakes():
    step = make_step(tiny_stylegan2, loss="wgan-gp")
    before = step.state.generator.w_average.numpy()
    report = run(step, phases=[phase for phase in step.state.phases if phase.name == "critic regularizer"])
    assert set(report) == {"gradient_penalty", "critic_gradient_norm"}
    assert not np.array_equal(before, step.state.generator.w_average.numpy())


@pytest.mark.slow
def test_no_two_phases_draw_the_same_latents():
    step, means = make_step(tiny_stylegan2), []
    for phase in step.state.phases:
        phase = Phase(phase.name, "generator", phase.stream)
        step.state.generator.w_average.assign(tf.zeros([8]))
        run(step, phases=[phase])
        means.append(step.state.generator.w_average.numpy())
    assert len({mean.tobytes() for mean in means}) == 4


@BOTH
@pytest.mark.slow
def test_a_step_with_all_phases_reports_all_terms(configure):
    step = make_step(configure, **({} if configure is tiny_config else MERGED))
    report = run(step)
    names = PHASES["generator"][1] | PHASES["critic"][1] | PHASES["critic regularizer"][1]
    assert set(report) == names | (PHASES["generator regularizer"][1] if configure is tiny_stylegan2 else set())
    assert all(value.shape == () and value.dtype == tf.float32 for value in report.values())


@pytest.mark.slow
def test_a_penalty_of_every_step_is_the_same_alone_and_within_the_main_phase():
    """The merged loss is the sum of the two, weights and all."""
    step = make_step(tiny_stylegan2, **MERGED)
    values = {}
    for name, phase in {
        "both": Phase("critic", "critic", 0, True, True),
        "main": Phase("critic", "critic", 0),
        "penalty": Phase("critic", "critic", 0, False, True),
    }.items():
        kind = StepKind(1, 8, phase)
        draws = make_draws(tf.constant([1, 2]), 8, 8, step.state.generator.synthesis, 1, 0.5)
        reals = tf.random.stateless_uniform([8, 8, 8, 3], [3, 4], -1.0, 1.0)
        values[name] = step.gradients.critic(tf.constant(1.0), reals, tf.zeros([8, 0]), draws, kind=kind)
    weights = FlatWeights(step.state.critic, 1)
    gradients = [weights.split(values[name].gradient) for name in ("both", "main", "penalty")]
    for both, main, penalty in zip(*gradients, strict=True):
        np.testing.assert_allclose(both, main + penalty, rtol=1e-4, atol=1e-6 * np.max(np.abs(both)))
    reports = {name: {key: float(term) for key, term in value.report.items()} for name, value in values.items()}
    penalty = 0.5 * reports["penalty"]["gradient_penalty"]  # gamma is 1
    assert reports["both"]["critic_loss"] == pytest.approx(reports["main"]["critic_loss"] + penalty, rel=1e-5)


@pytest.mark.slow
def test_the_average_moves_by_its_half_life():
    step = make_step(ema_half_life_kimg=0.008)  # one batch
    state = step.state
    start = state.generator_ema.mapping.dense[0].kernel.numpy()
    run(step, fade_in=1.0)
    new = state.generator.mapping.dense[0].kernel.numpy()
    np.testing.assert_allclose(state.generator_ema.mapping.dense[0].kernel, (start + new) / 2, rtol=1e-5)
    np.testing.assert_array_equal(state.generator_ema.w_average, state.generator.w_average)


@pytest.mark.slow
def test_the_average_starts_at_once_and_then_slows_down_when_it_ramps_up():
    step = make_step(ema_half_life_kimg=0.016, ema_rampup=0.5)
    kernels = [network.mapping.dense[0].kernel for network in (step.state.generator_ema, step.state.generator)]
    for images_seen, stays in ((0, 0.0), (16, 0.5), (1000, 0.5**0.5)):
        before = kernels[0].numpy()
        run(step, images_seen)
        average, new = (kernel.numpy() for kernel in kernels)
        np.testing.assert_allclose(average, new + (before - new) * stays, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("case", ["k10_b32", "k10_b64_ramp0.05"])
def test_average_decay_equals_the_published_one(reference, relative_error, case):
    published = reference("ada_controller")
    settings = published.config["ema"][case]
    average, batch_size = published.inputs["ema_start"][0], settings["batch_size"]
    weights, betas = [], []
    for index, source in enumerate(published.inputs["ema_src"]):
        beta = average_decay(batch_size, index * batch_size, settings["ema_kimg"], settings["ema_rampup"] or 0.0)
        average = source + (average - source) * beta
        weights.append(average)
        betas.append(beta)
    assert relative_error(betas, published.outputs[f"ema/{case}/beta"]) < 1e-5
    assert relative_error(weights, published.outputs[f"ema/{case}/weights"]) < 1e-5


@BOTH
@pytest.mark.slow
def test_the_same_clock_gives_the_same_step_and_another_clock_another(configure):
    results = []
    for images_seen in (64, 64, 72):
        step = make_step(configure)
        run(step, images_seen)
        results.append(weights_of(step))
    assert equal(results[0], results[1])
    assert not equal(results[0], results[2])


def result_in_pieces(step, phase, limit=0, parts=1):
    """What a phase computes of given draws, in pieces of this size; 0 for all at once, and then in parts."""
    kind = StepKind(1, 8, phase)
    count, state = step.gradients.images(kind), step.state
    key = tf.constant([1, 2])
    of_reals, of_fakes = draw_augmentation_pair(step.augmentation or Augmentation(), key, count, (8, 8, 3))
    draws = make_draws(key, count, 8, state.generator.synthesis, 1, 0.5)._replace(
        path_noise=draw_path_noise(key, count, (8, 8, 3)), real_augmentation=of_reals, fake_augmentation=of_fakes
    )
    reals = tf.random.stateless_uniform([count, 8, 8, 3], [3, 4], -1.0, 1.0)
    step.images_at_once = (lambda batch_size: limit) if limit else None
    step.parts_at_once = lambda images: parts
    compute = step._compute(kind, xla=False)
    return accumulate(compute, tf.constant(0.5), (reals, tf.zeros([count, 0]), draws), step.share_at_once(8))


CASES = {
    "stylegan1 critic": (2, tiny_config, {}, Phase("critic", "critic", 0, True, True)),
    "stylegan1 generator": (4, tiny_config, {}, Phase("generator", "generator", 1)),
    "stylegan2 critic": (4, tiny_stylegan2, {}, Phase("critic", "critic", 0, True, True)),
    "stylegan2 critic regularizer": (2, tiny_stylegan2, {}, Phase("critic", "critic", 0, False, True, 3)),
    "stylegan2 generator": (2, tiny_stylegan2, {}, Phase("generator", "generator", 1)),
    # A piece's lengths move the mean that they are compared with by their own mean: with no decay, by nothing.
    "stylegan2 path lengths": (
        4,
        tiny_stylegan2,
        {"path_length_decay": 0.0},
        Phase("generator", "generator", 3, False, True, 2),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.slow
def test_accumulated_pieces_equal_the_whole_batch(name, monkeypatch):
    """And are traced once, as the whole batch is."""
    pieces, _, _, phase = CASES[name]
    step = step_of_case(name, minibatch_stddev_group=0)  # whose groups the pieces would change
    limit = step.gradients.images(StepKind(1, 8, phase)) // pieces
    traced, compute = [], getattr(step.gradients, phase.network)
    monkeypatch.setattr(
        step.gradients, phase.network, lambda *inputs, kind: traced.append(kind) or compute(*inputs, kind=kind)
    )
    assert_equal_results(*(result_in_pieces(step, phase, size) for size in (0, limit)))
    assert len(traced) == 2


def step_of_case(name, **values):
    _, configure, own, _ = CASES[name]
    augmentation = Augmentation.from_groups("blit,color") if configure is tiny_stylegan2 else None
    return make_step(configure, augmentation=augmentation, augment_p=0.5, **{**own, **values})


def assert_equal_results(*results):
    """Some gradients are rounding and nothing else (instance normalisation undoes a shift), hence the common scale."""
    whole, summed = map(tf.nest.flatten, results)
    scale = max(np.max(np.abs(one)) for one in whole)
    for one, other in zip(whole, summed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5 * scale)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.slow
def test_parts_that_cores_compute_equal_the_whole_with_groups_of_the_minibatch_statistic(name):
    # With a decay, too: path lengths are not divided.
    step, phase = step_of_case(name, minibatch_stddev_group=2, path_length_decay=0.25), CASES[name][-1]
    assert_equal_results(*(result_in_pieces(step, phase, parts=parts) for parts in (1, 4)))


@pytest.mark.slow
def test_the_mean_of_path_lengths_is_that_of_all_pieces():
    step = make_step(tiny_stylegan2, path_length_decay=0.25)
    step.state.path_length_mean.assign(2.0)
    phase = Phase("generator", "generator", 3, False, True, 2)
    for limit in (0, 2):
        result = result_in_pieces(step, phase, limit)
        length = float(result.report["path_length"])
        assert float(result.means["path_length"]) == pytest.approx(2.0 + 0.25 * (length - 2.0), rel=1e-5)


@pytest.mark.slow
def test_pieces_must_divide_the_batch():
    step = make_step(limit=3)
    with pytest.raises(ValueError, match="max_batch_per_device. Received: batch 8, max_batch_per_device=3"):
        run(step)


@pytest.mark.parametrize(("batch_size", "shrink", "count"), [(8, 2, 4), (8, 1, 8), (8, 3, 2), (2, 4, 1)])
@pytest.mark.slow
def test_path_lengths_are_taken_of_a_smaller_batch(batch_size, shrink, count):
    step = make_step(tiny_stylegan2, path_length_batch_shrink=shrink)
    main, regularizer = step.state.phases[:2]
    assert step.gradients.images(StepKind(1, batch_size, regularizer)) == count
    assert step.gradients.images(StepKind(1, batch_size, main)) == batch_size
    both = PhaseGradients(step.state, step.gradients.objective, replicas=2)
    assert both.images(StepKind(1, 2 * batch_size, regularizer)) == 2 * count


@pytest.mark.slow
def test_a_step_without_the_penalty_reports_none():
    report = run(make_step(gradient_penalty_weight=0.0))
    assert not {"gradient_penalty", "critic_gradient_norm"} & set(report)
    assert float(report["critic_loss"]) != 0.0


@pytest.mark.slow
def test_augmentation_acts_by_its_strength():
    """At strength 0 the critic sees what it would without; above, it sees something else."""
    losses, bgc = {}, Augmentation.from_groups("bgc")
    for name, augmentation, strength in (("none", None, 1.0), ("zero", bgc, 0.0), ("all", bgc, 1.0)):
        step = make_step(tiny_stylegan2, augmentation=augmentation, augment_p=strength)
        regularizer = step.state.phases[-1]
        report = {**run(step, phases=[regularizer]), **run(step, phases=step.state.phases[:-1])}
        terms = ("generator_loss", "critic_loss", "real_scores", "fake_scores", "gradient_penalty")
        losses[name] = np.array([report[term] for term in terms])
    np.testing.assert_allclose(losses["zero"], losses["none"], rtol=1e-4)
    assert np.all(np.abs(losses["all"] - losses["none"]) > 1e-3 * np.abs(losses["none"]))


def traced_phases(step):
    """A list to which the name of each phase is added whenever it is traced."""
    traced, compile_phase = [], step.replica_phase
    step.replica_phase = lambda *inputs: traced.append(inputs[4].phase.name) or compile_phase(*inputs)
    return traced


@pytest.mark.slow
def test_fading_does_not_retrace(compiled):
    step = make_step()
    traced = traced_phases(step)
    for index in range(4):
        run(step, 8 * index, 0.25 * index)
    assert traced == ["critic", "generator"]


@pytest.mark.slow
def test_phases_are_compiled_apart(compiled):
    """A step with a regulariser does not trace the main phase again."""
    step = make_step(tiny_stylegan2)
    traced = traced_phases(step)
    for number in range(5):
        phases = [phase for phase in step.state.phases if phase.network == "critic" and phase.due(number)]
        assert len(phases) == (2 if number in (0, 3) else 1)
        run(step, 8 * number, phases=phases)
    assert traced == ["critic", "critic regularizer"]


@BOTH
@pytest.mark.slow
def test_xla_compiled_gradients_equal_the_others(compiled, quick_xla, configure):
    one, other = (run(make_step(configure, jit=jit, mapping_layers=1)) for jit in ("off", "on"))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-4, err_msg=name)


def cross_entropy(outputs, labels):
    """In float64, of the logits behind a score."""
    logits = np.float64(outputs[:, 1:])
    return np.sum(np.log(np.sum(np.exp(logits), axis=1)) - np.sum(logits * labels, axis=1))


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.slow
def test_classes_that_the_critic_says_are_trained_by_both_networks(level):
    """AC-GAN: `label_loss_weight` times the cross entropies, and their gradients, is added."""
    reals = tf.random.stateless_uniform([8, 4 << level, 4 << level, 3], [3, 4], -1.0, 1.0)
    labels = batch(classes=3)[1]
    fade_in = tf.constant(0.5)
    found = {}
    for weight in (0.0, 1.0, 3.0):
        step = make_step(classes=3, critic_classifies=True, label_loss_weight=weight, style_mixing_probability=0.0)
        state, rng = step.state, np.random.default_rng(0)
        state.critic.score.kernel.assign(rng.normal(size=state.critic.score.kernel.shape))
        draws = make_draws(tf.constant([1, 2]), 8, 8, state.generator.synthesis, level, 0.0)
        for network in ("critic", "generator"):
            kind = StepKind(level, 8, Phase(network, network, 0))
            found[network, weight] = getattr(step.gradients, network)(fade_in, reals, labels, draws, kind=kind)
    ws = state.generator.map(draws.z, labels)
    fakes = state.generator.synthesis(ws, level=level, fade_in=fade_in, noise=draws.noise)
    outputs = [state.critic(images, labels, level=level, fade_in=fade_in) for images in (reals, fakes)]
    of_reals, of_fakes = (cross_entropy(output, labels) / 8 for output in outputs)
    for network, wanted in (("critic", of_reals + of_fakes), ("generator", of_fakes)):
        reports = {weight: found[network, weight].report for weight in (0.0, 1.0, 3.0)}
        for weight, report in reports.items():
            assert float(report[f"{network}_label_loss"]) == pytest.approx(wanted, rel=1e-4)
            added = float(report[f"{network}_loss"] - reports[0.0][f"{network}_loss"])
            assert added == pytest.approx(weight * wanted, rel=1e-4, abs=1e-5)
        weights = FlatWeights(getattr(state, network), level)
        gradients = [weights.split(found[network, weight].gradient) for weight in (0.0, 1.0, 3.0)]
        # Of all weights together: biases in front of a normalisation have no gradient but rounding.
        rounding = 1e-5 * np.max(np.abs(found[network, 3.0].gradient))
        trained = 0
        for none, one, three in zip(*gradients, strict=True):
            np.testing.assert_allclose(three - none, 3 * (one - none), rtol=1e-3, atol=rounding)
            trained += np.max(np.abs(one - none)) > 10 * rounding
        assert trained >= 2


@pytest.mark.parametrize("policy", ["float32", LOSS_SCALED])
@pytest.mark.slow
def test_a_critic_that_classifies_trains(policy, request):
    compile_many_steps(policy, request)
    step = make_step(policy=policy, classes=3, critic_classifies=True)
    before = step.state.critic.score.kernel.numpy()
    for index in range(12 if policy == "mixed_float16" else 2):
        report = run(step, 8 * index, classes=3)
    assert {"critic_label_loss", "generator_label_loss"} <= set(report)
    assert np.all(np.any(before != step.state.critic.score.kernel.numpy(), axis=0))


@pytest.mark.slow
def test_the_penalty_is_of_the_score_alone():
    """Its gradient does not see the classes' part of the last layer."""
    step = make_step(classes=3, critic_classifies=True)
    draws = make_draws(tf.constant([1, 2]), 8, 8, step.state.generator.synthesis, 1, 0.5)
    kind = StepKind(1, 8, Phase("critic", "critic", 0, False, True))
    reals = tf.random.stateless_uniform([8, 8, 8, 3], [3, 4], -1.0, 1.0)
    result = step.gradients.critic(tf.constant(1.0), reals, batch(classes=3)[1], draws, kind=kind)
    critic = step.state.critic
    gradients = FlatWeights(critic, 1).split(result.gradient)
    (gradient,) = [g for g, w in zip(gradients, critic.active_weights(1), strict=True) if w is critic.score.kernel]
    assert np.max(np.abs(gradient[:, 0])) > 0 and not np.any(gradient[:, 1:])


@pytest.mark.slow
def test_a_phase_goes_from_one_form_to_the_other_while_it_trains(compiled, quick_xla, monkeypatch):
    """Both give the same step; what XLA compiled beside the training is not compiled again."""
    monkeypatch.setattr(compilation, "TIMED_CALLS", 2)
    lines, reports = [], {}
    for form in ("off", "auto"):
        step = make_step(tiny_stylegan2, jit=form, tell=lines.append)
        phases = [step.state.phases[-1]]
        reports[form] = [run(step, phases=phases)["gradient_penalty"]]
        step.close()
        deadline = time.monotonic() + 120.0
        while background_is_busy():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        reports[form] += [run(step, 8 * number, phases=phases)["gradient_penalty"] for number in range(1, 9)]
    np.testing.assert_allclose(reports["auto"], reports["off"], rtol=1e-3)
    assert len(lines) == 1
    assert re.match(r"critic regularizer at 8x8 takes [\d.]+ ms with XLA, [\d.]+ ms without, and continues", lines[0])
