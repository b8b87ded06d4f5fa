"""The door for programs of one's own, as the original's worksheet had it; see README.md."""

from dqn_port.systems.lua_dqn.setup import load_options, setup

__all__ = ["load_options", "setup"]
