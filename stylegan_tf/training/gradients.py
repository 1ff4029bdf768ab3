"""Gradients of the phases: what each network minimises, on one replica's images."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import tensorflow as tf

from stylegan_tf.augment.base import AnyAugmentation
from stylegan_tf.losses.adversarial import class_loss
from stylegan_tf.losses.objectives import Objective
from stylegan_tf.losses.regularizers import path_length_penalty, path_lengths
from stylegan_tf.networks.styles import mix_styles
from stylegan_tf.training.draws import Draws
from stylegan_tf.training.flat_weights import FlatWeights, computing_with, recorded
from stylegan_tf.training.phases import Phase
from stylegan_tf.training.state import TrainState

# Half precision keeps gradients of single scores above its smallest number with this factor.
FLOAT16_SCORE_SCALE = 256.0


class PhaseResult(NamedTuple):
    """What a phase computes on a replica's images, or on a piece of them: shares that add up.

    Attributes:
        gradient: Of the loss with respect to the vector of the network's `FlatWeights`.
        report: Terms by name, summed over images and divided by the images of the whole step.
        means: New values for the running means "w" and "path_length", summed and divided by the replica's images.
    """

    gradient: tf.Tensor
    report: dict[str, tf.Tensor]
    means: dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class StepKind:
    """What a compiled phase is specialised for.

    Attributes:
        level: The active level.
        batch_size: Images over all replicas.
        phase: Which network is updated, by what.
    """

    level: int
    batch_size: int
    phase: Phase


class PhaseGradients:
    """Gradients of each phase, without side effects.

    Args:
        state: Networks, running means and augmentation strength.
        objective: Losses and gradient penalty.
        augmentation: Of what the critic sees; None for none.
        replicas: Number of them.
    """

    def __init__(
        self, state: TrainState, objective: Objective, augmentation: AnyAugmentation | None = None, replicas: int = 1
    ) -> None:
        self.state = state
        self.objective = objective
        self.augmentation = augmentation
        self.replicas = replicas
        self.score_scale = FLOAT16_SCORE_SCALE if state.dtype_policy == "mixed_float16" else 1.0

    def images(self, kind: StepKind) -> int:
        """Images that a phase looks at, over all replicas: path lengths are taken of a smaller batch."""
        if kind.phase.network == "critic" or kind.phase.main:
            return kind.batch_size
        shrink = self.state.config.loss.path_length_batch_shrink
        return self.replicas * max(kind.batch_size // self.replicas // shrink, 1)

    def _map(self, labels: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        """ws of the generator in training, with style mixing, and the sum of their first ws."""
        generator = self.state.generator
        if self.state.config.loss.style_mixing_probability > 0:
            both = generator.map(tf.concat([draws.z, draws.other_z], 0), tf.concat([labels, labels], 0))
            ws, other_ws = tf.split(both, 2)
            w_sum = tf.reduce_sum(ws[:, 0], axis=0)
            ws = mix_styles(ws, other_ws, draws.crossover)
        else:
            ws = generator.map(draws.z, labels)
            w_sum = tf.reduce_sum(ws[:, 0], axis=0)
        return ws, tf.stop_gradient(w_sum)

    def _augment(self, images: tf.Tensor, draws: Any) -> tf.Tensor:
        """What the critic sees of images."""
        return images if self.augmentation is None else self.augmentation(images, draws, self.state.augment_p)

    def critic(
        self, fade_in: tf.Tensor, reals: tf.Tensor, labels: tf.Tensor, draws: Draws, *, kind: StepKind
    ) -> PhaseResult:
        """Of the critic's loss with respect to its active weights.

        Args:
            fade_in: Scalar.
            reals: float32 [n, H, W, C] in [-1, 1], faded like the fakes.
            labels: [n, num_classes].
            draws: Random numbers for n images.
            kind: What the phase is specialised for.
        """
        state, phase, objective, level = self.state, kind.phase, self.objective, kind.level
        fakes, means = reals, {}
        if phase.main or objective.critic_penalty.needs_fakes:
            with computing_with(FlatWeights(state.generator, level)):
                ws, w_sum = self._map(labels, draws)
                fakes = state.generator.synthesis(ws, level=level, fade_in=fade_in, noise=draws.noise)
            fakes = tf.stop_gradient(fakes)
            means = {"w": w_sum * float(self.replicas) / kind.batch_size}

        def score(images: tf.Tensor) -> tf.Tensor:
            seen = self._augment(images, draws.real_augmentation)
            return state.critic(seen, labels=labels, level=level, fade_in=fade_in)[:, :1]

        terms: dict[str, tf.Tensor] = {}
        losses: Any = 0.0
        weights = FlatWeights(state.critic, level)
        with recorded(weights) as tape:
            if phase.main:
                seen = [self._augment(reals, draws.real_augmentation), self._augment(fakes, draws.fake_augmentation)]
                both_labels = tf.concat([labels, labels], 0)
                outputs = state.critic(
                    tf.concat(seen, 0), labels=both_labels, level=level, fade_in=fade_in, num_batches=2
                )
                real_scores, fake_scores = tf.split(outputs[:, 0], 2)
                losses += objective.critic_loss(real_scores, fake_scores)
                if state.critic.classifies:
                    terms["critic_label_loss"] = sum(tf.split(class_loss(outputs[:, 1:], both_labels), 2))
                    losses += objective.label_weight * terms["critic_label_loss"]
                terms |= {"real_scores": real_scores, "fake_scores": fake_scores, "real_signs": tf.sign(real_scores)}
            if phase.regularizer:
                halvings = state.critic.num_levels - 1 - level
                penalty, measured = objective.critic_penalty(
                    score, reals, fakes, draws.factors, self.score_scale, halvings
                )
                losses += penalty * phase.lazy
                terms |= measured
            loss = tf.reduce_sum(losses) / kind.batch_size
            scaled = self._scale_loss(state.critic_optimizer, loss)
        if phase.main:
            terms["critic_loss"] = losses
        report = {name: tf.reduce_sum(values) / kind.batch_size for name, values in terms.items()}
        return PhaseResult(tape.gradient(scaled, weights.vector), report, means)

    def generator(
        self, fade_in: tf.Tensor, reals: tf.Tensor, labels: tf.Tensor, draws: Draws, *, kind: StepKind
    ) -> PhaseResult:
        """Of the generator's loss with respect to its active weights; arguments as above."""
        state, phase, level = self.state, kind.phase, kind.level
        replicas, images = float(self.replicas), float(self.images(kind))
        report: dict[str, tf.Tensor] = {}
        means: dict[str, tf.Tensor] = {}
        loss: Any = 0.0

        def synthesize(ws: tf.Tensor) -> tf.Tensor:
            return state.generator.synthesis(ws, level=level, fade_in=fade_in, noise=draws.noise)

        weights = FlatWeights(state.generator, level)
        others = [FlatWeights(state.critic, level)] if phase.main else []
        with recorded(weights, *others) as tape:
            ws, w_sum = self._map(labels, draws)
            if phase.main:
                seen = self._augment(synthesize(ws), draws.fake_augmentation)
                outputs = state.critic(seen, labels=labels, level=level, fade_in=fade_in)
                beside = None
                if self.objective.loss.relativistic:
                    with tape.stop_recording():
                        real_seen = self._augment(reals, draws.real_augmentation)
                        beside = state.critic(real_seen, labels=labels, level=level, fade_in=fade_in)[:, 0]
                loss += tf.reduce_sum(self.objective.generator_loss(outputs[:, 0], beside)) / images
                if state.critic.classifies:
                    report["generator_label_loss"] = tf.reduce_sum(class_loss(outputs[:, 1:], labels)) / images
                    loss += self.objective.label_weight * report["generator_label_loss"]
                report["generator_loss"] = loss
            if phase.regularizer:
                settings = state.config.loss
                lengths = path_lengths(synthesize, ws, draws.path_noise, self.score_scale)
                penalty, mean = path_length_penalty(lengths, state.path_length_mean, settings.path_length_decay)
                report["path_length"] = tf.reduce_sum(lengths) / images
                report["path_length_penalty"] = tf.reduce_sum(penalty) / images
                loss += report["path_length_penalty"] * settings.path_length_weight * phase.lazy
                means["path_length"] = mean * lengths.shape[0] * replicas / images
            scaled = self._scale_loss(state.generator_optimizer, loss)
        means["w"] = w_sum * replicas / images
        return PhaseResult(tape.gradient(scaled, weights.vector), report, means)

    def _scale_loss(self, optimizer: Any, loss: tf.Tensor) -> tf.Tensor:
        return optimizer.scale_loss(loss) if self.score_scale != 1.0 else loss
