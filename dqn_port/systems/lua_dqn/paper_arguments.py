"""Compare a run's arguments with the paper's."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from dqn_port.arguments.values import shown
from dqn_port.options import OtherOption
from dqn_port.systems.lua_dqn.options import flat

NOT_COMPARED: Final = frozenset({"env", "game_path", "name", "ignored"})
"""Options that name a run and do not change its results."""

WITHOUT_EFFECT: Final = frozenset({"prog_freq", "save_freq", "threads", "verbose"})
"""Options that change only the progress lines or the speed."""


@functools.cache
def dqn3_0_1() -> dict[str, Any]:
    """Return the options in effect of DQN3_0_1, the paper's program, by path.

    They are those of run_gpu; legacy_args/pong.json holds them as given.
    """
    text = (resources.files("dqn_port.systems.lua_dqn") / "dqn3_0_1.json").read_text("utf-8")
    return flat(json.loads(text))


def differences(arguments: Mapping[str, Any], *, told: bool = False) -> list[OtherOption]:
    """Return where a run's options, those of its args.json, differ from the paper's.

    Those that change no result come last. ``told``: compare only the options in ``arguments``.
    """
    here, paper = flat(arguments), dqn3_0_1()
    every = here if told else here | paper
    paths = [path for path in every if path.split(".")[0] not in NOT_COMPARED]
    found = [
        OtherOption(path, shown(here.get(path)), shown(paper.get(path)), path not in WITHOUT_EFFECT)
        for path in sorted(paths)
        if here.get(path) != paper.get(path)
    ]
    return sorted(found, key=lambda difference: not difference.matters)
