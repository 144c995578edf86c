"""What the answer of a call is, what it must be, and how to take it back before the next."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from pytest_benchgate.comparison import Tolerance, WrongAnswer, compare

Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Check:
    """What the answer must be: `expect` is a value, or a callable that returns whether the answer is right.

    `written` names arguments of the function, by position or by keyword; then what they hold after the call is the
    answer, not what the call returned.
    """

    expect: Any
    tolerance: Tolerance
    written: tuple[int | str, ...] | None
    single: bool

    def answer(self, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what is to be compared after a call."""
        if self.written is None:
            return result
        found = tuple(_argument(key, (args, kwargs)) for key in self.written)
        return found[0] if self.single else found

    def verify(self, result: Any, arguments: Arguments, when: str) -> None:
        """Raise WrongAnswer if the answer is not right."""
        __tracebackhide__ = True
        answer = self.answer(result, *arguments)
        if callable(self.expect):
            verdict = self.expect(answer)
            if verdict is None:
                raise TypeError("expect returned None; a callable that judges returns True or False, or raises")
            if not verdict:
                raise WrongAnswer(f"wrong answer {when}: expect returned {verdict!r}\n{_shown(answer)}")
            return
        mismatch = compare(answer, self.expect, self.tolerance)
        if mismatch:
            hint = "" if answer is not None else "\nThe function returned None: written= names the arguments it fills."
            raise WrongAnswer(f"wrong answer {when}: {mismatch}{hint}")

    def before(self, arguments: Arguments) -> list[Any]:
        """Return copies of what the written arguments hold now."""
        return [copy.deepcopy(_argument(key, arguments)) for key in self.written or ()]

    def restore(self, arguments: Arguments, before: list[Any]) -> None:
        """Put the copies back, so that a call which writes nothing is found out."""
        for key, old in zip(self.written or (), before, strict=True):
            place = _argument(key, arguments)
            if isinstance(place, dict | set):
                place.clear()
                place.update(old)
            elif isinstance(place, np.ndarray) and place.ndim == 0:
                place[()] = old
            else:
                place[:] = old


def _argument(key: int | str, arguments: Arguments) -> Any:
    args, kwargs = arguments
    try:
        return args[key] if isinstance(key, int) else kwargs[key]
    except LookupError:
        given = [*range(len(args)), *kwargs]
        raise ValueError(f"written={key!r} names no argument of the call; it has {given}") from None


def _shown(answer: Any) -> str:
    text = repr(answer)
    return f"got {text}" if len(text) <= 300 else f"got {text[:297]}..."  # noqa: PLR2004


def make_check(expect: Any, rtol: float, atol: float, equal_nan: bool, written: Any) -> Check:  # noqa: FBT001
    """Return the check that these arguments of the gate ask for; ValueError where a tolerance is none."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not (isinstance(value, Real) and math.isfinite(value) and value >= 0):
            raise ValueError(f"{name}={value!r} is not a tolerance; pass a number of 0 or more")
    single = isinstance(written, int | str)
    return Check(expect, Tolerance(rtol, atol, equal_nan), (written,) if single else written, single)
