"""``dqn-port t7`` and ``dqn-port export-weights``."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from dqn_port.systems.lua_dqn.histories import Histories
from dqn_port.systems.lua_dqn.setup import setup_to_play
from dqn_port.torch7.nn_modules import parameters_of, rows_of
from dqn_port.torch7.t7 import dumps, load, save
from tests.cli.running import run
from tests.golden_files import GOLDEN

T7 = GOLDEN / "t7"
SNAP = T7 / "snap_toyB.t7"


def test_the_tree_of_a_file(capsys):
    result = run(capsys, "t7", "show", T7 / "preproc_scale.t7")
    assert (result.code, result.err) == (0, "")
    first, *fields = result.out.splitlines()
    assert first == "nn.Scale of 2 fields"
    assert sorted(fields) == ["  height: 84", "  width: 84"]


def test_depth_and_path(capsys):
    result = run(capsys, "t7", "show", SNAP, "--depth", "1")
    assert "  agent: dqn.NeuralQLearner of 54 fields ..." in result.out.splitlines()
    result = run(capsys, "t7", "show", SNAP, "agent.network.modules[2].kW")
    assert (result.code, result.out) == (0, "3\n")
    result = run(capsys, "t7", "show", SNAP, "model.modules[2].weight")
    assert result.out.startswith("torch.FloatTensor 4x3x3x3")
    result = run(capsys, "t7", "show", SNAP, "agent.nett")
    assert (result.code, result.out) == (1, "")
    assert result.error.startswith(f"{SNAP}: path agent.nett: ")


def test_json_without_loss(capsys, tmp_path):
    result = run(capsys, "t7", "show", SNAP, "--json")
    (tmp_path / "a.json").write_text(result.out)
    assert run(capsys, "t7", "convert", tmp_path / "a.json", tmp_path / "a.t7").code == 0
    assert run(capsys, "t7", "diff", SNAP, tmp_path / "a.t7").out == "the same\n"


def test_a_file_with_several_objects(capsys, tmp_path):
    path = tmp_path / "a.t7"
    path.write_bytes(dumps(["x", {"y": 5}], all_objects=True))
    result = run(capsys, "t7", "show", path)
    assert result.out == ('object 1 of 2:\n"x"\nobject 2 of 2:\ntable of 1\n  y: 5\n')
    assert run(capsys, "t7", "show", path, "[2].y").out == "5\n"
    nodes = json.loads(run(capsys, "t7", "show", path, "--json").out)
    assert [node["t"] for node in nodes] == ["string", "table"]
    for name in ("b.json", "b.ascii.t7", "b.t7"):
        assert run(capsys, "t7", "convert", path, tmp_path / name).code == 0
        assert run(capsys, "t7", "diff", path, tmp_path / name).code == 0
    assert (tmp_path / "b.t7").read_bytes() == path.read_bytes()


def test_every_form_into_every_other(capsys, tmp_path):
    source = T7 / "opt.t7"
    for name in ("a.json", "b.ascii.t7", "c.t7", "d.json"):
        target = tmp_path / name
        assert run(capsys, "t7", "convert", source, target).code == 0
        source = target
    assert (tmp_path / "c.t7").read_bytes() == dumps(load(T7 / "opt.t7"))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "d.json").read_bytes()
    assert (tmp_path / "b.ascii.t7").read_bytes().startswith(b"3\n1\n23\n")
    forced = tmp_path / "x.json"
    assert run(capsys, "t7", "convert", source, forced, "--to", "ascii").code == 0
    assert forced.read_bytes() == (tmp_path / "b.ascii.t7").read_bytes()


def test_differences_end_with_1(capsys, tmp_path):
    save(tmp_path / "a.t7", {"x": 1, "y": [1, 2]})
    save(tmp_path / "b.t7", {"y": [1, 3], "x": 2})
    result = run(capsys, "t7", "diff", tmp_path / "a.t7", tmp_path / "b.t7")
    assert (result.code, result.err) == (1, "")
    assert result.out == "x: value: 1 | 2\ny[2]: value: 2 | 3\n"
    result = run(capsys, "t7", "diff", tmp_path / "a.t7", tmp_path / "b.t7", "--most", "1")
    assert result.out == "x: value: 1 | 2\nand 1 more\n"


def test_a_layout_may_be_told(capsys):
    path = T7 / "longsize4.t7"
    assert run(capsys, "t7", "show", path).out == run(
        capsys, "t7", "show", path, "--long-size", "4", "--byte-order", "little"
    ).out  # fmt: skip
    result = run(capsys, "t7", "show", path, "--long-size", "8")
    assert (result.code, result.out) == (1, "")


def test_damaged_and_missing_files(capsys, tmp_path):
    cut = tmp_path / "cut.t7"
    cut.write_bytes(SNAP.read_bytes()[:1000])
    (tmp_path / "a.json").write_text('{"t": "number"')
    for path in (cut, tmp_path / "no.t7", tmp_path, tmp_path / "a.json"):
        for words in (["show", path], ["convert", path, tmp_path / "o.t7"], ["diff", path, SNAP]):
            result = run(capsys, "t7", *words)
            assert (result.code, result.out) == (1, ""), words
            assert result.error.startswith(f"{path}: "), words
            assert not (tmp_path / "o.t7").exists()


# export-weights


def test_exported_weights_compute_the_same_in_plain_pytorch(capsys, tmp_path):
    result = run(capsys, "export-weights", SNAP, "--best", "-o", tmp_path / "w.pt")
    assert result.code == 0
    first, _, *code = result.out.splitlines()
    assert first == f"the best network of {SNAP}: 592 parameters, {tmp_path}/w.pt"
    names = {}
    exec(compile("\n".join(code), "printed", "exec"), names)
    network = names["network"]
    assert isinstance(network, nn.Sequential)
    ready, _ = setup_to_play(SNAP, best=True)
    s = torch.from_numpy(np.random.default_rng(1).random((5, 300), dtype=np.float32))
    torch.testing.assert_close(
        network(s).detach(), ready.agent.network.forward(s), rtol=0, atol=1e-6
    )


def test_a_small_snapshot_has_its_network_alone_and_no_gradients(capsys, tmp_path):
    path = tmp_path / "small.t7"
    assert run(capsys, "export-weights", SNAP, "--best", "-o", path).code == 0
    whole, small = load(SNAP), load(path)
    assert list(small) == ["model", "best_model", *Histories().to_table(), "arguments"]
    assert small["best_model"] is small["model"]
    of_small = parameters_of(rows_of(small["model"], ""))
    of_whole = parameters_of(rows_of(whole["best_model"], ""))
    assert of_small.keys() == of_whole.keys()
    for name, numbers in of_small.items():
        np.testing.assert_array_equal(numbers, of_whole[name])
    assert small["reward_history"].to_list() == whole["reward_history"].to_list()
    assert 8 * path.stat().st_size < SNAP.stat().st_size
    page = tmp_path / "small.html"
    assert run(capsys, "report", path, "-o", page).code == 0
    assert "toyB" in page.read_text()


def test_weights_of_a_runs_folder_and_of_none(capsys, tmp_path):
    (tmp_path / "t").mkdir()
    result = run(capsys, "export-weights", tmp_path / "t", "-o", tmp_path / "w.pt")
    assert result.code == 1
    assert result.error == f"{tmp_path}/t: expected a run's folder, got none with args.json"
    (tmp_path / "t" / "args.json").write_text('{"name": "t"}')
    result = run(capsys, "export-weights", tmp_path / "t", "-o", tmp_path / "w.pt")
    assert result.error == (
        f"{tmp_path}/t: expected a run's folder with a snapshot, got none; name the snapshot's file"
    )
    shutil.copy(SNAP, tmp_path / "t" / "t_2.t7")
    shutil.copy(T7 / "snap_toyB.params.t7", tmp_path / "t" / "t_2.params.t7")
    result = run(capsys, "export-weights", tmp_path / "t", "-o", tmp_path / "w.pt")
    assert result.code == 0
    assert "the last network of" in result.out
    result = run(
        capsys, "export-weights", tmp_path / "t" / "t_2.params.t7", "-o", tmp_path / "w.pt"
    )
    assert result.code == 1
    assert result.error == (
        f"{tmp_path}/t/t_2.params.t7: network: expected a network with its layers, got parameters "
        "alone; export the snapshot beside it"
    )


@pytest.mark.parametrize("place", ["no/w.pt", ""])
def test_weights_that_cannot_be_written(capsys, tmp_path, place):
    result = run(capsys, "export-weights", SNAP, "-o", tmp_path / place)
    assert result.code == 1
    assert "cannot be written" in result.error
