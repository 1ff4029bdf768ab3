"""A choice of loss and regulariser for both networks, as a training step uses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from stylegan_tf.losses import adversarial, regularizers

Score = Callable[[tf.Tensor], tf.Tensor]
Terms = dict[str, tf.Tensor]


class Objective(Protocol):
    """Losses for each image, and what to report of them; both [N] float32."""

    def critic_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        """The adversarial part of the critic's loss."""

    def critic_penalty(
        self, score: Score, reals: tf.Tensor, fakes: tf.Tensor, factors: tf.Tensor, gradient_scale: float
    ) -> tuple[tf.Tensor, Terms]:
        """The gradient penalty, weighted, and its terms. `factors` [N] are uniform in [0, 1]."""

    def generator_loss(self, fake_scores: tf.Tensor) -> tf.Tensor:
        """The generator's loss."""


@dataclasses.dataclass(frozen=True)
class WassersteinGP:
    """WGAN-GP with a drift penalty on the scores of reals.

    Args:
      penalty_weight: of the gradient penalty.
      target: gradient norm that is not penalised.
      drift_weight: of the squared scores of reals.

    Reference: Gulrajani et al. 2017, algorithm 1; Karras et al. 2018, appendix A.1.
    """

    penalty_weight: float = 10.0
    target: float = 1.0
    drift_weight: float = 0.001

    def critic_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        drift = self.drift_weight * adversarial.drift_penalty(real_scores)
        return adversarial.wasserstein_critic_loss(real_scores, fake_scores) + drift

    def critic_penalty(
        self, score: Score, reals: tf.Tensor, fakes: tf.Tensor, factors: tf.Tensor, gradient_scale: float
    ) -> tuple[tf.Tensor, Terms]:
        mixed = regularizers.interpolate(reals, fakes, factors)
        gradients = regularizers.image_gradients(score, mixed, gradient_scale)
        norms = regularizers.norms(gradients)
        penalty = regularizers.gradient_penalty(norms, self.target)
        return self.penalty_weight * penalty, {"gradient_penalty": penalty, "critic_gradient_norm": norms}

    def generator_loss(self, fake_scores: tf.Tensor) -> tf.Tensor:
        return adversarial.wasserstein_generator_loss(fake_scores)


@dataclasses.dataclass(frozen=True)
class LogisticR1:
    """The non-saturating logistic loss with R1 on the reals.

    Args:
      gamma: weight of the penalty; half of it multiplies the squared gradient norm.

    Reference: Goodfellow et al. 2014, section 3; Mescheder et al. 2018, section 4.1.
    """

    gamma: float = 10.0

    def critic_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        return adversarial.logistic_critic_loss(real_scores, fake_scores)

    def critic_penalty(
        self, score: Score, reals: tf.Tensor, fakes: tf.Tensor, factors: tf.Tensor, gradient_scale: float
    ) -> tuple[tf.Tensor, Terms]:
        penalty = regularizers.squared_norms(regularizers.image_gradients(score, reals, gradient_scale))
        return 0.5 * self.gamma * penalty, {"gradient_penalty": penalty, "critic_gradient_norm": tf.sqrt(penalty)}

    def generator_loss(self, fake_scores: tf.Tensor) -> tf.Tensor:
        return adversarial.logistic_generator_loss(fake_scores)
