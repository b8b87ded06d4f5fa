"""Measure how fast the program is: whole loops, their parts, and others beside them."""
