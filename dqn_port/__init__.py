"""DeepMind's Lua/Torch7 DQN on PyTorch: the same arguments, numbers and files."""

__version__ = "0.1.0"
