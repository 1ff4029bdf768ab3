"""A trained generator as a SavedModel: what it answers, writing it, proving that it stands on its own."""
