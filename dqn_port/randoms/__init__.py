"""The random generators of the original programs."""
