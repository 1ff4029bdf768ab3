"""Everything that a run must remember: one state, saved whole.

Latents, noise, style mixing and the order of the data are functions of the seed and of the number of images seen,
so the clock is their whole state: nothing has to be replayed.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.resolve import ResolvedConfig
from stylegan_tf.configuration.schedule import Stage
from stylegan_tf.keras_defaults import keras_defaults
from stylegan_tf.networks.build import build_critic, build_generator, by_path, shape_of
from stylegan_tf.training.adam import Adam
from stylegan_tf.training.phases import lazy_factor, training_phases
from stylegan_tf.training.power_averages import PowerAverages

# What a converted network's checkpoint does not have, and one of a version that counted no signs, or kept no level.
_OPTIONAL_PARTS = frozenset(
    {"generator_optimizer", "critic_optimizer", "power_averages", "sign_steps", "sign_images", "level", "fade_in"}
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
        power_averages: Its other averages.
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
        weights_over_kimg: Variables of the loss's settings that are tables over kimg, by name.
        decays_over_kimg: Likewise of Adam's second moment, by network.
        ema_half_life_kimg: Of the averaged generator, at this moment.
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
        self.power_averages = PowerAverages(self.generator, config.optimizer.average_lengths)
        self.phases = training_phases(config.loss, config.family.critic_first)
        self.weights_over_kimg = {
            name: tf.Variable(_beginning(value), trainable=False, dtype=tf.float32, name=name)
            for name, value in vars(config.loss).items()
            if isinstance(value, KimgTable)
        }
        self.decays_over_kimg: dict[str, tf.Variable] = {}
        self._followed: dict[str, float] = {}
        self.ema_half_life_kimg = _beginning(config.optimizer.ema_half_life_kimg)
        trained = [*self.generator.trainable_variables, *self.critic.trainable_variables]
        config.schedule.rates_by_part.check([variable.path for variable in trained])
        self.generator_optimizer = self._adam("generator")
        self.critic_optimizer = self._adam("critic")
        self.images_seen = tf.Variable(0, dtype=tf.int64, trainable=False, name="images_seen")
        self.level = tf.Variable(num_levels - 1, dtype=tf.int64, trainable=False, name="level")
        self.fade_in = tf.Variable(1.0, dtype=tf.float64, trainable=False, name="fade_in")
        self.optimizer_period = tf.Variable(0, dtype=tf.int64, trainable=False, name="optimizer_period")
        # Replicas move it from their own images: the mean keeps their copies equal.
        self.path_length_mean = tf.Variable(
            0.0, trainable=False, aggregation=tf.VariableAggregation.MEAN, name="path_length_mean"
        )
        self.augment_p = tf.Variable(
            _beginning(config.augment.augment_p), trainable=False, dtype=tf.float32, name="augment_p"
        )
        self.sign_sum = tf.Variable(0.0, trainable=False, name="sign_sum")
        self.sign_steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="sign_steps")
        self.sign_images = tf.Variable(0, dtype=tf.int64, trainable=False, name="sign_images")
        without_optimizers = self._parts_without_optimizers()
        self.checkpoint_without_optimizers = tf.train.Checkpoint(**without_optimizers)
        self._parts = {
            **without_optimizers,
            "generator_optimizer": by_path(self.generator_optimizer.variables),
            "critic_optimizer": by_path(self.critic_optimizer.variables),
        }
        if self.power_averages.vectors:
            self._parts["power_averages"] = self.power_averages.vectors
        self.checkpoint = tf.train.Checkpoint(**self._parts)

    def _parts_without_optimizers(self) -> dict[str, Any]:
        return {
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

    def restore(self, prefix: str) -> None:
        """Reads a checkpoint, of which nothing may be left over.

        Parts in `_OPTIONAL_PARTS` that it does not have keep their values; power averages begin where it stands.

        Raises:
            AssertionError, ValueError, OpError: When it does not fit.
        """
        there = {name.partition("/")[0] for name in tf.train.load_checkpoint(prefix).get_variable_to_shape_map()}
        missing = _OPTIONAL_PARTS - there
        parts = {name: part for name, part in self._parts.items() if name not in missing}
        tf.train.Checkpoint(**parts).restore(prefix).assert_consumed()
        if "power_averages" in missing:
            self.power_averages.begin()

    @keras_defaults()  # Keras makes the learning rate in its default type
    def _adam(self, name: str) -> keras.optimizers.Optimizer:
        settings, factor = self.config.optimizer, lazy_factor(self.phases, name)
        network, rates = (self.generator if name == "generator" else self.critic), self.config.schedule.rates_by_part
        decay: float | tf.Variable = _beginning(settings.adam_beta2) ** factor
        if isinstance(settings.adam_beta2, KimgTable):
            decay = tf.Variable(decay, trainable=False, dtype=tf.float32, name="adam_beta2")
            self.decays_over_kimg[name] = decay
        optimizer: keras.optimizers.Optimizer = Adam(
            0.001,
            beta_1=settings.adam_beta1**factor,
            beta_2=decay,
            epsilon=settings.adam_epsilon,
            factors=rates.of if rates.factors else None,
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

    def follow(self, stage: Stage) -> None:
        """Sets what changes over a run to what it is at a moment; to be called before every step."""
        self.set_learning_rates(stage.learning_rate, stage.critic_learning_rate)
        for name, value in stage.settings.items():
            if self._followed.get(name) != value:
                self._set_over_kimg(name, value)
                self._followed[name] = value

    def _set_over_kimg(self, name: str, value: float) -> None:
        if name in self.weights_over_kimg:
            self.weights_over_kimg[name].assign(value)
        elif name == "adam_beta2":
            for network, decay in self.decays_over_kimg.items():
                decay.assign(value ** lazy_factor(self.phases, network))
        elif name == "augment_p":
            self.augment_p.assign(value)
        else:
            self.ema_half_life_kimg = value

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


def _beginning(value: float | KimgTable) -> float:
    """What a setting is when a run begins."""
    return value.at(0.0, 1.0) if isinstance(value, KimgTable) else value
