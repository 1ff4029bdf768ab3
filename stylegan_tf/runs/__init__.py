"""What a training leaves: its directory, its checkpoints, and networks read back from them."""
