"""Measuring generated images: which images, which network, which protocol, and what is written about it."""
