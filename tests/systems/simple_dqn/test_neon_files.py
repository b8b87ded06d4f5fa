"""Snapshots in Neon's own files: read from both ages, written, and hostile ones refused."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import random
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dqn_port.errors import SnapshotError
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.layers import to_neon
from dqn_port.systems.simple_dqn.neon_files import name_of, read_neon, write_prm
from dqn_port.systems.simple_dqn.system import SYSTEM
from dqn_port.systems.simple_dqn.unpickling import read_pickle
from tests.cli.running import run
from tests.systems.simple_dqn.building import SHIPPED, options

ORIGINAL = SHIPPED / "snapshot_A_3.prm"


def written(net: DeepQNetwork, given: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    write_prm(file, net, given)
    return file.getvalue()


def names_in(content: bytes) -> set[str]:
    return {str(arg) for op, arg, _ in pickletools.genops(content) if "GLOBAL" in op.name}


def form(value: Any) -> Any:
    """Return a tree's keys, types and arrays' shapes."""
    if isinstance(value, dict):
        return {key: form(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [type(value), *map(form, value)]
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape
    return type(value)


def test_the_originals_snapshot_is_read():
    saved = read_neon(ORIGINAL)
    assert saved.arguments == {
        **{"history_length": 4, "batch_norm": False},
        **{"screen_height": 36, "screen_width": 36},
    }
    shapes = {name: array.shape for name, array in saved.weights.items()}
    assert shapes == {
        name + state: shape
        for name, shape in {
            "conv1.W": (32, 4, 8, 8),
            "conv2.W": (64, 32, 4, 4),
            "conv3.W": (64, 64, 3, 3),
            "linear.W": (512, 64),
            "output.W": (4, 512),
        }.items()
        for state in ("", ".state0")
    }
    # Entry [1·64 + 2·8 + 3, 5] of Neon's first matrix: channel 1, row 2, column 3, filter 5.
    neon = read_pickle(ORIGINAL)["model"]["config"]["layers"][0]["params"]["W"]
    assert saved.weights["conv1.W"][5, 1, 2, 3] == neon[1 * 64 + 2 * 8 + 3, 5]


def test_what_is_written_has_the_originals_form_and_names_nothing_else():
    given = options()
    net = DeepQNetwork(given, 4)
    net.load_weights(read_neon(ORIGINAL).weights)
    content = written(net, given)
    assert names_in(content) == names_in(ORIGINAL.read_bytes())
    assert content[:2] == ORIGINAL.read_bytes()[:2] == b"\x80\x02"
    theirs = pickle.loads(content, encoding="latin1")
    expected = read_pickle(ORIGINAL)
    assert form(theirs) == form(expected)
    layers = [table["model"]["config"]["layers"] for table in (theirs, expected)]
    for ours, original in zip(*layers, strict=True):
        assert {k: v for k, v in ours.items() if k not in ("params", "states")} == {
            k: v for k, v in original.items() if k not in ("params", "states")
        }
        if "params" in original:
            np.testing.assert_array_equal(ours["params"]["W"], original["params"]["W"])
            np.testing.assert_array_equal(ours["states"][0], original["states"][0])


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam", "adadelta"])
def test_batch_norm_and_every_optimiser_read_back_equal(optimizer, tmp_path):
    given = options(batch_norm=True, optimizer=optimizer)
    net = DeepQNetwork(given, 4)
    rng = np.random.RandomState(1)
    weights = {name: rng.rand(*array.shape).astype("f4") for name, array in net.weights().items()}
    net.load_weights(weights)
    path = tmp_path / "x.prm"
    path.write_bytes(written(net, given))
    saved = read_neon(path)
    assert saved.weights.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(saved.weights[name], array, err_msg=name)
    assert saved.arguments["batch_norm"] is True


@pytest.mark.parametrize("in_dict", [False, True])
def test_the_older_age_is_read(in_dict, tmp_path):
    weights = read_neon(ORIGINAL).weights
    layers: list[dict[str, Any]] = []
    for name in ("conv1", "conv2", "conv3", "linear", "output"):
        w = to_neon(weights[f"{name}.W"])
        states = [to_neon(weights[f"{name}.W.state0"])]
        layers.append({"params": {"W": w} if in_dict else w, "states": states})
    path = tmp_path / "breakout_77.pkl"
    path.write_bytes(pickle.dumps({"epochs_complete": 77, "layer_params_states": layers}, 2))
    saved = SYSTEM.load_network(path)
    for name, array in weights.items():
        np.testing.assert_array_equal(saved.weights[name], array)
    assert saved.arguments == {
        **{"history_length": 4, "batch_norm": False, "game": "breakout"},
    }
    assert SYSTEM.networks_in(path) == ["last"]
    assert SYSTEM.check_networks(path, None) == "10 arrays, finite"
    assert SYSTEM.export(path).which == "last"


@pytest.mark.parametrize("batch_norm", [False, True])
def test_an_exported_network_computes_the_same_in_plain_pytorch(batch_norm, tmp_path):
    given = options(batch_norm=batch_norm)
    net = DeepQNetwork(given, 4)
    rng = np.random.RandomState(1)
    net.load_weights({name: rng.rand(*array.shape) * 0.1 for name, array in net.weights().items()})
    path = tmp_path / "x.prm"
    path.write_bytes(written(net, given))
    _, state, (recipe,) = SYSTEM.export(path)
    made: dict[str, Any] = {}
    exec(recipe, {"nn": torch.nn}, made)
    module = made["network"].eval()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    states = rng.randint(0, 256, (2, 4, 36, 36)).astype(np.uint8)
    q = module(torch.from_numpy(states) / 255).detach().numpy()
    np.testing.assert_allclose(q, net.predict(states), rtol=1e-5)
    back = SYSTEM.from_export(state)
    assert back.keys() == {name for name in net.weights() if ".state" not in name}
    for name, array in back.items():
        np.testing.assert_array_equal(array, net.weights()[name])


def test_a_snapshot_starts_a_run_and_the_target_stays_another_network():
    given = options(load_weights=str(ORIGINAL), start_epoch=1)
    run = SYSTEM.training(given, _Nowhere(), parts={})
    state = run.net.state_dict()
    np.testing.assert_array_equal(
        state["weights"]["conv1.W"], read_neon(ORIGINAL).weights["conv1.W"]
    )
    assert (state["target"]["conv1.W"] != state["weights"]["conv1.W"]).any()
    assert run.agent.total_train_steps == 14


def test_what_another_optimiser_kept_is_left_out():
    nets = {name: DeepQNetwork(options(optimizer=name), 4) for name in ("rmsprop", "adam")}
    for net in nets.values():
        for state in net.states["conv1.W"]:
            state.fill_(-1.0)
    kept = {name: dict(net.weights()) for name, net in nets.items()}
    for name, other, expected in (
        ("rmsprop", "adam", 0), ("adam", "rmsprop", 0), ("adam", "adam", -1)
    ):  # fmt: skip
        net = DeepQNetwork(options(optimizer=name), 4)
        net.load_weights(kept[other])
        assert all((state == expected).all() for state in net.states["conv1.W"])


def test_a_training_begins_with_the_epoch_in_a_snapshots_name(tmp_path):
    snapshot = tmp_path / "toyA_long_77.prm"
    shutil.copyfile(ORIGINAL, snapshot)
    draft = SYSTEM.new_draft()
    SYSTEM.put_told(draft, snapshot)
    assert draft.values == {
        "history_length": 4, "batch_norm": False, "screen_height": 36, "screen_width": 36,
        "game": "toyA", "start_epoch": 77,
    }  # fmt: skip
    # A date is no epoch; what only plays has no need of one.
    dated = snapshot.rename(tmp_path / "toyA_20170401.prm")
    assert SYSTEM.open_player(dated).game == "toyA"


class _Nowhere:
    def path(self, name: str) -> Path:
        return Path(name)

    def append(self, name: str, text: str) -> None:
        """Drop it."""

    def write(self, name: str, write: Any) -> Path:
        return Path(name)


def test_a_network_of_other_options_is_refused():
    given = options(load_weights=str(ORIGINAL), history_length=3, random_starts=5)
    with pytest.raises(SnapshotError) as caught:
        SYSTEM.training(given, _Nowhere())
    assert str(caught.value) == (
        "conv1.W: expected shape [32, 3, 8, 8], got shape [32, 4, 8, 8]; the network is of other "
        "options: screen size, history_length, batch_norm or another game"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("breakout_77.pkl", ("breakout", "", 77)),
        ("space_invaders_200.prm", ("space_invaders", "", 200)),
        ("pong_no_clip_3.prm", ("pong", "no_clip", 3)),
        ("video_pinball_5.prm", ("video_pinball", "", 5)),
        ("pong.prm", ("pong", "", None)),
        ("mygame_4.prm", ("", "mygame", 4)),
    ],
)
def test_a_name_is_split_by_the_known_games(name, expected):
    assert name_of(Path("snapshots") / name) == expected


class _Hostile:
    def __reduce__(self) -> Any:
        # Where the test runs.
        return os.system, ("touch was_here",)


def small() -> bytes:
    table = {"layer_params_states": [{"params": np.arange(6, dtype="f4").reshape(2, 3), "x": (1,)}]}
    return pickle.dumps(table, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            pickle.dumps({"a": _Hostile()}, 2),
            "byte N: expected arrays and plain containers, got 'posix.system'; nothing of it is "
            "run",
        ),
        (
            pickle.dumps([_Hostile()], 4),
            "byte N: expected arrays and plain containers, got 'posix.system'; nothing of it is "
            "run",
        ),
        (
            pickle.dumps(np.array([{}], dtype=object), 2),
            "byte N: expected an array of numbers, got another call; nothing of it is run",
        ),
        (
            b"\x80\x02}(K\x01K\x02u.",
            "byte N: expected a dict whose keys are texts, got something else; nothing of it is "
            "run",
        ),
        (b"no pickle", "byte N: expected a pickle that is whole, got a damaged or other file"),
        (small()[:-20], "byte N: expected a pickle that is whole, got a damaged or other file"),
        (b"", "byte N: expected a pickle that is whole, got a damaged or other file"),
        (
            b"\x80\x02]q\x00h\x00a.",
            "byte N: expected plain containers, got endless ones; nothing of it is run",
        ),
        (
            b"\x80\x02)" + b"q\x00h\x00\x86" * 60 + b".",
            "byte N: expected plain containers, got endless ones; nothing of it is run",
        ),
    ],
)
def test_hostile_files_are_refused_in_one_line(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.prm"
    path.write_bytes(content)
    with pytest.raises(SnapshotError) as caught:
        read_pickle(path)
    assert re.sub(r"byte \d+", "byte N", str(caught.value)) == f"{path}: {message}"
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_bytes_do_not_make_arrays_again_and_again(tmp_path):
    path = tmp_path / "x.prm"
    text = "x" * 2000
    size = len(text).to_bytes(4, "little")
    start = b"\x80\x02](c_codecs\nencode\nq\x01X" + size + text.encode() + b"q\x02"
    again = b"h\x01h\x02X\x06\x00\x00\x00latin1\x86R"
    path.write_bytes(start + again * 400 + b"e.")
    with pytest.raises(SnapshotError, match="expected arrays of bytes of their own, got the same"):
        read_pickle(path)


def test_any_damage_is_a_snapshot_error_or_nothing(tmp_path):
    path, rng = tmp_path / "x.prm", random.Random(1)
    whole = small()
    for _ in range(600):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(bytes(content))
        # The small file is no network, whatever its bytes say.
        with pytest.raises(SnapshotError) as caught:
            read_neon(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "got"),
    [
        ({}, "no layers"),
        ({"layer_params_states": [3]}, "a layer that is not a dict"),
        ({"layer_params_states": []}, "fewer than five layers with weights"),
        ({"layer_params_states": [{"params": np.zeros((5, 32))}]}, "shape [5, 32] as conv1.W"),
        (
            {"layer_params_states": [{"params": np.zeros((2, 2), dtype=int)}]},
            "no matrix of floats as conv1.W",
        ),
        (
            {"layer_params_states": [{"params": np.full((64, 32), np.nan)}]},
            "numbers that are not finite in conv1.W",
        ),
    ],
)
def test_other_tables_are_no_networks(table, got, tmp_path):
    path = tmp_path / "x.prm"
    path.write_bytes(pickle.dumps(table, 2))
    with pytest.raises(SnapshotError) as caught:
        read_neon(path)
    assert str(caught.value) == f"{path}: expected a network of simple_dqn, got {got}"


def test_a_snapshot_is_exported_to_pytorch_alone(capsys, tmp_path):
    for suffix in (".safetensors", ".t7"):
        output = tmp_path / f"a{suffix}"
        result = run(capsys, "export-weights", ORIGINAL, "-o", output)
        assert (result.code, result.error) == (
            2,
            f"-o {output}: expected FILE.pt for a network in a .prm, got {suffix}",
        )
        assert not output.exists()
    assert run(capsys, "export-weights", ORIGINAL, "-o", tmp_path / "a.pt").code == 0
