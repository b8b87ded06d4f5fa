"""Which games play as in the original's emulator: what was recorded, what is played here, a page.

``python -m dqn_port.systems.lua_dqn.exactness`` writes docs/games.md.
"""
