"""Networks on a hub of models: what lies in a repository, reading it, and writing it."""
