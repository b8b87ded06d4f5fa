"""``dqn-port train``."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from dqn_port.cli.main import program
from dqn_port.errors import ArgsError
from dqn_port.games.ale.roms import rom_path
from dqn_port.systems.lua_dqn import setup
from dqn_port.systems.lua_dqn.device_words import device_assignment
from dqn_port.systems.lua_dqn.frameworks import AleFramework
from dqn_port.systems.lua_dqn.networks.sequential import from_lua
from dqn_port.systems.lua_dqn.snapshot import load_network
from tests.cli.running import TOY_AGENT, run, start, write_pong, write_toy
from tests.comparing import assert_same_runs, contents

WHERE = """
Snapshot:    {0}/toy.t7
History:     {0}/history.csv
Arguments:   {0}/args.json
About it:    {0}/run.json
Checkpoint:  {0}/checkpoint, 0 MB
Try next:
  {1} evaluate {0}/toy.t7 --best --episodes 5
  {1} play {0}/toy.t7 --best --gif {0}/episode.gif
  {1} train --resume {0} --set steps=400
To remove the checkpoint, without which the run cannot be trained longer:
  rm -r {0}/checkpoint
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with toy.json and the finished run out/toy, trained in a process of its own."""
    folder = tmp_path_factory.mktemp("trained")
    process = start("train", "--args", write_toy(folder), "--out", folder / "out")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return folder, out


def effective(out, name="toy"):
    return json.loads((out / name / "args.json").read_text())


def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


# A run, and the same again.


def test_the_options_are_resolved_and_the_rom_is_read_once(capsys, monkeypatch, tmp_path):
    """Read by us: ale-py reads it itself, by its path."""
    counts = Counter()

    def counted(owner, name):
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a: (counts.update([name]), real(*a))[1])

    counted(setup, "check_learning_start")
    counted(AleFramework, "check")
    read_bytes = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: (counts.update([path.name]), read_bytes(path))[1]
    )
    roms = tmp_path / "roms"
    roms.mkdir()
    shutil.copy(rom_path("pong"), roms)
    args = write_pong(tmp_path, steps=2, game_path=str(roms))
    assert run(capsys, "train", "--args", args, "--out", tmp_path / "out").code == 0
    assert [counts[name] for name in ("check_learning_start", "check", "pong.bin")] == [1, 1, 1]


def test_a_run_says_what_the_original_says_and_where_everything_lies(trained):
    folder, out = trained
    path = folder / "out" / "toy"
    assert out.startswith("Torch Threads:\t1\nUsing CPU code only. GPU device id:\t-1\n")
    assert re.findall(r"^(?:Steps: |Saved:)\t.*", out, re.MULTILINE) == [
        "Steps: \t100", f"Saved:\t{path}/toy.t7", "Steps: \t200", f"Saved:\t{path}/toy.t7",
    ]  # fmt: skip
    assert out.endswith(WHERE.format(path, program()))


def test_a_finished_run_says_so_and_changes_nothing(capsys, trained):
    folder, _ = trained
    path = folder / "out" / "toy"
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in path.rglob("*.*")}
    words = ["train", "--args", folder / "toy.json", "--out", folder / "out"]
    result = run(capsys, *words)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{path} is finished: nothing to do.\n{WHERE.format(path, program())}"
    result = run(capsys, *words, "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in path.rglob("*.*")} == before


def test_two_processes_give_the_same_bytes(capsys, trained, tmp_path):
    folder, _ = trained
    result = run(capsys, "train", "--args", folder / "toy.json", "--out", tmp_path, "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert_same_runs(folder / "out" / "toy", tmp_path / "toy")


def test_args_json_as_argument_file_is_the_same_run(capsys, trained, tmp_path):
    folder, _ = trained
    path = folder / "out" / "toy" / "args.json"
    result = run(capsys, "train", "--args", path, "--out", tmp_path, "--quiet")
    assert (result.code, result.err) == (0, "")
    assert_same_runs(folder / "out" / "toy", tmp_path / "toy")
    assert run(capsys, "train", "--args", path, "--out", folder / "out", "--quiet").code == 0


def test_the_same_options_as_lua_words_are_the_same_run(capsys, trained, tmp_path):
    folder, _ = trained
    params = ",".join(
        f'{key}="{value}"' if isinstance(value, str) else f"{key}={value}"
        for key, value in TOY_AGENT.items()
    ).replace("[3, 10, 10]", "{3,10,10}")
    words = {
        "framework": "toyfw", "env": "toyB", "name": "toy", "agent": "NeuralQLearner",
        "agent_params": params, "steps": "2e2", "eval_freq": "100", "eval_steps": "80",
        "prog_freq": "100", "save_freq": "0x64", "random_starts": "5", "seed": "1", "gpu": "-1",
        "env_params": "useRGB=true", "pool_frms": "type='mean',size=2",
    }  # fmt: skip
    flags = [word for name, value in words.items() for word in (f"-{name}", value)]
    result = run(capsys, "train", "--quiet", "--out", tmp_path, "--", *flags)
    assert (result.code, result.err) == (0, "")
    assert_same_runs(folder / "out" / "toy", tmp_path / "toy")


def test_an_unfinished_run_without_checkpoint_begins_anew_after_saying_so(
    capsys, trained, tmp_path
):
    folder, _ = trained
    words = ["train", "--args", folder / "toy.json", "--out", tmp_path]
    assert run(capsys, *words).code == 0
    (tmp_path / "toy" / "run.json").unlink()
    shutil.rmtree(tmp_path / "toy" / "checkpoint")
    result = run(capsys, *words)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(
        f"{tmp_path}/toy was not finished, and has no checkpoint: it starts over.\nTorch "
    )
    assert_same_runs(folder / "out" / "toy", tmp_path / "toy")


def test_other_arguments_are_refused_and_overwrite_replaces(capsys, trained, tmp_path):
    folder, _ = trained
    args = folder / "toy.json"
    assert run(capsys, "train", "--args", args, "--out", tmp_path, "--quiet").code == 0
    words = ["train", "--args", args, "--out", tmp_path, "--quiet", "--set", "seed=2"]
    result = run(capsys, *words)
    assert (result.code, result.out) == (1, "")
    assert result.error == (
        f"{tmp_path}/toy: holds a run with other arguments (seed: 1 there, 2 here); give another "
        "--set name=… or --out, or --overwrite to replace it"
    )
    assert_same_runs(folder / "out" / "toy", tmp_path / "toy")
    assert run(capsys, *words, "--overwrite").code == 0
    assert effective(tmp_path)["seed"] == 2
    assert contents(tmp_path / "toy")["toy.t7"] != contents(folder / "out" / "toy")["toy.t7"]


def test_a_foreign_folder_is_refused_even_with_overwrite(capsys, trained, tmp_path):
    folder, _ = trained
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "mine.txt").write_text("mine")
    words = ["train", "--args", folder / "toy.json", "--out", tmp_path, "--overwrite"]
    result = run(capsys, *words)
    assert result.code == 1
    assert result.error == (
        f"{tmp_path}/toy: expected a run's folder or nothing, got something else; give another "
        "--out or --set name=…"
    )
    assert [p.name for p in (tmp_path / "toy").iterdir()] == ["mine.txt"]


# Flags.


def test_the_other_flags_go_before_set_and_the_lua_words(capsys, monkeypatch, trained, tmp_path):
    folder, _ = trained
    no_cuda(monkeypatch)
    network = folder / "out" / "toy" / "toy.t7"
    result = run(
        capsys, "train", "--args", folder / "toy.json", "--out", tmp_path, "--quiet",
        "--set", "threads=3", "--set", "gpu=2", "--set", "network=net_tie", "--set", "steps=20",
        "--set", "agent_params.lr=0.5", "--threads", "1", "--device", "cpu", "--best",
        "--network", network.parent, "--", "-threads", "2", "-gpu", "1", "-steps", "10",
        "-seed", "9",
    )  # fmt: skip
    assert (result.code, result.err) == (0, "")
    opt = effective(tmp_path)
    assert (opt["threads"], opt["gpu"], opt["network"]) == (1, -1, str(network))
    assert (opt["steps"], opt["seed"]) == (20, 9)
    assert (opt["agent_params"]["best"], opt["agent_params"]["lr"]) == (True, 0.5)
    # 20 steps are before learning: the network is still the one it started from.
    saved = weights(tmp_path / "toy" / "toy.t7")
    assert torch.equal(saved, weights(network, best=True))
    assert not torch.equal(saved, weights(network))


def weights(path, *, best=False):
    found = load_network(path, best=best)
    return from_lua(found.module, found.where).w


@pytest.mark.parametrize(
    ("device", "assignments"),
    [
        ("auto", []),
        ("cpu", ["gpu=-1"]),
        ("cuda", ["gpu=0"]),
        ("cuda:0", ["gpu=1"]),
        ("cuda:3", ["gpu=4"]),
    ],
)
def test_device_is_option_gpu(device, assignments):
    assert device_assignment(device) == assignments


@pytest.mark.parametrize("device", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "cuda:1:2"])
def test_a_device_of_another_name(device):
    with pytest.raises(ArgsError) as caught:
        device_assignment(device)
    assert str(caught.value) == f"--device: expected auto, cpu, cuda or cuda:N, got '{device}'"


def test_without_cuda_auto_takes_the_cpu_and_says_so(capsys, monkeypatch, trained, tmp_path):
    folder, _ = trained
    no_cuda(monkeypatch)
    words = ["train", "--args", folder / "toy.json", "--out", tmp_path, "--quiet"]
    result = run(capsys, *words, "--set", "gpu=0", "--set", "steps=5")
    assert (result.code, result.out) == (0, "")
    assert result.err == (
        "dqn-port: gpu 0: this machine has no CUDA device, so this runs on the CPU\n"
    )
    assert effective(tmp_path)["gpu"] == 0


def test_without_cuda_a_device_asked_for_by_name_is_an_error(
    capsys, monkeypatch, trained, tmp_path
):
    folder, _ = trained
    no_cuda(monkeypatch)
    words = ["train", "--args", folder / "toy.json", "--out", tmp_path / "new"]
    for device, index in (("cuda", 0), ("cuda:1", 1)):
        result = run(capsys, *words, "--device", device)
        assert result.code == 1
        assert result.error == (
            f"--device: expected CUDA device {index}, but this machine has no CUDA device; "
            "use --device cpu or auto"
        )
    assert list(tmp_path.iterdir()) == []


def test_warnings_stand_on_stderr(capsys, trained, tmp_path):
    folder, _ = trained
    words = ["train", "--args", folder / "toy.json", "--out", tmp_path, "--set", "steps=5"]
    result = run(capsys, *words, "--quiet", "--", "-env_params", "useRGB=true,foo=bar,baz=1")
    assert (result.code, result.out) == (0, "")
    assert result.err == (
        "dqn-port: Lua words: env_params.foo: the bare name bar is nil in Lua, so foo is absent "
        "and takes its default; a text needs quotes that the shell keeps: 'foo=\"bar\"'\n"
        "dqn-port: Lua words: env_params.baz: no such key; ignored, as in Lua\n"
    )
    assert effective(tmp_path)["ignored"] == {"env_params.baz": 1}


def test_tensorboard_that_is_not_installed(capsys, monkeypatch, trained, tmp_path):
    folder, _ = trained
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    words = ["train", "--args", folder / "toy.json", "--out", tmp_path / "new", "--tensorboard"]
    result = run(capsys, *words)
    assert result.code == 1
    assert result.error == (
        "--tensorboard: expected the package tensorboard, which is not installed; install it: "
        f"{sys.executable} -m pip install tensorboard"
    )
    assert list(tmp_path.iterdir()) == []


# Faults: one line, an exit code, and no folder.


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (
            ["--set", "framework="],
            2,
            "framework: expected a name such as alewrap, got nothing; give it in an argument "
            "file (--args) or with --set framework=alewrap",
        ),
        (
            ["--set", "agent_params.network=null"],
            2,
            "agent_params.network: expected a name such as convnet_atari3, got nothing; give it "
            "in an argument file (--args) or with --set agent_params.network=convnet_atari3",
        ),
        (
            ["--set", "seeed=1"],
            2,
            "--set: seeed: no such key; did you mean 'seed'?; `dqn-port args show` lists all",
        ),
        (["--set", "seed=x"], 2, "--set: seed: expected a whole number, got 'x'"),
        (["--device", "tpu"], 2, "--device: expected auto, cpu, cuda or cuda:N, got 'tpu'"),
        (
            ["--network", "no.t7"],
            1,
            "no.t7: cannot be read: No such file or directory; name another network",
        ),
        (
            ["--network", "net_toymlp"],
            2,
            "network: expected one of convnet_atari3, convnet_small, net_small, net_toy_conv, "
            "net_toy_mlp, net_tie or module:object, got 'net_toymlp'; did you mean 'net_toy_mlp'?",
        ),
        (
            ["--", "--seed", "5"],
            2,
            "Lua words: invalid argument: --seed; `dqn-port train -- -help` lists the options, "
            "`dqn-port args convert --words '…' NEW.json` leaves unknown ones out",
        ),
        (
            ["no.json"],
            2,
            "no.json: expected an option, got an argument file; give it as --args no.json",
        ),
        (
            ["--", "-pool_frms", "os.exit()"],
            2,
            "Lua words: pool_frms: 'os.exit()' is not the inside of a Lua table: character 1: "
            "expected a value written out, got the Lua global 'os'",
        ),
        (
            ["--set", "framework=alewrap", "--set", "env=pong", "--set", "game_path=/nowhere"],
            1,
            "/nowhere/pong.bin: expected the ROM of pong, got No such file or directory; set "
            "game_path to a folder that holds it, or leave game_path out to use ale-py's",
        ),
        (
            ["--set", "agent_params.learn_start=10"],
            2,
            "agent_params.learn_start: expected at least bufferSize − 1 = 31, got 10: the "
            "sampling buffer is filled from the first transitions; raise it or lower bufferSize",
        ),
        (
            ["--set", "agent_params.histSpacing=30"],
            2,
            "agent_params.hist_len: expected states of at most 69 steps, as learn_start and "
            "replay_memory are, got 90 (histType, histSpacing); lower it or raise learn_start",
        ),
        (
            ["--set", "agent_params.network=convnet_atari3"],
            2,
            "agent_params.input_dims: expected [3, height, width] large enough for filters of "
            "[8, 4, 3], got [3, 10, 10]",
        ),
    ],
)  # fmt: skip
def test_faults_of_the_input(capsys, trained, tmp_path, words, code, fault):
    folder, _ = trained
    result = run(capsys, "train", "--args", folder / "toy.json", "--out", tmp_path / "new", *words)
    assert (result.code, result.out, result.error) == (code, "", fault)
    assert list(tmp_path.iterdir()) == []


def test_a_replay_larger_than_the_memory(capsys, monkeypatch, trained, tmp_path):
    folder, _ = trained
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 20_000)
    result = run(capsys, "train", "--args", folder / "toy.json", "--out", tmp_path / "new")
    assert result.code == 1
    assert result.error == (
        "agent_params.replay_memory: 200 transitions take 0.00 GB, this machine has 0.00 GB; set "
        "a smaller one, --set agent_params.replay_memory=132"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_argument_file_that_is_no_json(capsys, tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{\n  "seed": 1\n  "steps": 5}')
    result = run(capsys, "train", "--args", path, "--out", tmp_path / "new")
    assert (result.code, result.error) == (
        2,
        f"{path}: line 3, column 3: expected JSON, got a mistake: Expecting ',' delimiter",
    )
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_without_anything_the_first_missing_name_is_told(capsys):
    assert run(capsys, "train").error == (
        "framework: expected a name such as alewrap, got nothing; give it in an argument file "
        "(--args) or with --set framework=alewrap"
    )


def test_a_network_that_diverges(capsys, trained, tmp_path):
    folder, _ = trained
    words = ["train", "--args", folder / "toy.json", "--out", tmp_path, "--quiet"]
    result = run(capsys, *words, "--set", "agent_params.lr=1e30")
    assert result.code == 1
    assert re.fullmatch(
        r"network: expected finite .* at step \d+; lower lr; no snapshot was saved yet",
        result.error,
    )
