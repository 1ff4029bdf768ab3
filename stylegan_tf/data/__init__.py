"""Real images: sources of every kind, decoding, prepared sets, and the stateless input pipeline.

Only `pipeline` needs TensorFlow: worker processes import the rest, and should start at once.
"""
