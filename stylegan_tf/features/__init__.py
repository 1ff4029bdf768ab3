"""Feature networks: callables that turn uint8 images into the vectors that metrics compare."""
