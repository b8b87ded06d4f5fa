"""Slot: preprocs, from a screen to the state the agent stores."""
