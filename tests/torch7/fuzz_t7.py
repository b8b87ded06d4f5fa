"""Read damaged files: mutations of the golden ones, and of their JSON.

    python -m tests.torch7.fuzz_t7 --inputs 100000 --seed 1

Each input is read as a .t7 file, or as JSON. What still reads is turned into nodes, a tree,
binary, ASCII and JSON, each read back and compared. Nothing but a T7Error of one line may come
out of it, within a time limit for each input, in processes whose memory is limited. An
input is told by the seed and its number alone; `--only NUMBER` runs one again with its error.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import resource
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from dqn_port.errors import T7Error
from dqn_port.torch7 import dumps, load, loads
from dqn_port.torch7.difference import differences
from dqn_port.torch7.node_reader import from_json
from dqn_port.torch7.nodes import to_json
from dqn_port.torch7.tree import lines
from tests.torch7.t7_building import ASCII, FILES

SECONDS_PER_INPUT = 20
# bytes of addresses beyond those the interpreter and NumPy have when they are loaded
MEMORY = 1 << 30
BATCH = 5000
INTS = (-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 65, 255, 1 << 16, 1 << 24, 2**31 - 1, -(2**31))
LONGS = (*INTS, 1 << 32, 1 << 40, 10**18, 1 << 62, 2**63 - 1, -(2**63))
WORDS = (
    b"", b"-1", b"0", b"1", b"8", b"9", b"99", b"2147483647", b"2147483648", b"9223372036854775807",
    b"1" * 30, b"1" * 5000, b"1e999", b"1_0", b"nan", b"-nan", b"inf", b"0x10", b"1.5", b"+1",
    b" 1", b"1 ", b"1 1", "٣".encode(), b"V 1", b"V 0", b"\x00", b"torch.FloatTensor", b"tds.Vec",
)  # fmt: skip
JSON_PARTS = (
    b"{", b"}", b"[", b"]", b",", b'"', b":", b"null", b"true", b"1e5", b"-1", b"[" * 99,
    b"1" * 5000, b'{"t":"nil"}', b'{"t":"ref","id":1}', b'"nan"', b"\\ud800", b"\xff", b'"size"',
    b'"n"', b'"t"',
    b'"tensor"', b'"values"', b'"storage"', b'"tds.Vec"', b"99999999999999999999",
)  # fmt: skip
LARGE = "snap_toyB.t7"


class TooLong(BaseException):
    """An input took longer than it may."""


@functools.cache
def golden_bytes():
    """Return the golden files and of the smaller ones their JSON."""
    files = {path.name: path.read_bytes() for path in FILES}
    texts = {
        path.name: to_json(load(path)).encode() for path in FILES if path.stat().st_size < 10_000
    }
    return files, texts


def binary_damage(rng, data):
    """Return the data with one change of a kind that fits bytes."""
    at = rng.randrange(len(data) + 1)
    match rng.randrange(8):
        case 0:
            for _ in range(rng.randint(1, 4)):
                k = rng.randrange(len(data))
                data[k] ^= 1 << rng.randrange(8)
        case 1:
            del data[at:]
        case 2:
            del data[at : at + rng.choice((1, 2, 4, 8, 30))]
        case 3:
            length = rng.choice((4, 8, 12, 40, 200))
            start = rng.randrange(len(data))
            data[at:at] = data[start : start + length]
        case 4:
            data[at : at + 4] = struct.pack(rng.choice("<<<>") + "i", rng.choice(INTS))
        case 5:
            data[at : at + 8] = struct.pack(rng.choice("<<<>") + "q", rng.choice(LONGS))
        case 6:
            # An int or a long where there probably is one: after something small and zeros.
            places = [k for k in range(len(data) - 8) if data[k + 1 : k + 4] == b"\0\0\0"][:5000]
            if places:
                k = rng.choice(places)
                wide = rng.random() < 0.4
                new = struct.pack("<q" if wide else "<i", rng.choice(LONGS if wide else INTS))
                data[k : k + len(new)] = new
        case _:
            data[at:at] = rng.randbytes(rng.choice((1, 4, 16)))
    return data


def line_damage(rng, data, parts):
    """Return the data with one of its lines, or words of JSON, changed."""
    mark = b"\n" if parts is WORDS else rng.choice((b",", b":", b'"', b" "))
    pieces = bytes(data).split(mark)
    k = rng.randrange(len(pieces))
    match rng.randrange(6):
        case 0 | 1:
            pieces[k] = rng.choice(parts)
        case 2:
            pieces.insert(k, pieces[rng.randrange(len(pieces))])
        case 3:
            del pieces[k]
        case 4 if pieces[k]:
            j = rng.randrange(len(pieces[k]))
            digit = rng.choice((b"0", b"1", b"9", b"-", b".", b" "))
            pieces[k] = pieces[k][:j] + digit + pieces[k][j + 1 :]
        case _:
            pieces[k] += rng.choice(parts)
    return bytearray(mark.join(pieces))


def damaged(seed, number):
    """Return (name, data, whether it is JSON) of an input."""
    rng = random.Random(f"{seed} {number}")
    files, texts = golden_bytes()
    is_json = rng.random() < 0.1
    source = texts if is_json else files
    names = [name for name in source if name != LARGE or rng.random() < 0.02]
    name = rng.choice(names)
    data = bytearray(source[name])
    if rng.random() < 0.05:
        data += source[rng.choice(names)]
    is_text = is_json or name in {path.name for path in ASCII}
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        if not data:
            break
        if is_text and rng.random() < 0.7:
            data = line_damage(rng, data, JSON_PARTS if is_json else WORDS)
        elif rng.random() < 0.1:
            other = source[rng.choice(names)]
            at = rng.randrange(len(data))
            data = data[:at] + other[rng.randrange(len(other)) :]
        else:
            data = binary_damage(rng, data)
    return f"{name} {number}", bytes(data), is_json


def outcome(seed, number):
    """Run one input; return what came of it: ``read``, or the type of the error."""
    name, data, is_json = damaged(seed, number)
    options = random.Random(number)
    all_objects = options.random() < 0.3
    told = {"long_size": options.choice((4, 8)), "byte_order": "little"}
    signal.setitimer(signal.ITIMER_REAL, SECONDS_PER_INPUT)
    try:
        if is_json:
            value = from_json(data, all_objects=all_objects, name=name)
        else:
            value = loads(
                data, all_objects=all_objects, name=name, **told if options.random() < 0.1 else {}
            )
        survive(value)
    except T7Error as error:
        line = str(error)
        assert len(line.splitlines()) == 1, line
        assert len(line) < 10_000, line
        assert line.isprintable(), line
        assert name in line, line
        return "T7Error"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "read"


def survive(value):
    """Take a value that could be read through all that is done with one."""
    tree = list(lines(value))
    assert tree
    for line in tree:
        assert line.isprintable(), line
    for again in (
        lambda: loads(dumps(value)),
        lambda: loads(dumps(value, ascii=True)),
        lambda: from_json(to_json(value)),
    ):
        try:
            found = list(differences(value, again()))
        except T7Error as error:
            # Views that overlap are read, but not written out.
            if "overlap" not in str(error):
                raise AssertionError(error) from None
        else:
            assert not found, found[:3]


def peak_kb():
    """Return the most memory this process has had at once."""
    # Not getrusage: a new process begins with the peak of the one that started it.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def too_long(*_):
    raise TooLong


def worker(seed, first, last):
    """Run some inputs; return counts of outcomes, failures, the slowest input and memory."""
    golden_bytes()
    addresses = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (addresses + MEMORY, addresses + MEMORY))
    signal.signal(signal.SIGALRM, too_long)
    before = peak_kb()
    outcomes, failures, slowest = Counter(), [], (0.0, -1)
    for number in range(first, last):
        started = time.perf_counter()
        try:
            outcomes[outcome(seed, number)] += 1
        except (Exception, TooLong) as error:
            outcomes[type(error).__name__] += 1
            failures.append((number, f"{type(error).__name__}: {error}"[:300]))
        slowest = max(slowest, (time.perf_counter() - started, number))
    peak = peak_kb()
    return {
        "outcomes": outcomes, "failures": failures, "slowest": slowest,
        "peak_kb": peak, "grown_kb": peak - before,
    }  # fmt: skip


def run(inputs, seed, *, first=0, batch=BATCH):
    """Run inputs in processes of their own, so that a crash is counted too; return the figures."""
    total = {
        "outcomes": Counter(),
        "failures": [],
        "slowest": [0.0, -1],
        "peak_kb": 0,
        "grown_kb": 0,
    }
    for start in range(first, first + inputs, batch):
        last = min(start + batch, first + inputs)
        done = subprocess.run(
            [sys.executable, "-m", "tests.torch7.fuzz_t7", "--worker", str(start), str(last),
             "--seed", str(seed)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            total["outcomes"]["crash"] += 1
            total["failures"].append((start, f"exit {done.returncode}: {done.stderr[-300:]}"))
            continue
        figures = json.loads(done.stdout)
        total["outcomes"].update(figures["outcomes"])
        total["failures"] += figures["failures"]
        for key in ("slowest", "peak_kb", "grown_kb"):
            total[key] = max(total[key], figures[key])
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="how many inputs")
    parser.add_argument("--seed", type=int, default=1, help="which inputs")
    parser.add_argument("--only", type=int, help="run this input alone and show its error")
    parser.add_argument("--worker", type=int, nargs=2, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.worker is not None:
        print(json.dumps(worker(words.seed, *words.worker)))
        return 0
    if words.only is not None:
        signal.signal(signal.SIGALRM, too_long)
        print(outcome(words.seed, words.only))
        return 0
    started = time.perf_counter()
    figures = run(words.inputs, words.seed)
    print(f"inputs: {words.inputs}, seed {words.seed}")
    for name, count in sorted(figures["outcomes"].items()):
        print(f"  {name}: {count}")
    print(f"slowest input: {figures['slowest'][0]:.2f} s (number {figures['slowest'][1]})")
    print(f"peak memory of a process: {figures['peak_kb'] / 1024:.0f} MB, of which "
          f"{figures['grown_kb'] / 1024:.0f} MB for its inputs")  # fmt: skip
    print(f"time: {time.perf_counter() - started:.0f} s")
    for number, text in figures["failures"][:20]:
        print(f"FAILED {number}: {text}")
    return 1 if figures["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
