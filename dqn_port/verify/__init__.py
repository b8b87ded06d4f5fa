"""Replay the traces of the Lua original with the installed code, and compare."""
