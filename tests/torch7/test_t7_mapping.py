"""Large files are mapped: opened at once, in little memory, and never changed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from dqn_port.errors import T7Error
from dqn_port.torch7 import load
from dqn_port.torch7.t7 import MAPPED_FROM
from tests.torch7.t7_building import LITTLE, field, table

FLOATS = 400_000_000
PROGRAM = """
import json, sys, time
from dqn_port.torch7 import load
def peak():
    # Not getrusage: a new process begins with the peak of the one that started it.
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1])
import numpy, dqn_port.torch7.t7
started = time.perf_counter()
value = load(sys.argv[1])
words = {"seed": value["arguments"]["seed"], "last": float(value["model"].numpy()[-1, -1])}
print(json.dumps(words | {"seconds": time.perf_counter() - started, "mb": peak() / 1024}))
"""


def large_file(path, floats=FLOATS, missing=0):
    """A snapshot: arguments, and a tensor of zeros that are a hole in the file."""
    before = LITTLE.ints(3, 1, 2) + b"".join(
        field(b"arguments", table(2, field(b"seed", LITTLE.number(7.0))))
    )
    size = (floats // 1000, 1000)
    tensor = LITTLE.string(b"model") + LITTLE.tensor(3, b"Float", size, (1000, 1))
    head = before + tensor + LITTLE.storage(4, b"Float", floats)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 4 * floats - missing)
    return head


def test_a_snapshot_of_one_and_a_half_gigabytes_opens_at_once(tmp_path):
    large_file(tmp_path / "a.t7")
    assert (tmp_path / "a.t7").stat().st_size > 1.5e9
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "a.t7"], capture_output=True, check=True
    )
    found = json.loads(done.stdout)
    assert (found["seed"], found["last"]) == (7.0, 0.0)
    assert found["seconds"] < 1
    assert found["mb"] < 200


def test_a_large_file_cut_short_is_told_at_once(tmp_path):
    head = large_file(tmp_path / "a.t7", missing=1)
    with pytest.raises(T7Error) as caught:
        load(tmp_path / "a.t7")
    assert str(caught.value) == (
        f"{tmp_path}/a.t7: byte {len(head) - 8}, at model: expected {4 * FLOATS} bytes of {FLOATS} "
        f"elements of a torch.FloatStorage, got only {4 * FLOATS - 1} more bytes"
    )


def test_arrays_of_a_mapped_file_may_be_written_to(tmp_path):
    path = tmp_path / "a.t7"
    large_file(path, floats=MAPPED_FROM // 4)
    before = path.read_bytes()
    array = load(path)["model"].numpy()
    assert not array.flags.owndata
    array[0, 0] = 5
    assert array[0, 0] == 5
    assert np.array_equal(np.require(array, requirements="A"), array)
    assert path.read_bytes() == before


@pytest.mark.parametrize("floats", [1000, (MAPPED_FROM // 4000 + 1) * 1000])
def test_small_and_large_files_read_alike(tmp_path, floats):
    path = tmp_path / "a.t7"
    head = large_file(path, floats=floats)
    values = np.arange(floats, dtype="<f4")
    path.write_bytes(head + values.tobytes())
    assert (path.stat().st_size < MAPPED_FROM) is (floats == 1000)
    array = load(path)["model"].numpy()
    assert array.flags.writeable
    assert np.array_equal(array.ravel(), values)
