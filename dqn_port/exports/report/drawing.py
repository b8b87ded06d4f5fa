"""Vector graphics for a page: drawn by matplotlib, coloured by the page's style sheet.

Every chart is drawn twice, for a wide page and for a phone, so that its text is readable on both;
the same numbers give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dqn_port.exports.report.figures import MINUS, large

COLOURS: Final = {
    "ink": "#010101",
    "muted": "#020202",
    "grid": "#030303",
    "paper": "#040404",
    "best": "#050505",
    "last": "#060606",
    "second": "#070707",
    **{f"seed{i}": f"#0808{i:02x}" for i in range(8)},
}
"""Variable of the style sheet → the placeholder colour while drawing."""

_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 12,
    "text.color": COLOURS["muted"],
    "text.parse_math": False,
    "axes.edgecolor": COLOURS["grid"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.linewidth": 1,
    "axes.unicode_minus": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 1,
    "xtick.color": COLOURS["grid"],
    "ytick.color": COLOURS["grid"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "xtick.major.size": 4,
    "ytick.major.size": 0,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
}
_NO_METADATA: Final = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@dataclass(frozen=True)
class Size:
    """The size of a chart, in CSS pixels."""

    width: int
    height: int
    left: int = 48
    right: int = 16
    top: int = 12
    bottom: int = 44

    @property
    def narrow(self) -> bool:
        """Whether it is for a phone."""
        return self.width < 480


def draw(
    name: str, alt: str, sizes: tuple[Size, ...], plot: Callable[[Axes, Size], None]
) -> Markup:
    """Return SVG elements drawn by ``plot``, one for each size.

    ``name`` is unique on the page: the elements' ids begin with it. ``alt`` describes the chart in
    words. If there are two sizes, the style sheet shows the one that fits.
    """
    found = [_draw(f"{name}{i}-", alt, size, plot) for i, size in enumerate(sizes)]
    if len(found) == 1:
        return found[0]
    wide, narrow = found
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(wide, narrow)


def _draw(prefix: str, alt: str, size: Size, plot: Callable[[Axes, Size], None]) -> Markup:
    with mpl.rc_context({**_STYLE, "svg.hashsalt": prefix}):
        # At 72 dots an inch a point is a pixel.
        figure = Figure(figsize=(size.width / 72, size.height / 72), dpi=72)
        axes = figure.add_axes(
            (
                size.left / size.width,
                size.bottom / size.height,
                1 - (size.left + size.right) / size.width,
                1 - (size.top + size.bottom) / size.height,
            )
        )
        plot(axes, size)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata=_NO_METADATA)
    return _for_page(file.getvalue(), prefix, alt)


def _for_page(svg: str, prefix: str, alt: str) -> Markup:
    """Return matplotlib's SVG as an element of a page."""
    svg = svg[svg.index("<svg ") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    view = re.search(r'viewBox="[^"]*"', svg)
    assert view is not None
    head = f'<svg role="img" aria-label="{escape(alt)}" {view[0]}>'
    svg = head + svg[svg.index(">") + 1 :]
    # Ids are those of one page, which holds many charts.
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}", svg)
    svg = re.sub(r'xlink:href="#', f'href="#{prefix}', svg)
    for variable, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{variable})")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--font)", svg)
    svg = re.sub(r"font: (\d+) ([\d.]+)px [^;\"]*", r"font: \1 \2px var(--font)", svg)
    return Markup(re.sub(r"\n\s*", "\n", svg))


def count_axis(axes: Axes, size: Size, label: str) -> None:
    """Let the horizontal axis count something from 0 on: 0, 5k, 10k."""
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(4 if size.narrow else 8, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(large_tick))
    axes.set_xlabel(label, labelpad=6)


def value_axis(axes: Axes, size: Size, *, ticks: int = 5, integer: bool = False) -> None:
    """Let the vertical axis have few ticks."""
    del size
    axes.yaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10], integer=integer))
    axes.yaxis.set_major_formatter(FuncFormatter(plain_tick))


def value_axis_below(axes: Axes, size: Size, label: str) -> None:
    """Let the horizontal axis have few ticks."""
    axes.xaxis.set_major_locator(MaxNLocator(4 if size.narrow else 8, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(plain_tick))
    axes.set_xlabel(label, labelpad=6)


def large_tick(value: float, position: Any = None) -> str:
    """Write a count at a tick."""
    del position
    return large(value)


def plain_tick(value: float, position: Any = None) -> str:
    """Write a number at a tick."""
    del position
    return f"{value:,.4g}".replace("-", MINUS) if abs(value) < 10_000 else large(value)
