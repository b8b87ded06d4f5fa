"""Convert a game's frame to a small gray image, as both revisions of the original did.

``v17`` is the document's (SciPy's imresize), ``v20`` the newest (Pillow alone).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dqn_port.systems.hvass16.shrinking import shrink_stretched

STATE_HEIGHT: Final = 105
STATE_WIDTH: Final = 80
"""Pixels; half of the screen's 210×160."""

REVISIONS: Final = ("v17", "v20")


def rgb_to_grayscale(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the luminance of an image, 0..255, not rounded.

    Hvass: reinforcement_learning.py, _rgb_to_grayscale

    ``image``: uint8 [height, width, 3]; returns float64 [height, width].
    """
    r, g, b = image[:, :, 0], image[:, :, 1], image[:, :, 2]
    gray: NDArray[np.float64] = 0.2990 * r + 0.5870 * g + 0.1140 * b
    return gray


def stretch(gray: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a gray image as bytes, stretched over its own range.

    Hvass: scipy.misc.imresize, which calls bytescale

    Quirk: brightness depends on the frame; when an object with a new extreme appears, all pixels
    change. This is kept because the network was trained with it; test_preprocessing.py,
    test_the_stretch_depends_on_the_frame.
    """
    low, high = gray.min(), gray.max()
    bytes_ = (gray - low) * (255.0 / ((high - low) or 1.0))
    return (bytes_.clip(0, 255) + 0.5).astype(np.uint8)


def pre_process_image(
    image: NDArray[np.uint8],
    revision: str = "v17",
    *,
    height: int = STATE_HEIGHT,
    width: int = STATE_WIDTH,
) -> NDArray[Any]:
    """Return a frame as a small gray image, 0..255.

    Hvass: reinforcement_learning.py, _pre_process_image

    ``image``: uint8 [h, w, 3]; returns [height, width], uint8 in v17, float32 in v20.
    """
    if revision == "v17" and (shrunk := shrink_stretched(image, height, width)) is not None:
        return shrunk
    gray = rgb_to_grayscale(image)
    if revision == "v17":
        small = Image.fromarray(stretch(gray)).resize((width, height), Image.Resampling.BICUBIC)
    else:
        floats = Image.fromarray(gray.astype(np.float32))
        small = floats.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(small)
