"""``dqn-port verify``: its rows, its exit codes, its files."""

from __future__ import annotations

import json
import re
import sys

import pytest
import torch

from dqn_port.registry import SYSTEMS
from tests.cli.running import run
from tests.verify.making import about, loop, some, write

HEAD = """\
2 groups of traces in {folder}, networks on cpu
Discrete values must be equal; numbers may be off by:
action values 0.0001, weights 1e-05, V and TD error 1e-06, updates 1e-06

group   result     values  differ  largest      s  compared
"""


def seconds_hidden(text):
    return re.sub(r" +\d+\.\d(  |$)", r" S\1", text, flags=re.MULTILINE)


def test_rows_of_groups_that_are_the_same(capsys, tmp_path):
    write(tmp_path, "words", {}, about("cmdline"))
    write(tmp_path, "reward", some("reward", "c1"), about("reward") | {"combos": ["none"]})
    result = run(capsys, "verify", "--golden", tmp_path)
    assert (result.code, result.err) == (0, "")
    assert seconds_hidden(result.out) == HEAD.format(folder=tmp_path) + (
        "reward  same           25       0  0 S  13 rewards, clipped and rescaled in 1 way\n"
        "words   same          119       0  0 S  torch.CmdLine on 33 argument vectors\n"
        "\n"
        "All the same: 2 groups, 144 values.\n"
    )


def test_rows_of_groups_that_differ_or_fail(capsys, tmp_path):
    data, meta = loop()
    data["p_reward"][40] += 1
    data["p_terminal"][7] += 1
    data["p_mood"] = data["p_reward"]
    write(tmp_path, "loop", data, meta)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    file = tmp_path / "results" / "verify.json"
    file.parent.mkdir()
    result = run(capsys, "verify", "--golden", tmp_path, "--json", file)
    assert (result.code, result.err) == (1, "")
    assert seconds_hidden(result.out) == HEAD.format(folder=tmp_path) + (
        "broken  FAILED          0       0  0 S\n"
        "        broken.npz: expected a whole trace, got a damaged or other file: File is not a "
        "zip file\n"
        "loop    DIFFERS     9,737       2  1.0e+00 S  280 perceive calls of toyC, 200 steps\n"
        "        p_reward: 1 of 280 differ; first at call 41, step 40: expected 1, got 0\n"
        "        p_terminal: 1 of 280 differ; first at call 8, step 7: expected 1, got 0\n"
        "        not compared, since unknown: p_mood\n"
        "        not in the trace: emu, final_g, final_g2, final_deltas, final_dw, final_best_w\n"
        "\n"
        "Not the same, 2 of 2 groups: broken, loop\n"
    )
    table = json.loads(file.read_text())
    assert (table["same"], table["device"]) == (False, "cpu")
    assert [group["same"] for group in table["groups"]] == [False, False]
    assert table["groups"][1]["differences"][0] == {
        "name": "p_reward",
        "n_values": 280,
        "n_differ": 1,
        "where": "call 41, step 40",
        "expected": "1",
        "got": "0",
    }


def test_groups_by_name_among_the_shipped(capsys):
    result = run(capsys, "verify", "rng", "reward")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()[5:7]] == ["reward", "rng"]
    result = run(capsys, "verify", "loop_A")
    assert result.code == 1
    said, _, listed = result.error.partition("; there are, by system, ")
    assert said == (
        "verify: expected a system, or a group of lua_dqn, got 'loop_A'; did you mean "
        "'simple_dqn loop_A'?"
    )
    systems = {text.partition(": ")[0]: text.partition(": ")[2] for text in listed.split("; ")}
    assert systems.keys() == SYSTEMS.keys()
    assert "rng" in systems["lua_dqn"].split(", ")
    assert "loop_toyA_np2" in systems["labml_dqn"].split(", ")
    result = run(capsys, "verify", "loop_A_s")
    assert "got 'loop_A_s'; did you mean 'loop_A_s1'?; there" in result.error


def test_what_cannot_be_replayed_is_said_before_anything_is(capsys, tmp_path, monkeypatch):
    assert run(capsys, "verify", "--golden", tmp_path).error == (
        f"{tmp_path}: expected traces, NAME.npz and NAME.json, got none"
    )
    result = run(capsys, "verify", "--device", "gpu")
    assert (result.code, result.error) == (
        2,
        "--device: expected cpu, cuda or cuda:N, got 'gpu'",
    )
    assert run(capsys, "verify", "--json", tmp_path / "none" / "x.json").error == (
        f"--json {tmp_path}/none/x.json: its folder does not exist; make it first"
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = run(capsys, "verify", "--device", "cuda")
    assert (result.code, result.error) == (
        1,
        "--device: expected CUDA device 0, but this machine has no CUDA device; use --device cpu",
    )


@pytest.mark.parametrize("name", ["cuda:", "cuda:x", "cuda:-1", "cudax", ""])
def test_another_device_is_refused(capsys, name):
    assert run(capsys, "verify", "--device", name).error == (
        f"--device: expected cpu, cuda or cuda:N, got '{name}'"
    )


def test_the_device_is_said_with_its_tolerances(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    result = run(capsys, "verify", "--device", "cuda:1", "reward", "rng")
    assert result.code == 0
    assert result.out.splitlines()[0].endswith("networks on cuda:1")
    assert result.out.splitlines()[2] == (
        "action values 0.001, weights 0.0001, V and TD error 0.0001, updates 0.0001"
    )


def test_on_a_terminal_a_note_says_how_far_a_group_is_and_goes_again(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("dqn_port.cli.verify._TOLD_EVERY", 0)
    data, meta = loop()
    write(tmp_path, "loop", data, meta)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    result = run(capsys, "verify", "--golden", tmp_path)
    assert result.code == 0
    assert result.err == (
        "\r\033[Kloop …\r\033[Kloop 100 of 280 …\r\033[Kloop 200 of 280 …\r\033[K"
    )
