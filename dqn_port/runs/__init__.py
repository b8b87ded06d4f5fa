"""A run and its folder: checkpoints, the lock, what is left of it."""
