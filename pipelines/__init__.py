"""Luigi pipelines: one task a file, a base task that owns the paths. None is here yet."""
