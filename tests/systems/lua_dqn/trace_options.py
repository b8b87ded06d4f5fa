"""The options of a trace's run, from the words that the original was started with."""

from __future__ import annotations

from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.setup import load_options
from tests.golden_files import meta


def words_of_trace(group: str) -> list[str]:
    argv = meta(group)["argv"]
    words = [argv[str(i)] for i in range(1, len(argv)) if str(i) in argv]
    at = words.index("-game_path")
    del words[at : at + 2]
    return words


def options_of_trace(group: str) -> Options:
    return load_options(lua_words=words_of_trace(group))
