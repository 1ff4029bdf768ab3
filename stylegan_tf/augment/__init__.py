"""Adaptive discriminator augmentation. Karras et al. 2020 (Training GANs with Limited Data)."""
