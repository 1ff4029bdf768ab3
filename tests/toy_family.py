"""A family of networks that the package does not know: a dense layer each way, and its record."""

from typing import Any

from keras import ops

from stylegan_tf.configuration.families import Family
from stylegan_tf.layers.equalized_dense import EqualizedDense
from stylegan_tf.networks.bases import BaseCritic, BaseSynthesis
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.sizes import checked_level


class ToySynthesis(BaseSynthesis):
    """The first w, through one dense layer, is the image."""

    family = "toy"

    def __init__(self, *, base_size, num_levels, channels, name, dtype, **options):
        super().__init__(name=name, dtype=dtype)
        self.base_size, self.num_levels, self.channels = base_size, num_levels, channels
        self.options = {"noise": False, **options}
        height, width = self.size(num_levels - 1)
        self.dense = EqualizedDense(height * width * channels, dtype="float32", name="pixels")

    @property
    def grows(self):
        return False

    def level_of_w(self, index):
        return self.num_levels - 1

    def noise_sizes(self, level):
        return []

    def build(self, input_shape):
        self.dense.build((None, input_shape[-1]))

    def call(self, ws, *, level=None, fade_in=None, noise="fixed"):
        size = self.size(checked_level(level, self.num_levels, self.grows))
        return ops.reshape(self.dense(ws[:, 0]), (-1, *size, self.channels))

    def active_weights(self, level):
        return self.trainable_weights


class ToyCritic(BaseCritic):
    """The image, through one dense layer, is the score."""

    family = "toy"

    def __init__(self, *, base_size, num_levels, channels, num_classes, name, dtype, **options):
        super().__init__(name=name, dtype=dtype)
        self.base_size, self.num_levels, self.channels, self.num_classes = base_size, num_levels, channels, num_classes
        self.options = options
        self.score = EqualizedDense(1, dtype="float32", name="score")

    @property
    def grows(self):
        return False

    def build(self, input_shape=None):
        height, width = self.size(self.num_levels - 1)
        self.score.build((None, height * width * self.channels))
        self.built = True

    def call(self, images, labels=None, level=None, fade_in=None, num_batches=1):
        return self.score(ops.reshape(images, (-1, self.score.kernel.shape[0])))

    def active_weights(self, level):
        return self.trainable_weights


def make_mapping(network: Any, num_classes: int) -> MappingNetwork:
    return MappingNetwork(network.w_size, num_layers=1, num_classes=num_classes, name="mapping")


def make_synthesis(network: Any, shape: Any) -> ToySynthesis:
    return ToySynthesis(name="synthesis", **shape.arguments)


def make_critic(network: Any, shape: Any) -> ToyCritic:
    return ToyCritic(num_classes=shape.num_classes, name="critic", **shape.arguments)


TOY = Family(
    name="toy",
    summary="one dense layer",
    networks=__name__,
    grows=lambda network: False,
    describe=lambda network: "Toys",
    details=lambda network: [],
)
