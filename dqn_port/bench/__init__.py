"""Measure how fast the program is: whole loops, their parts, and comparisons with other
programs."""
