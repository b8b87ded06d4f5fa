"""Slot: frameworks, the modules that provide a GameEnvironment."""
