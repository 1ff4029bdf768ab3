"""Augmentation of what the critic sees. Karras et al. 2020 (Limited Data), and Zhao et al. 2020 (DiffAugment)."""
