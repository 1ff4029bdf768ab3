"""The commands, run as `python -m stylegan_tf.cli.<name>`."""
