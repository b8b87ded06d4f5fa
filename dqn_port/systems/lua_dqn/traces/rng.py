"""Torch7's random numbers: s<seed>_<what>, each sequence from a generator seeded anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.randoms.torch import Generator
from dqn_port.verify.comparing import CHECKSUMS, Comparer, counted, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

NAME: Final = re.compile(r"s(\d+)_([a-z]\w*)")

_N: Final = 1000
"""How long a sequence is of which a trace holds checksums only."""

_NORMAL: Final = 1e-15
"""cos, sin and log are those of another C library."""


def _interleaved(generator: Generator, i: int) -> float:
    """Draw the i-th number, from 1, of a sequence of seven kinds of draws."""
    kinds: tuple[Callable[[], float], ...] = (
        generator.random,
        lambda: generator.random(1, 6),
        generator.uniform,
        lambda: generator.random(30),
        lambda: float(generator.uniform_float(5, -0.5, 0.5)[4]),
        lambda: generator.uniform(-2, 3),
        lambda: generator.random(2, 997),
    )
    return kinds[i % 7]()


_DRAWS: Final[dict[str, Callable[[Generator, int], Any]]] = {
    "random": lambda g, i: g.random(),
    "random_1_6": lambda g, i: g.random(1, 6),
    "random_2_997": lambda g, i: g.random(2, 997),
    "random_30": lambda g, i: g.random(30),
    "uniform": lambda g, i: g.uniform(),
    "uniform_m01_p01": lambda g, i: g.uniform(-0.1, 0.1),
    "normal": lambda g, i: g.normal(),
    "bernoulli": lambda g, i: g.bernoulli(0.3),
    "interleaved": _interleaved,
}
_TENSORS: Final[dict[str, Callable[[Generator, int], NDArray[Any]]]] = {
    "float_uniform_m01_p01": lambda g, n: g.uniform_float(n, -0.1, 0.1),
    "double_uniform_m01_p01": lambda g, n: g.uniform_double(n, -0.1, 0.1),
}


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Draw every sequence of the trace."""
    del replaying
    sequences: dict[tuple[str, str], int] = {}
    for name, array in trace.arrays.items():
        form = next((form for form in CHECKSUMS if name.endswith(form)), "")
        matched = NAME.fullmatch(name.removesuffix(form))
        if matched and matched[2] in _DRAWS | _TENSORS:
            sequences[matched[1], matched[2]] = _N if form else array.size
    for (seed, what), n in sequences.items():
        generator = Generator(int(seed))
        if what in _TENSORS:
            got = _TENSORS[what](generator, n)
        else:
            got = np.array([_DRAWS[what](generator, i) for i in range(1, n + 1)], dtype=np.float64)
        compare.array(
            f"s{seed}_{what}",
            got,
            tolerance=_NORMAL if what == "normal" else 0.0,
            where=counted("draw"),
        )
    seeds = {seed for seed, _ in sequences}
    compare.what = (
        f"draws of {plural(len({what for _, what in sequences}), 'kind')}, "
        f"{plural(len(seeds), 'seed')}"
    )
