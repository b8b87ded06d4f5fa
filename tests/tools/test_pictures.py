from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from dqn_port.errors import ArgsError, RunFolderError
from dqn_port.games.ale.emulator import AleEmulator, palette
from dqn_port.systems.lua_dqn.game_screen import GameScreen
from dqn_port.systems.lua_dqn.player import picture_of
from dqn_port.tools.pictures import (
    check_ending,
    enlarge,
    gif_of,
    resize,
    write_png,
)
from tests.tools.running import TOY_B, make_snapshot, sets


def decoded(path):
    """Return (pictures uint8 [n, height, width, 3] in RGB, durations in ms), by OpenCV."""
    ok, animation = cv2.imreadanimation(str(path))
    assert ok
    pictures = np.stack([frame[..., 2::-1] for frame in animation.frames])
    return pictures, list(np.ravel(animation.durations))


def noise(n_colours, n, height, width, seed=0):
    rng = np.random.default_rng(seed)
    colours = rng.choice(1 << 24, size=n_colours, replace=False)
    pixels = colours[rng.integers(0, n_colours, (n, height, width))]
    return np.stack([pixels >> 16, pixels >> 8 & 255, pixels & 255], axis=-1).astype(np.uint8)


def screens_of(game, n):
    """Return n frames of a real game, as pictures."""
    emulator = AleEmulator(game)
    frame = np.zeros((emulator.height, emulator.width), dtype=np.uint8)
    pictures = []
    for i in range(n):
        emulator.act(emulator.actions[i * 7 % len(emulator.actions)])
        emulator.get_screen(frame)
        pictures.append(emulator.palette[frame])
    return np.stack(pictures)


@pytest.mark.parametrize("game", ["pong", "breakout", "space_invaders", "seaquest"])
def test_a_gif_of_a_game_holds_every_picture_with_its_exact_colours(game, tmp_path):
    pictures = screens_of(game, 30)
    (tmp_path / "a.gif").write_bytes(gif_of(list(pictures), delay=70))
    got, durations = decoded(tmp_path / "a.gif")
    np.testing.assert_array_equal(got, pictures)
    assert durations == [70] * 30


def test_a_picture_that_changes_nothing_still_counts(tmp_path):
    picture = noise(5, 1, 20, 30)[0]
    (tmp_path / "a.gif").write_bytes(gif_of([picture] * 4, delay=20))
    np.testing.assert_array_equal(decoded(tmp_path / "a.gif")[0], [picture] * 4)


def test_resize_takes_the_nearest_pixel():
    picture = np.array([[1, 2, 3]], dtype=np.uint8)
    np.testing.assert_array_equal(resize(picture, 2, 6), [[1, 1, 2, 2, 3, 3]] * 2)
    np.testing.assert_array_equal(resize(picture, 1, 4), [[1, 1, 2, 3]])


def test_enlarge_repeats_whole_pixels_and_leaves_high_pictures_alone():
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    np.testing.assert_array_equal(enlarge(picture, 3), picture.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(enlarge(picture, 2), picture)


def test_the_picture_of_a_screen_is_its_pooled_colours():
    screen = GameScreen(palette(), 1, 2, pool_type="max", pool_size=2)
    screen.next_frame()[:] = [[0, 2]]
    screen.next_frame()[:] = [[2, 4]]
    np.testing.assert_array_equal(picture_of(screen.grab()), [[[0x4A] * 3, [0x6F] * 3]])


def test_a_png_comes_back_exactly(tmp_path):
    picture = noise(999, 1, 40, 50)[0]
    write_png(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], picture)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_png_that_cannot_be_written_is_one_line(tmp_path):
    path = tmp_path / "none" / "a.png"
    with pytest.raises(RunFolderError) as error:
        write_png(path, noise(2, 1, 4, 4)[0])
    assert str(error.value) == (
        f"{path}: cannot be written: its folder does not exist; make it first"
    )


def test_the_name_says_the_format(tmp_path):
    check_ending(tmp_path / "a.PNG", ".png", "--out")
    with pytest.raises(ArgsError) as error:
        check_ending(tmp_path / "a.jpg", ".png", "--out")
    assert str(error.value) == (
        f"--out: expected the name of a file ending in .png, got '{tmp_path / 'a.jpg'}'"
    )


WITHOUT_OPENCV = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "cv2":
            raise {error}
sys.meta_path.insert(0, Missing())
from dqn_port.cli.main import main
main(sys.argv[1:])
"""
LIBRARY = "ImportError('{}: cannot open shared object file: No such file or directory')"


def without_opencv(error, *words):
    code = WITHOUT_OPENCV.replace("{error}", error)
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            LIBRARY.format("libGL.so.1"),
            "pictures need OpenCV's system libraries (libGL.so.1 is missing): sudo apt-get install "
            "libgl1 libglib2.0-0 (libglib2.0-0t64 on Ubuntu 24.04 and later)",
        ),
        (
            LIBRARY.format("libgthread-2.0.so.0"),
            "pictures need OpenCV's system libraries (libgthread-2.0.so.0 is missing): sudo "
            "apt-get install libgl1 libglib2.0-0 (libglib2.0-0t64 on Ubuntu 24.04 and later)",
        ),
        (
            "ModuleNotFoundError(\"No module named 'cv2'\")",
            "pictures need OpenCV (No module named 'cv2'): pip install opencv-python",
        ),
    ],
)
def test_without_opencv_one_line_says_what_to_install(error, message, tmp_path):
    words = ["screens", *sets(TOY_B), "-o", tmp_path / "a.png"]
    result = without_opencv(error, *words)
    assert (result.stdout, result.stderr) == ("", f"dqn-port: error: {message}\n")
    assert result.returncode == 1
    assert not list(tmp_path.iterdir())


def test_without_opencv_a_gif_is_refused_before_the_game_is_played(tmp_path):
    snapshot = make_snapshot(tmp_path / "toy.t7", TOY_B)
    out = tmp_path / "a.gif"
    error = LIBRARY.format("libGL.so.1")
    result = without_opencv(error, "play", snapshot, "--gif", out)
    assert result.returncode == 1
    assert "score" not in result.stdout
    assert result.stderr.startswith("dqn-port: error: pictures need OpenCV's system libraries")
    assert not out.exists()
    assert without_opencv(error, "play", snapshot).returncode == 0
