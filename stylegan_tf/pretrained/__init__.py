"""Weights of the published networks in networks of ours."""
