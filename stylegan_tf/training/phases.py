"""The phases of a training step: which network is updated, by which part of its loss, and how often.

Lazy regularisation (Karras et al. 2020, StyleGAN2, section 3.1): a regulariser that is computed every k-th step gets an
update of its own, weighted by k. The optimizer then takes (k + 1) steps where it took k, so that its learning rate
is multiplied by c = k / (k + 1) and its decays are raised to the power c (appendix B).
"""

from __future__ import annotations

import dataclasses

from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.model_sections import LossConfig


@dataclasses.dataclass(frozen=True)
class Phase:
    """One update of one network.

    Attributes:
        name: What it is called in plans and reports.
        network: "generator" or "critic".
        stream: Of its random numbers; no two phases of a step share one.
        main: Whether the adversarial loss is part of it.
        regularizer: Whether the network's regulariser is part of it.
        interval: Steps from one to the next.
        lazy: Updates of the network by its main loss for one of these; the regulariser is weighted by it.
    """

    name: str
    network: str
    stream: int
    main: bool = True
    regularizer: bool = False
    interval: int = 1
    lazy: int = 1

    def due(self, step: int) -> bool:
        """Whether it is part of this step, counted from 0 where the current period of the schedule begins."""
        return step % self.interval == 0


def training_phases(loss: LossConfig, critic_first: bool) -> list[Phase]:
    """The phases of a loss, in their order within a step.

    As published, StyleGAN's critic goes first, and StyleGAN2's generator.
    """
    weights = [loss.gradient_penalty_weight] if loss.loss == "wgan-gp" else [loss.r1_gamma, loss.r2_gamma]
    has_penalty = any(isinstance(weight, KimgTable) or weight != 0 for weight in weights)
    critic = _phases("critic", 0, loss.critic_regularization_interval if has_penalty else 0)
    path_length = loss.generator_regularization_interval if loss.path_length_weight > 0 else 0
    generator = _phases("generator", 1, path_length, loss.critic_steps)
    return critic + generator if critic_first else generator + critic


def lazy_factor(phases: list[Phase], network: str) -> float:
    """c, by which the learning rate of a network's optimizer is multiplied; 1 without a lazy regulariser."""
    lazy = max((phase.lazy for phase in phases if phase.network == network), default=1)
    return lazy / (lazy + 1) if lazy > 1 else 1.0


def _phases(network: str, stream: int, lazy: int, every: int = 1) -> list[Phase]:
    """Phases of a network, updated in every so many steps, whose regulariser comes every `lazy` updates; 0 for none."""
    if lazy <= 1:
        return [Phase(network, network, stream, regularizer=lazy == 1, interval=every)]
    regularizer = Phase(
        f"{network} regularizer", network, stream + 2, main=False, regularizer=True, interval=lazy * every, lazy=lazy
    )
    return [Phase(network, network, stream, interval=every), regularizer]
