"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from dqn_port.errors import RunFolderError, T7Error
from dqn_port.files import write_whole
from dqn_port.torch7.t7 import save


def full(_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "a.t7"
    save(path, 5)
    before = path.read_bytes()

    monkeypatch.setattr(os, "fsync", full)
    for write in (lambda: save(path, 6), lambda: write_whole(path, lambda file: file.write(b"6"))):
        with pytest.raises((RunFolderError, T7Error)) as caught:
            write()
        assert str(caught.value) == (
            f"{path}: cannot be written: No space left on device; what was there is unchanged"
        )
        assert caught.value.exit_code == 1
        assert path.read_bytes() == before
        assert leftovers(tmp_path) == ["a.t7"]


def test_links_in_a_ring_are_one_line(tmp_path):
    path = tmp_path / "ring"
    path.symlink_to("ring")
    with pytest.raises(RunFolderError) as caught:
        write_whole(path, lambda file: file.write(b"6"))
    assert str(caught.value) == (
        f"{path}: cannot be written: Too many levels of symbolic links; what was there is unchanged"
    )
    assert leftovers(tmp_path) == ["ring"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_beside_it(tmp_path, stop):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def write(file):
        file.write(b"new, but not whole")
        raise stop

    with pytest.raises(stop):
        write_whole(path, write)
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == ["a.txt"]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB, where one may be mounted; else the tests of a full disk are simulated."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True, check=False
    ) if os.geteuid() == 0 else None  # fmt: skip
    yield folder if mounted is not None and mounted.returncode == 0 else None
    if mounted is not None and mounted.returncode == 0:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_really_full(small_disk, monkeypatch, tmp_path):
    folder = small_disk or tmp_path / "disk"
    if small_disk is None:
        monkeypatch.setattr(os, "fsync", full)
    path = folder / "a.bin"
    for write in (
        lambda: write_whole(path, lambda file: file.write(b"x" * 200_000)),
        lambda: save(path, "x" * 200_000),
    ):
        with pytest.raises((RunFolderError, T7Error)) as caught:
            write()
        assert str(caught.value) == (
            f"{path}: cannot be written: No space left on device; what was there is unchanged"
        )
        assert leftovers(folder) == []


def test_only_files_are_replaced(tmp_path):
    for path in (tmp_path, "/dev/null"):
        path = type(tmp_path)(path)
        with pytest.raises(RunFolderError) as caught:
            write_whole(path, lambda file: file.write(b"x"))
        assert str(caught.value) == (
            f"{path}: cannot be written: it is not a file; what was there is unchanged"
        )
    assert leftovers(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RunFolderError) as caught:
        write_whole(tmp_path / "no" / "a", lambda file: file.write(b"x"))
    assert str(caught.value) == (
        f"{tmp_path}/no/a: cannot be written: its folder does not exist; make it first"
    )


def test_what_a_link_points_to_is_written(tmp_path):
    (tmp_path / "link").symlink_to("target")
    write_whole(tmp_path / "link", lambda file: file.write(b"x"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_files_are_readable_as_files_usually_are(tmp_path):
    write_whole(tmp_path / "a", lambda file: file.write(b"x"))
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
