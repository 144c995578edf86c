"""Judges: functions passed as `expect`, which get the answer and return whether it is right."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np


def is_judge(expect: Any) -> bool:
    """Return whether expect is a function that judges an answer, rather than the answer itself.

    Raises
    ------
    TypeError
        If expect is callable, but not a function, and may be either: a class, a polynomial, a spline, a mock.

    """
    if not callable(expect):
        return False
    function = expect
    while isinstance(function, functools.partial):
        function = function.func
    routine = inspect.isroutine(function) or isinstance(function, np.ufunc)
    # A mock reports another class than its own.
    if routine and function.__class__ is type(function):
        _check_arguments(expect)
        return True
    kind = f"the class {expect.__name__}" if isinstance(expect, type) else f"a {type(expect).__name__}"
    raise TypeError(
        f"expect is {kind}, which is callable, but not a function: it could be the answer, or judge it. For the "
        "answer, pass a function that compares: expect=lambda answer: answer == value; to judge, pass a function or a "
        "method"
    )


def _check_arguments(judge: Any) -> None:
    """Raise TypeError if a function cannot be called with the answer alone, as numpy.allclose cannot."""
    try:
        signature = inspect.signature(judge)
    # Not every built-in function has one.
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None)
    except TypeError as error:
        name = getattr(judge, "__name__", "a function")
        raise TypeError(
            f"expect is {name}, which does not take one argument, the answer ({error}); pass one that "
            "does, as in: expect=lambda answer: numpy.allclose(answer, value)"
        ) from None


def passes(judge: Any, answer: Any) -> bool:
    """Return the judge's verdict on answer.

    Raises
    ------
    TypeError
        If the verdict is not a bool, but None, a distance, a tuple, an array, a coroutine ...

    """
    verdict = judge(answer)
    if isinstance(verdict, bool | np.bool_):
        return bool(verdict)
    raise TypeError(f"expect returned {_described(verdict)}; a function must return True or False, or raise")


def _described(verdict: Any) -> str:
    if verdict is None or verdict is NotImplemented:
        return repr(verdict)
    if inspect.iscoroutine(verdict):
        # Nobody will await it, and it must not warn of that.
        verdict.close()
        return "a coroutine, which is not awaited"
    if isinstance(verdict, int | float | complex | str | np.generic):
        return f"{str(verdict)[:80]} ({type(verdict).__name__})"
    if (shape := getattr(verdict, "shape", None)) is not None:
        return f"an array ({type(verdict).__name__}, shape {shape}): reduce it, as in bool(verdict.all())"
    return f"a {type(verdict).__name__}"
