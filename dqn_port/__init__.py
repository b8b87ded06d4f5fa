"""Five classic DQN programs on PyTorch: the same arguments, numbers and files as then."""

__version__ = "0.1.0"
