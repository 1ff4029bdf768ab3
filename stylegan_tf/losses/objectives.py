"""A choice of adversarial loss and critic penalty, as a training step uses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from stylegan_tf.losses import adversarial, regularizers

Score = Callable[[tf.Tensor], tf.Tensor]
Terms = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """What critic and generator minimise, for each image.

    Attributes:
        critic: Of real scores and fake scores, both [N], to [N].
        generator: Of fake scores [N] to [N].
        sign_tells_reals: Whether a critic that separates perfectly scores reals above zero and fakes below, which
            adaptive augmentation reads.
    """

    critic: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    generator: Callable[[tf.Tensor], tf.Tensor]
    sign_tells_reals: bool = False


ADVERSARIAL_LOSSES = {
    "wgan-gp": AdversarialLoss(adversarial.wasserstein_critic_loss, adversarial.wasserstein_generator_loss),
    "logistic": AdversarialLoss(adversarial.logistic_critic_loss, adversarial.logistic_generator_loss, True),
    "hinge": AdversarialLoss(adversarial.hinge_critic_loss, adversarial.wasserstein_generator_loss, True),
    "least-squares": AdversarialLoss(adversarial.least_squares_critic_loss, adversarial.least_squares_generator_loss),
}


class CriticPenalty(Protocol):
    """A penalty on the critic's gradient with respect to images."""

    @property
    def needs_fakes(self) -> bool:
        """Whether it looks at fakes."""

    def __call__(
        self,
        score: Score,
        reals: tf.Tensor,
        fakes: tf.Tensor,
        factors: tf.Tensor,
        gradient_scale: float,
        halvings: int = 0,
    ) -> tuple[tf.Tensor, Terms]:
        """The weighted penalty [N], and its terms [N].

        Args:
            score: Images to scores [N, 1].
            reals, fakes: [N, H, W, C]; a penalty that does not need fakes does not look at them.
            factors: [N], uniform in [0, 1].
            gradient_scale, halvings: See `regularizers.image_gradients`.
        """


@dataclasses.dataclass(frozen=True)
class GradientPenalty:
    """Of WGAN-GP: on the gradient's norm, between reals and fakes.

    Args:
        weight: Of the penalty.
        target: Gradient norm that is not penalised.

    Reference: Gulrajani et al. 2017, algorithm 1; the target, Karras et al. 2018, appendix D.1.
    """

    weight: float = 10.0
    target: float = 1.0

    @property
    def needs_fakes(self) -> bool:
        """Always."""
        return True

    def __call__(
        self,
        score: Score,
        reals: tf.Tensor,
        fakes: tf.Tensor,
        factors: tf.Tensor,
        gradient_scale: float,
        halvings: int = 0,
    ) -> tuple[tf.Tensor, Terms]:
        mixed = regularizers.interpolate(reals, fakes, factors)
        norms = regularizers.norms(regularizers.image_gradients(score, mixed, gradient_scale, halvings))
        penalty = regularizers.gradient_penalty(norms, self.target)
        return self.weight * penalty, {"gradient_penalty": penalty, "critic_gradient_norm": norms}


@dataclasses.dataclass(frozen=True)
class R1:
    """On the gradient's squared norm, at reals.

    Args:
        weight: Gamma; half of it multiplies the squared norm.

    Reference: Mescheder et al. 2018, section 4.1.
    """

    weight: float = 10.0

    @property
    def needs_fakes(self) -> bool:
        """Never."""
        return False

    def __call__(
        self,
        score: Score,
        reals: tf.Tensor,
        fakes: tf.Tensor,
        factors: tf.Tensor,
        gradient_scale: float,
        halvings: int = 0,
    ) -> tuple[tf.Tensor, Terms]:
        penalty = regularizers.squared_norms(regularizers.image_gradients(score, reals, gradient_scale, halvings))
        terms = {"gradient_penalty": penalty, "critic_gradient_norm": tf.sqrt(penalty)}
        return 0.5 * self.weight * penalty, terms


@dataclasses.dataclass(frozen=True)
class Objective:
    """Losses for each image, [N] float32.

    Args:
        loss: The adversarial loss.
        critic_penalty: The critic's gradient penalty.
        drift_weight: Weight of the squared scores of reals, which keeps a Wasserstein critic's scores near zero
            (Karras et al. 2018, appendix A.1).
        label_weight: Weight of `adversarial.class_loss` of reals and fakes, for a critic that classifies.
    """

    loss: AdversarialLoss
    critic_penalty: CriticPenalty
    drift_weight: float = 0.0
    label_weight: float = 1.0

    def critic_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        """The critic's loss without its penalty."""
        losses = self.loss.critic(real_scores, fake_scores)
        return losses + self.drift_weight * adversarial.drift_penalty(real_scores) if self.drift_weight else losses

    def generator_loss(self, fake_scores: tf.Tensor) -> tf.Tensor:
        """The generator's loss."""
        return self.loss.generator(fake_scores)
