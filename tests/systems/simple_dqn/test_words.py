"""The words of the original's command lines."""

from __future__ import annotations

import re

import pytest

from dqn_port.errors import UsageError
from dqn_port.systems.simple_dqn.options import ORIGINAL
from dqn_port.systems.simple_dqn.system import SYSTEM
from tests.cli.running import run

WORD = {"boolean": "yes", "integer": "7", "number": "0.5", "string": "x"}
VALUE = {"boolean": True, "integer": 7, "number": 0.5, "string": "x"}


@pytest.mark.parametrize("param", [p for p in ORIGINAL if p.name != "game"], ids=lambda p: p.name)
def test_every_option_is_a_word(param):
    word = param.choices[0] if param.choices else WORD.get(param.kind, "3")
    value = param.choices[0] if param.choices else VALUE.get(param.kind, 3)
    _, options = SYSTEM.words(["breakout.bin", f"--{param.name}", word])
    assert options[param.name] == value


def test_only_what_is_said_is_an_option_and_names_may_be_shortened():
    words = ["roms/breakout.bin", "--replay_size", "500000", "--opti", "adam", "--min_reward=-2"]
    assert SYSTEM.words(words) == (
        "train",
        {
            "game": "roms/breakout.bin",
            "replay_size": 500000,
            "optimizer": "adam",
            "min_reward": -2.0,
        },
    )


@pytest.mark.parametrize("word", ["yes", "TRUE", "t", "1"])
def test_words_of_yes(word):
    assert SYSTEM.words(["x.bin", "--batch_norm", word]).options["batch_norm"] is True


@pytest.mark.parametrize("word", ["no", "False", "f", "0"])
def test_words_of_no(word):
    assert SYSTEM.words(["x.bin", "--batch_norm", word]).options["batch_norm"] is False


def test_stochastic_round_alone_is_true():
    assert SYSTEM.words(["x.bin", "--stochastic_round"]).options["stochastic_round"] is True


LIST = "; `dqn-port args show --system simple_dqn` lists all"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["x.bin", "--batch_norm", "treu"],
            "--: argument --batch_norm: expected one of yes, true, t, 1, no, false, f, 0, got "
            f"'treu'; the original took it for false{LIST}",
        ),
        ([], f"--: the following arguments are required: game{LIST}"),
        (
            ["x.bin", "--replay_size", "many"],
            f"--: argument --replay_size: invalid int value: 'many'{LIST}",
        ),
        (
            ["x.bin", "--random", "5"],
            "--: ambiguous option: --random could match --random_starts, --random_steps, "
            f"--random_seed{LIST}",
        ),
        (["x.bin", "--sound", "1"], f"--: unrecognized arguments: --sound 1{LIST}"),
        (["plot.sh", "x.csv"], "-- plot.sh: here use dqn-port plot CSV"),
        (
            ["upload_gym.sh"],
            "-- upload_gym.sh: here use dqn-port report; the site it sent results to closed in "
            "2017",
        ),
        (["train.sh"], "-- train.sh: expected the ROM's file, got nothing"),
        (
            ["resume.sh", "snapshots/breakout.pkl"],
            "-- resume.sh: expected a snapshot named GAME_EPOCH.prm or GAME_LABEL_EPOCH.prm, got "
            "snapshots/breakout.pkl",
        ),
    ],
)
def test_what_is_refused(words, message):
    with pytest.raises(UsageError) as caught:
        SYSTEM.words(words)
    assert str(caught.value) == message


def test_train_sh_names_the_files():
    assert SYSTEM.words(["./train.sh", "roms/pong.bin", "fast", "--epochs", "3"]) == (
        "train",
        {
            "game": "roms/pong.bin",
            "csv_file": "results/pong_fast.csv",
            "save_weights_prefix": "snapshots/pong_fast",
            "epochs": 3,
        },
    )


def test_resume_sh_finds_games_with_an_underscore():
    verb, options = SYSTEM.words(["resume.sh", "snapshots/space_invaders_200.pkl"])
    assert verb == "train"
    assert options == {
        "game": "space_invaders.bin",
        "load_weights": "snapshots/space_invaders_200.pkl",
        "random_steps": 0,
        "start_epoch": 200,
        "save_weights_prefix": "snapshots/space_invaders",
        "csv_file": "results/space_invaders_200.csv",
    }


@pytest.mark.parametrize(
    ("script", "verb"),
    [
        ("test.sh", "evaluate"),
        ("play.sh", "play"),
        ("record.sh", "record"),
        ("nvis.sh", "filters"),
    ],
)
def test_the_other_scripts_are_verbs_of_ours(script, verb):
    found, options = SYSTEM.words([script, "snapshots/pong_x_141.prm", "--backend", "cpu"])
    assert (found, options["game"], options["backend"]) == (verb, "pong.bin", "cpu")
    with pytest.raises(UsageError, match=f"nothing is learned: use `dqn-port {verb}`"):
        SYSTEM.load(words=[script, "snapshots/pong_x_141.prm"])


def test_an_open_quote_among_the_words_is_refused_in_one_line(capsys, tmp_path):
    new = tmp_path / "new.json"
    words = ("--system", "simple_dqn", "--words", "roms/it's.bin", new)
    result = run(capsys, "args", "convert", *words)
    assert (result.code, result.error) == (
        2,
        '--words: expected whole quotes, got "roms/it\'s.bin": No closing quotation',
    )
    assert not new.exists()


def test_the_first_word_is_the_game_without_an_argument_file(capsys):
    words = ("--system", "simple_dqn", "--", "toyA")
    for more in ((), ("--epochs", "3")):
        result = run(capsys, "args", "show", *words, *more)
        assert result.code == 0, result.err
        assert re.search(r'^game +"toyA" +words', result.out, re.MULTILINE)


def test_games_below_one_to_play_are_refused_as_such():
    with pytest.raises(UsageError, match=r"^words: play_games: expected at least 0, got -1$"):
        SYSTEM.load(words=["toyA", "--play_games", "-1"])
