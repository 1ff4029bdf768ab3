"""Reading pickles of strangers as data: nothing that they name is imported, called or compiled."""
