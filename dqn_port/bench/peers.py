"""Others' speed: Stable-Baselines3 measured beside us, the rest derived through it.

What the others reach was measured once, all on one machine, with Pong and the same update: agent
steps a second after learning starts, on 1 and 2 cores. Ranges stand as their middle.
"""

from __future__ import annotations

from typing import Final

from dqn_port.bench.figures import Figure

SB3: Final = "Stable-Baselines3"

MEASURED_ONCE: Final = {
    1: {SB3: 99.0, "CleanRL": 102.0, "dqn_zoo (JAX)": 121.0, "Lua original": 61.0},
    2: {SB3: 139.0, "CleanRL": 145.5, "dqn_zoo (JAX)": 141.0, "Lua original": 75.0},
}
"""Threads → steps/s (two cores of an AMD Zen 5 with AVX-512, torch 2.13.0, 2026-11)."""


def derived(to_sb3: Figure, threads: int) -> dict[str, Figure]:
    """Return our ratio to the others, from that to Stable-Baselines3; empty for other threads."""
    there = MEASURED_ONCE.get(threads, {})
    return {
        name: Figure(
            f"÷ {name}, derived",
            "×",
            tuple(value * there[SB3] / rate for value in to_sb3.values),
        )
        for name, rate in there.items()
        if name != SB3
    }
