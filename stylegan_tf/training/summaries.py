"""What TensorBoard shows of a run: its curves and what they mean, its pictures, and what is written once, at the start.

TensorBoard's steps are images seen. A point at an earlier step than the last one of its curve takes the place of all
that came after it, so that a resumed run overwrites what was written after its checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import plugin_data_pb2

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.model_sections import AugmentConfig, LossConfig
from stylegan_tf.metrics.protocols import Protocol, parse_protocols
from stylegan_tf.pictures import as_picture
from stylegan_tf.printing import printable, printable_lines

# A grid at 1024x1024 is 8192 pixels wide; the whole one lies in samples/.
LARGEST_PICTURE_PIXELS = 1024

# Every curve, and what good looks like.
CURVES: Mapping[str, str] = {
    "loss/critic": "What the critic minimises, penalties included. It tells little about the images.",
    "loss/generator": "What the generator minimises. It goes up when the critic improves; watch for runaways only.",
    "loss/wasserstein_estimate": "Mean score of reals less that of generated images: the critic's estimate of their "
    "distance. Good: falling slowly within a resolution.",
    "loss/gradient_penalty": "Without its weight. Good: small and steady.",
    "loss/r1_penalty": "Squared norm of the critic's gradient at reals, without its weight. Good: steady.",
    "loss/r2_penalty": "The same at generated images, where --r2_gamma is above 0.",
    "loss/path_length_penalty": "Without its weight. Good: falling, then steady.",
    "loss/critic_labels": "Cross entropy of the classes of reals and generated images, without weight. Good: falling.",
    "loss/generator_labels": "The same of generated images alone, in the generator's step. Good: falling.",
    "scores/real": "Mean score of reals. Good: above that of generated images, the two not running apart.",
    "scores/fake": "Mean score of generated images. Good: below that of reals, the two not running apart.",
    "scores/real_signs": "Mean sign of the scores of reals. Towards 1 the critic knows its pictures by heart: use "
    "--augment=adaptive, which holds it near --augment_target.",
    "augment/p": "Strength of the augmentation, a probability. Near 1: too few pictures, or too large networks.",
    "path_length/batch": "Length of the image's derivative with respect to w. Good: near the running mean.",
    "path_length/running_mean": "What path lengths are pulled towards. Good: rising, then steady.",
    "gradients/critic_norm": "Of a score with respect to the image: at mixes with WGAN-GP, where near 1 is good; at "
    "reals with the other losses.",
    "gradients/critic_weights": "Norm over all weights. Good: no jumps but where a resolution is added.",
    "gradients/generator_weights": "Norm over all weights. Good: no jumps but where a resolution is added.",
    "progress/kimg": "Thousands of real images seen. With the horizontal axis at Relative: how fast the run is.",
    "progress/fade_in": "Share of the newest resolution.",
    "progress/resolution": "Height in pixels.",
    "progress/batch_size": "Images a step, over all devices.",
    "progress/learning_rate": "Of the generator, and of the critic unless that has a curve of its own.",
    "progress/critic_learning_rate": "Of the critic, where it is another than the generator's.",
    "progress/r1_gamma": "Weight of R1, where it is a table over kimg.",
    "progress/r2_gamma": "Weight of R2, where it is a table over kimg.",
    "progress/gradient_penalty_weight": "Weight of the gradient penalty, where it is a table over kimg.",
    "progress/adam_beta2": "Decay of Adam's second moment, where it is a table over kimg.",
    "progress/augment_p": "Strength of a fixed augmentation, where it is a table over kimg.",
    "progress/ema_half_life_kimg": "Half-life of the averaged generator, where it is a table over kimg.",
    "speed/images_per_second": "Real images; several times slower at each higher resolution.",
    "speed/memory_gib": "Of the process, or of the first GPU. Good: steady.",
}

# Charts of several curves, in the tab Custom Scalars: title -> curves, as regular expressions.
CHARTS: Mapping[str, tuple[str, ...]] = {
    "real and fake scores": ("scores/real$", "scores/fake$"),
    "losses": ("loss/critic$", "loss/generator$"),
    "augmentation: strength, signs of reals": ("augment/p", "scores/real_signs"),
    "path lengths": ("path_length/.*",),
    "gradients of weights": ("gradients/critic_weights", "gradients/generator_weights"),
}

# The columns of the HParams tab: what people change from run to run, and most of all. run/config has everything.
FIRST_HPARAMS = ("batch_size", "learning_rate", "loss", "r1_gamma", "resolution")
HPARAMS = (
    *FIRST_HPARAMS,
    "family",
    "critic_learning_rate",
    "feature_maps_max",
    "augment",
    "mirror",
    "use_labels",
    "path_length_weight",
    "ema_half_life_kimg",
    "seed",
)


def metric_curve(protocol: Protocol) -> str:
    """Name of the curve of a protocol's first number."""
    return f"metrics/{protocol.name}" + (f"/{protocol.values[0]}" if len(protocol.values) > 1 else "")


def write_scalars(values: Mapping[str, float]) -> None:
    """Writes points of curves with the default writer, at its step."""
    for name, value in values.items():
        tf.summary.scalar(name, value, description=CURVES.get(name))


def write_picture(name: str, picture: np.ndarray, description: str) -> None:
    """Writes uint8 [H, W, C] with the default writer, at its step, made smaller if it is very large."""
    if max(picture.shape[:2]) > LARGEST_PICTURE_PIXELS:
        small = as_picture(picture)
        small.thumbnail((LARGEST_PICTURE_PIXELS, LARGEST_PICTURE_PIXELS), Image.Resampling.BOX)
        picture = np.asarray(small).reshape(small.height, small.width, picture.shape[2])
    tf.summary.image(name, picture[np.newaxis], description=description)


def write_start(
    writer: tf.summary.SummaryWriter, config: TrainConfig, resolved: TrainConfig, plan: str, reals: np.ndarray
) -> None:
    """Writes what does not change: pictures of the data, plan, configuration, charts and columns.

    Args:
        writer: The summary writer.
        config: As it is saved.
        resolved: With nothing left open (`configuration.resolve`).
        plan: As it was printed.
        reals: A grid, uint8 [H, W, C].
    """
    with writer.as_default(step=0):
        write_picture("images/reals", reals, "Pictures of the data.")
        tf.summary.text("run/plan", f"```\n{printable_lines(plan)}\n```")
        tf.summary.text("run/config", f"```\n{printable_lines(config.to_json())}\n```")
        tf.summary.experimental.write_raw_pb(
            custom_scalar.pb(_layout(resolved.loss, resolved.augment)).SerializeToString(), step=0
        )
        tf.summary.experimental.write_raw_pb(_columns(resolved.run.metrics).SerializeToString(), step=0)
        hparams.hparams({name: _plain(resolved.get(name)) for name in HPARAMS}, trial_id=printable(config.run.run_dir))
    writer.flush()


def _layout(loss: LossConfig, augment: AugmentConfig) -> layout_pb2.Layout:
    """The charts of which there are curves in a run."""
    absent = {
        "path lengths": loss.path_length_weight == 0,
        "augmentation: strength, signs of reals": not augment.has_strength,
    }
    charts = [
        layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=list(tags)))
        for title, tags in CHARTS.items()
        if not absent.get(title)
    ]
    return layout_pb2.Layout(category=[layout_pb2.Category(title="training at a glance", chart=charts)])


def _columns(protocols: str) -> Summary:
    """Of the HParams tab: settings, and what runs are compared by.

    TensorBoard sorts settings by name, those in which runs are said to differ first.
    """
    measured = map(metric_curve, parse_protocols(protocols.split(",")))
    metrics = [hparams.Metric(name) for name in (*measured, "progress/kimg", "scores/real", "scores/fake")]
    summary = hparams.hparams_config_pb([hparams.HParam(name) for name in HPARAMS], metrics)
    plugin = summary.value[0].metadata.plugin_data
    content = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
    for column in content.experiment.hparam_infos:
        column.differs = column.name in FIRST_HPARAMS
    plugin.content = content.SerializeToString()
    return summary


def _plain(value: object) -> bool | int | float | str:
    return value if isinstance(value, (bool, int, float)) else printable(str(value))
