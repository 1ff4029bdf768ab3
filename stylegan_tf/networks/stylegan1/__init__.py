"""StyleGAN's networks (Karras et al. 2019), and as their traditional end those of progressive growing (2018)."""
