"""Hvass Labs' TensorFlow tutorial 16: motion trace, backward sweep, bursts of updates."""
