from __future__ import annotations

import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn_port.errors import ArgsError, RunFolderError
from dqn_port.frameworks.alewrap.emulator import palette
from dqn_port.frameworks.alewrap.game_screen import GameScreen
from dqn_port.tools.pictures import (
    GifWriter,
    check_ending,
    enlarge,
    lzw,
    picture_of,
    resize,
    write_png,
)
from tests.tools.running import TOY_B, make_snapshot, sets


def gif(pictures, delay=7):
    file = io.BytesIO()
    writer = GifWriter(file, delay=delay)
    for picture in pictures:
        writer.add(picture)
    writer.close()
    assert writer.n_pictures == len(pictures)
    return file.getvalue()


def decoded(data, path):
    """Return (pictures uint8 [n, height, width, 3] in RGB, durations in ms), by OpenCV."""
    path.write_bytes(data)
    ok, animation = cv2.imreadanimation(str(path))
    assert ok
    pictures = np.stack([frame[..., 2::-1] for frame in animation.frames])
    return pictures, list(np.ravel(animation.durations))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("gif") / "scratch.gif"


def noise(n_colours, n, height, width, seed=0):
    rng = np.random.default_rng(seed)
    colours = rng.choice(1 << 24, size=n_colours, replace=False)
    pixels = colours[rng.integers(0, n_colours, (n, height, width))]
    return np.stack([pixels >> 16, pixels >> 8 & 255, pixels & 255], axis=-1).astype(np.uint8)


# 200 · 180 pixels of noise fill the table of codes and start it anew several times.
@pytest.mark.parametrize("n_colours", [1, 2, 3, 4, 5, 16, 17, 129, 256])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 2), (200, 180)])
def test_a_gif_holds_every_picture_with_its_exact_colours(n_colours, height, width, scratch):
    pictures = noise(n_colours, 3, height, width)
    got, durations = decoded(gif(pictures), scratch)
    np.testing.assert_array_equal(got, pictures)
    assert durations == [70, 70, 70]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 3), min_size=35, max_size=35), min_size=1, max_size=4),
    st.integers(2, 500),
)
def test_whatever_changes_between_pictures_comes_back(scratch, rows, delay):
    indices = np.array(rows).reshape(len(rows), 5, 7)
    pictures = np.array([(0, 0, 0), (236, 236, 236), (200, 72, 72), (1, 2, 3)], dtype=np.uint8)[
        indices
    ]
    got, durations = decoded(gif(pictures, delay), scratch)
    np.testing.assert_array_equal(got, pictures)
    assert durations == [10 * delay] * len(rows)


def test_a_picture_that_changes_nothing_still_counts(scratch):
    picture = noise(5, 1, 20, 30)[0]
    got, _ = decoded(gif([picture] * 4), scratch)
    np.testing.assert_array_equal(got, [picture] * 4)


def test_of_too_many_colours_the_most_frequent_are_exact_and_the_others_near(scratch):
    # 256 grays fill a column each; in the first row every other pixel is one off in blue.
    picture = np.empty((12, 256, 3), dtype=np.uint8)
    picture[:] = np.arange(256, dtype=np.uint8)[None, :, None]
    picture[0, ::2, 2] ^= 1
    got, _ = decoded(gif([picture]), scratch)
    np.testing.assert_array_equal(got[0, 1:], picture[1:])
    np.testing.assert_array_equal(got[0, 0], picture[1])


def test_the_bytes_of_a_small_gif_are_those_of_the_format():
    picture = np.zeros((1, 2, 3), dtype=np.uint8)
    picture[0, 1] = (200, 72, 72)
    assert gif([picture], delay=7) == (
        b"GIF89a\x02\0\x01\0\0\0\0"
        b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
        b"\x21\xf9\x04\x04\x07\0\0\0"
        b"\x2c\0\0\0\0\x02\0\x01\0\x80"
        b"\0\0\0\xc8\x48\x48"
        # Codes of 3 bits: clear = 4, 0, 1, end = 5; from the right: 101 001 000 100.
        b"\x02\x02\x44\x0a\0"
        b";"
    )


def test_lzw_packs_runs_into_codes():
    # clear (4), 1, 6 = 11, 7 = 111 in 3 bits each; code 8 makes the end 4 bits wide: 5.
    # From the right: 0101 111 110 001 100 → 10001100, 01011111.
    assert lzw(bytes([1] * 6), 2) == bytes([0b10001100, 0b01011111])


def test_only_the_changed_rectangle_is_stored():
    first = noise(200, 1, 100, 100)[0]
    second = first.copy()
    second[40:43, 50:52] = 7
    assert len(gif([first, second])) - len(gif([first])) < 60


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
        f"{path}: cannot be written: No such file or directory; what stood there is unharmed"
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


def test_a_gif_needs_no_opencv(tmp_path):
    snapshot = make_snapshot(tmp_path / "toy.pt", TOY_B)
    out = tmp_path / "a.gif"
    result = without_opencv(LIBRARY.format("libGL.so.1"), "play", snapshot, "--gif", out)
    assert (result.returncode, result.stderr) == (0, "")
    assert out.read_bytes().startswith(b"GIF89a")
