"""Set up the Lua program from Python, as the original's worksheet did; see docs/lua_dqn.md."""

from dqn_port.systems.lua_dqn.setup import load_options, setup

__all__ = ["load_options", "setup"]
