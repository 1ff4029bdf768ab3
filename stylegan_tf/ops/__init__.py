"""Pure tensor functions, written with `keras.ops`: resampling, convolution, activation, normalisation."""
