"""DQN 3.0, DeepMind's Lua/Torch7 code of the Nature paper."""
