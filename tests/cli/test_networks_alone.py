"""Files that hold a network and no arguments, on Pong: an agent alone, and weights of PyTorch."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch

from dqn_port.errors import SnapshotError
from dqn_port.exports.weights import write_weights
from dqn_port.state_dicts import read_weights
from dqn_port.systems.lua_dqn.setup import load_options, setup, setup_to_play
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.torch7 import load, save
from tests.cli.running import run
from tests.test_readme import ROOT

ARGS = ROOT / "legacy_args" / "pong_quick.json"
PLAYED = ("--args", ARGS, "--steps", "20")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """(agent.t7, as the README's example saves it; w.pt, its weights; its parameters)."""
    folder = tmp_path_factory.mktemp("alone")
    _, _, agent, _ = setup(load_options(args_file=ARGS))
    save(folder / "agent.t7", agent.to_lua())
    write_weights(folder / "w.pt", SYSTEM.export(folder / "agent.t7").state)
    return folder / "agent.t7", folder / "w.pt", agent.network.w.detach().clone()


def parameters(path):
    ready, _ = setup_to_play(path, args_file=ARGS)
    return ready.agent.network.w.detach()


def test_they_are_the_agents_own_to_the_bit(alone, tmp_path):
    agent, weights, w = alone
    table = tmp_path / "table.t7"
    save(table, {"agent": load(agent)})
    trained_on = tmp_path / "state_dict.pt"
    network = torch.nn.Sequential(
        torch.nn.Unflatten(1, (4, 84, 84)), torch.nn.Conv2d(4, 32, 8, 4, 1), torch.nn.ReLU(),
        torch.nn.Conv2d(32, 64, 4, 2), torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 3), torch.nn.ReLU(),
        torch.nn.Flatten(), torch.nn.Linear(3136, 512), torch.nn.ReLU(), torch.nn.Linear(512, 3),
    )  # fmt: skip
    network.load_state_dict(torch.load(weights, weights_only=True))
    torch.save(network.state_dict(), trained_on)
    for path in (agent, table, weights, trained_on):
        assert torch.equal(parameters(path), w), path


def test_every_command_that_plays_or_trains_takes_them(capsys, alone, tmp_path):
    agent, weights, w = alone
    again = tmp_path / "again.pt"
    result = run(capsys, "export-weights", agent, "-o", again)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"the last network of {agent}: 1,685,667 parameters, {again}\n")
    assert again.read_bytes() == weights.read_bytes()
    for path, which in ((agent, "last"), (weights, "only")):
        for words in (
            ("evaluate", path, *PLAYED),
            ("evaluate", "--network", path, *PLAYED),
            ("play", path, "--args", ARGS, "--max-frames", "80"),
        ):
            result = run(capsys, *words)
            assert (result.code, result.err) == (0, ""), words
            assert result.out.startswith(f"pong: the {which} network of {path}, ε 0.05, seed 1\n")
        result = run(
            capsys, "train", "--args", ARGS, "--network", path, "--out", tmp_path, "--overwrite",
            "--set", "steps=1", "--set", "name=p", "--quiet",
        )  # fmt: skip
        assert result.code == 0, result.err
        assert torch.equal(parameters(tmp_path / "p" / "p.t7"), w)


def test_without_arguments_they_name_no_game(capsys, alone, tmp_path):
    agent, weights, w = alone
    bare, flat, table = (tmp_path / name for name in ("bare.t7", "a.params.t7", "table.t7"))
    save(bare, load(agent)["network"])
    save(flat, {"network": w.numpy()})
    save(table, {"model": load(agent)["network"]})
    for path in (agent, bare, flat, table):
        for command in (("evaluate",), ("play",), ("record", "-o", tmp_path / "evaluation-1")):
            result = run(capsys, *command, path)
            assert (result.code, result.out) == (1, "")
            assert result.error == (
                f"{path}: holds a network without the arguments of its training, so that it names "
                "no game; evaluate and play take it with --args FILE"
            )
    result = run(capsys, "evaluate", weights)
    assert (result.code, result.error) == (
        1,
        f"{weights}: expected a Torch7 file, got a PyTorch file; evaluate, play and --network take "
        "what export-weights wrote, with --args",
    )


def test_weights_of_another_network_are_refused(capsys, alone, tmp_path):
    _, weights, _ = alone
    mend = "name the network they are of with --set agent_params.network=…"
    result = run(capsys, "evaluate", weights, *PLAYED, "--set", "agent_params.network=net_small")
    assert (result.code, result.error) == (
        1,
        f"{weights}: '1.bias': expected 4, as net_small with 3 actions has it, got 32; {mend}",
    )
    state = torch.load(weights, weights_only=True)
    for changes, fault in (
        ({"1.weight": None}, "'1.weight': expected 32x4x8x8, {}, got nothing"),
        ({"12.bias": torch.zeros(3)}, "'12.bias': expected nothing, {}, got 3"),
        ({"10.bias": torch.zeros(4)}, "'10.bias': expected 3, {}, got 4"),
    ):
        path = tmp_path / "changed.pt"
        torch.save({k: v for k, v in (state | changes).items() if v is not None}, path)
        result = run(capsys, "evaluate", path, *PLAYED)
        told = fault.format("as convnet_atari3 with 3 actions has it")
        assert (result.code, result.error) == (1, f"{path}: {told}; {mend}")


# Files from strangers.


class Code:
    """What a pickle can call."""

    def __init__(self, *call):
        self._call = call

    def __reduce__(self):
        return self._call[0], self._call[1:]


def saved(value):
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def rewritten(content, change, method=zipfile.ZIP_STORED):
    """Return an archive whose entries are those of ``content``, changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(file, "w", method) as to:
        for name in source.namelist():
            to.writestr(name, change(name, source.read(name)))
    return file.getvalue()


def grown(size, stride=b"K\x01"):
    """Return a file whose pickle tells of another size than that of its two numbers."""

    def change(name, data):
        if not name.endswith("data.pkl"):
            return data
        return data.replace(b"K\x02\x85q\x08K\x01\x85", size + b"\x85q\x08" + stride + b"\x85")

    return rewritten(saved({"w": torch.zeros(2)}), change)


BILLION = b"\x8a\x08" + (10**9).to_bytes(8, "little")
WHOLE = "expected a whole PyTorch file, got a damaged one; copy or export it again"
OURS = "export-weights writes what can be read here"
PLAIN = f"expected tensors of float32, each whole, got 'w' without; {OURS}"
HOSTILE = {
    "code": (
        saved({"w": Code(print, "run")}),
        f"expected a state dict of float32 tensors, got __builtin__.print; {OURS}",
    ),
    "memory by a call": (
        saved({"w": Code(bytearray, 10**15)}),
        f"expected a state dict of float32 tensors, got __builtin__.bytearray; {OURS}",
    ),
    "a module": (
        saved(torch.nn.Linear(2, 2)),
        f"expected a state dict of float32 tensors, got torch.nn.modules.linear.Linear; {OURS}",
    ),
    "doubles": (
        saved({"w": torch.zeros(2, dtype=torch.float64)}),
        f"expected a state dict of float32 tensors, got torch.DoubleStorage; {OURS}",
    ),
    "packed": (
        rewritten(saved({"w": torch.zeros(10**6)}), lambda _, data: data, zipfile.ZIP_DEFLATED),
        f"expected uncompressed entries, as PyTorch writes them, got others; {OURS}",
    ),
    "larger than its storage": (grown(BILLION), WHOLE),
    "repeated": (grown(BILLION, b"K\x00"), PLAIN),
    "a number": (saved({"w": 5}), PLAIN),
    "a key that is none": (
        saved({5: torch.zeros(2)}),
        f"expected tensors of float32, each whole, got 5 without; {OURS}",
    ),
    "a list": (saved([torch.zeros(2)]), f"expected a state dict, got list; {OURS}"),
    "nothing": (saved({}), f"expected a state dict, got dict; {OURS}"),
    "cut": (saved({"w": torch.zeros(2)})[:-1], WHOLE),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(capsys, tmp_path, name):
    content, fault = HOSTILE[name]
    path = tmp_path / "w.pt"
    path.write_bytes(content)
    result = run(capsys, "evaluate", path, *PLAYED)
    assert (result.code, result.out, result.error) == (1, "", f"{path}: {fault}")


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    # The directory names one entry many times, so that little becomes much.
    content = saved({"w": torch.zeros(1000)})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start, entries = archive.start_dir, archive.infolist()
    tail = content[start:]
    end = tail.rindex(b"PK\x05\x06")
    name = next(entry.filename for entry in entries if entry.filename.endswith("data/0"))
    at = tail.index(name.encode()) - 46
    size = 46 + sum(int.from_bytes(tail[at + i : at + i + 2], "little") for i in (28, 30, 32))
    directory = tail[: tail.index(b"PK\x06\x06")] if b"PK\x06\x06" in tail else tail[:end]
    many = directory + tail[at : at + size] * 5
    n = len(entries) + 5
    closing = (
        b"PK\x05\x06\0\0\0\0" + n.to_bytes(2, "little") * 2
        + len(many).to_bytes(4, "little") + start.to_bytes(4, "little") + b"\0\0"
    )  # fmt: skip
    path = tmp_path / "w.pt"
    path.write_bytes(content[:start] + many + closing)
    with pytest.raises(SnapshotError) as caught:
        read_weights(path)
    assert str(caught.value) == (
        f"{path}: expected uncompressed entries, as PyTorch writes them, got others; {OURS}"
    )


def test_flipped_bits_are_one_line_or_change_no_number(tmp_path):
    content = bytearray(saved({"1.weight": torch.arange(3.0), "1.bias": torch.zeros(1)}))
    rng = np.random.default_rng(1)
    path = tmp_path / "w.pt"
    faults = []
    for _ in range(300):
        at, bit = int(rng.integers(len(content))), 1 << int(rng.integers(8))
        content[at] ^= bit
        path.write_bytes(content)
        try:
            numbers = np.concatenate(list(read_weights(path).values()))
            assert sorted(numbers.tolist()) == [0, 0, 1, 2]
        except SnapshotError as error:
            faults.append(str(error))
        content[at] ^= bit
    assert len(faults) > 100
    assert all(len(fault.splitlines()) == 1 for fault in faults)
