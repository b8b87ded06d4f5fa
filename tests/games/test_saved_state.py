"""What a saved state holds, and what is refused of a damaged, foreign or hostile one."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from ale_py import __version__ as ale_py_version

from dqn_port.errors import CheckpointError, RomError
from dqn_port.games.ale import ale_random
from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.roms import rom_path
from dqn_port.randoms.torch import Generator
from dqn_port.runs.state_file import load_state, save_state
from dqn_port.systems.lua_dqn import game_environment
from dqn_port.systems.lua_dqn.frameworks import AleFramework
from dqn_port.systems.lua_dqn.slots import EnvironmentArgs
from tests.games.saving import after_a_lost_life, differences, make, play, saved, seen

GAMES = ("breakout", "toyA")
MISSING = object()


def refused(env, generator, state):
    """Return the line with which a state is refused, and see that nothing was changed."""
    before = seen(env, generator)
    with pytest.raises(CheckpointError) as caught:
        env.load_state_dict(state)
    assert seen(env, generator) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(state, path, value):
    """Return the state with another value at ``path``; without it if it is MISSING."""
    name, _, rest = path.partition(".")
    if rest:
        return state | {name: changed(state[name], rest, value)}
    if value is MISSING:
        return {key: inner for key, inner in state.items() if key != name}
    return state | {name: value}


@pytest.fixture(scope="module")
def breakout():
    env, generator = make("breakout")
    play(env, generator, 40)
    return env, generator


@pytest.mark.parametrize("game", ["breakout", "qbert", "toyB"])
@pytest.mark.parametrize("pool_size", [1, 3])
def test_it_goes_on_exactly_after_a_lost_life(game, pool_size):
    env, generator = make(game, pool_size=pool_size)
    play(env, generator, 400, until=after_a_lost_life)
    moments = {"lost life": saved(env, generator), "later": saved(env, generator)}
    assert differences(*make(game, seed=2, pool_size=pool_size), moments) == []


def test_a_state_that_an_older_version_saved_of_qbert_goes_on_as_that_did(monkeypatch):
    """Its first game began a frame sooner."""
    with monkeypatch.context() as patch:
        patch.setattr(game_environment, "_NOT_UNDONE", frozenset())
        env, generator = make("qbert")
    play(env, generator, 40)
    older = {"older": saved(env, generator)}
    env, generator = make("qbert")
    play(env, generator, 40)
    assert saved(env, generator)[2] != older["older"][2]
    assert differences(env, generator, older) == []


@pytest.mark.parametrize("game", GAMES)
def test_saving_changes_nothing(game):
    env, generator = make(game)
    other, same_numbers = make(game)
    views = []
    for _ in range(30):
        env.state_dict()
        views += play(env, generator, 1)
    assert views == play(other, same_numbers, 30)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("steps", [0, 30])
def test_a_state_survives_its_file(game, steps, tmp_path):
    env, generator = make(game)
    play(env, generator, steps)
    state, *rest = saved(env, generator)
    path = tmp_path / "state.t7"
    save_state(path, state)
    moments = {"from its file": (load_state(path), *rest)}
    assert differences(*make(game, seed=2), moments) == []
    assert path.stat().st_size < 80_000


def test_a_state_is_a_copy(breakout):
    env, generator = breakout
    state, numbers, now, after = saved(env, generator)
    assert differences(env, generator, {"again": (state, numbers, now, after)}) == []
    state["emulator"]["ram"][:] = 0
    state["game_screen"]["frames"][:] = 0
    assert env.state_dict()["emulator"]["ram"].any()
    assert env.game_screen.frames.any()


FAULTS = {
    "frames": (-1, "a whole number of 0 to 9007199254740992, got -1"),
    "resets": (2**53 + 1, "a whole number of 0 to 9007199254740992, got 9007199254740993"),
    "last_random_start": (0, "a whole number of 1 to 9007199254740992, got 0"),
    "reward": (float("nan"), "a finite number, got nan"),
    "terminal": (1, "true or false, got 1"),
    "lives": (2**31, "a whole number of -2147483648 to 2147483647, got 2147483648"),
    "emulator": (b"state", "fields by name, got a bytes"),
    "game_screen": (None, "fields by name, got None"),
    "game_screen.painted": (0.5, "a whole number of 0 to 9007199254740992, got 0.5"),
    "game_screen.frames": (
        np.zeros((1, 210, 160), np.uint8), "uint8 [2, 210, 160], got uint8 [1, 210, 160]",
    ),
    "emulator.random": (np.zeros(624, np.int64), "int64 [625], got int64 [624]"),
    "emulator.ram": (np.zeros(128, np.float32), "uint8 [128], got float32 [128]"),
    "emulator.frames": (1_728_001, "a whole number of 0 to 1728000, got 1728001"),
    "emulator.sha256": (b"", "a string, got a bytes"),
    "emulator.ale_py": (0.12, "a string, got 0.12"),
    "emulator.rom_md5": ("x" * 99, f"'f34f08e5eb96e500e851a80be3277a56', got '{'x' * 40}'; "
                         "the state is of another game"),
    "emulator.reset": ("ale\n", "'xitari', got 'ale\\n'; the state is of another game"),
}  # fmt: skip


@pytest.mark.parametrize("path", FAULTS)
def test_a_wrong_field_is_refused_in_one_line(path, breakout):
    env, generator = breakout
    value, expected = FAULTS[path]
    line = refused(env, generator, changed(env.state_dict(), path, value))
    named = "environment" if line.startswith("environment:") else f"environment.{path}"
    assert line in (f"{named}: expected {expected}", f"environment.{path}: expected {expected}")


def fields_of(state, path=""):
    for name, value in state.items():
        yield f"{path}{name}"
        if isinstance(value, dict):
            yield from fields_of(value, f"{path}{name}.")


@pytest.mark.parametrize("game", GAMES)
def test_a_missing_field_is_refused(game):
    env, generator = make(game)
    state = env.state_dict()
    for path in fields_of(state):
        if path != "last_random_start":
            line = refused(env, generator, changed(state, path, MISSING))
            assert line.startswith(f"environment.{path}: expected ")
            assert line.endswith(", got nothing")


def test_a_state_that_is_none_is_refused():
    env, generator = make("toyA")
    assert refused(env, generator, [1]) == "environment: expected fields by name, got a list"


@pytest.mark.parametrize("name", ["random", "ram", "actions"])
def test_flipped_bits_are_noticed_even_where_they_do_not_matter(name, breakout):
    env, generator = breakout
    state = env.state_dict()
    for at in np.linspace(0, state["emulator"][name].size - 1, 7).astype(int):
        for bit in (0, 1):
            array = state["emulator"][name].copy()
            array[at] ^= 1 << bit
            line = refused(env, generator, changed(state, f"emulator.{name}", array))
            assert line.startswith("environment.emulator: expected ")


def test_lost_actions_are_noticed(breakout):
    env, generator = breakout
    state = env.state_dict()
    shorter = state["emulator"] | {"frames": 9, "actions": state["emulator"]["actions"][:9]}
    line = refused(env, generator, state | {"emulator": shorter})
    assert line.startswith("environment.emulator: expected 9 frames replayed to end at sha256")


def test_a_state_that_leads_elsewhere_is_told_with_both_versions(breakout):
    env, generator = breakout
    state = env.state_dict()
    sha256, n = state["emulator"]["sha256"], state["emulator"]["frames"]
    other = state["emulator"] | {"sha256": "0" * 64, "ale_py": "0.99"}
    assert refused(env, generator, state | {"emulator": other}) == (
        f"environment.emulator: expected {n} frames replayed to end at sha256 '{'0' * 12}', "
        f"got '{sha256[:12]}'; saved by ale-py '0.99', played by '{ale_py_version}'"
    )


def test_an_action_or_a_random_number_that_is_none_is_refused(breakout):
    env, generator = breakout
    state = env.state_dict()
    actions = state["emulator"]["actions"].copy()
    actions[3] = 18
    assert refused(env, generator, changed(state, "emulator.actions", actions)) == (
        "environment.emulator.actions: expected numbers of 0 to 17, got 18"
    )
    for at, value in ((0, -1), (623, 2**32), (624, 625), (624, -1)):
        random = np.zeros(625, np.int64)
        random[at] = value
        low, high, position = random[:624].min(), random[:624].max(), random[624]
        assert refused(env, generator, changed(state, "emulator.random", random)) == (
            "environment.emulator.random: expected 624 words of 32 bits and a position of 0 to "
            f"624, got words of {low} to {high} and position {position}"
        )


@pytest.mark.parametrize("game", ["tetris", "pitfall2", "breakout", "beam_rider", "surround"])
def test_what_a_stranger_writes_is_played_and_harms_nothing(game, monkeypatch):
    """With the right sha256: any numbers, bytes of RAM and actions are such as a game may have."""
    monkeypatch.setattr(AleEmulator, "_sha256", lambda emulator: "right")
    env, generator = make(game)
    rng = np.random.default_rng(1)
    for position in (0, 300, 624):
        hostile = env.state_dict()["emulator"] | {
            "random": np.append(rng.integers(0, 2**32, 624), position),
            "ram": rng.integers(0, 256, 128, dtype=np.uint8),
            "frames": 200,
            "actions": rng.integers(0, 18, 200, dtype=np.uint8),
        }
        env.load_state_dict(env.state_dict() | {"emulator": hostile})
        np.testing.assert_array_equal(env.state_dict()["emulator"]["random"], hostile["random"])
        play(env, generator, 20)


def test_a_rom_that_is_gone_leaves_the_game_as_it_was(tmp_path):
    shutil.copy(rom_path("pong"), tmp_path)
    env = AleFramework.make(
        EnvironmentArgs(
            env="pong",
            game_path=str(tmp_path),
            env_params={},
            pool_frms={"type": "max", "size": 2},
            actrep=4,
            random_starts=0,
            generator=Generator(1),
        )
    )
    env.step(3)
    now, state = seen(env, Generator(1)), env.state_dict()
    (tmp_path / "pong.bin").unlink()
    with pytest.raises(RomError, match="expected the ROM of pong, got No such file"):
        env.load_state_dict(state)
    assert seen(env, Generator(1)) == now


@pytest.mark.parametrize("got", ["0 generators", "no system", "strings of 7 and"])
def test_an_ale_py_that_keeps_its_numbers_otherwise_is_told(got, breakout):
    state = breakout[0].emulator.ale.cloneState().serialize()
    # Before the first of its words stand the lengths of the strings that hold it.
    system = state.index(b"System") - 40
    n = int(np.frombuffer(state, "<i4", 1, system + 50)[0])
    other = {
        "0 generators": state[:3000],
        "no system": state.replace(b"System", b"system"),
        "strings of 7 and": state[: system - 4] + b"\7\0\0\0" + state[system:],
    }[got]
    with pytest.raises(CheckpointError) as caught:
        ale_random._spliced(other, b"1")
    bytes_of = f" {n} bytes" if got.startswith("strings") else ""
    assert str(caught.value) == (
        f"ale-py {ale_py_version}: expected the random numbers of a game in its state as ale-py "
        f"0.12.1 keeps them, got {got}{bytes_of} in a state; train with --checkpoint weights, or "
        "install ale-py 0.12.1"
    )


def test_an_emulator_that_has_no_state_is_told():
    class Plain:
        def __init__(self, emulator):
            self.act, self.game_over, self.lives = emulator.act, emulator.game_over, emulator.lives
            self.reset_game, self.get_screen = emulator.reset_game, emulator.get_screen
            self.actions, self.palette = emulator.actions, emulator.palette
            self.height, self.width = emulator.height, emulator.width

    env, _ = make("toyA")
    state = env.state_dict()
    env.emulator = Plain(env.emulator)
    for call in (env.state_dict, lambda: env.load_state_dict(state)):
        with pytest.raises(CheckpointError) as caught:
            call()
        assert str(caught.value) == (
            "environment.emulator: expected one whose state can be saved, got a Plain; train with "
            "--checkpoint weights"
        )


TOY_FAULTS = {
    "lives_left": (4, "a whole number of 0 to 3, got 4"),
    "px": (14, "a whole number of 0 to 13, got 14"),
    "bx": (-1, "a whole number of 0 to 15, got -1"),
    "by": (14, "a whole number of 0 to 13, got 14"),
    "dx": (2, "a whole number of -1 to 1, got 2"),
    "waiting": (True, "a whole number of 0 to 7, got True"),
    "ticks": (401, "a whole number of 0 to 400, got 401"),
    "game": ("chess", "'14 x 16 cells of 15 x 10', got 'chess'; the state is of another game"),
}


@pytest.mark.parametrize("name", TOY_FAULTS)
def test_a_wrong_field_of_a_toy_is_refused_in_one_line(name):
    env, generator = make("toyA")
    value, expected = TOY_FAULTS[name]
    line = refused(env, generator, changed(env.state_dict(), f"emulator.{name}", value))
    assert line == f"environment.emulator.{name}: expected {expected}"


def test_a_state_of_another_toy_is_refused():
    (env, generator), (other, _) = make("toyB"), make("toyC")
    assert refused(
        env, generator, env.state_dict() | {"emulator": other.emulator.state_dict()}
    ) == (
        "environment.emulator.game: expected '10 x 10 cells of 1 x 1', got '10 x 10 cells of 1 x "
        "1, null frames rewarded'; the state is of another game"
    )
