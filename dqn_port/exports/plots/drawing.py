"""Draw panels with matplotlib into a PNG, an SVG or a PDF."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dqn_port.exports.plots.panels import Line, Panel
from dqn_port.exports.report.drawing import large_tick, plain_tick
from dqn_port.exports.thinning import thinned
from dqn_port.files import write_whole

ENDINGS: Final = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
"""Extensions of the files that can be written → metadata that is left out, so that the same runs
give the same bytes."""
DPI: Final = 100
_COLOURS: Final = (
    "#1f5fbf", "#c2571a", "#2e8b6f", "#8a4fb5", "#b08a00", "#c03a5b", "#3a8fa8", "#6b6f3a",
)  # fmt: skip
_DASHES: Final = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_FEW: Final = 60
"""A line with at most this many points has markers."""
_MANY, _WIDE, _THIN = 400, 1.8, 1.1
"""Lines with more points are thin; widths in points."""
_ALONE, _PANEL = (9.0, 5.4), (6.4, 3.8)
"""Inches of a single panel, and of one among several."""
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "plot",
    "pdf.fonttype": 42,
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#b9b6af",
    "axes.labelcolor": "#45474e",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e2dd",
    "text.parse_math": False,
    "xtick.color": "#b9b6af",
    "ytick.color": "#b9b6af",
    "xtick.labelcolor": "#45474e",
    "ytick.labelcolor": "#45474e",
    "legend.frameon": False,
    "lines.markersize": 4,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
}


def write_plot(
    path: Path,
    panels: Sequence[Panel],
    *,
    title: str = "",
    size: tuple[float, float] | None = None,
    dpi: int = DPI,
) -> None:
    """Draw panels into a file, whose extension, one of ENDINGS, selects the format.

    ``size``: width and height in inches; None: by the number of panels.

    Raises:
        RunFolderError: see files.write_whole.
    """
    n_columns = math.ceil(math.sqrt(len(panels)))
    n_rows = math.ceil(len(panels) / n_columns)
    usual = _ALONE if len(panels) == 1 else (_PANEL[0] * n_columns, _PANEL[1] * n_rows)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size or usual, dpi=dpi, layout="constrained")
        drawn = [
            _draw(figure.add_subplot(n_rows, n_columns, place), panel)
            for place, panel in enumerate(panels, start=1)
        ]
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=14)
        named = {label: handle for handles in reversed(drawn) for label, handle in handles.items()}
        if all(handles.keys() == named.keys() for handles in drawn):
            _name_lines(figure, named, banded=any(x.band for p in panels for x in p.lines))
        else:
            for axes, handles in zip(figure.axes, drawn, strict=True):
                _name_lines(axes, handles)
        file = io.BytesIO()
        ending = path.suffix.lower()
        figure.savefig(file, format=ending[1:], metadata=ENDINGS[ending])
    write_whole(path, lambda target: target.write(file.getbuffer()))


def _draw(axes: Axes, panel: Panel) -> dict[str, Any]:
    """Draw a panel, and return label → its line."""
    handles: dict[str, Any] = {}
    kinds = list(dict.fromkeys(line.kind for line in panel.lines))
    several = len({line.owner for line in panel.lines}) > 1
    for line in panel.lines:
        kind = kinds.index(line.kind)
        # Runs differ by colour and the curves of a run by dashes; for a single run, by colour, too.
        colour = _COLOURS[(line.owner if several else kind) % len(_COLOURS)]
        turn = line.owner // len(_COLOURS) + kind if several else 0
        drawn = _draw_line(axes, line, colour, _DASHES[turn % len(_DASHES)])
        handles.setdefault(line.label, drawn)
    axes.set_title(panel.title)
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.y)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10], integer=panel.counts))
    axes.xaxis.set_major_formatter(FuncFormatter(large_tick))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(plain_tick))
    if panel.from_zero:
        axes.set_ylim(bottom=0)
    handles.pop("", None)
    return handles


def _draw_line(axes: Axes, line: Line, colour: str, dashes: Any) -> Any:
    if line.is_level:
        return axes.axhline(line.y[0], color=colour, linestyle=_DASHES[2])
    if line.band is not None:
        (x_low, low), (x_high, high) = (thinned(line.x, side) for side in line.band)
        outline = np.concatenate([x_low, x_high[::-1]]), np.concatenate([low, high[::-1]])
        axes.fill(*outline, color=colour, alpha=0.18, linewidth=0)
    x, y = thinned(line.x, line.y)
    marker = "o" if len(x) <= _FEW else None
    width = _WIDE if len(x) <= _MANY else _THIN
    return axes.plot(x, y, color=colour, linestyle=dashes, marker=marker, linewidth=width)[0]


def _name_lines(where: Figure | Axes, handles: dict[str, Any], *, banded: bool = False) -> None:
    """Draw a legend in its axes, or one for all panels below them."""
    if len(handles) < 2 and not banded:
        return
    if isinstance(where, Axes):
        where.legend(list(handles.values()), list(handles), loc="best", fontsize="small")
        return
    letters = where.get_figwidth() * 72 / 7
    where.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=int(max(1, min(len(handles), letters // (max(map(len, handles)) + 6)))),
        title="line: mean of the seeds; shaded: from the smallest to the largest" if banded else "",
        title_fontsize="medium",
    )
