"""Draw a network's convolutions: their kernels on one scale, and their outputs for a state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from dqn_port.interfaces import Array, Convolution, Picture
from dqn_port.runs.diagnosis import Plane, ShownConvolution
from dqn_port.tools.clips import png_of
from dqn_port.tools.pictures import resize

_MOST_FILTERS: Final = 64
"""Filters of a convolution that are drawn, and channels of its input."""
_LARGEST_OUTPUT: Final = 56
"""Pixels of one side of a filter's output."""
_GAP: Final = 128
"""Gray between the tiles."""


def show_convolutions(convolutions: Iterable[Convolution]) -> tuple[ShownConvolution, ...]:
    """Return convolutions in pictures."""
    return tuple(map(_shown, convolutions))


def _shown(convolution: Convolution) -> ShownConvolution:
    kernels = np.asarray(convolution.kernels, dtype=np.float64)
    scale = float(np.abs(kernels).max())
    shown = coloured(kernels[:_MOST_FILTERS, :_MOST_FILTERS], scale)
    rows = [list(filters) for filters in shown.swapaxes(0, 1)]
    outputs = [_gray(output) for output in convolution.outputs[:_MOST_FILTERS]]
    side = math.ceil(math.sqrt(len(outputs)))
    grid = [outputs[i : i + side] for i in range(0, len(outputs), side)]
    return ShownConvolution(
        name=convolution.name,
        kernels=_plane("kernels", rows),
        scale=scale,
        least=float(kernels.min()),
        most=float(kernels.max()),
        mean=float(kernels.mean()),
        std=float(kernels.std()),
        outputs=_plane("outputs", grid),
        filters=len(kernels),
    )


def coloured(values: Array, scale: float) -> Picture:
    """Return numbers as colours, uint8 [..., 3]: −scale blue, 0 white, +scale red."""
    share = values / (scale or 1.0)
    faded = np.rint(255 * (1 - np.abs(share)))
    red, blue = np.where(share < 0, faded, 255), np.where(share > 0, faded, 255)
    return np.stack((red, faded, blue), axis=-1).astype(np.uint8)


def _gray(output: Array) -> Picture:
    """Return one filter's output, scaled from its smallest to its largest value."""
    low, high = float(output.min()), float(output.max())
    picture = np.rint((output - low) * (255 / (high - low or 1))).astype(np.uint8)
    share = min(1.0, _LARGEST_OUTPUT / max(picture.shape))
    height, width = (max(1, round(side * share)) for side in picture.shape)
    return resize(picture, height, width)


def _plane(label: str, rows: Sequence[Sequence[Picture]]) -> Plane:
    """Return tiles of one size as a picture, with a gap of one pixel between them."""
    height, width, *colours = rows[0][0].shape
    n_columns = max(map(len, rows))
    shape = (len(rows) * (height + 1) - 1, n_columns * (width + 1) - 1, *colours)
    picture = np.full(shape, _GAP, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            top, left = i * (height + 1), j * (width + 1)
            picture[top : top + height, left : left + width] = tile
    return Plane(label=label, png=png_of(picture), width=shape[1], height=shape[0])
