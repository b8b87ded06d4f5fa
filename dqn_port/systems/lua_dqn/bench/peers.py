"""Others' speed: Stable-Baselines3 measured beside us, the rest derived through it.

The others were measured once, side by side and in turns, and no command here repeats that: agent
steps a second of Pong with the same update, after learning starts, on 1 and 2 cores.
"""

from __future__ import annotations

from typing import Final

from dqn_port.bench.figures import Figure

SB3: Final = "Stable-Baselines3"

MEASURED_ONCE: Final = {
    1: {SB3: 124.4, "CleanRL": 128.9, "PFRL": 138.3, "dqn_zoo (JAX)": 148.9},
    2: {SB3: 163.0, "CleanRL": 171.0, "PFRL": 183.0, "dqn_zoo (JAX)": 200.0},
}
"""Threads → steps/s: medians on two cores of an AMD EPYC with AVX-512 (docs/bench.md)."""

MEASURED_BEFORE: Final = {
    1: {SB3: 99.0, "Lua original": 61.0},
    2: {SB3: 139.0, "Lua original": 75.0},
}
"""The same on another machine, two cores of an AMD Zen 5."""


def derived(to_sb3: Figure, threads: int) -> dict[str, Figure]:
    """Return our ratio to the others, by that to Stable-Baselines3; empty if not measured."""
    return {
        name: Figure(
            f"÷ {name}, derived",
            "×",
            tuple(value * there[SB3] / rate for value in to_sb3.values),
        )
        for measured in (MEASURED_ONCE, MEASURED_BEFORE)
        for there in [measured.get(threads, {})]
        for name, rate in there.items()
        if name != SB3
    }
