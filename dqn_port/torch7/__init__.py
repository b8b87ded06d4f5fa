"""The old world: Torch7's command line, table strings and random numbers."""
