"""Measure the Lua program: whole loops beside others, and parts against their floors."""

from typing import Final

from dqn_port.bench.parts import Part
from dqn_port.systems.lua_dqn.bench.growth import growth, memory
from dqn_port.systems.lua_dqn.bench.parts import PARTS as OF_A_LOOP

PARTS: Final = OF_A_LOOP | {
    "memory": Part(memory, 100, "memory: the replay filled, and start-up"),
    "growth": Part(growth, 384, "steps a second as the replay fills"),
}
"""Every part by its name."""
