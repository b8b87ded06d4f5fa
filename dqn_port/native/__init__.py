"""Leaf: inner loops in C. Without a compiler everything runs, only slower, and gives the same
numbers but for the network's, whose sums are then in PyTorch's order (networks/lua_order.py).
"""
