"""Where pictures come from: folders, archives, arrays, and the data sets of other tools.

`find.open_source` finds out what a user's word for a data set is; `base` says what it then gives. Nothing here
imports TensorFlow before a Keras or TensorFlow Datasets set is asked for: worker processes should start at once.
"""
