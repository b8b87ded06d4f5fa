"""Slot: replays, the memories of transitions."""
