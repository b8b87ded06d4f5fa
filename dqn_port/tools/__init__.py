"""Tools for runs: check, play, record, diagnose, estimate."""
