"""What ``--device`` means for option gpu."""

from __future__ import annotations

from typing import Final

from dqn_port.errors import ArgsError

DEVICE: Final = "auto, cpu, cuda or cuda:N"
"""What ``--device`` may be."""


def device_assignment(device: str) -> list[str]:
    """Return the assignment of option gpu that ``--device`` stands for.

    Raises:
        ArgsError: it is none of auto, cpu, cuda, cuda:N.
    """
    name, _, index = device.partition(":")
    if device == "auto":
        return []
    if device == "cpu":
        return ["gpu=-1"]
    if name == "cuda" and (not index or index.isdecimal()) and not device.endswith(":"):
        return [f"gpu={int(index) + 1 if index else 0}"]
    raise ArgsError(f"--device: expected {DEVICE}, got '{device}'")
