"""Where the kernels come from, and what happens where they cannot be made."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest

from dqn_port.native import library
from dqn_port.systems.lua_dqn.preprocs.image_scale import Scale


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Give an empty cache, and forget what was loaded before and after."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv(library.SWITCH, raising=False)
    library.kernels.cache_clear()
    yield tmp_path / "dqn-port"
    library.kernels.cache_clear()


def test_the_kernels_are_compiled_once(cache, monkeypatch):
    assert library.kernels() is not None
    (file,) = cache.iterdir()
    made = file.stat().st_mtime_ns
    library.kernels.cache_clear()
    monkeypatch.setattr(library, "_compile", None)
    assert library.kernels() is not None
    assert file.stat().st_mtime_ns == made
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_a_damaged_library_is_made_again(cache):
    compiler = shutil.which("gcc") or shutil.which("cc")
    file = library._folder() / f"kernels-{library._fingerprint(compiler)}.so"
    file.write_bytes(b"not a library")
    assert library.kernels() is not None
    assert file.stat().st_size > 1000


@pytest.mark.parametrize("case", ["off", "no compiler", "a compiler that fails"])
def test_without_kernels_numpy_gives_the_numbers(cache, monkeypatch, tmp_path, case):
    image = np.random.default_rng(0).random((210, 160), dtype=np.float32)
    expected = Scale((210, 160), (84, 84)).forward(image)
    library.kernels.cache_clear()
    if case == "off":
        monkeypatch.setenv(library.SWITCH, "0")
    elif case == "no compiler":
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        monkeypatch.setenv("CC", "false")
    assert library.kernels() is None
    np.testing.assert_array_equal(Scale((210, 160), (84, 84)).forward(image), expected)


@pytest.mark.parametrize("home", ["a file", "another user's"])
def test_a_cache_that_cannot_be_used_gives_way_to_a_folder_of_the_process(
    tmp_path, home, monkeypatch
):
    if home == "a file":
        (tmp_path / "dqn-port").write_text("in the way")
    else:
        (tmp_path / "dqn-port").mkdir()
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = library._folder()
    assert folder.is_dir()
    assert tmp_path not in folder.parents
    folder.rmdir()


def test_the_folder_of_a_process_goes_with_it(tmp_path):
    (tmp_path / "dqn-port").write_text("in the way")
    (tmp_path / "tmp").mkdir()
    code = "from dqn_port.native.library import kernels; assert kernels() is not None"
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert not list((tmp_path / "tmp").iterdir())


ARCHITECTURES = (
    ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"] if platform.machine() == "x86_64"
    else ["native"]
)  # fmt: skip


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_kernels_compile_for_processors_with_and_without_wide_vectors(
    tmp_path, monkeypatch, architecture
):
    flags = ["-O1" if flag == "-O3" else flag for flag in library.FLAGS]
    flags[flags.index("-march=native")] = f"-march={architecture}"
    monkeypatch.setattr(library, "FLAGS", tuple(flags))
    library._compile(tmp_path / "kernels.so", "gcc")
    assert (tmp_path / "kernels.so").stat().st_size > 0


def test_no_flag_lets_the_compiler_change_a_number():
    assert "-ffp-contract=off" in library.FLAGS
    assert not any("fast" in flag for flag in library.FLAGS)
