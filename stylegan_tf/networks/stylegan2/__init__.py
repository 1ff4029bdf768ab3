"""StyleGAN2's networks (Karras et al. 2020), with the labels of the first version and of ADA."""
