"""ale-py's own random numbers: taken out of its state, and put into another emulator.

A reset draws from them for the timer and for the memory of some cartridges; sticky actions draw
from a second generator, which only states made with ``include_rng`` hold. ale-py shows both only
within a serialised state, as the text that C++ writes of a std::mt19937: 624 words and a position.
"""

from __future__ import annotations

import re
import struct
from typing import Final

import numpy as np
from ale_py import ALEInterface, ALEState
from ale_py import __version__ as ale_py_version
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError

_WORDS: Final = 624
_TEXT: Final = re.compile(rb"(?:[0-9]{1,10} ){624}[0-9]{1,3}")
_SYSTEM: Final = struct.pack("<i", 6) + b"System"
_MD5: Final = 4 + 32
"""bytes: the cartridge's md5 and, before it, the length of that string."""


def random_like() -> NDArray[np.int64]:
    """Return an array as random numbers have it: int64 [625]."""
    return np.zeros(_WORDS + 1, dtype=np.int64)


def check_random(numbers: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    """Return ``numbers`` if they are a generator's: 624 words of 32 bits, a position of 0..624.

    Raises:
        CheckpointError: they are not.
    """
    words, position = numbers[:_WORDS], int(numbers[_WORDS])
    if int(words.min()) < 0 or int(words.max()) >= 2**32 or not 0 <= position <= _WORDS:
        raise CheckpointError(
            f"{where}: expected {_WORDS} words of 32 bits and a position of 0 to {_WORDS}, got "
            f"words of {words.min()} to {words.max()} and position {position}"
        )
    return numbers


def random_in(state: bytes, *, sticky: bool = False) -> NDArray[np.int64]:
    """Return the random numbers in an emulator's serialised state: int64 [625].

    ``sticky``: those of sticky actions, in a state made with ``include_rng``.

    Raises:
        CheckpointError: this ale-py keeps them otherwise.
    """
    found = _find(state)
    if sticky and len(found) != 2:
        raise _unknown_layout("no generator of sticky actions in a state")
    return np.array([int(word) for word in found[int(sticky)][0].split()], dtype=np.int64)


def _find(state: bytes) -> list[re.Match[bytes]]:
    """Return the text of the system's generator and, if present, of the sticky actions'."""
    found = list(_TEXT.finditer(state))
    if len(found) not in (1, 2):
        raise _unknown_layout(f"{len(found)} generators in a state")
    return found


def put_random(ale: ALEInterface, numbers: NDArray[np.int64], *, sticky: bool = False) -> None:
    """Put checked random numbers into an emulator and leave the rest of its state alone.

    Raises:
        CheckpointError: this ale-py keeps them otherwise.
    """
    own: bytes = ale.cloneState(include_rng=sticky).serialize()
    text = b"%d " * _WORDS % tuple(numbers[:_WORDS].tolist()) + b"%d" % int(numbers[_WORDS])
    ale.restoreState(ALEState(_spliced(own, text, sticky)))
    # ale-py reports nothing when it cannot read a state.
    again = ale.cloneState(include_rng=sticky).serialize()
    if not np.array_equal(random_in(again, sticky=sticky), numbers):
        raise _unknown_layout("other random numbers than were put in")


def _spliced(state: bytes, text: bytes, sticky: bool = False) -> bytes:
    """Put the text of a generator in place of the state's own.

    The state: some integers, and a string of the system, which begins with the cartridge's md5,
    "System", the cycles and the generator, and has the sticky actions' generator near its end.
    Strings and integers are led by 4 bytes.
    """
    found = _find(state)[int(sticky)]
    system = state.find(_SYSTEM) - _MD5
    lengths = [at - 4 for at in (system, found.start())]
    grown = len(text) - len(found[0])
    if system < 4 or lengths[1] < system:
        raise _unknown_layout("no system in a state")
    outer, inner = (struct.unpack_from("<i", state, at)[0] for at in lengths)
    if inner != len(found[0]) or not inner < outer <= len(state) - system:
        raise _unknown_layout(f"strings of {outer} and {inner} bytes in a state")
    return b"".join(
        (
            state[: lengths[0]],
            struct.pack("<i", outer + grown),
            state[system : lengths[1]],
            struct.pack("<i", len(text)),
            text,
            state[found.end() :],
        )
    )


def _unknown_layout(got: str) -> CheckpointError:
    return CheckpointError(
        f"ale-py {ale_py_version}: expected the random numbers of a game in its state as ale-py "
        f"0.12.1 keeps them, got {got}; train with --checkpoint weights, or install ale-py 0.12.1"
    )
