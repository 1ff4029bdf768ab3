"""What `export.py` leaves: numbered versions of a SavedModel, each with what it says of itself."""
