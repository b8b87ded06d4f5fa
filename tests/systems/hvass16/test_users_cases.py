"""What users of the original asked for, by number (docs/hvass16.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dqn_port.arguments.trust import trusting
from dqn_port.errors import SnapshotError, UsageError
from dqn_port.events import Started
from dqn_port.saved_networks import SavedNetwork, save_networks
from dqn_port.systems.hvass16.system import SYSTEM
from tests.systems.hvass16.building import options, run, training


def network_of(weights):
    return SavedNetwork(path=Path("old.npz"), which="last", arguments={}, weights=weights)


def test_case_2_a_network_with_other_actions_stops_in_place_of_a_new_start():
    weights = {n: a.copy() for n, a in training().networks()["last"].items()}
    weights["layer_fc_out/weights"] = np.zeros((6, 6), np.float32)
    for use in (
        lambda: training(start=network_of(weights)),
        lambda: SYSTEM.player(options(), network_of(weights), seed=1),
    ):
        with pytest.raises(SnapshotError) as caught:
            use()
        assert str(caught.value) == (
            "old.npz: layer_fc_out/weights: expected float32 [6, 4], got float32 [6, 6]; it has "
            "6 actions, and the game has 4"
        )


def test_case_3_a_first_start_says_nothing_of_a_restore_and_a_restore_where_it_goes_on():
    made = training()
    assert list(SYSTEM.lines(Started(0, training=made), options())) == []
    run(made)
    start = network_of({n: a.copy() for n, a in made.networks()["last"].items()})
    other, opt = training(options(episodes=8), start=start), options(network="old.npz")
    assert list(SYSTEM.lines(Started(other.step, training=other), opt)) == [
        "Restored checkpoint from: old.npz",
        f"It goes on after 6 episodes and {made.step} states, with an empty memory; the logs "
        "beside it are continued.",
    ]
    assert list(SYSTEM.lines(Started(9, training=other, resumed=True), opt)) == []


def test_case_4_an_environment_of_ones_own_asks_for_trust():
    opt = options(env="own_game:Own")
    assert not SYSTEM.facts(opt).has_pictures
    with pytest.raises(UsageError) as caught:
        training(opt)
    assert str(caught.value).startswith(
        "env: 'own_game:Own' is external code, and importing runs it; if you trust it: "
    )
    assert " --trust" in str(caught.value)
    with trusting(True), pytest.raises(UsageError) as caught:
        training(opt)
    assert str(caught.value) == "env: cannot import 'own_game:Own': No module named 'own_game'"


def test_case_8_a_network_outlives_its_program_as_arrays_by_name(tmp_path):
    made = training()
    run(made)
    weights = {n: a for n, a in made.networks()["last"].items() if "/RMSProp" not in n}
    path = tmp_path / "old.npz"
    np.savez(path, **{name.replace("/weights", "/kernel"): a for name, a in weights.items()})
    read = SYSTEM.load_network(path)
    assert (read.which, read.step) == ("last", made.step)
    other = training(options(episodes=8), start=read)
    assert (other.step, other.agent.count_episodes) == (made.step, 6)
    named = training(options(episodes=8, network=str(path)))
    assert named.step == made.step
    player = SYSTEM.player(options(), read, seed=1)
    assert player.step().valued == pytest.approx(
        made.network.get_q_values(player.agent.state).tolist()
    )


def test_case_8_old_checkpoints_and_damaged_files_are_told(tmp_path):
    for name in ("checkpoint-20747.index", "model.ckpt-3.meta"):
        path = tmp_path / name
        path.write_bytes(b"x")
        with pytest.raises(SnapshotError) as caught:
            SYSTEM.load_network(path)
        assert str(caught.value) == (
            f"{path}: expected NAME.safetensors or an .npz, got TensorFlow's checkpoint; "
            "docs/hvass16.md has the lines that turn it into an .npz"
        )
    path = tmp_path / "old.npz"
    np.savez(path, a=np.array([{}], dtype=object))
    for content in (path.read_bytes(), b"PK damaged"):
        path.write_bytes(content)
        with pytest.raises(SnapshotError) as caught:
            SYSTEM.load_network(path)
        assert str(caught.value) == f"{path}: expected arrays by name, got a damaged file"


def test_case_8_a_network_is_exported_with_what_builds_it(tmp_path):
    made, opt = training(), options()
    path = tmp_path / "a.safetensors"
    arguments = SYSTEM.facts(opt).arguments
    save_networks(path, made.networks(), system="hvass16", arguments=arguments, step=0)
    exported = SYSTEM.export(path)
    names = {}
    exec("\n".join(exported.recipe), names)
    network = names["network"]
    network.load_state_dict({n: torch.from_numpy(w) for n, w in exported.state.items()})
    state = np.full((21, 16, 2), 7, np.uint8)
    np.testing.assert_array_equal(network.get_q_values(state), made.network.get_q_values(state))
