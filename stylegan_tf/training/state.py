"""Everything that a run must remember: one state, saved whole.

Latents, noise, style mixing and the order of the data are functions of the seed and of the number of images seen,
so the clock is their whole state: nothing has to be replayed.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from stylegan_tf.config import TrainConfig
from stylegan_tf.networks.build import build_critic, build_generator, by_path


class TrainState:
    """Networks, averaged generator, optimizers and clock. Make it inside the strategy's scope.

    Args:
      config: the configuration.
      num_levels: number of resolutions.
      num_classes: size of the one-hot labels.
      dtype_policy: Keras policy of the networks.

    Attributes:
      generator, critic: the networks in training.
      generator_ema: the generator's running average, in float32.
      generator_optimizer, critic_optimizer: Adam, with loss scaling under mixed_float16.
      images_seen: int64 variable.
      optimizer_phase: int64 variable, the schedule's phase in which the optimizers last forgot their moments.
      checkpoint: the `tf.train.Checkpoint` of all of these.
    """

    def __init__(self, config: TrainConfig, num_levels: int, num_classes: int, dtype_policy: str) -> None:
        self.config = config
        self.dtype_policy = dtype_policy
        keras.utils.set_random_seed(config.run.seed)
        self.generator = build_generator(config, num_levels, num_classes, dtype_policy)
        self.critic = build_critic(config, num_levels, num_classes, dtype_policy)
        self.generator_ema = build_generator(config, num_levels, num_classes, "float32")
        self.generator_ema.trainable = False
        for average, value in zip(self.generator_ema.weights, self.generator.weights, strict=True):
            average.assign(value)
        self.generator_optimizer = self._adam(self.generator)
        self.critic_optimizer = self._adam(self.critic)
        self.images_seen = tf.Variable(0, dtype=tf.int64, trainable=False, name="images_seen")
        self.optimizer_phase = tf.Variable(0, dtype=tf.int64, trainable=False, name="optimizer_phase")
        self.checkpoint = tf.train.Checkpoint(
            generator=by_path(self.generator.weights),
            critic=by_path(self.critic.weights),
            generator_ema=by_path(self.generator_ema.weights),
            generator_optimizer=by_path(self.generator_optimizer.variables),
            critic_optimizer=by_path(self.critic_optimizer.variables),
            images_seen=self.images_seen,
            optimizer_phase=self.optimizer_phase,
        )

    def _adam(self, network: keras.Model) -> keras.optimizers.Optimizer:
        settings = self.config.optimizer
        optimizer: keras.optimizers.Optimizer = keras.optimizers.Adam(
            0.001, beta_1=settings.adam_beta1, beta_2=settings.adam_beta2, epsilon=settings.adam_epsilon, name="adam"
        )
        if self.dtype_policy == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale")
        optimizer.build(network.trainable_variables)
        return optimizer

    def set_learning_rate(self, learning_rate: float) -> None:
        """Sets the learning rate of both optimizers."""
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            inner.learning_rate.assign(learning_rate)

    def reset_optimizers(self) -> None:
        """Forgets moments and step counts, as the published training does whenever a resolution begins or is in."""
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            for variable in inner.variables:
                if variable is not inner.learning_rate:
                    variable.assign(tf.zeros(variable.shape, variable.dtype))
