"""Compare arrays with a trace's, and remember how many values differ and where the first does.

In place of an array NAME a trace may hold its checksums: NAME_sum_sumsq_max (sum, sum of squares,
largest absolute value, in double; a row each for a stack of vectors), NAME_first64, NAME_last64.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dqn_port.errors import TraceError
from dqn_port.verify.traces import Trace

SUM_SUMSQ_MAX: Final = "_sum_sumsq_max"
FIRST64: Final = "_first64"
LAST64: Final = "_last64"
CHECKSUMS: Final = (SUM_SUMSQ_MAX, FIRST64, LAST64)

_AT_ONCE: Final = 4_000_000
"""Values compared at a time, to keep the copies in double small."""

_OF_SUMS: Final = 1e-12
"""Relative; of sums in double of up to some million numbers."""

Where = Callable[[tuple[int, ...]], str]
"""From an index of an array to where that is, for a reader."""


def at_index(index: tuple[int, ...]) -> str:
    """Return an index as NumPy writes it, 0-based."""
    return f"[{', '.join(map(str, index))}]"


def counted(*names: str) -> Where:
    """Return what names the first dimensions, counted from 1; the others are indices.

    ``counted("update", "row")`` makes "update 3, row 1, [0]" of (2, 0, 0).
    """

    def where(index: tuple[int, ...]) -> str:
        parts = [f"{name} {i + 1}" for name, i in zip(names, index, strict=False)]
        rest = index[len(names) :]
        return ", ".join([*parts, at_index(rest)] if rest else parts)

    return where


@dataclass(frozen=True)
class Difference:
    """Where an array first differs, and how often."""

    name: str
    n_values: int
    n_differ: int
    where: str
    expected: str
    got: str

    def __str__(self) -> str:
        often, first = f"{self.n_differ:,} of {self.n_values:,} differ", "; first at "
        if self.n_values == 1:
            often, first = "it differs", " at "
        place = f"{first}{self.where}" if self.where else ""
        return f"{self.name}: {often}{place}: expected {self.expected}, got {self.got}"


@dataclass
class Comparer:
    """Compare what a replay gives with its trace, array by array."""

    trace: Trace
    what: str = ""
    """What is compared, in a few words."""
    largest: float = 0.0
    """Of the differences between numbers, those within their tolerance, too; not of their sums."""
    largest_in: str = ""
    """The array with it."""
    missing: list[str] = field(default_factory=list)
    """Arrays that a trace of this kind may hold and this one does not."""
    notes: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _n_values: dict[str, int] = field(default_factory=dict)
    """Of every array, or value by name; it may be compared in parts."""
    _differing: dict[str, Difference] = field(default_factory=dict)
    """By name, where each first differs."""

    @property
    def n_values(self) -> int:
        """How many values were compared."""
        return sum(self._n_values.values())

    @property
    def n_differ(self) -> int:
        """How many of them differ by more than they may."""
        return sum(difference.n_differ for difference in self._differing.values())

    @property
    def differences(self) -> list[Difference]:
        """One of every array that differs, as far as it was compared."""
        return [
            replace(difference, n_values=self._n_values[name])
            for name, difference in self._differing.items()
        ]

    def holds(self, name: str) -> bool:
        """Return whether the trace holds an array or a checksum of it."""
        return any(name + form in self.trace.arrays for form in ("", *CHECKSUMS))

    def skip(self, pattern: str, why: str) -> None:
        """Say why the arrays of a pattern are not compared, if there are any."""
        names = fnmatch.filter(self.trace.arrays, pattern)
        if names:
            self._known.update(names)
            self.notes.append(f"not compared: {pattern} ({why})")

    def seen(self, *names: str) -> None:
        """Take arrays as known: a replay was made from them."""
        self._known.update(names)

    def unknown(self) -> list[str]:
        """Return the arrays of the trace that were neither compared nor excluded."""
        return sorted(set(self.trace.arrays) - self._known)

    def array(
        self,
        name: str,
        got: ArrayLike | None,
        *,
        tolerance: float | NDArray[np.float64] = 0.0,
        where: Where = at_index,
        rows: int | None = None,
        family: str = "",
        sums: bool = False,
        shown: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    ) -> None:
        """Compare an array with the trace's, or with its checksums there; else note it missing.

        ``got``: None where the replay came to none.
        ``rows``: compare only so many. ``family``: what it is called among the missing.
        ``sums``: its numbers are sums of others. ``shown``: applied to the trace's array first.
        """
        forms = [form for form in ("", *CHECKSUMS) if name + form in self.trace.arrays]
        if not forms:
            label = family or name
            if label not in self.missing:
                self.missing.append(label)
        for form in forms:
            expected = self.trace.arrays[name + form]
            self._known.add(name + form)
            if expected.size == 0 and not form:
                self.missing.append(f"{name} (it is empty)")
            elif got is None or np.size(got) == 0:
                self._count(name + form, expected.size)
                self._differ(name + form, expected.size, "", f"{expected.size} values", "none")
            elif not form:
                expected = expected if shown is None else shown(expected)
                part = (expected, np.asarray(got)) if rows is None else (
                    expected[:rows], np.asarray(got)[:rows]
                )  # fmt: skip
                self.compare(name, *part, tolerance=tolerance, where=where, sums=sums)
            elif rows is None:
                most = float(np.max(tolerance, initial=0.0))
                self._checksum(name, form, expected, np.asarray(got), most, where)
            else:
                self.notes.append(f"not compared: {name + form} (of more rows than can be)")

    def _checksum(
        self,
        name: str,
        form: str,
        expected: NDArray[Any],
        got: NDArray[Any],
        tolerance: float,
        where: Where,
    ) -> None:
        """Compare the checksum of an array, or of every row of a stack."""
        _check_numbers(self.trace, name + form, expected)
        stacked = expected.ndim > 1
        rows = got.reshape(len(got) if stacked else 1, -1)
        if form == SUM_SUMSQ_MAX:
            n, sums = rows.shape[1], np.array([sum_sumsq_max(row) for row in rows])
            sums = sums.reshape(-1, 3)
            bounds = sum_tolerances(n, tolerance, sums)
        else:
            sums = rows[:, :64] if form == FIRST64 else rows[:, -64:]
            bounds = np.full(sums.shape, tolerance)
        if not stacked:
            sums, bounds, where = sums[0], bounds[0], at_index
        self.compare(
            name + form,
            expected,
            sums,
            tolerance=bounds,
            where=where,
            sums=form == SUM_SUMSQ_MAX,
        )

    def compare(
        self,
        name: str,
        expected: NDArray[Any],
        got: NDArray[Any],
        *,
        tolerance: float | NDArray[np.float64] = 0.0,
        where: Where = at_index,
        sums: bool = False,
    ) -> None:
        """Compare numbers, or texts, of the same shape; ``tolerance`` may be one a row or value."""
        if expected.dtype.kind in "SU" or got.dtype.kind in "SU":
            got, expected = np.atleast_1d(got).astype(str), np.atleast_1d(expected).astype(str)
        else:
            _check_numbers(self.trace, name, expected)
        expected, got = np.atleast_1d(expected), np.atleast_1d(got)
        if expected.shape[1:] != got.shape[1:] and expected.size == got.size:
            got = got.reshape(expected.shape)
        if expected.shape[1:] != got.shape[1:]:
            shapes = (str(list(expected.shape)), str(list(got.shape)))
            self._count(name, expected.size)
            self._differ(name, expected.size, "", f"shape {shapes[0]}", f"shape {shapes[1]}")
            return
        n = min(len(expected), len(got))
        bounds = np.asarray(tolerance, dtype=np.float64)
        if bounds.ndim:
            # One a row: it broadcasts from the left.
            bounds = bounds[:n].reshape(bounds[:n].shape + (1,) * (expected.ndim - bounds.ndim))
        bounds = np.broadcast_to(bounds, (n, *expected.shape[1:]))
        step = max(1, _AT_ONCE // max(1, math.prod(expected.shape[1:])))
        n_differ, first = 0, None
        for at in range(0, n, step):
            part = slice(at, min(at + step, n))
            wrong, most = _apart(expected[part], got[part], bounds[part])
            if most > self.largest and not sums:
                self.largest, self.largest_in = most, name
            n_differ += int(wrong.sum())
            if first is None and n_differ:
                inner = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
                first = (int(inner[0]) + at, *map(int, inner[1:]))
        width = math.prod(expected.shape[1:])
        self._count(name, n * width)
        if first is not None:
            self._differ(name, n_differ, where(first), _show(expected[first]), _show(got[first]))
        lost = abs(len(expected) - len(got)) * width
        if lost:
            self._count(name, lost)
            self._differ(name, lost, where((n,)), f"{len(expected):,} rows", f"{len(got):,}")

    def value(self, name: str, expected: object, got: object, where: str = "") -> None:
        """Compare one value of any kind; equal numbers of other types are the same."""
        self._count(name, 1)
        if expected != got:
            self._differ(name, 1, where, _cut(repr(expected)), _cut(repr(got)))

    def number(
        self,
        name: str,
        expected: Any,
        got: float,
        *,
        tolerance: float,
        where: str = "",
        sums: bool = False,
    ) -> None:
        """Compare one number, which traces in JSON hold as text.

        Raises:
            TraceError: the trace's is not a number.
        """
        try:
            number = float(expected)
        except (TypeError, ValueError) as error:
            raise TraceError(
                f"{self.trace.name}.json: {name}: expected a number, got {_cut(repr(expected))}"
            ) from error
        self.compare(
            name,
            np.array([number]),
            np.array([got]),
            tolerance=tolerance,
            where=lambda _: where,
            sums=sums,
        )

    def _count(self, name: str, n: int) -> None:
        self._n_values[name] = self._n_values.get(name, 0) + n

    def _differ(self, name: str, n_differ: int, where: str, expected: str, got: str) -> None:
        """Note that so many of the values counted differ; the first place of a name is kept."""
        first = self._differing.get(name, Difference(name, 0, 0, where, expected, got))
        self._differing[name] = replace(first, n_differ=first.n_differ + n_differ)


def _apart(
    expected: NDArray[Any], got: NDArray[Any], bounds: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], float]:
    """Return which values are further apart than their bounds, and the largest difference."""
    if expected.dtype.kind == "U":
        return np.asarray(expected != got), 0.0
    e, g = expected.astype(np.float64), got.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(e - g)
    apart[(e == g) | (np.isnan(e) & np.isnan(g))] = 0.0
    apart[np.isnan(apart)] = math.inf
    return np.asarray(apart > bounds), float(apart.max(initial=0.0))


def sum_sumsq_max(vector: NDArray[Any]) -> NDArray[np.float64]:
    """Return sum, sum of squares and largest absolute value, summed in double: float64 [3]."""
    x = vector.astype(np.float64)
    return np.array([x.sum(), x @ x, np.abs(x).max(initial=0.0)])


def sum_tolerances(
    n: int | NDArray[Any], tolerance: float | NDArray[Any], sums: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far sum, sum of squares and maximum may be off: float64 [..., 3].

    ``n`` elements are each off by e, |e| ≤ tolerance. The maximum is then off by no more than
    that. Errors have either sign and most are far below the largest, so that √n · tolerance is
    enough for their sum (n · tolerance, the worst case, would let a million weights be off by ten
    in all), and for Σ(x + e)² − Σx² = 2 Σxe + Σe² the same gives 2 √(Σx²) · tolerance + tolerance².
    """
    root = np.sqrt(np.maximum(sums[..., 1], 0.0))
    total = np.broadcast_to(np.sqrt(n) * tolerance, root.shape)
    squares = 2 * root * tolerance + np.square(tolerance)
    bounds = np.stack([total, squares, np.broadcast_to(tolerance, root.shape)], axis=-1)
    # What is exact is summed in another order all the same.
    return np.asarray(bounds + _OF_SUMS * (1 + np.abs(sums)))


def _check_numbers(trace: Trace, name: str, array: NDArray[Any]) -> None:
    if array.dtype.kind not in "biuf":
        raise TraceError(f"{trace.name}.npz: {name}: expected numbers, got {array.dtype}")


def _show(value: Any) -> str:
    if isinstance(value, str):
        return _cut(repr(str(value)))
    number = float(value)
    return str(int(number)) if number.is_integer() else f"{number:.9g}"


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def plural(n: int, noun: str) -> str:
    """Return so many of a noun."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return names in one line, the first few and how many more."""
    all_names: Sequence[str] = list(names)
    more = f" and {len(all_names) - most} more" if len(all_names) > most else ""
    return ", ".join(all_names[:most]) + more
