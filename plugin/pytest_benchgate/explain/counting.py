"""What a worker does to count: call the benchmarked function, once warm, between two client requests."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from pytest_benchgate.explain import heap, python_calls
from pytest_benchgate.explain.requests import (
    DUMP_STATS,
    START_INSTRUMENTATION,
    STOP_INSTRUMENTATION,
    ZERO_STATS,
    Requests,
    Unsupported,
)
from pytest_benchgate.race.worker.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

LOOKS = 5
# Calls: a single one may wait for a page of a file.
WATCHED = 3


class Caller(Protocol):
    """How the benchmarked function is called."""

    def __call__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], /) -> Any:
        """Return what the function returns."""


def instructions(once: Callable[[Caller], object], warm: int, calls: int) -> int | None:
    """Have callgrind write a profile of each of `calls` calls; return None if this process does not run under it.

    Otherwise, return the nanoseconds of processor time that threads other than this one took in these calls.

    `once` does all that belongs to one call, its setup for instance, and leaves the call itself to its argument. The
    first calls, which are not counted, load libraries, fill caches and let the interpreter specialize its code.
    """
    try:
        requests = Requests()
    except Unsupported:
        return None
    if not requests.running_on_valgrind():
        return None

    def counted(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], /) -> Any:
        return requests.counted(ZERO_STATS, DUMP_STATS, function, args, kwargs)

    for _ in range(warm):
        once(plain)
    settled = heap.settle()
    requests.request(START_INSTRUMENTATION)
    try:
        others_ns = _others_ns()
        for _ in range(calls):
            once(counted)
        return _others_ns() - others_ns
    finally:
        requests.request(STOP_INSTRUMENTATION)
        del settled


def waits(once: Callable[[Caller], object]) -> bool:
    """Return whether a call waits: each of several gives up its processor before its time is over."""
    # It is not on Windows, where nothing is counted.
    import resource

    # Other threads may wake up now and then. Linux alone counts those of one.
    who = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
    switches = []

    def watched(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], /) -> Any:
        before = resource.getrusage(who).ru_nvcsw
        result = function(*args, **kwargs)
        switches.append(resource.getrusage(who).ru_nvcsw - before)
        return result

    for _ in range(WATCHED):
        once(watched)
    return min(switches, default=0) > 0


def functions(
    once: Callable[[Caller], object], files: Collection[str] = (), folders: Sequence[str] = ()
) -> tuple[dict[str, int], dict[str, int]]:
    """Return what Python functions do in a call; see python_calls.count. Files are relative also to sys.path."""
    found: tuple[dict[str, int], dict[str, int]] = {}, {}

    def counted(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], /) -> Any:
        result = None

        def call() -> None:
            nonlocal result
            result = function(*args, **kwargs)

        nonlocal found
        found = python_calls.count(call, [*sys.path, *folders], files)
        return result

    once(counted)
    return found


def _others_ns() -> int:
    """Return the processor time that the other threads have taken: the best of several looks at two clocks."""
    return max(CLOCK.all_ns() - CLOCK.own_ns() for _ in range(LOOKS))


def plain(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], /) -> Any:
    """Call a function as it is."""
    return function(*args, **kwargs)
