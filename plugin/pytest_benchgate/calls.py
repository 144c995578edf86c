"""The calls of a gate: where their arguments come from, and what is checked before and after each."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_benchgate import amounts, devices
from pytest_benchgate.check import Before
from pytest_benchgate.comparison import text
from pytest_benchgate.contents import restore

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchgate.check import Check
    from pytest_benchgate.contents import Contents
    from pytest_benchgate.host import Budget
    from pytest_benchgate.written import Arguments

Look: TypeAlias = "Callable[[Any, Arguments, Before], None]"
# Of a call with setup or teardown.
MOST_ROUNDS = 100_000
# Sampled calls in a row, at most: their number is random, so that no period of the function stays in step with them.
MOST_IN_A_ROW = 3
# Further calls, untimed, for the median of the device's own times.
DEVICE_CALLS = 10
DEVICE_BUDGET_S = 0.5


@dataclass(frozen=True)
class Call:
    """A function and where its arguments come from."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    setup: Callable[[], Any] | None
    teardown: Callable[..., Any] | None

    @property
    def own(self) -> Arguments:
        """The arguments if setup gives none."""
        return self.args, self.kwargs

    @property
    def renews(self) -> bool:
        """Whether setup gives the arguments of each round, as it must where the call has none."""
        return self.setup is not None and not (self.args or self.kwargs)

    def arguments(self) -> Arguments:
        """Return the arguments of one round, from setup where it gives any."""
        given = self.given()
        if given is None:
            return self.own
        if self.args or self.kwargs:
            raise TypeError("setup returned arguments, and the call has others as well; pass them in one place only")
        return given

    def given(self) -> Arguments | None:
        """Return what setup gives, if anything.

        Raises
        ------
        TypeError
            If that is no pair of arguments and keyword arguments.

        """
        given = self.setup() if self.setup else None
        # As in pytest-benchmark, where it is enough to be false.
        if given is None or (isinstance(given, int | tuple | list | dict) and not given):
            return None
        if not (isinstance(given, tuple | list) and len(given) == len(self.own) and isinstance(given[1], Mapping)):
            raise TypeError(
                f"setup returned {text(given)}, a {type(given).__name__}; return None, or a tuple of the arguments and "
                "a dictionary of keyword arguments, as in: return (data,), {}"
            )
        return tuple(given[0]), dict(given[1])

    def prepared(self, check: Check, arguments: Arguments) -> Before:
        """Return what is found, and done, in the arguments of a round before its call."""
        fresh = arguments[1] is not self.kwargs
        before = check.prepare(arguments, self.function, fresh=fresh)
        return replace(before, renew=self._begin_another) if self.setup and not fresh else before

    def _begin_another(self) -> None:
        """Begin another round; setup may fill its arguments anew, and return None."""
        if self.teardown:
            self.teardown(*self.args, **self.kwargs)
        self.given()

    def run(self, look: Look | None = None, check: Check | None = None) -> Any:
        """Do one round: setup, the call, look at its result, teardown.

        With check, an answer that is in the arguments before the call is overwritten.
        """
        __tracebackhide__ = True
        arguments = self.arguments()
        before = self.prepared(check, arguments) if check else Before()
        with before.restoring():
            result = self.function(*arguments[0], **arguments[1])
            try:
                if look:
                    look(result, arguments, before)
            finally:
                if self.teardown:
                    self.teardown(*arguments[0], **arguments[1])
        return result

    def affordable(self, budget: Budget) -> int:
        """Return how many rounds of setup, call and teardown fit pytest-benchmark's budget for a test."""
        start = budget.timer()
        self.run()
        once_s = max(budget.timer() - start, 1e-9)
        return min(max(math.ceil(budget.max_time_s / once_s), budget.min_rounds), MOST_ROUNDS)

    def median_device_ns(
        self, result: Any, device_ns: Callable[[Any], float] | None, timer: Callable[[], float]
    ) -> float | None:
        """Return the median of the device's own times of a few calls; None if its time is not known.

        result is that of an earlier call, device_ns what the gate was given for it.
        """
        if device_ns is None and not devices.events(result):
            return None
        spent: list[float] = []
        begin = timer()
        while len(spent) < DEVICE_CALLS and (not spent or timer() - begin < DEVICE_BUDGET_S):
            found: list[float | None] = []
            self.run(lambda result, *_: found.append((device_ns or devices.events_ns)(result)))  # noqa: B023
            if found[0] is None:
                return None
            spent.append(amounts.nanoseconds(found[0]))
        return statistics.median(spent)

    def verified(self, check: Check, contents: list[Contents] | None, when: str) -> Any:
        """Do one round whose answer must be right; contents are those of the written arguments, put back before it."""
        __tracebackhide__ = True
        if contents is not None and not self.renews:
            restore(contents)

        def look(result: Any, arguments: Arguments, before: Before) -> None:
            __tracebackhide__ = True
            check.verify(result, arguments, when, before)

        return self.run(look, check)


@dataclass(frozen=True)
class Rounds:
    """How often to call, as for `benchmark.pedantic`."""

    rounds: int = 1
    warmup_rounds: int = 0
    iterations: int = 1

    @property
    def calls(self) -> int:
        """In all of them, the warm-up included."""
        return self.warmup_rounds + self.rounds * self.iterations


@dataclass
class Seen:
    """Wraps a round's setup and teardown, outside of what is timed, and keeps the arguments of the round."""

    call: Call
    check: Check
    last: int
    arguments: Arguments | None = None
    rounds: int = 0

    def setup(self) -> Any:
        """Return what the call's own setup does."""
        self.arguments = self.call.given()
        return self.arguments

    def teardown(self, *args: Any, **kwargs: Any) -> None:
        """Check what the last round wrote, then do what the call's own teardown does."""
        __tracebackhide__ = True
        self.rounds += 1
        try:
            if self.rounds == self.last and self.check.written:
                self.check.verify(None, (args, kwargs), "after the last round")
        finally:
            if self.call.teardown:
                self.call.teardown(*args, **kwargs)


@dataclass
class Samples:
    """Verifies a few calls after every so many rounds, outside of what is timed."""

    call: Call
    check: Check
    contents: list[Contents]
    every: int
    rounds: int = 0
    verified: int = 0
    # Its own, so that a test's random numbers are what they were.
    draw: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        """Raise ValueError if `every` is not a number of rounds."""
        if isinstance(self.every, bool) or not isinstance(self.every, Integral) or self.every < 1:
            raise ValueError(f"check_every={self.every!r} is not a number of rounds; pass an integer of at least 1")

    def after_round(self) -> None:
        """Verify calls, if it is time to; called after each round."""
        __tracebackhide__ = True
        self.rounds += 1
        if self.rounds % self.every:
            return
        for _ in range(self.draw.randint(1, MOST_IN_A_ROW)):
            self.call.verified(self.check, self.contents, f"in an untimed call after round {self.rounds}")
            self.verified += 1
