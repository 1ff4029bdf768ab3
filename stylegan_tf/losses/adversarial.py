"""Adversarial losses, for each image. Scores are [N, 1] or [N]; the results have their shape."""

from __future__ import annotations

from keras import KerasTensor as Tensor
from keras import ops


def wasserstein_critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Score of the fake less score of the real. Arjovsky et al. 2017 (Wasserstein GAN), algorithm 1."""
    return fake_scores - real_scores


def wasserstein_generator_loss(fake_scores: Tensor) -> Tensor:
    """The negative score. Arjovsky et al. 2017 (Wasserstein GAN), algorithm 1."""
    return -fake_scores


def drift_penalty(real_scores: Tensor) -> Tensor:
    """Squared score of the real, which keeps scores near zero. Karras et al. 2018, appendix A.1."""
    return ops.square(real_scores)


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """-log of the probability of the image's class. Odena et al. 2017 (AC-GAN), section 3.

    Args:
        logits, labels: [N, num_classes], the labels one-hot. The result is [N].
    """
    return ops.categorical_crossentropy(labels, logits, from_logits=True)


def logistic_critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """-log(1 - sigmoid(fake)) - log(sigmoid(real)). Goodfellow et al. 2014, equation 1."""
    return ops.softplus(fake_scores) + ops.softplus(-real_scores)


def logistic_generator_loss(fake_scores: Tensor) -> Tensor:
    """-log(sigmoid(fake)), the non-saturating form. Goodfellow et al. 2014, section 3."""
    return ops.softplus(-fake_scores)


def relativistic_critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """-log(sigmoid(real - fake)), for pairs of a real and a fake.

    Jolicoeur-Martineau 2018 (The relativistic discriminator), section 4.1; Huang et al. 2024 (R3GAN), section 2.
    """
    return ops.softplus(fake_scores - real_scores)


def hinge_critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """max(0, 1 - real) + max(0, 1 + fake). Lim and Ye 2017 (Geometric GAN), section 3."""
    return ops.relu(1.0 - real_scores) + ops.relu(1.0 + fake_scores)


def least_squares_critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """(real - 1)^2 / 2 + fake^2 / 2. Mao et al. 2017 (Least Squares GAN), equation 9."""
    return 0.5 * (ops.square(real_scores - 1.0) + ops.square(fake_scores))


def least_squares_generator_loss(fake_scores: Tensor) -> Tensor:
    """(fake - 1)^2 / 2. Mao et al. 2017 (Least Squares GAN), equation 9."""
    return 0.5 * ops.square(fake_scores - 1.0)
