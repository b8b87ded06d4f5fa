"""Slot: networks, from a state to the value of every action."""
