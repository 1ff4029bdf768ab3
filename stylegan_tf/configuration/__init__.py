"""What a run is asked to do: settings, presets, and what follows from them, the data and the devices."""
