"""Atari games through ale-py, reset as the emulator of the original was."""
