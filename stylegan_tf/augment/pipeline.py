"""The augmentation pipeline of Karras et al. 2020 (Training GANs with Limited Data), appendix B."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import tensorflow as tf

from stylegan_tf.augment import color, geometry
from stylegan_tf.augment.base import images_with_draws
from stylegan_tf.augment.draws import AugmentDraws, draw_augmentations
from stylegan_tf.augment.filtering import band_gains, filter_bands
from stylegan_tf.augment.resampling import resample
from stylegan_tf.errors import UserError

_BLIT = ("xflip", "rotate90", "xint")
_GEOMETRY = ("scale", "rotate", "aniso", "xfrac")
_COLOR = ("brightness", "contrast", "lumaflip", "hue", "saturation")
_IMAGE_SPACE = ("imgfilter", "noise", "cutout")

GROUPS = {
    "blit": _BLIT,
    "geometry": _GEOMETRY,
    "color": _COLOR,
    "filter": ("imgfilter",),
    "noise": ("noise",),
    "cutout": ("cutout",),
}
_ALIASES = {
    "geom": "geometry",
    "bg": "blit,geometry",
    "bgc": "blit,geometry,color",
    "bgcf": "blit,geometry,color,filter",
    "bgcfn": "blit,geometry,color,filter,noise",
    "bgcfnc": "blit,geometry,color,filter,noise,cutout",
}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Which transforms there are and how strong they may be; how often they are applied is p.

    An image gets each transform with probability p times the transform's field here: 0 leaves it out, 1 is as
    published. Calling it maps images linearly (but for a shift of colours and noise), so gradients of every order
    exist. With p = 0 the images come back within 1e-6 of their largest value.

    Args:
        xflip: Mirrors, half of the time.
        rotate90: Turns by 0, 90, 180 or 270 degrees.
        xint: Moves by whole pixels.
        scale: Enlarges or shrinks.
        rotate: Turns by any angle, before or after `aniso`, or both.
        aniso: Stretches one axis and shrinks the other.
        xfrac: Moves by fractions of a pixel.
        brightness, contrast, saturation: What their names say.
        lumaflip: Inverts the luma, half of the time.
        hue: Turns the colours around the grey axis.
        imgfilter: Amplifies or weakens bands of frequencies.
        noise: Adds white noise.
        cutout: Sets a rectangle to zero.
        xint_limit: Largest shift, as share of width and height.
        scale_deviation, aniso_deviation: Of the logarithm to base 2 of the factor.
        rotate_limit: Largest angle, in half turns.
        xfrac_deviation: Of the shift, as share of width and height.
        brightness_deviation: Of the shift of the colours, which lie in about [-1, 1].
        contrast_deviation, saturation_deviation, imgfilter_deviation: Of the logarithm to base 2 of the factor.
        hue_limit: Largest angle, in half turns.
        noise_deviation: Of the standard deviation of the noise.
        cutout_size: Of the rectangle, as share of width and height.

    Raises:
        ValueError: For a negative number.
    """

    xflip: float = 0.0
    rotate90: float = 0.0
    xint: float = 0.0
    scale: float = 0.0
    rotate: float = 0.0
    aniso: float = 0.0
    xfrac: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    lumaflip: float = 0.0
    hue: float = 0.0
    saturation: float = 0.0
    imgfilter: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0
    xint_limit: float = 0.125
    scale_deviation: float = 0.2
    rotate_limit: float = 1.0
    aniso_deviation: float = 0.2
    xfrac_deviation: float = 0.125
    brightness_deviation: float = 0.2
    contrast_deviation: float = 0.5
    hue_limit: float = 1.0
    saturation_deviation: float = 1.0
    imgfilter_deviation: float = 1.0
    noise_deviation: float = 0.1
    cutout_size: float = 0.5

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not value >= 0.0:
                raise ValueError(f"{name} must be 0 or more. Received: {name}={value}.")

    @classmethod
    def from_groups(cls, groups: str) -> Augmentation:
        """All transforms of some groups, as published.

        Args:
            groups: Names out of blit, geometry (or geom), color, filter, noise and cutout, joined by commas; or a
                published name: bg, bgc, bgcf, bgcfn, bgcfnc.

        Raises:
            ValueError: For a name that is none of these.
        """
        names = ",".join(_ALIASES.get(name.strip(), name.strip()) for name in groups.split(",")).split(",")
        for name in names:
            if name not in GROUPS:
                raise UserError(
                    f"groups must be names out of {', '.join(GROUPS)}, joined by commas, or one of "
                    f"{', '.join(_ALIASES)}. Received: {groups!r}."
                )
        return cls(**{transform: 1.0 for name in names for transform in GROUPS[name]})

    def draw(self, key: tf.Tensor, batch_size: int, image_shape: Sequence[int], batches: int = 1) -> list[AugmentDraws]:
        """See `draw_augmentations`."""
        return draw_augmentations(key, batch_size, image_shape, batches)

    def __call__(self, images: tf.Tensor, draws: AugmentDraws, p: tf.Tensor | float) -> tf.Tensor:
        """Augments images.

        Colours and noise leave a fourth channel (alpha) as it is; what moves, filters or covers an image takes it
        along. Grey images get what the mean of three equal channels would.

        Args:
            images: float32 [N, H, W, C] in about [-1, 1], with static H and W of at least 2 and C of 1, 3 or 4.
            draws: Of `draw_augmentation` for these images.
            p: Scalar, the probability of every transform; 1 and above apply each of them always.

        Returns:
            float32 [N, H, W, C], not clipped.

        Raises:
            ValueError: For another shape, or draws for another number of images.
        """
        images = images_with_draws(images, draws.xflip.shape[0])
        p = tf.convert_to_tensor(p, tf.float32)
        numbers = draws._replace(noise=None)  # whatever compiled functions are given is drawn
        planes = tf.transpose(images, [0, 3, 1, 2])  # [N, C, H, W]
        if self._any(_BLIT + _GEOMETRY):
            planes = resample(planes, _compiled(self, "inverse_transform")(numbers, p, *images.shape[1:3]))
        if self._any(_COLOR):
            planes = color.apply_color(planes, _compiled(self, "color_map")(numbers, p))
        if self.imgfilter:
            applied = draws.gates.imgfilter < p * self.imgfilter
            planes = filter_bands(planes, band_gains(draws.imgfilter, applied, self.imgfilter_deviation))
        images = tf.transpose(planes, [0, 2, 3, 1])
        if self.noise:
            images = images + self._noise(draws, p)
        return images * self._uncovered(draws, p, *images.shape[1:3]) if self.cutout else images

    def inverse_transform(self, draws: AugmentDraws, p: tf.Tensor, height: int, width: int) -> tf.Tensor:
        """From positions in the augmented image to positions in the image, in pixels from the centre.

        Args:
            draws: For N images.
            p: Scalar.
            height, width: Of the images.

        Returns:
            [N, 3, 3], to be multiplied with (x, y, 1).
        """
        gates = draws.gates
        inverse = tf.eye(3, batch_shape=[draws.xflip.shape[0]])
        if self.xflip:
            mirrored = _where(gates.xflip < p * self.xflip, tf.floor(draws.xflip * 2.0))
            inverse = geometry.then(inverse, geometry.inverse_scale(1.0 - 2.0 * mirrored, tf.ones_like(mirrored)))
        if self.rotate90:
            turns = _where(gates.rotate90 < p * self.rotate90, tf.floor(draws.rotate90 * 4.0))
            inverse = geometry.then(inverse, geometry.inverse_rotation(turns * (math.pi / 2)))
        if self.xint:
            shift = (draws.xint * 2.0 - 1.0) * self.xint_limit
            x, y = _pair(gates.xint < p * self.xint, shift)
            inverse = geometry.then(inverse, geometry.inverse_translation(tf.round(x * width), tf.round(y * height)))
        if self.scale:
            factor = tf.pow(2.0, _where(gates.scale < p * self.scale, draws.scale * self.scale_deviation))
            inverse = geometry.then(inverse, geometry.inverse_scale(factor, factor))
        # Two rotations, so that either or both happen with probability p.
        p_rotate = 1.0 - tf.sqrt(1.0 - tf.clip_by_value(p * self.rotate, 0.0, 1.0))
        if self.rotate:
            angle = (draws.rotate_before * 2.0 - 1.0) * (math.pi * self.rotate_limit)
            inverse = geometry.then(inverse, geometry.inverse_rotation(_where(gates.rotate_before < p_rotate, angle)))
        if self.aniso:
            factor = tf.pow(2.0, _where(gates.aniso < p * self.aniso, draws.aniso * self.aniso_deviation))
            inverse = geometry.then(inverse, geometry.inverse_scale(factor, 1.0 / factor))
        if self.rotate:
            angle = (draws.rotate_after * 2.0 - 1.0) * (math.pi * self.rotate_limit)
            inverse = geometry.then(inverse, geometry.inverse_rotation(_where(gates.rotate_after < p_rotate, angle)))
        if self.xfrac:
            x, y = _pair(gates.xfrac < p * self.xfrac, draws.xfrac * self.xfrac_deviation)
            inverse = geometry.then(inverse, geometry.inverse_translation(x * width, y * height))
        return inverse

    def color_map(self, draws: AugmentDraws, p: tf.Tensor) -> tf.Tensor:
        """The affine map of the colours: a product, then a shift.

        Args:
            draws: For N images.
            p: Scalar.

        Returns:
            [N, 3, 4].
        """
        gates = draws.gates
        result = color.brightness(
            _where(gates.brightness < p * self.brightness, draws.brightness * self.brightness_deviation)
        )
        if self.contrast:
            exponent = _where(gates.contrast < p * self.contrast, draws.contrast * self.contrast_deviation)
            result = color.then(result, color.contrast(tf.pow(2.0, exponent)))
        if self.lumaflip:
            flipped = (gates.lumaflip < p * self.lumaflip) & (draws.lumaflip >= 0.5)
            result = color.then(result, color.lumaflip(flipped))
        if self.hue:
            angle = (draws.hue * 2.0 - 1.0) * (math.pi * self.hue_limit)
            result = color.then(result, color.hue(_where(gates.hue < p * self.hue, angle)))
        if self.saturation:
            exponent = _where(gates.saturation < p * self.saturation, draws.saturation * self.saturation_deviation)
            result = color.then(result, color.saturation(tf.pow(2.0, exponent)))
        return result

    def _any(self, transforms: tuple[str, ...]) -> bool:
        return any(getattr(self, name) for name in transforms)

    def _noise(self, draws: AugmentDraws, p: tf.Tensor) -> tf.Tensor:
        strength = _where(draws.gates.noise < p * self.noise, tf.abs(draws.noise_strength) * self.noise_deviation)
        noise = draws.noise * strength[:, tf.newaxis, tf.newaxis, tf.newaxis]
        return noise * tf.constant([1.0, 1.0, 1.0, 0.0]) if noise.shape[3] == 4 else noise

    def _uncovered(self, draws: AugmentDraws, p: tf.Tensor, height: int, width: int) -> tf.Tensor:
        """0 inside the rectangle that is cut out of an image, 1 elsewhere: [N, H, W, 1]."""
        size = _where(draws.gates.cutout < p * self.cutout, tf.fill(draws.gates.cutout.shape, self.cutout_size))
        reach = size[:, tf.newaxis] / 2.0
        x, y = ((tf.range(pixels, dtype=tf.float32) + 0.5) / pixels for pixels in (width, height))
        beyond_x = tf.abs(x - draws.cutout[:, :1]) >= reach  # [N, W]
        beyond_y = tf.abs(y - draws.cutout[:, 1:]) >= reach  # [N, H]
        return tf.cast(beyond_y[:, :, tf.newaxis] | beyond_x[:, tf.newaxis, :], tf.float32)[..., tf.newaxis]


@functools.lru_cache(maxsize=8)
def _compiled(augmentation: Augmentation, name: str) -> Callable[..., tf.Tensor]:
    """A map of the augmentation compiled by itself: one launch in place of some two hundred of a few numbers each."""
    compiled: Callable[..., tf.Tensor] = tf.function(getattr(augmentation, name), jit_compile=True, autograph=False)
    return compiled


def _where(applied: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """A transform's parameter, or 0 where it is not applied."""
    return tf.where(applied, values, tf.zeros_like(values))


def _pair(applied: tf.Tensor, values: tf.Tensor) -> list[tf.Tensor]:
    """The columns of [N, 2], or 0 where the transform is not applied."""
    return tf.unstack(_where(applied[:, tf.newaxis], values), axis=1)
