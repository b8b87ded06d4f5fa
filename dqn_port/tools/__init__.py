"""Programs around a run: play, screens."""
