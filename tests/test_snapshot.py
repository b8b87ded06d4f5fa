"""Snapshots: what is written, that it is written whole, and that nothing in a file is trusted."""

from __future__ import annotations

import errno
import io
import os
import pickle
import random
import subprocess
import zipfile

import pytest
import torch

from dqn_port.errors import RunFolderError, SnapshotError
from dqn_port.networks.layers import Linear, Rectifier, Reshape
from dqn_port.networks.sequential import Sequential, from_modules_table
from dqn_port.snapshot import (
    FORMAT,
    is_snapshot,
    load_snapshot,
    network_to_table,
    save_snapshot,
    save_tensors,
    write_whole,
)
from dqn_port.torch7.generator import Generator
from tests.comparing import plain


def small_network(seed=1):
    network = Sequential([Reshape((6,)), Linear(6, 3), Rectifier(), Linear(3, 2)])
    network.reset(Generator(seed))
    return network


def small_table(**changes):
    table = {
        "model": network_to_table(small_network()),
        "best_model": network_to_table(small_network(2)),
        "agent": {"numSteps": 5},
        "histories": {"reward_history": [1.0], "time_history": [0.0, 1.0]},
        "arguments": {"seed": 1, "agent_params": {"input_dims": [1, 2]}},
        "step": 5,
    }
    return {key: value for key, value in (table | changes).items() if value != "absent"}


def saved(folder, **changes):
    path = folder / "a.pt"
    save_snapshot(path, small_table(**changes))
    return path


def refused(path):
    with pytest.raises(SnapshotError) as caught:
        load_snapshot(path)
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


DAMAGED = "expected a whole snapshot, got a damaged or other file: "


# Write and read.


def test_what_is_saved_is_read_back_with_plain_types_only(tmp_path):
    path = saved(tmp_path)
    snapshot = load_snapshot(path)
    assert plain(snapshot.table) == plain({"format": FORMAT} | small_table())
    assert plain(torch.load(path, weights_only=True)) == plain(snapshot.table)
    assert snapshot.arguments == {"seed": 1, "agent_params": {"input_dims": [1, 2]}}
    assert snapshot.has_best
    assert snapshot.path == path


def test_the_last_or_the_best_network_is_built_again_to_the_bit(tmp_path):
    snapshot = load_snapshot(saved(tmp_path))
    for best, seed in ((False, 1), (True, 2)):
        network = from_modules_table(snapshot.network_table(best=best)["modules"])
        assert torch.equal(network.w, small_network(seed).w)
        assert str(network) == str(small_network(seed))


def test_without_a_best_network_the_last_one_is_given(tmp_path):
    snapshot = load_snapshot(saved(tmp_path, best_model=None))
    assert not snapshot.has_best
    assert snapshot.network_table(best=True) is snapshot.network_table()


def test_the_same_table_gives_the_same_bytes(tmp_path):
    first = saved(tmp_path).read_bytes()
    assert saved(tmp_path).read_bytes() == first


def test_strings_that_utf8_cannot_hold_survive(tmp_path):
    arguments = {"seed": 1, "ignored": {"agent_params.x": "\udcff"}}
    assert load_snapshot(saved(tmp_path, arguments=arguments)).arguments == arguments


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("convnet_atari3", False),
        ("my_pkg.mod:net", False),
        ("a.pt", True),
        ("a.t7", True),
        ("folder/a", True),
        ("", False),
        ("\0", False),
    ],
)
def test_what_is_a_files_name(name, is_one):
    assert is_snapshot(name) is is_one


def test_a_file_without_an_ending_is_known_when_it_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_snapshot("mine")
    (tmp_path / "mine").touch()
    assert is_snapshot("mine")


# Whole or not at all.


def full(_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = saved(tmp_path)
    before = path.read_bytes()

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError) as caught:
        save_snapshot(path, small_table(step=6))
    assert str(caught.value) == (
        f"{path}: cannot be written: No space left on device; what stood there is unharmed"
    )
    assert caught.value.exit_code == 1
    assert path.read_bytes() == before
    assert leftovers(tmp_path) == ["a.pt"]


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
    for save in (
        lambda: write_whole(path, lambda file: file.write(b"x" * 200_000)),
        lambda: save_tensors(path, {"network": torch.zeros(100_000)}),
        lambda: save_snapshot(path, small_table(agent={"x": torch.zeros(100_000)})),
    ):
        with pytest.raises(RunFolderError) as caught:
            save()
        assert str(caught.value) == (
            f"{path}: cannot be written: No space left on device; what stood there is unharmed"
        )
        assert leftovers(folder) == []


def test_only_files_are_replaced(tmp_path):
    for path in (tmp_path, "/dev/null"):
        path = type(tmp_path)(path)
        with pytest.raises(RunFolderError) as caught:
            write_whole(path, lambda file: file.write(b"x"))
        assert str(caught.value) == (
            f"{path}: cannot be written: it is no file; what stood there is unharmed"
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
    assert saved(tmp_path).stat().st_mode & 0o777 == 0o644


# Files that are not what they should be.


def test_a_file_that_is_missing_a_folder_or_of_torch7(tmp_path):
    assert (
        refused(tmp_path / "no.pt")
        == "cannot be read: No such file or directory; `dqn-port train` makes snapshots"
    )
    assert refused(tmp_path) == "cannot be read: Is a directory; `dqn-port train` makes snapshots"
    assert refused(tmp_path / "a.t7") == ("expected a snapshot .pt; Torch7 files are not read yet")


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"x" * 1000, b"\x80\x02}q\x00.", b"PK\5\6" + b"\0" * 18]
)
def test_a_file_of_something_else(tmp_path, content):
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    assert refused(path).startswith(DAMAGED)


def test_a_file_of_torch_that_is_no_snapshot(tmp_path):
    for i, table in enumerate(({"network": torch.zeros(3)}, torch.zeros(3), {"format": "x"}, [1])):
        path = tmp_path / f"{i}.pt"
        torch.save(table, path)
        assert refused(path) == f"expected the format '{FORMAT}', got another file of torch"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"model": "absent"}, "model: expected it in a snapshot, got nothing like it"),
        ({"best_model": 5}, "best_model: expected it in a snapshot, got nothing like it"),
        ({"arguments": []}, "arguments: expected it in a snapshot, got nothing like it"),
        ({"histories": "absent"}, "histories: expected it in a snapshot, got nothing like it"),
        ({"step": "5"}, "step: expected it in a snapshot, got nothing like it"),
        ({"model": {}}, "model.class: expected a name, got nothing like it"),
        ({"best_model": {"class": []}}, "best_model.class: expected a name, got nothing like it"),
        (
            {"model": {"class": "nn.Sequential"}},
            "model.modules: expected a list, got nothing like it",
        ),
        ({"arguments": {5: 1}}, "arguments: expected options by name, got other keys"),
    ],
)
def test_a_snapshot_that_lacks_something(tmp_path, changes, fault):
    assert refused(saved(tmp_path, **changes)) == fault


def test_a_snapshot_cut_anywhere(tmp_path):
    path = saved(tmp_path)
    whole = path.read_bytes()
    for length in sorted({*range(0, len(whole), 53), *range(len(whole) - 60, len(whole))}):
        path.write_bytes(whole[:length])
        assert refused(path).startswith(DAMAGED), length


def test_a_snapshot_with_a_bit_changed_anywhere(tmp_path):
    path = saved(tmp_path)
    whole = path.read_bytes()
    expected = plain(load_snapshot(path).table)
    chosen = random.Random(1)
    for at in sorted({*range(0, len(whole), 23), *range(len(whole) - 1200, len(whole), 3)}):
        changed = bytearray(whole)
        changed[at] ^= 1 << chosen.randrange(8)
        path.write_bytes(changed)
        try:
            table = load_snapshot(path).table
        except SnapshotError:
            continue
        # Padding and times of the archive mean nothing.
        assert plain(table) == expected, at


def rewritten(path, change=lambda name, content: content, compression=zipfile.ZIP_STORED):
    """Write the archive again, every member as ``change`` gives it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))
    return path


def test_a_packed_member_is_refused_before_anything_grows(tmp_path):
    path = rewritten(saved(tmp_path), compression=zipfile.ZIP_DEFLATED)
    assert refused(path) == f"{DAMAGED}archive/data.pkl is packed"


class Hostile:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_nothing_in_a_pickle_is_executed(tmp_path):
    mark = tmp_path / "executed"
    hostile = pickle.dumps({"format": FORMAT, "model": Hostile(f"touch {mark}")}, protocol=2)
    path = rewritten(
        saved(tmp_path), lambda name, content: hostile if name.endswith("data.pkl") else content
    )
    assert refused(path).startswith(f"{DAMAGED}Weights only load failed")
    assert not mark.exists()
    plain_pickle = tmp_path / "plain.pt"
    plain_pickle.write_bytes(hostile)
    assert refused(plain_pickle).startswith(DAMAGED)
    torch.save(Hostile(f"touch {mark}"), tmp_path / "saved.pt")
    assert refused(tmp_path / "saved.pt").startswith(f"{DAMAGED}Weights only load failed")
    assert not mark.exists()


def test_a_pickle_of_any_bytes_is_refused(tmp_path):
    chosen = random.Random(1)
    opcodes = b"(.0123FNQRSTUVXabcdeghijloprstu}]q\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x94"
    for i in range(60):
        content = b"\x80\x02" + bytes(chosen.choice(opcodes) for _ in range(i)) + b"."
        path = rewritten(
            saved(tmp_path), lambda name, old, c=content: c if name.endswith("data.pkl") else old
        )
        refused(path)


def test_a_tensor_that_is_larger_than_its_bytes_is_refused(tmp_path):
    buffer = io.BytesIO()
    torch.save({"format": FORMAT} | small_table(model={"w": torch.zeros(7)}), buffer)
    path = tmp_path / "a.pt"
    path.write_bytes(buffer.getvalue())
    rewritten(
        path,
        lambda name, old: old.replace(b"K\x07", b"K\x7f") if name.endswith("data.pkl") else old,
    )
    assert refused(path).startswith(DAMAGED)
