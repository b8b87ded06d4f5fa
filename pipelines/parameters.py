"""Luigi's parameters as typed on a command line, and the checks of an evaluation's parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import luigi

from dqn_port.arguments.number_lists import are_seeds, read_numbers
from dqn_port.errors import ArgsError
from dqn_port.runs.evaluations import NETWORKS


class _Told:
    """Report a text that cannot be read in one line, with the parameter and what was expected."""

    expected: str
    read: ClassVar[Callable[..., Any]]
    """Converts a text to a value."""

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)  # type: ignore[misc]
        self._name = name.replace("_", "-")

    def parse(self, text: str) -> Any:
        """Read a text from the command line or the scheduler."""
        try:
            return self.read(text)
        except (TypeError, ValueError) as error:
            raise luigi.parameter.ParameterException(
                f"--{self._name}: expected {self.expected}, got '{text}'"
            ) from error


class WholeParameter(_Told, luigi.IntParameter):
    """A whole number."""

    expected = "a whole number"
    read = luigi.IntParameter.parse


class NumberParameter(_Told, luigi.FloatParameter):
    """A number."""

    expected = "a number"
    read = luigi.FloatParameter.parse


class SwitchParameter(_Told, luigi.BoolParameter):
    """True or false."""

    expected = "true or false"
    read = luigi.BoolParameter.parse


class ChoiceParameter(_Told, luigi.Parameter):
    """One of some words."""

    def __init__(self, *, choices: Sequence[str], **rest: Any) -> None:
        super().__init__(**rest)
        self._choices = choices
        self.expected = " or ".join(choices)

    def read(self, text: str) -> str:
        """Return the word."""
        if text not in self._choices:
            raise ValueError
        return text


class SetParameter(_Told, luigi.ListParameter):
    """Assignments KEY=VALUE: one as it is, or several as a JSON list, because values may hold
    commas."""

    expected = "KEY=VALUE or a JSON list of them"

    def read(self, text: str) -> tuple[str, ...]:
        """Return the assignments."""
        if not text.startswith("["):
            return (text,) if text else ()
        return self.normalize(json.loads(text))

    def normalize(self, value: Iterable[Any]) -> tuple[str, ...]:
        """Return the assignments as a tuple, which can be hashed."""
        return tuple(str(entry) for entry in value)


class WordsParameter(_Told, luigi.ListParameter):
    """Words or whole numbers separated by commas, 1-3 for 1,2,3; a JSON list is accepted, too."""

    def __init__(self, *, kind: type[str] | type[int] = str, **rest: Any) -> None:
        """``kind`` converts each word to a value."""
        super().__init__(**rest)
        self._kind = kind
        self.expected = (
            "words with commas between" if kind is str else "whole numbers such as 1,2,3 or 1-3"
        )

    def read(self, text: str) -> tuple[Any, ...]:
        """Return the words."""
        if text.startswith("["):
            return self.normalize(json.loads(text))
        if self._kind is int:
            return read_numbers(text)
        return self.normalize(word.strip() for word in text.split(",") if word.strip())

    def normalize(self, value: Iterable[Any]) -> tuple[Any, ...]:
        """Return the values as a tuple, which can be hashed."""
        return tuple(self._kind(str(entry)) for entry in value)


def check_evaluation(words: dict[str, Any]) -> None:
    """Check the parameters of an evaluation.

    Raises:
        ArgsError: it makes no sense.
    """
    networks, seeds = words["networks"], words["seeds"]
    if not networks or not {*networks} <= {*NETWORKS} or len({*networks}) < len(networks):
        raise ArgsError(f"networks: expected last, best or both, got '{','.join(networks)}'")
    if not are_seeds(seeds):
        got = ",".join(map(str, seeds))
        raise ArgsError(
            f"evaluation_seeds: expected different whole numbers below 2^32, got '{got}'"
        )
    if words["episodes"] < 1:
        raise ArgsError(f"episodes: expected 1 or more, got {words['episodes']}")
    if not 0 <= words["epsilon"] <= 1:
        raise ArgsError(f"epsilon: expected 0 to 1, got {words['epsilon']}")
    if words["max_frames"] < 0:
        raise ArgsError(f"max_frames: expected 0 or more, got {words['max_frames']}")
