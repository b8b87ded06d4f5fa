"""Curves of runs as pictures: PNG, SVG or PDF."""

from dqn_port.exports.plots.drawing import write_plot
from dqn_port.exports.plots.panels import Line, Panel, panels_of
from dqn_port.exports.plots.seeds import Seeds, each_alone, seeds_together

__all__ = ["Line", "Panel", "Seeds", "each_alone", "panels_of", "seeds_together", "write_plot"]
