"""Real images: sources (built-in set, folder, arrays) and the stateless input pipeline."""

from stylegan_tf.data.pipeline import ImagePipeline, image_pyramid
from stylegan_tf.data.sources import ImageSet, default_size, load_images

__all__ = ["ImagePipeline", "ImageSet", "default_size", "image_pyramid", "load_images"]
