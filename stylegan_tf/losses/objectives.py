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
        generator: Of fake scores [N], or for a relativistic loss of what they exceed the real scores by, to [N].
        sign_tells_reals: Whether a critic that separates perfectly scores reals above zero and fakes below, which
            adaptive augmentation reads.
        relativistic: Whether each fake is judged beside a real.
    """

    critic: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    generator: Callable[[tf.Tensor], tf.Tensor]
    sign_tells_reals: bool = False
    relativistic: bool = False


_WASSERSTEIN = AdversarialLoss(adversarial.wasserstein_critic_loss, adversarial.wasserstein_generator_loss)
ADVERSARIAL_LOSSES = {
    "wgan-gp": _WASSERSTEIN,
    "wasserstein": _WASSERSTEIN,
    "logistic": AdversarialLoss(adversarial.logistic_critic_loss, adversarial.logistic_generator_loss, True),
    "hinge": AdversarialLoss(adversarial.hinge_critic_loss, adversarial.wasserstein_generator_loss, True),
    "least-squares": AdversarialLoss(adversarial.least_squares_critic_loss, adversarial.least_squares_generator_loss),
    # Its generator swaps the two: -log(sigmoid(fake - real)).
    "relativistic": AdversarialLoss(
        adversarial.relativistic_critic_loss, adversarial.logistic_generator_loss, relativistic=True
    ),
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

    weight: float | tf.Variable = 10.0
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
class ZeroCentered:
    """On the gradient's squared norm: R1 at reals, and R2 at fakes.

    Args:
        weight: Gamma of R1; half of it multiplies the squared norm.
        fakes_weight: Gamma of R2, likewise; 0 leaves it out.

    Reference: Mescheder et al. 2018, section 4.1.
    """

    weight: float | tf.Variable = 10.0
    fakes_weight: float | tf.Variable = 0.0

    @property
    def needs_fakes(self) -> bool:
        """With R2."""
        return not isinstance(self.fakes_weight, float) or self.fakes_weight != 0

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
        weighted = 0.5 * self.weight * penalty
        if self.needs_fakes:
            at_fakes = regularizers.image_gradients(score, fakes, gradient_scale, halvings)
            terms["gradient_penalty_fakes"] = regularizers.squared_norms(at_fakes)
            weighted += 0.5 * self.fakes_weight * terms["gradient_penalty_fakes"]
        return weighted, terms


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

    def generator_loss(self, fake_scores: tf.Tensor, real_scores: tf.Tensor | None = None) -> tf.Tensor:
        """The generator's loss; of real scores too where the loss is relativistic."""
        return self.loss.generator(fake_scores if real_scores is None else fake_scores - real_scores)
