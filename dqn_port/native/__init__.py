"""Leaf: inner loops in C, for speed alone. Without a compiler everything runs, and gives the same
numbers (tests/native/test_kernels.py), only slower.
"""
