"""Practical_RL's DQN homework of week 4, as of 2020: gym wrappers, CartPole, then Breakout."""
