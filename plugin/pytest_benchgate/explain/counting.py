"""What a worker does to count: call the benchmarked function, once warm, between two client requests."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from pytest_benchgate.explain import python_calls
from pytest_benchgate.explain.requests import (
    DUMP_STATS,
    START_INSTRUMENTATION,
    STOP_INSTRUMENTATION,
    ZERO_STATS,
    Requests,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Caller(Protocol):
    """How the benchmarked function is called."""

    def __call__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], /) -> Any:
        """Return what the function returns."""


def instructions(once: Callable[[Caller], object], warm: int, calls: int) -> bool:
    """Have callgrind write a profile of each of `calls` calls, and return whether this process runs under it.

    `once` does all that belongs to one call, its setup for instance, and leaves the call itself to its argument. The
    first calls, which are not counted, load libraries, fill caches and let the interpreter specialize its code.
    """
    try:
        requests = Requests()
    except Unsupported:
        return False
    if not requests.running_on_valgrind():
        return False

    def counted(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], /) -> Any:
        return requests.counted(ZERO_STATS, DUMP_STATS, function, args, kwargs)

    for _ in range(warm):
        once(plain)
    requests.request(START_INSTRUMENTATION)
    try:
        for _ in range(calls):
            once(counted)
    finally:
        requests.request(STOP_INSTRUMENTATION)
    return True


def functions(once: Callable[[Caller], object]) -> dict[str, int]:
    """Return how often each Python function is entered in a call; see python_calls.count."""
    found: dict[str, int] = {}

    def counted(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], /) -> Any:
        result = None

        def call() -> None:
            nonlocal result
            result = function(*args, **kwargs)

        found.update(python_calls.count(call, sys.path))
        return result

    once(counted)
    return found


def plain(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], /) -> Any:
    """Call a function as it is."""
    return function(*args, **kwargs)
