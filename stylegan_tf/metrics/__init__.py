"""Image quality metrics as pure functions over features, probabilities or images; they know no file and no flag."""
