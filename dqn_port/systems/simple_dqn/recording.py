"""Write the screens and the sound of a run: a PNG of every emulated frame, and a WAV.

simple_dqn: environment.py, record_screen_path and record_sound_filename; ALE: its ScreenExporter
and its sound exporter.
"""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from dqn_port.files import writing
from dqn_port.systems.simple_dqn.emulator import ArcadeEmulator
from dqn_port.systems.simple_dqn.environment import ALEEnvironment, Picture

SAMPLES: Final = 512
"""Of sound in a frame, uint8 around 128."""
RATE: Final = 60 * SAMPLES
"""Samples a second, at 60 frames a second."""
_HINT: Final = "make room, or name another place"


class Recorder:
    """Records every frame before it is played, also those of dummy actions and restarts."""

    def __init__(self, environment: ALEEnvironment, *, screens: str = "", sound: str = "") -> None:
        """``screens``: a folder, which is created; ``sound``: a file; empty: not recorded.

        Raises:
            RunFolderError: they cannot be written.
        """
        self._env, self._emulator = environment, environment.ale
        self._screens = Path(screens).expanduser() if screens else None
        self._sound = Path(sound).expanduser() if sound else None
        for folder in filter(None, (self._screens, self._sound and self._sound.parent)):
            with writing(folder, _HINT):
                folder.mkdir(parents=True, exist_ok=True)
        environment.on_frame = self.record

    def record(self) -> None:
        """Record the frame that is shown; its number is that of the frames played before.

        Raises:
            RunFolderError: the disk is full.
        """
        number = self._env.frames
        if self._screens is not None:
            path = self._screens / f"{number:06d}.png"
            with writing(path, _HINT):
                Image.fromarray(doubled(self._env.picture())).save(path)
        if self._sound is not None and isinstance(self._emulator, ArcadeEmulator):
            with writing(self._sound, _HINT):
                self._append_sound(self._sound, number)

    def _append_sound(self, path: Path, number: int) -> None:
        """Put a frame's sound at its place; a resumed run overwrites what came after."""
        samples = self._emulator.ale.getAudio()  # type: ignore[attr-defined]
        if not path.exists() or number == 0:
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(1)
                file.setframerate(RATE)
        header = 44
        n = (number + 1) * SAMPLES
        with path.open("r+b") as file:
            file.truncate(header + n)
            file.seek(header + number * SAMPLES)
            file.write(np.asarray(samples, dtype=np.uint8).tobytes())
            for at, size in ((4, header - 8 + n), (40, n)):
                file.seek(at)
                file.write(size.to_bytes(4, "little"))


def doubled(picture: Picture) -> Picture:
    """Return a picture twice as wide, as the emulator exports it: uint8 [210, 320, 3]."""
    return np.repeat(picture, 2, axis=1)
