"""The gate: call once, compare, time with pytest-benchmark, compare again."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_benchgate import amounts, host, lazy
from pytest_benchgate.calls import Call, Rounds, Samples, Seen
from pytest_benchgate.check import Before, is_part, make_check
from pytest_benchgate.contents import restore
from pytest_benchgate.limits import LimitClaim
from pytest_benchgate.results import Work
from pytest_benchgate.unfinished import ATTEMPTS, Watch, refuse_lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_benchgate.check import Check
    from pytest_benchgate.contents import Contents
    from pytest_benchgate.host import BenchmarkFixture
    from pytest_benchgate.written import Arguments, Key


@dataclass(repr=False)
class Gate:
    """The fixture `gate`: a benchmark whose time is withheld unless its answer is right.

    >>> def test_sort(gate):
    ...     result = gate(sorted, [3, 1, 2], expect=[1, 2, 3])

    It respects pytest-benchmark's markers and options, and is called once in a test.
    """

    benchmark: BenchmarkFixture
    device: str | None = None
    stated: Work | None = None
    verified: bool = False
    claim: LimitClaim = field(default_factory=LimitClaim)
    device_clock: Callable[[Any], float] | None = field(default=None, init=False)
    device_ns: float | None = field(default=None, init=False)
    samples: Samples | None = field(default=None, init=False)
    refused: BaseException | None = field(default=None, init=False)
    watch: Watch = field(default_factory=lambda: Watch([]), init=False)

    def work(
        self,
        *,
        items: float | None = None,
        bytes: float | None = None,  # noqa: A002
        operations: float | None = None,
        unit: str = "items",
    ) -> None:
        """State what one call does; reports then show rates and the share of the machine's limits.

        Parameters
        ----------
        items : float, optional
            How many of `unit` it processes: elements, steps, requests.
        bytes : float, optional
            How many bytes it reads and writes in all. The limit is a copy that moves as many.
        operations : float, optional
            How many arithmetic operations it does.
        unit : str
            The name of an item, in the plural.

        Raises
        ------
        ValueError
            If an amount is not a positive number, or if none is given.

        """
        given = {"items": items, "bytes": bytes, "operations": operations}
        stated = {name: amounts.work(name, amount) for name, amount in given.items() if amount is not None}
        if not stated:
            raise ValueError("no work is stated; pass items=, bytes= or operations=")
        self.stated = Work(**stated, unit=str(unit))

    def reaches(self, claim: str) -> None:
        """Claim that the function reaches a share of a limit of the machine: gate.reaches("80 % of copy").

        `pytest --claims` checks it; other runs only check that it makes sense. Call it after `work`, which states the
        amount, and before the gate.

        Parameters
        ----------
        claim : str
            The share, and the name of the limit: "copy", or one of the hook pytest_benchgate_limits.

        Raises
        ------
        ValueError
            If there is no such limit, if no work is stated that it limits, or if it is the second claim of a test.

        """
        with self._refusing():
            if self.verified:
                raise ValueError(f"{claim!r} is claimed after the call of the gate; claim it before")
            self.claim.state(claim, self.stated)

    def __call__(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        expect: Any,
        rtol: float = 0.0,
        atol: float = 0.0,
        equal_nan: bool = False,
        written: int | str | tuple[int | str, ...] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        device_ns: Callable[[Any], float] | None = None,
        check_every: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call function once, compare, time it, compare again; return its last result.

        Parameters
        ----------
        function : callable
            The function to benchmark.
        *args, **kwargs
            Its arguments.
        expect
            The right answer (a value, an array, a nested container), which is copied before the first call. Or a
            function that gets the answer and returns True or False.
        rtol, atol : float
            Tolerances for floats, as in `numpy.isclose`. The default is exact.
        equal_nan : bool
            Whether NaN equals NaN.
        written : int, str or tuple, optional
            The arguments that `function` fills, by position or keyword. What they hold after a call is the answer. If
            one of them holds the answer before a call that is checked, it is overwritten first.
        setup : callable, optional
            Called before each round; returns its (args, kwargs), or None. For functions that consume or change their
            arguments. Each round is then one call.
        teardown : callable, optional
            Called after each round, with its arguments.
        device_ns : callable, optional
            Gets a result and returns the nanoseconds that the call spent on a device. Not needed if the result is an
            OpenCL event, or a list or tuple of events, which are profiled.
        check_every : int, optional
            Verify one to three further, untimed calls after every so many rounds. A function that is wrong once in p
            calls passes k of them with a probability of (1 - 1 / p) ** k.

        Returns
        -------
        Any
            What the last call returned.

        Raises
        ------
        WrongAnswer
            If the answer is wrong: before timing, or afterwards, in which case the time is withheld.
        UnfinishedWork
            If `function` returned before its work was finished: on a device, or because its result is lazy.

        """
        __tracebackhide__ = True
        with self._refusing():
            check = make_check(expect, written, rtol=rtol, atol=atol, equal_nan=equal_nan)
            self.device_clock = device_ns
            return self._measure(Call(function, args, kwargs, setup, teardown), check, check_every)

    def pedantic(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        rounds: int = 1,
        warmup_rounds: int = 0,
        iterations: int = 1,
        *,
        expect: Any,
        rtol: float = 0.0,
        atol: float = 0.0,
        equal_nan: bool = False,
        written: int | str | tuple[int | str, ...] | None = None,
        device_ns: Callable[[Any], float] | None = None,
        check_every: int | None = None,
    ) -> Any:
        """Call once, compare, time as benchmark.pedantic does, compare again; return the last result.

        Parameters
        ----------
        target, args, kwargs, setup, teardown, rounds, warmup_rounds, iterations
            As for `benchmark.pedantic`.
        expect, rtol, atol, equal_nan, written, device_ns, check_every
            As for a call of the gate.

        Returns
        -------
        Any
            What the last call returned.

        Raises
        ------
        WrongAnswer, UnfinishedWork
            As a call of the gate does.

        """
        __tracebackhide__ = True
        with self._refusing():
            check = make_check(expect, written, rtol=rtol, atol=atol, equal_nan=equal_nan)
            self.device_clock = device_ns
            call = Call(target, tuple(args), kwargs or {}, setup, teardown)
            return self._measure(call, check, check_every, Rounds(rounds, warmup_rounds, iterations))

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Remember what is raised: the time of a test that catches it is withheld, too."""
        __tracebackhide__ = True
        try:
            yield
        except BaseException as error:
            self.refused = self.refused or error
            raise
        finally:
            # The gate lives as long as its test, which is until the session ends.
            self.watch.queues = []

    def _measure(self, call: Call, check: Check, check_every: int | None, rounds: Rounds | None = None) -> Any:
        """Call once, compare, time, compare again; without rounds, as many as pytest-benchmark chooses."""
        __tracebackhide__ = True
        if not host.is_enabled(self.benchmark):
            return self._once(call, check)
        contents = [] if call.renews else check.contents(call.own)
        call, check = self._first(call, check, contents, calls=rounds.calls if rounds else math.inf)
        if check_every is not None:
            self.samples = Samples(call, check, contents, check_every)
            # A race and pytest-codspeed have rounds of their own.
            if not host.takes_own_times(self.benchmark):
                host.after_each_round(self.benchmark, self.samples.after_round)
        result, arguments = self._time(call, check, rounds)
        left = self.watch.left(result)
        if not call.teardown:
            check.verify(result, arguments, "after the last round")
        if rounds or call.setup or call.teardown or contents or check.returned:
            call.verified(check, contents, "in a call after the last round")
        # What a teardown has left is none of the function's.
        if left:
            self.watch.refuse_what_goes_on(call, math.inf)
        # A race takes the device's own times itself.
        if not host.takes_own_times(self.benchmark):
            self.device_ns = call.median_device_ns(result, self.device_clock, host.budget(self.benchmark).timer)
        self.verified = True
        return result

    def _time(self, call: Call, check: Check, rounds: Rounds | None) -> tuple[Any, Arguments]:
        """Let pytest-benchmark time the call; return the last result, and the arguments that it came from."""
        __tracebackhide__ = True
        if not rounds and not call.setup and not call.teardown:
            return self.benchmark(call.function, *call.args, **call.kwargs), call.own
        rounds = rounds or Rounds(call.affordable(host.budget(self.benchmark)))
        seen = Seen(call, check, last=rounds.warmup_rounds + rounds.rounds)
        result = host.pedantic(
            self.benchmark,
            call.function,
            call.args,
            call.kwargs,
            setup=seen.setup if call.setup else None,
            teardown=seen.teardown if call.teardown else None,
            **asdict(rounds),
        )
        return result, seen.arguments or call.own

    def _once(self, call: Call, check: Check) -> Any:
        """Run as pytest-benchmark does where it takes no times: one call, which is checked."""
        __tracebackhide__ = True
        seen = Seen(call, check, last=1)
        before = Before()

        def setup() -> Any:
            nonlocal before
            given = seen.setup()
            before = call.prepared(check, seen.arguments or call.own)
            return given

        result = host.pedantic(self.benchmark, call.function, call.args, call.kwargs, setup=setup)
        arguments = seen.arguments or call.own
        try:
            with before.restoring():
                refuse_lazy(result)
                check.verify(result, arguments, "in its one call", before)
        finally:
            if call.teardown:
                call.teardown(*arguments[0], **arguments[1])
        self.verified = True
        return result

    def _first(self, call: Call, check: Check, contents: list[Contents], calls: float = math.inf) -> tuple[Call, Check]:
        """Call once and compare, for which all work must be done when the call returns.

        Return the call and the check from then on: the call with a wait for its device, where its library has one.
        If the rounds work on what the previous call left in the arguments, such a call must be right, too.
        """
        __tracebackhide__ = True
        unfinished: list[str] = []
        handed_back: tuple[Key, ...] = ()
        outputs = [] if call.renews else check.outputs(call.function, call.own)
        filled: list[Contents] = []
        wait: Callable[[Any], None] | None = None

        def look(result: Any, arguments: Arguments, before: Before) -> None:
            nonlocal handed_back, filled, wait
            __tracebackhide__ = True
            refuse_lazy(result)
            if wait := lazy.waits(result, arguments):
                wait(result)
            unfinished.append(self.watch.left(result))
            check.verify(result, arguments, "on the first call, before timing", before)
            handed_back = check.handed_back(result, arguments, before)
            filled = [one for one in outputs if is_part(one.place, result)]

        self.watch = Watch()
        while len(unfinished) < ATTEMPTS and (not unfinished or unfinished[-1]):
            if unfinished and not call.renews:
                restore([*contents, *outputs])
            call.run(look, check)
        self.watch.refuse(unfinished[-1])
        if wait:
            call = replace(call, function=lazy.waiting(call.function, wait))
        if calls > 1:
            self.watch.refuse_what_goes_on(call, calls)
        if handed_back:
            check = check.returning(handed_back)
        self._second(call, check, contents, filled, calls)
        return call, check

    def _second(self, call: Call, check: Check, contents: list[Contents], filled: list[Contents], calls: float) -> None:
        """Verify a second call where what the first one left in the arguments may be taken for its answer."""
        __tracebackhide__ = True
        fresh = [one for one in filled if one.key not in check.returned]
        if check.returned or (fresh and calls > 1):
            # These are put back before each later call that is verified, too.
            contents += fresh
            held = ", with what its arguments held before the first" if fresh else ""
            call.verified(check, contents, f"on the second call{held}")
        elif check.written and not call.renews:
            if calls > 1:
                when = "on the second call, with what the first one left in its arguments (setup= gives new ones)"
                call.run(lambda result, arguments, _: check.verify(result, arguments, when))
            restore(contents)
