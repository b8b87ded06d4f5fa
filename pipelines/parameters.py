"""Luigi's list parameter, as it is typed on a command line, and what an evaluation may be asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import luigi

from dqn_port.errors import ArgsError
from dqn_port.exports.evaluations import NETWORKS


class SetParameter(luigi.ListParameter):
    """Assignments KEY=VALUE: one as it is, or several as a JSON list, for values hold commas."""

    def parse(self, text: str) -> tuple[str, ...]:
        """Read what stands on the command line or came from the scheduler."""
        if not text.startswith("["):
            return (text,) if text else ()
        return self.normalize(_list("set", text))

    def normalize(self, value: Iterable[Any]) -> tuple[str, ...]:
        """Return the assignments as a tuple, which can be hashed."""
        return tuple(str(entry) for entry in value)


class WordsParameter(luigi.ListParameter):
    """Words, or numbers, with commas between; a JSON list will do, too."""

    def __init__(self, *, kind: Callable[[str], Any] = str, **rest: Any) -> None:
        """``kind`` makes a value of each word."""
        super().__init__(**rest)
        self._kind = kind

    def parse(self, text: str) -> tuple[Any, ...]:
        """Read what stands on the command line or came from the scheduler."""
        if text.startswith("["):
            return self.normalize(_list("a list", text))
        return self.normalize(word.strip() for word in text.split(",") if word.strip())

    def normalize(self, value: Iterable[Any]) -> tuple[Any, ...]:
        """Return the values as a tuple, which can be hashed."""
        try:
            return tuple(self._kind(entry) for entry in value)
        except (TypeError, ValueError) as error:
            raise luigi.parameter.ParameterException(f"expected a list: {error}") from error


def _list(name: str, text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise luigi.parameter.ParameterException(
            f"{name}: expected KEY=VALUE or a JSON list, got {text}: {error}"
        ) from error
    assert isinstance(value, list)
    return value


def check_evaluation(words: dict[str, Any]) -> None:
    """Check what an evaluation is asked for.

    Raises:
        ArgsError: it makes no sense.
    """
    networks, seeds = words["networks"], words["seeds"]
    if not networks or not {*networks} <= {*NETWORKS} or len({*networks}) < len(networks):
        raise ArgsError(f"networks: expected last, best or both, got '{','.join(networks)}'")
    if not seeds or len({*seeds}) < len(seeds):
        got = ",".join(map(str, seeds))
        raise ArgsError(f"evaluation_seeds: expected different whole numbers, got '{got}'")
    if words["episodes"] < 1:
        raise ArgsError(f"episodes: expected 1 or more, got {words['episodes']}")
    if not 0 <= words["epsilon"] <= 1:
        raise ArgsError(f"epsilon: expected 0 to 1, got {words['epsilon']}")
    if words["max_frames"] < 0:
        raise ArgsError(f"max_frames: expected 0 or more, got {words['max_frames']}")
