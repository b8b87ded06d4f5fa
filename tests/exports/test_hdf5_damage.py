"""Files that are damaged, hostile or something else: one line each, and never a crash."""

from __future__ import annotations

import os
import random
import resource
import shutil

import h5py
import numpy as np
import pytest

from dqn_port.errors import HistoryError
from dqn_port.exports import hdf5_child
from dqn_port.exports.hdf5 import export_hdf5
from dqn_port.exports.hdf5_layout import history_series
from dqn_port.exports.hdf5_reading import read_hdf5
from dqn_port.runs.record import read_run
from dqn_port.systems.lua_dqn.histories import HISTORY
from tests.exports.building import evaluation_of, write_run


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    run = read_run(write_run(folder / "a"))
    path = folder / "a.h5"
    export_hdf5(path, [(run, [evaluation_of(run)])])
    return path


@pytest.fixture
def path(tmp_path, good):
    """A copy that may be changed."""
    return shutil.copy(good, tmp_path / "x.h5")


def refusal(path):
    with pytest.raises(HistoryError) as refused:
        read_hdf5(path)
    text = str(refused.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def replace(file, name, **how):
    """Put another dataset in the place of one, with its attributes."""
    told = {key: file[name].attrs[key] for key in ("units", "long_name")}
    del file[name]
    dataset = file.create_dataset(name, **how)
    for key, value in told.items():
        dataset.attrs[key] = value
    return dataset


STORED = {"chunks": (3,), "compression": "gzip", "shuffle": True, "fletcher32": True}


def vlen(file):
    kind = h5py.vlen_dtype(np.float64)
    replace(file, "history/v", shape=(3,), dtype=kind, chunks=(3,))


def fixed_words(file):
    replace(file, "episodes/network", data=np.array(["last"] * 3, "S4"), **STORED)


def contiguous_words(file):
    replace(file, "episodes/network", data=["last"] * 3, dtype=h5py.string_dtype())


def long_words(file):
    file["episodes/network"][1] = "last" * 1000


def shared_words(file):
    dataset = file["episodes/network"].id
    _, references = dataset.read_direct_chunk((0,))
    dataset.write_direct_chunk((0,), references[:16] * 2 + references[32:])


def bool_enum(file):
    replace(file, "episodes/cut", data=np.array([True] * 3), **STORED)


def giant(file):
    replace(file, "history/v", shape=(10**12,), dtype="f8", **(STORED | {"chunks": (10**8,)}))


def giant_chunk(file):
    n = 2**28
    replace(file, "history/v", shape=(n,), dtype="f8", **(STORED | {"chunks": (n,)}))


def not_stored(file):
    replace(file, "history/v", shape=(3,), dtype="f8", **STORED)


def contiguous(file):
    replace(file, "history/v", data=np.zeros(3))


def more_filters(file):
    replace(file, "history/v", data=np.zeros(3), **(STORED | {"compression": "lzf"}))


def outside(file):
    replace(file, "history/v", shape=(3,), dtype="f8", external=[("/etc/passwd", 0, 24)])


def virtual(file):
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    del file["history/v"]
    file.create_virtual_dataset("history/v", layout)


def square(file):
    replace(file, "history/v", data=np.zeros((3, 1)), **(STORED | {"chunks": (3, 1)}))


def longer(file):
    data = np.zeros(4)
    dataset = replace(file, "history/v", data=data, **(STORED | {"chunks": (4,)}))
    dataset.dims[0].attach_scale(file["history/step"])


def without_scale(file):
    replace(file, "history/v", data=np.zeros(3), **STORED)


def other_scale(file):
    file["history/v"].dims[0].detach_scale(file["history/step"])
    file["history/v"].dims[0].attach_scale(file["history/time_step"])


def no_scale(file):
    for name in file["history"]:
        if file["history"][name].dims[0].values() == [file["history/step"]]:
            file["history"][name].dims[0].detach_scale(file["history/step"])
    replace(file, "history/step", data=np.arange(1, 4) * 100, **STORED)


def external_link(file):
    del file["history/v"]
    file["history/v"] = h5py.ExternalLink("/etc/passwd", "/v")


def soft_link(file):
    del file["history/v"]
    file["history/v"] = h5py.SoftLink("/history/td")


def ring(file):
    del file["history"]
    file["history"] = file["/"]


def group_for_a_dataset(file):
    del file["history/v"]
    file.create_group("history/v")


def dataset_for_a_group(file):
    del file["episodes"]
    file["episodes"] = np.zeros(3)


def missing(file):
    del file["history/v"]


def more(file):
    file["history/w"] = np.zeros(3)


def other_steps(file):
    file["history/time_step"][1] = 7


def version(file):
    file.attrs["schema_version"] = np.int64(4)


def no_schema(file):
    del file.attrs["schema"]


def vlen_attribute(file):
    file.attrs["game"] = "pong"


def long_attribute(file):
    file.attrs["seed"] = np.arange(1000)


def float_attribute(file):
    file.attrs["seed"] = 1.0


def more_attributes(file):
    file["history/v"].attrs["valid_range"] = 3


def other_words(file):
    file["episodes/network"][1] = b"los\xff"


def control_characters(file):
    file.create_group("evil\x1b[31m\n\u202e")


def bytes_for_a_name(file):
    h5py.h5g.create(file.id, b"\xff\xfe")


def no_utf8(file):
    file.attrs["game"] = np.array(b"\xff", dtype="S4")


def long_text(file):
    file.attrs["game"] = np.array(b"pong", dtype=h5py.string_dtype("utf-8", 100_000))


def many_runs(file):
    file.attrs["run_count"] = np.int64(2)


MEMBERS = "episodes, history"
ALL = ", ".join(sorted(each.name for each in history_series(HISTORY)))
ANOTHER = "another class of types"
STORAGE = "one chunk with shuffle, gzip and fletcher32, got another storage"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (vlen, f"/history/v: expected the type float64, got {ANOTHER}"),
        (fixed_words, f"/episodes/network: expected texts of any length, got {ANOTHER}"),
        (contiguous_words,
         "/episodes/network: expected one chunk with no filter, got another storage"),
        (long_words, "/episodes/network: expected texts as long as last or best, got others"),
        (shared_words,
         "/episodes/network: expected every text once in the file, got one for two entries"),
        (bool_enum, f"/episodes/cut: expected the type uint8, got {ANOTHER}"),
        (giant, "/history/v: expected what a file of SIZE bytes can hold, 20,000,000 in all, got "
         "1,000,000,000,000 entries"),
        (giant_chunk, "/history/v: expected what a file of SIZE bytes can hold, 20,000,000 in all, "
         "got 268,435,456 entries"),
        (not_stored, "/history/v: expected 1 stored chunks, got another number"),
        (contiguous, f"/history/v: expected {STORAGE}"),
        (more_filters, f"/history/v: expected {STORAGE}"),
        (outside, f"/history/v: expected {STORAGE}"),
        (virtual, f"/history/v: expected {STORAGE}"),
        (square, "/history/v: expected one dimension, got 2"),
        (longer, "/history/v: expected (3,) as step has, got (4,)"),
        (without_scale, "/history/v: expected the scale step attached, got others or none"),
        (other_scale, "/history/v: expected the scale step attached, got others or none"),
        (no_scale, "/history/step: expected a dimension scale, got none"),
        (external_link, "/history/v: expected an object, got a link (ExternalLink)"),
        (soft_link, "/history/v: expected an object, got a link (SoftLink)"),
        (ring, "/history: expected the attributes none, got others (Conventions, arguments, "
         "arguments_hash)"),
        (group_for_a_dataset, "/history/v: expected a dataset, got Group"),
        (dataset_for_a_group, "/episodes: expected a group, got Dataset"),
        (missing, f"/history: expected the members {ALL}, got others (v)"),
        (more, f"/history: expected the members {ALL}, got others (w)"),
        (other_steps, "/history/time_step: expected 0 and the steps, got others"),
        (version, "/@schema_version: expected 1 or 2 or 3, got 4"),
        (no_schema, "/: expected the attribute schema of a dqn-port history, got none"),
        (vlen_attribute, f"/@game: expected a text, got {ANOTHER}"),
        (long_attribute, "/@seed: expected int64, got int64 (1000,)"),
        (float_attribute, f"/@seed: expected int64, got {ANOTHER}"),
        (more_attributes, "/history/v: expected the attributes units, long_name, got others "
         "(valid_range)"),
        (other_words, "/episodes/network: expected last or best, got 'losÿ'"),
        (control_characters, "/: expected the members episodes, history, got others "
         "(evil\x1b[31m\n\u202e)"),
        (bytes_for_a_name, "/: expected the members episodes, history, got others "
         "(b'\\xff\\xfe')"),
        (no_utf8, "/@game: expected a text in UTF-8, got other bytes"),
        (long_text, "/@game: expected at most 99,999 bytes, got 100,000"),
        (many_runs, "/: expected the attributes schema, schema_version, Conventions, created, "
         "run_count, got others (arguments, arguments_hash, finished)"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)  # fmt: skip
def test_what_is_not_as_it_was_written(path, change, message, monkeypatch):
    monkeypatch.setattr(hdf5_child, "_MOST_TEXT", 99_999)
    with h5py.File(path, "r+") as file:
        change(file)
    size = f"{path.stat().st_size:,}"
    # Nothing of these makes the library crash, so that no process of its own is needed.
    with pytest.raises(hdf5_child.FAULTS) as refused:
        hdf5_child.read(path)
    assert str(refused.value) == message.replace("SIZE", size)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (giant, "/history/v: expected what a file of SIZE bytes can hold, 20,000,000 in all, got "
         "1,000,000,000,000 entries"),
        (external_link, "/history/v: expected an object, got a link (ExternalLink)"),
        (control_characters, "/: expected the members episodes, history, got others "
         "(evil�[31m �)"),
    ],
)  # fmt: skip
def test_the_process_of_its_own_tells_it(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file)
    size = f"{path.stat().st_size:,}"
    assert refusal(path) == f"{message.replace('SIZE', size)}; export it again"


def test_a_file_that_is_something_else(tmp_path):
    path = tmp_path / "x.h5"
    assert refusal(path) == "cannot be read: No such file or directory"
    assert refusal(tmp_path) == "expected an HDF5 file, got a folder or a device"
    os.mkfifo(tmp_path / "fifo")
    assert refusal(tmp_path / "fifo") == "expected an HDF5 file, got a folder or a device"
    path.write_text("no HDF5")
    assert refusal(path) == (
        "expected an HDF5 file, got a text that begins with 'no HDF5'; export it again"
    )
    path.write_bytes(b"\xff\xfe")
    assert refusal(path) == "expected an HDF5 file, got something else; export it again"
    with h5py.File(path, "w") as file:
        file["x"] = 3
    assert refusal(path) == (
        "/: expected the attribute schema of a dqn-port history, got none; export it again"
    )


def test_a_user_block_is_not_taken(path):
    path.write_bytes(bytes(512) + path.read_bytes())
    with h5py.File(path) as file:
        assert "history" in file
    assert refusal(path) == (
        "expected an HDF5 file, got zeros, of a copy or a download that broke off; export it again"
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.9999])
def test_a_file_that_was_cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: max(8, int(len(content) * share))])
    assert refusal(path).startswith("damaged: the HDF5 library says OSError: Unable to ")


def test_a_changed_number_is_found_by_its_checksum(path):
    with h5py.File(path) as file:
        chunk = file["history/v"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(content)
    assert refusal(path).startswith("damaged: the HDF5 library says OSError: Can't ")


def test_a_chunk_that_is_not_found_is_not_read_as_zeros(path):
    """Its address stands in an index without a checksum: h5py itself then reads zeros."""
    with h5py.File(path) as file:
        chunk = file["history/v"].id.get_chunk_info(0)
    content = path.read_bytes()
    # The node of the index: 24 bytes, the chunk's key of 24, its address.
    address = chunk.byte_offset.to_bytes(8, "little")
    places = [i for i in range(48, len(content)) if content[i : i + 8] == address]
    (place,) = [i for i in places if content[i - 48 : i - 44] == b"TREE"]
    expected, zeros, refused = hdf5_child.read(path), 0, 0
    for i in range(place - 24, place):
        damaged = bytearray(content)
        damaged[i] ^= 255
        path.write_bytes(damaged)
        try:
            with h5py.File(path) as file:
                zeros += not file["history/v"][:].any()
        except OSError:
            pass
        try:
            assert hdf5_child.read(path) == expected
        except hdf5_child.FAULTS:
            refused += 1
    assert 0 < zeros <= refused


def test_a_crash_of_the_library_is_one_line(path, monkeypatch, tmp_path):
    """A child that dies by a signal stands for it: what makes the library crash is repaired."""
    monkeypatch.setattr("dqn_port.exports.hdf5_reading._CHILD", "dying")
    (tmp_path / "dying.py").write_text("import os; os.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert refusal(path) == (
        "damaged: the HDF5 library fails on it or takes too long; export it again"
    )


def test_flipped_bytes_change_nothing_unseen(path):
    """In processes of their own, forked, for speed; more of them: see docs/hdf5.md.

    No checksum covers the references of texts: of one of them every low bit is flipped.
    """
    content, expected = path.read_bytes(), hdf5_child.read(path)
    with h5py.File(path) as file:
        references = file["episodes/network"].id.get_chunk_info(0).byte_offset
    generator = random.Random(1)
    bits = [(generator.randrange(len(content)), generator.randrange(8)) for _ in range(150)]
    bits += [(references + 16 + i, bit) for i in range(16) for bit in range(3)]
    outcomes = []
    for place, bit in bits:
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        child = os.fork()
        if not child:
            # Some make the library run forever, as some make it crash.
            resource.setrlimit(resource.RLIMIT_CPU, (5, 6))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            try:
                code = 0 if hdf5_child.read(path) == expected else 1
            except hdf5_child.FAULTS:
                code = 2
            except BaseException:
                code = 3
            os._exit(code)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            outcomes.append((os.WEXITSTATUS(status), place))
    codes = {code for code, _ in outcomes}
    assert codes == {0, 2}, [place for code, place in outcomes if code not in (0, 2)]
