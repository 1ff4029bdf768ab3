"""Everything that a run must remember: one state, saved whole.

Latents, noise, style mixing and the order of the data are functions of the seed and of the number of images seen,
so the clock is their whole state: nothing has to be replayed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import keras
import tensorflow as tf

from stylegan_tf.configuration.resolve import ResolvedConfig
from stylegan_tf.configuration.schedule import Stage
from stylegan_tf.keras_defaults import keras_defaults
from stylegan_tf.networks.build import build_critic, build_generator, by_path, shape_of
from stylegan_tf.training.adam import Adam
from stylegan_tf.training.phases import lazy_factor, training_phases

# What a converted network's checkpoint does not have, and one of a version that counted no signs, or kept no level.
_OPTIONAL_PARTS = frozenset(
    {"generator_optimizer", "critic_optimizer", "sign_steps", "sign_images", "level", "fade_in"}
)


class TrainState:
    """Networks, averaged generator, optimizers and clock. Make it inside the strategy's scope.

    Args:
        config: The configuration.
        num_levels: Number of resolutions.
        num_classes: Size of the one-hot labels.
        dtype_policy: Keras policy of the networks.

    Attributes:
        generator, critic: The networks in training.
        generator_ema: The generator's running average, in float32.
        generator_optimizer, critic_optimizer: Adam, with loss scaling under mixed_float16.
        images_seen: int64 variable.
        level, fade_in: int64 and float64 variables, where the schedule was when the clock was set: whoever reads the
            generator needs no schedule.
        path_length_mean: Running mean of path lengths.
        augment_p: Strength of the augmentation.
        sign_sum: Sum of the signs of real scores since the strength was last adjusted.
        sign_steps, sign_images: int64 variables, the steps and the images whose signs these are.
        optimizer_period: int64 variable, the schedule's period in which the optimizers last forgot their moments.
        phases: Of a training step.
        checkpoint: The `tf.train.Checkpoint` of all of these.
        checkpoint_without_optimizers: The same of all but the optimizers, which converted networks do not bring.
    """

    def __init__(self, config: ResolvedConfig, num_levels: int, num_classes: int, dtype_policy: str) -> None:
        self.config = config
        self.dtype_policy = dtype_policy
        keras.utils.set_random_seed(config.run.seed)
        shape = shape_of(config, num_levels, num_classes, dtype_policy)
        self.generator = build_generator(config.network, shape)
        self.critic = build_critic(config.network, shape)
        self.critic.freeze(config.optimizer.freeze_critic)
        self.generator_ema = build_generator(config.network, dataclasses.replace(shape, dtype_policy="float32"))
        self.generator_ema.trainable = False
        for average, value in zip(self.generator_ema.weights, self.generator.weights, strict=True):
            average.assign(value)
        self.phases = training_phases(config.loss, config.family.critic_first)
        self.generator_optimizer = self._adam(self.generator, lazy_factor(self.phases, "generator"))
        self.critic_optimizer = self._adam(self.critic, lazy_factor(self.phases, "critic"))
        self.images_seen = tf.Variable(0, dtype=tf.int64, trainable=False, name="images_seen")
        self.level = tf.Variable(num_levels - 1, dtype=tf.int64, trainable=False, name="level")
        self.fade_in = tf.Variable(1.0, dtype=tf.float64, trainable=False, name="fade_in")
        self.optimizer_period = tf.Variable(0, dtype=tf.int64, trainable=False, name="optimizer_period")
        # Replicas move it from their own images: the mean keeps their copies equal.
        self.path_length_mean = tf.Variable(
            0.0, trainable=False, aggregation=tf.VariableAggregation.MEAN, name="path_length_mean"
        )
        self.augment_p = tf.Variable(config.augment.augment_p, trainable=False, dtype=tf.float32, name="augment_p")
        self.sign_sum = tf.Variable(0.0, trainable=False, name="sign_sum")
        self.sign_steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="sign_steps")
        self.sign_images = tf.Variable(0, dtype=tf.int64, trainable=False, name="sign_images")
        without_optimizers = {
            "generator": by_path(self.generator.weights),
            "critic": by_path(self.critic.weights),
            "generator_ema": by_path(self.generator_ema.weights),
            "path_length_mean": self.path_length_mean,
            "augment_p": self.augment_p,
            "sign_sum": self.sign_sum,
            "sign_steps": self.sign_steps,
            "sign_images": self.sign_images,
            "images_seen": self.images_seen,
            "level": self.level,
            "fade_in": self.fade_in,
            "optimizer_period": self.optimizer_period,
        }
        self.checkpoint_without_optimizers = tf.train.Checkpoint(**without_optimizers)
        self._parts = {
            **without_optimizers,
            "generator_optimizer": by_path(self.generator_optimizer.variables),
            "critic_optimizer": by_path(self.critic_optimizer.variables),
        }
        self.checkpoint = tf.train.Checkpoint(**self._parts)

    def checkpoint_for(self, saved: Iterable[str]) -> tf.train.Checkpoint:
        """The checkpoint of what a saved one has, so that nothing of either is left over.

        Args:
            saved: Names of its variables. Those in `_OPTIONAL_PARTS` may be missing, and keep their values then.
        """
        there = {name.partition("/")[0] for name in saved}
        missing = _OPTIONAL_PARTS - there
        if not missing:
            return self.checkpoint
        return tf.train.Checkpoint(**{name: part for name, part in self._parts.items() if name not in missing})

    @keras_defaults()  # Keras makes the learning rate in its default type
    def _adam(self, network: keras.Model, factor: float) -> keras.optimizers.Optimizer:
        settings = self.config.optimizer
        optimizer: keras.optimizers.Optimizer = Adam(
            0.001,
            beta_1=settings.adam_beta1**factor,
            beta_2=settings.adam_beta2**factor,
            epsilon=settings.adam_epsilon,
            name="adam",
        )
        if self.dtype_policy == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale")
        optimizer.build(network.trainable_variables)
        return optimizer

    def set_clock(self, images_seen: int, stage: Stage) -> None:
        """What a checkpoint says of its moment.

        Args:
            images_seen: The clock.
            stage: Of the schedule, then.
        """
        self.images_seen.assign(images_seen)
        self.level.assign(stage.level)
        self.fade_in.assign(stage.fade_in)

    def set_learning_rates(self, generator: float, critic: float) -> None:
        """Sets the learning rates of the two optimizers, each corrected for its lazy regularisation."""
        for network, learning_rate in (("generator", generator), ("critic", critic)):
            optimizer = self.optimizer(network)
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            inner.learning_rate.assign(learning_rate * lazy_factor(self.phases, network))

    def optimizer(self, network: str) -> keras.optimizers.Optimizer:
        """That of the "generator" or the "critic"."""
        return self.generator_optimizer if network == "generator" else self.critic_optimizer

    def reset_optimizers(self) -> None:
        """Forgets moments and step counts, as the published training does whenever a resolution begins or is in."""
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            for variable in inner.variables:
                if variable is not inner.learning_rate:
                    variable.assign(tf.zeros(variable.shape, variable.dtype))
