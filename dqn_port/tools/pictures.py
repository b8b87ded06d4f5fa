"""Write pictures, PNG and animated GIF, with OpenCV.

OpenCV is imported only where it is used: without its system libraries everything else works.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from dqn_port.errors import ArgsError, MissingLibraryError
from dqn_port.files import write_whole
from dqn_port.interfaces import Picture

MAX_SCREENS: Final = 400
"""Of a contact sheet."""

_BEST_QUALITY: Final = 8
_NO_DITHER: Final = 3
"""OpenCV's numbers (IMWRITE_GIF_QUALITY, IMWRITE_GIF_DITHER)."""


def opencv() -> Any:
    """Return OpenCV's module.

    Raises:
        MissingLibraryError: it cannot be imported; the message says what to install.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingLibraryError(_what_opencv_lacks(str(error))) from error
    return cv2


def _what_opencv_lacks(message: str) -> str:
    library = re.search(r"lib[\w.+-]*\.so[.\d]*", message)
    if library is not None:
        return (
            f"pictures need OpenCV's system libraries ({library[0]} is missing): sudo apt-get "
            "install libgl1 libglib2.0-0 (libglib2.0-0t64 on Ubuntu 24.04 and later)"
        )
    return f"pictures need OpenCV ({message}): pip install opencv-python"


def check_ending(path: Path, ending: str, where: str) -> None:
    """Check that a picture's name has the right extension; ``where`` is the option that gave it.

    Raises:
        ArgsError: it does not end in ``ending``.
    """
    if path.suffix.lower() != ending:
        raise ArgsError(f"{where}: expected the name of a file ending in {ending}, got '{path}'")


def resize(picture: Picture, height: int, width: int) -> Picture:
    """Return ``picture`` in another size, every pixel the nearest one's."""
    rows = np.arange(height) * picture.shape[0] // height
    columns = np.arange(width) * picture.shape[1] // width
    return np.asarray(picture[rows[:, None], columns])


def enlarge(picture: Picture, least_height: int) -> Picture:
    """Return ``picture`` with pixels repeated until it is at least ``least_height`` high."""
    factor = -(-least_height // picture.shape[0])
    return resize(picture, picture.shape[0] * factor, picture.shape[1] * factor)


def write_png(path: Path, picture: Picture) -> None:
    """Write an RGB picture whole.

    Raises:
        MissingLibraryError: see opencv.
        RunFolderError: see files.write_whole.
    """
    encoded = opencv().imencode(".png", picture[..., ::-1])[1].tobytes()
    write_whole(path, lambda file: file.write(encoded))


def gif_of(pictures: Sequence[Picture], *, delay: int) -> bytes:
    """Return RGB pictures of one size as a GIF that repeats forever.

    ``delay``: how long a picture is shown, in milliseconds. Colours are kept exactly; OpenCV's
    default settings dither them.

    Raises:
        MissingLibraryError: see opencv.
    """
    cv2 = opencv()
    animation = cv2.Animation()
    animation.frames = [np.ascontiguousarray(picture[..., ::-1]) for picture in pictures]
    animation.durations = [delay] * len(pictures)
    exact = [
        cv2.IMWRITE_GIF_QUALITY,
        _BEST_QUALITY,
        cv2.IMWRITE_GIF_DITHER,
        _NO_DITHER,
    ]
    encoded: bytes = cv2.imencodeanimation(".gif", animation, exact)[1].tobytes()
    return encoded
