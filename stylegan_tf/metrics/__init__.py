"""Image quality metrics as pure functions over features; they know no network, no file and no flag."""
