"""One training step: the critic, then the generator, then the averaged generator."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from stylegan_tf.images import to_float
from stylegan_tf.losses.objectives import Objective
from stylegan_tf.networks.styles import mix_styles
from stylegan_tf.ops.resample import blend_with_half_resolution
from stylegan_tf.training.draws import Draws, draw, step_key
from stylegan_tf.training.state import TrainState

STATISTICS = (
    "critic_loss",
    "real_scores",
    "fake_scores",
    "gradient_penalty",
    "critic_gradient_norm",
    "generator_loss",
    "critic_weight_gradient_norm",
    "generator_weight_gradient_norm",
)
# Half precision keeps gradients of single scores above its smallest number with this factor.
FLOAT16_SCORE_SCALE = 256.0

# Gradients, what to report, and the sum of the ws that the running mean wants.
Result = tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]
Compute = Callable[..., Result]


@dataclasses.dataclass(frozen=True)
class StepKind:
    """What a compiled step is specialised for.

    Attributes:
      level: the active level.
      batch_size: images over all replicas.
      regularize: whether the critic's gradient penalty is part of it.
    """

    level: int
    batch_size: int
    regularize: bool = True


class TrainingStep:
    """Compiled training steps, one for each kind.

    Args:
      state: networks and optimizers, made in the strategy's scope.
      objective: losses and gradient penalty.
      strategy: spreads a batch over devices.
      jit_compile: compile gradients with XLA.
      max_batch_per_device: larger batches are accumulated from pieces of at most this size; 0 for no limit.
    """

    def __init__(
        self,
        state: TrainState,
        objective: Objective,
        strategy: tf.distribute.Strategy,
        *,
        jit_compile: bool = False,
        max_batch_per_device: int = 0,
    ) -> None:
        self.state = state
        self.objective = objective
        self.strategy = strategy
        self.jit_compile = jit_compile
        self.max_batch_per_device = max_batch_per_device
        self.score_scale = FLOAT16_SCORE_SCALE if state.dtype_policy == "mixed_float16" else 1.0
        self._compiled: dict[StepKind, Callable[..., tf.Tensor]] = {}

    def __call__(self, batch: tuple[Any, Any], kind: StepKind, images_seen: int, fade_in: float) -> tf.Tensor:
        """Runs one step.

        Args:
          batch: from the distributed data pipeline: images uint8 [N, H, W, C] and labels [N, num_classes].
          kind: what the step is specialised for.
          images_seen: the clock before the step; chooses the random numbers.
          fade_in: share of the level, 0 to 1.

        Returns:
          float32 [len(STATISTICS)]: means over the batch. The two norms of weight gradients are summed over
          replicas; the penalty's terms are zero in a step without it.
        """
        if kind not in self._compiled:
            self._compiled[kind] = self._compile(kind)
        clock = tf.constant(images_seen, tf.int64)
        return self._compiled[kind](*batch, clock, tf.constant(fade_in, tf.float32))

    def _compile(self, kind: StepKind) -> Callable[..., tf.Tensor]:
        @tf.function
        def step(images: Any, labels: Any, images_seen: tf.Tensor, fade_in: tf.Tensor) -> tf.Tensor:
            statistics = self.strategy.run(self.replica_step, (images, labels, images_seen, fade_in, kind))
            self._average_generator(kind.batch_size)
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, statistics, axis=None)

        return step

    def replica_step(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        images_seen: tf.Tensor,
        fade_in: tf.Tensor,
        kind: StepKind,
        draws: tuple[Draws, Draws] | None = None,
    ) -> tf.Tensor:
        """One replica's part of a step, updating generator and critic.

        Args:
          images: this replica's reals, uint8 [n, H, W, C].
          labels: [n, num_classes].
          images_seen, fade_in: scalars.
          kind: what the step is specialised for.
          draws: random numbers of the critic's and of the generator's pass; None draws them.

        Returns:
          float32 [len(STATISTICS)], which add up to the step's statistics over the replicas.
        """
        state = self.state
        reals = to_float(images)
        if kind.level > 0:
            reals = blend_with_half_resolution(reals, fade_in)
        if draws is None:
            draws = (self._draw(images, images_seen, kind, 0), self._draw(images, images_seen, kind, 1))
        weights = state.critic.active_weights(kind.level)
        compute = self._compute(self.critic_gradients, kind)
        gradients, critic_report, w_sum = self._accumulate(compute, fade_in, (reals, labels, draws[0]))
        state.critic_optimizer.apply(gradients, weights)
        self._update_w_average(w_sum, images)

        weights = state.generator.active_weights(kind.level)
        compute = self._compute(self.generator_gradients, kind)
        generator_gradients, generator_report, w_sum = self._accumulate(compute, fade_in, (reals, labels, draws[1]))
        state.generator_optimizer.apply(generator_gradients, weights)
        self._update_w_average(w_sum, images)
        norms = [
            self._norm(state.critic_optimizer, gradients), self._norm(state.generator_optimizer, generator_gradients)
        ]
        return tf.concat([critic_report, generator_report, norms], axis=0)

    def _draw(self, images: tf.Tensor, images_seen: tf.Tensor, kind: StepKind, phase: int) -> Draws:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        config, generator = self.state.config, self.state.generator
        key = step_key(config.run.seed, images_seen, replica, phase)
        probability = config.loss.style_mixing_probability
        return draw(key, images.shape[0], generator.z_size, generator.synthesis, kind.level, probability)

    def _generate(
        self, labels: tf.Tensor, draws: Draws, fade_in: tf.Tensor, level: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Images of the generator in training, with style mixing and drawn noise, and the sum of their first ws."""
        generator = self.state.generator
        if self.state.config.loss.style_mixing_probability > 0:
            both = generator.map(tf.concat([draws.z, draws.other_z], 0), tf.concat([labels, labels], 0))
            ws, other_ws = tf.split(both, 2)
            w_sum = tf.reduce_sum(ws[:, 0], axis=0)
            ws = mix_styles(ws, other_ws, draws.crossover)
        else:
            ws = generator.map(draws.z, labels)
            w_sum = tf.reduce_sum(ws[:, 0], axis=0)
        return generator.synthesis(ws, level=level, fade_in=fade_in, noise=draws.noise), tf.stop_gradient(w_sum)

    def _update_w_average(self, w_sum: tf.Tensor, images: tf.Tensor) -> None:
        mean = w_sum[tf.newaxis] / images.shape[0]
        self.state.generator.update_w_average(mean, self.state.config.optimizer.w_average_decay)

    def critic_gradients(
        self, fade_in: tf.Tensor, reals: tf.Tensor, labels: tf.Tensor, draws: Draws, *, kind: StepKind
    ) -> Result:
        """Gradients of the critic's loss with respect to its active weights.

        Args:
          fade_in: scalar.
          reals: float32 [n, H, W, C] in [-1, 1], faded like the fakes.
          labels: [n, num_classes].
          draws: random numbers for n images.
          kind: what the step is specialised for.
        """
        critic, objective = self.state.critic, self.objective
        fakes, w_sum = self._generate(labels, draws, fade_in, kind.level)
        fakes = tf.stop_gradient(fakes)

        def score(images: tf.Tensor) -> tf.Tensor:
            return critic(images, labels=labels, level=kind.level, fade_in=fade_in)

        weights = critic.active_weights(kind.level)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weight.value for weight in weights])
            both = critic(
                tf.concat([reals, fakes], 0), labels=tf.concat([labels, labels], 0), level=kind.level,
                fade_in=fade_in, num_batches=2,
            )
            real_scores, fake_scores = tf.split(both[:, 0], 2)
            losses = objective.critic_loss(real_scores, fake_scores)
            zeros = tf.zeros_like(losses)
            terms = {"gradient_penalty": zeros, "critic_gradient_norm": zeros}
            if kind.regularize:
                penalty, terms = objective.critic_penalty(score, reals, fakes, draws.factors, self.score_scale)
                losses = losses + penalty * self.state.config.loss.regularization_interval
            loss = tf.reduce_sum(losses) / kind.batch_size
            scaled = self._scale_loss(self.state.critic_optimizer, loss)
        gradients = tape.gradient(scaled, [weight.value for weight in weights])
        report = [losses, real_scores, fake_scores, terms["gradient_penalty"], terms["critic_gradient_norm"]]
        return gradients, tf.stack([tf.reduce_sum(values) / kind.batch_size for values in report]), w_sum

    def generator_gradients(
        self, fade_in: tf.Tensor, reals: tf.Tensor, labels: tf.Tensor, draws: Draws, *, kind: StepKind
    ) -> Result:
        """Gradients of the generator's loss with respect to its active weights; arguments as above."""
        weights = self.state.generator.active_weights(kind.level)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weight.value for weight in weights])
            fakes, w_sum = self._generate(labels, draws, fade_in, kind.level)
            scores = self.state.critic(fakes, labels=labels, level=kind.level, fade_in=fade_in)[:, 0]
            loss = tf.reduce_sum(self.objective.generator_loss(scores)) / kind.batch_size
            scaled = self._scale_loss(self.state.generator_optimizer, loss)
        return tape.gradient(scaled, [weight.value for weight in weights]), loss[tf.newaxis], w_sum

    def _compute(self, function: Compute, kind: StepKind) -> Compute:
        """The gradient function of a kind; under XLA compiled alone, since updates are outside its reach."""
        bound = functools.partial(function, kind=kind)
        return tf.function(bound, jit_compile=True) if self.jit_compile else bound

    def _accumulate(self, compute: Compute, fade_in: tf.Tensor, inputs: Any) -> Result:
        """Sums results over pieces of the batch that fit the device."""
        batch = tf.nest.flatten(inputs)[0].shape[0]
        limit = self.max_batch_per_device or batch
        pieces = -(-batch // limit)
        if pieces == 1:
            return compute(fade_in, *inputs)
        if batch % pieces:
            raise ValueError(
                f"a device's batch must divide into equal pieces of at most max_batch_per_device. Received: batch "
                f"{batch}, max_batch_per_device={limit}; choose a divisor of {batch}."
            )
        split = tf.nest.map_structure(lambda x: tf.reshape(x, [pieces, batch // pieces, *x.shape[1:]]), inputs)

        def piece(index: tf.Tensor) -> Result:
            return compute(fade_in, *tf.nest.map_structure(lambda x: x[index], split))

        def add(index: tf.Tensor, sums: Any) -> tuple[tf.Tensor, Any]:
            return index + 1, tf.nest.map_structure(tf.add, sums, piece(index))

        return tf.while_loop(lambda index, _: index < pieces, add, (1, piece(tf.constant(0))))[1]

    def _scale_loss(self, optimizer: Any, loss: tf.Tensor) -> tf.Tensor:
        return optimizer.scale_loss(loss) if self.score_scale != 1.0 else loss

    def _norm(self, optimizer: Any, gradients: list[tf.Tensor]) -> tf.Tensor:
        """Norm over all gradients, without the loss scale."""
        norm = tf.linalg.global_norm(gradients)
        return norm / tf.cast(optimizer.dynamic_scale, norm.dtype) if self.score_scale != 1.0 else norm

    def _average_generator(self, batch_size: int) -> None:
        """Moves the averaged generator; its running mean of w is a copy (Karras et al. 2018, section 4)."""
        decay = 0.5 ** (batch_size / (1000.0 * self.state.config.optimizer.ema_half_life_kimg))
        for average, weight in zip(self.state.generator_ema.weights, self.state.generator.weights, strict=True):
            if weight.trainable:
                average.assign(weight + (average - weight) * decay)
            elif weight is self.state.generator.w_average:
                average.assign(weight)

