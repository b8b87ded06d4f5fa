"""Play a game and write it as an animated GIF."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

from dqn_port.errors import UsageError
from dqn_port.files import write_whole
from dqn_port.interfaces import Picture, Player, Step
from dqn_port.runs.playing import Episode, episodes
from dqn_port.tools.pictures import enlarge, gif_of, opencv

FRAMES_PER_SECOND: Final = 60
"""Frames a second of the Atari 2600 (NTSC)."""

_LEAST_HEIGHT: Final = 150
"""Pixels; smaller screens are enlarged."""


def picture_delay(frames_per_step: int) -> int:
    """Return the milliseconds that an agent step takes in the game, rounded as in a GIF."""
    return 10 * round(100 * frames_per_step / FRAMES_PER_SECOND)


def record_game(player: Player, path: Path) -> Episode:
    """Play the next game to its end and write it to ``path`` as a GIF, one picture per step.

    The pictures are kept in memory until the game ends, 0.1 MB each; the last is the last screen.

    Raises:
        MissingLibraryError, RunFolderError: see pictures.opencv, files.write_whole; before it
            plays, where the file could not be written anyway.
    """
    opencv()
    pictures: list[Picture] = []
    played: list[Episode] = []

    def watch(step: Step) -> None:
        if not step.shown:
            raise UsageError(
                f"--gif: expected a game with pictures, got {player.game} without; "
                "`dqn-port record` keeps what is seen as numbers"
            )
        pictures.extend(enlarge(picture, _LEAST_HEIGHT) for picture in step.shown)

    def write(file: BinaryIO) -> None:
        played.append(next(episodes(player, watch=watch)))
        file.write(gif_of(pictures, delay=picture_delay(player.frames_per_step)))

    write_whole(path, write)
    return played[0]
