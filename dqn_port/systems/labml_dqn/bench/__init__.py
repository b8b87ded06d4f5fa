"""Measure labml's DQN: an update against its floor, trees, filling, and a whole loop."""

from typing import Final

from dqn_port.bench.parts import Part
from dqn_port.systems.labml_dqn.bench.parts import filling, trees, update, whole_loop

PARTS: Final = {
    "update": Part(update, 16, "minibatch update against its floor"),
    "stand_in": Part(whole_loop, 6, "whole loop beside straightforward eager PyTorch"),
    "fill": Part(filling, 50, "filling the replay against bare emulation of the same games"),
    "trees": Part(trees, 500, "drawing and writing back priorities, 2^14 and 2^20 held"),
}
"""Every part by its name."""
