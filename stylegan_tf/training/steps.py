"""One training step: its phases, each of which updates one network, then the averaged generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from stylegan_tf.augment.base import AnyAugmentation
from stylegan_tf.images import to_float
from stylegan_tf.losses.objectives import Objective
from stylegan_tf.ops.resample import blend_with_half_resolution
from stylegan_tf.ops.target import Target, tracing_for
from stylegan_tf.training import devices
from stylegan_tf.training.compilation import PhaseFunctions
from stylegan_tf.training.draws import Draws, draw_augmentation_pair, draw_path_noise, make_draws, step_key
from stylegan_tf.training.flat_weights import FlatWeights
from stylegan_tf.training.gradients import PhaseGradients, PhaseResult, StepKind
from stylegan_tf.training.phases import Phase
from stylegan_tf.training.pieces import Compute, accumulate, in_parts
from stylegan_tf.training.state import TrainState


class TrainingStep:
    """Compiled training phases, one for each kind.

    Args:
        state: Networks and optimizers, made in the strategy's scope.
        objective: Losses and gradient penalty.
        strategy: Spreads a batch over devices.
        augmentation: Of what the critic sees; None for none.
        jit_compile: Whether XLA compiles gradients: "off", "on", or "auto", see `PhaseFunctions`.
        images_at_once: Of a batch over all devices, how many images a device takes at once; larger shares are added up
            from pieces. None for whole shares.
        parts_at_once: Of images that a device takes at once, into how many parts its cores divide them, and compute
            these at the same time. None for one.
        tell: Is told in a line what "auto" chose.

    Attributes:
        average_generator: Moves the averaged generator by a share of its distance, and the power averages, where there
            are any, by shares [N] of theirs: one function, since reading weights takes the most of it.
    """

    def __init__(
        self,
        state: TrainState,
        objective: Objective,
        strategy: tf.distribute.Strategy,
        *,
        augmentation: AnyAugmentation | None = None,
        jit_compile: str = "off",
        images_at_once: Callable[[int], int] | None = None,
        parts_at_once: Callable[[int], int] | None = None,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.state = state
        self.strategy = strategy
        self.gradients = PhaseGradients(state, objective, augmentation, strategy.num_replicas_in_sync)
        self.augmentation = augmentation
        self.images_at_once = images_at_once
        self.parts_at_once = parts_at_once or (lambda images: 1)
        self._functions = PhaseFunctions(self, jit_compile, tell)
        self._compiled_gradients: dict[tuple[StepKind, int], Compute] = {}
        self.average_generator = tf.function(self._move_average, autograph=False)

    def __call__(
        self,
        batch: tuple[Any, Any],
        level: int,
        batch_size: int,
        phases: Sequence[Phase],
        images_seen: int,
        fade_in: float,
    ) -> dict[str, tf.Tensor]:
        """Runs one step.

        Args:
            batch: From the distributed data pipeline: images uint8 [N, H, W, C] and labels [N, num_classes].
            level: The active level.
            batch_size: N, over all replicas.
            phases: Those that are due, in order.
            images_seen: The clock before the step; chooses the random numbers.
            fade_in: Share of the level, 0 to 1.

        Returns:
            Scalars float32 by name, means over the batch of what these phases measure. Norms of weight gradients are
            summed over replicas.
        """
        arguments = [*batch, tf.constant(images_seen, tf.int64), tf.constant(fade_in, tf.float32)]
        kinds = [StepKind(level, batch_size, phase) for phase in phases]
        self._functions.prepare(kinds, arguments)
        report: dict[str, tf.Tensor] = {}
        for kind in kinds:
            report |= self._functions[kind](*arguments)
        settings = self.state.config.optimizer
        decay = average_decay(batch_size, images_seen, self.state.ema_half_life_kimg, settings.ema_rampup)
        powers = self.state.power_averages
        shares = [tf.constant(powers.shares(images_seen, batch_size))] if powers.vectors else []
        self.average_generator(tf.constant(1.0 - decay, tf.float32), *shares)
        return report

    def prepare(self, batch: tuple[Any, Any], level: int, batch_size: int, phases: Sequence[Phase]) -> None:
        """Traces or compiles what steps with these phases run; arguments as above. Changes nothing that is saved."""
        kinds = [StepKind(level, batch_size, phase) for phase in phases]
        self._functions.prepare(kinds, [*batch, tf.constant(0, tf.int64), tf.constant(0.0)])

    def share_at_once(self, batch_size: int) -> int:
        """How many images of a batch a device takes at once."""
        share = batch_size // self.strategy.num_replicas_in_sync
        return min(self.images_at_once(batch_size), share) if self.images_at_once else share

    def close(self) -> None:
        """Gives up what was to be compiled."""
        self._functions.close()

    def describe(self, kind: StepKind) -> str:
        """Such as "generator at 32x32"."""
        height, width = self.state.generator.synthesis.size(kind.level)
        return f"{kind.phase.name} at {height}x{width}"

    def compile(self, kind: StepKind, xla: bool = False) -> Callable[..., dict[str, tf.Tensor]]:
        """The compiled phase of a kind: of images, labels, images seen and fade-in, to its report.

        Args:
            kind: What it is specialised for.
            xla: Whether XLA compiles the gradients.
        """

        @tf.function(autograph=False)
        def run(images: Any, labels: Any, images_seen: tf.Tensor, fade_in: tf.Tensor) -> dict[str, tf.Tensor]:
            report = self.strategy.run(self.replica_phase, (images, labels, images_seen, fade_in, kind, None, xla))
            return {
                name: self.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
                for name, value in report.items()
            }

        return run

    def compile_gradients(self, kind: StepKind, arguments: Sequence[Any]) -> None:
        """Has XLA compile the gradients of a kind, on every device, by computing them once for nothing.

        Args:
            kind: What they are specialised for.
            arguments: Of the function that `compile` gives.
        """

        @tf.function(autograph=False)
        def compute(images: Any, labels: Any, images_seen: tf.Tensor, fade_in: tf.Tensor) -> Any:
            return self.strategy.run(self._replica_gradients, (images, labels, images_seen, fade_in, kind, None, True))

        compute(*arguments)

    def compiler_ir(self, kind: StepKind, arguments: Sequence[Any], stage: str) -> str:
        """What XLA is given for the gradients of a kind ("hlo"), or makes of it for this device ("optimized_hlo").

        Args:
            kind: What they are specialised for.
            arguments: Of the function that `compile` gives; of one device.
            stage: See `tf.function`'s `experimental_get_compiler_ir`.
        """
        images, labels, images_seen, fade_in = arguments
        inputs = self._gradient_inputs(images, labels, images_seen, fade_in, kind, None)
        compiled: Any = self._compute(kind, xla=True)
        ir: str = compiled.experimental_get_compiler_ir(fade_in, *inputs)(stage=stage)
        return ir

    def replica_phase(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        images_seen: tf.Tensor,
        fade_in: tf.Tensor,
        kind: StepKind,
        draws: Draws | None = None,
        xla: bool = False,
    ) -> dict[str, tf.Tensor]:
        """One replica's part of a phase, updating its network.

        Args:
            images: This replica's reals, uint8 [n, H, W, C].
            labels: [n, num_classes].
            images_seen, fade_in: Scalars.
            kind: What the phase is specialised for.
            draws: Random numbers; None draws them, outside of what XLA compiles, which would draw others.
            xla: See `compile`.

        Returns:
            Scalars float32 by name, which add up over the replicas.
        """
        state, phase = self.state, kind.phase
        result = self._replica_gradients(images, labels, images_seen, fade_in, kind, draws, xla)
        network = state.critic if phase.network == "critic" else state.generator
        optimizer = state.optimizer(phase.network)
        gradients = FlatWeights(network, kind.level).split(result.gradient)
        optimizer.apply(gradients, network.active_weights(kind.level))
        if "w" in result.means:
            state.generator.update_w_average(result.means["w"][tf.newaxis], state.config.optimizer.w_average_decay)
        if "path_length" in result.means:
            state.path_length_mean.assign(result.means["path_length"])
        report = dict(result.report)
        if phase.main:
            report[f"{phase.network}_weight_gradient_norm"] = self._norm(optimizer, result.gradient)
        return report

    def _replica_gradients(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        images_seen: tf.Tensor,
        fade_in: tf.Tensor,
        kind: StepKind,
        draws: Draws | None,
        xla: bool,
    ) -> PhaseResult:
        """What a phase computes before it changes anything."""
        inputs = self._gradient_inputs(images, labels, images_seen, fade_in, kind, draws)
        return accumulate(self._compute(kind, xla), fade_in, inputs, self.share_at_once(kind.batch_size))

    def _gradient_inputs(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        images_seen: tf.Tensor,
        fade_in: tf.Tensor,
        kind: StepKind,
        draws: Draws | None,
    ) -> tuple[tf.Tensor, tf.Tensor, Draws]:
        """Reals, labels and random numbers for the images that a phase looks at."""
        reals = to_float(images)
        if kind.level > 0 and self.state.generator.synthesis.grows:
            reals = blend_with_half_resolution(reals, fade_in)
        count = self.gradients.images(kind) // self.strategy.num_replicas_in_sync
        reals, labels = reals[:count], labels[:count]
        if draws is None:
            draws = self._draw(reals, images_seen, kind)
        return reals, labels, draws

    def _draw(self, reals: tf.Tensor, images_seen: tf.Tensor, kind: StepKind) -> Draws:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        config, generator, phase = self.state.config, self.state.generator, kind.phase
        key = step_key(config.run.seed, images_seen, replica, phase.stream)
        count, shape = reals.shape[0], tuple(reals.shape[1:])
        probability = config.loss.style_mixing_probability
        draws = make_draws(key, count, generator.z_size, generator.synthesis, kind.level, probability)
        if phase.network == "generator" and phase.regularizer:
            draws = draws._replace(path_noise=draw_path_noise(key, count, shape))
        if self.augmentation is not None:
            of_reals, of_fakes = draw_augmentation_pair(self.augmentation, key, count, shape)
            draws = draws._replace(real_augmentation=of_reals, fake_augmentation=of_fakes)
        return draws

    def _compute(self, kind: StepKind, xla: bool) -> Compute:
        """The gradient function of a kind; XLA compiles it alone: updates of several devices are out of its reach."""
        function = self.gradients.critic if kind.phase.network == "critic" else self.gradients.generator
        target = Target.XLA if xla else devices.training_target()

        def compute(*inputs: Any) -> PhaseResult:
            with tracing_for(target):
                return function(*inputs, kind=kind)

        if not xla:
            # Path lengths are compared with a mean that those of all images have moved.
            path_lengths = kind.phase.network == "generator" and kind.phase.regularizer
            return compute if path_lengths else in_parts(compute, self.parts_at_once)
        # One function for each device: what is compiled goes by its name.
        replica = int(tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))
        compiled = tf.function(compute, jit_compile=True, autograph=False)
        return self._compiled_gradients.setdefault((kind, replica), compiled)

    def _norm(self, optimizer: Any, gradient: tf.Tensor) -> tf.Tensor:
        """Norm of the gradient by all weights, without the loss scale."""
        norm = tf.norm(gradient)
        return norm / tf.cast(optimizer.dynamic_scale, norm.dtype) if self.gradients.score_scale != 1.0 else norm

    def _move_average(self, share: tf.Tensor, *power_shares: tf.Tensor) -> None:
        """Moves the averaged generator by a share of its distance, to float32 rounding; its mean of w is a copy.

        In two operations for each weight, the second of them TensorFlow's plain gradient descent. Every replica moves
        its own copies: Keras' `assign` would merge them first, and they are equal.
        """
        self.strategy.run(self._move_replica_average, (share, *power_shares))

    def _move_replica_average(self, share: tf.Tensor, *power_shares: tf.Tensor) -> None:
        generator, average = self.state.generator, self.state.generator_ema
        for mean, weight in zip(average.weights, generator.weights, strict=True):
            if weight.trainable:
                tf.raw_ops.ResourceApplyGradientDescent(
                    var=mean.value.handle, alpha=share, delta=mean.value - weight.value
                )
        tf.raw_ops.AssignVariableOp(
            resource=average.w_average.value.handle, value=tf.convert_to_tensor(generator.w_average.value)
        )
        for shares in power_shares:
            self.state.power_averages.move(shares)


def average_decay(batch_size: int, images_seen: int, half_life_kimg: float, rampup: float = 0.0) -> float:
    """Share of the averaged generator that stays in a step. Karras et al. 2018 (progressive growing), section 4.

    Args:
        batch_size: Images a step.
        images_seen: Before the step.
        half_life_kimg: Of the average.
        rampup: Above 0, the half-life is at most this share of the images seen (published with
            StyleGAN2-ADA's code).
    """
    half_life = 1000.0 * half_life_kimg
    if rampup > 0:
        half_life = min(half_life, rampup * images_seen)
    return 0.5 ** (batch_size / max(half_life, 1e-8))
