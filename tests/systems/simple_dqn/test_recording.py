"""A run that is recorded: every frame before it is played, and its sound."""

from __future__ import annotations

import wave

import numpy as np
from PIL import Image

from dqn_port.systems.simple_dqn.recording import doubled
from tests.systems.simple_dqn.building import training


def test_every_frame_is_a_png_and_its_sound_stands_at_its_place(tmp_path):
    given = {
        **{"game": "breakout", "frame_skip": 4, "random_steps": 5, "epochs": 0},
        "record_screen_path": f"{tmp_path}/videos/breakout",
        "record_sound_filename": f"{tmp_path}/sounds/x.wav",
    }
    run = training(**given)
    first = run.env.picture()
    while not run.done:
        run.tick()
    names = sorted(path.name for path in (tmp_path / "videos" / "breakout").iterdir())
    assert names == [f"{i:06d}.png" for i in range(20)]
    shown = np.asarray(Image.open(tmp_path / "videos" / "breakout" / "000000.png"))
    assert shown.shape == (210, 320, 3)
    np.testing.assert_array_equal(shown, doubled(first))
    with wave.open(f"{tmp_path}/sounds/x.wav") as file:
        assert file.getparams()[:4] == (1, 1, 30720, 20 * 512)
        sound = np.frombuffer(file.readframes(20 * 512), dtype=np.uint8)
    assert sound.std() > 0

    # Gone on with from frame 8, the rest is written over.
    again = training(**given)
    again.env.frames = 8
    again.env.act(0)
    with wave.open(f"{tmp_path}/sounds/x.wav") as file:
        assert file.getnframes() == 12 * 512
        np.testing.assert_array_equal(
            np.frombuffer(file.readframes(8 * 512), np.uint8), sound[: 8 * 512]
        )


def test_recording_changes_no_number(tmp_path):
    runs = [
        training(game="breakout", epochs=0, record_screen_path=path)
        for path in ("", f"{tmp_path}/x")
    ]
    for run in runs:
        while not run.done:
            run.tick()
    np.testing.assert_array_equal(*(run.mem.screens for run in runs))
