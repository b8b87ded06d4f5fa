"""Encode pictures for a page with Pillow: an episode's screens as an animated WebP, and PNG.

Both are lossless, and the same pixels give the same bytes.
"""

from __future__ import annotations

import io
import itertools
import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from dqn_port.errors import MissingLibraryError
from dqn_port.interfaces import Picture
from dqn_port.tools.play import FRAMES_PER_SECOND

MAX_SECONDS: Final = 90
"""Seconds of a game that a clip shows, in the game's own time."""
_MOST_PICTURES_PER_SECOND: Final = 30
"""If an episode has more steps a second, not every one is shown."""
_EFFORT: Final = 4
"""Effort of WebP, from 0 to 6: more takes three times as long and gives the same bytes."""


def pillow() -> Any:
    """Return Pillow's module of images.

    Raises:
        MissingLibraryError: it is not installed, or cannot write WebP.
    """
    try:
        from PIL import Image, features
    except ImportError as error:
        raise MissingLibraryError(
            f"clips need Pillow ({error}): pip install pillow, or record without a clip"
        ) from error
    if not features.check("webp"):
        raise MissingLibraryError(
            "clips need a Pillow that writes WebP: pip install --force-reinstall pillow, or "
            "record without a clip"
        )
    return Image


class Film:
    """The screens of one episode, compressed while it is played."""

    def __init__(self, frames_per_step: int) -> None:
        """``frames_per_step``: emulator frames from a screen to the next."""
        self._every = -(-FRAMES_PER_SECOND // (_MOST_PICTURES_PER_SECOND * frames_per_step))
        self._picture_seconds = self._every * frames_per_step / FRAMES_PER_SECOND
        self._most = int(MAX_SECONDS / self._picture_seconds)
        self._shape: tuple[int, ...] = ()
        self._packed: list[bytes] = []
        self.steps = 0
        """Number of screens so far."""

    def __len__(self) -> int:
        return len(self._packed)

    def add(self, screen: Picture) -> None:
        """Add the next screen."""
        if self.steps % self._every == 0 and len(self) < self._most:
            self._shape = screen.shape
            self._packed.append(zlib.compress(screen.tobytes(), 1))
        self.steps += 1

    def picture(self, i: int) -> Picture:
        """Return a kept screen: uint8 [height, width, 3]."""
        pixels = zlib.decompress(self._packed[i])
        return np.frombuffer(pixels, dtype=np.uint8).reshape(self._shape)

    def shows_all(self, n: int) -> bool:
        """Return whether the first ``n`` kept screens show the episode to its end."""
        return n * self._every >= self.steps

    def seconds(self, n: int) -> float:
        """Return how long ``n`` kept screens are shown, in the game's own time."""
        return n * self._picture_seconds

    def webp(self, most_bytes: int) -> tuple[bytes, int]:
        """Return an animated WebP that repeats forever, and how many screens it shows.

        It shows all screens, or as many of the first as fit into ``most_bytes``.

        Raises:
            MissingLibraryError: see pillow.
        """
        n = len(self)
        while True:
            content = _webp_of([self.picture(i) for i in range(n)], self._durations(n))
            if len(content) <= most_bytes or n == 1:
                return content, n
            n = max(1, min(n - 1, int(n * 0.9 * most_bytes / len(content))))

    def _durations(self, n: int) -> list[int]:
        """Return how long every screen is shown, in whole milliseconds that add up."""
        ends = [round(1000 * self.seconds(i)) for i in range(n + 1)]
        return [end - begin for begin, end in itertools.pairwise(ends)]


def _webp_of(pictures: Sequence[Picture], durations: Sequence[int]) -> bytes:
    image = pillow()
    first, *others = [image.fromarray(picture) for picture in pictures]
    file = io.BytesIO()
    first.save(
        file,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=list(durations),
        loop=0,
        lossless=True,
        method=_EFFORT,
        minimize_size=True,
    )
    return file.getvalue()


def png_of(picture: Picture) -> bytes:
    """Return a picture, gray or RGB, as a PNG.

    Raises:
        MissingLibraryError: see pillow.
    """
    file = io.BytesIO()
    pillow().fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()
