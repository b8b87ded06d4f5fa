"""Measure the Lua program: whole loops beside others, and parts against their floors."""

from dqn_port.systems.lua_dqn.bench.report import PARTS, bench

__all__ = ["PARTS", "bench"]
