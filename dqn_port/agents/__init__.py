"""Slot: agents."""
