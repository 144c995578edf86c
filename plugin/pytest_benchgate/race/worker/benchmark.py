"""The fixture `benchmark` of a worker: it calls the function once, and then times blocks of calls as ordered."""

from __future__ import annotations

import gc
import inspect
import math
import os
import sys
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_benchgate import host
from pytest_benchgate.host import BenchmarkFixture
from pytest_benchgate.race.worker import home, messages
from pytest_benchgate.race.worker.channel import Channel
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.race.worker.device import DeviceClock, Spent
from pytest_benchgate.race.worker.seeds import SEEDS, install
from pytest_benchgate.session import GATE

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from pytest_benchgate.explain.counting import Caller
    from pytest_benchgate.gate import Gate
    from pytest_benchgate.limits import Reach

# Processor time of all threads, as a multiple of the main thread's, from which on other threads take part in the work.
THREADED = 1.05


class NotRaceable(Exception):
    """A test whose benchmark cannot be raced, and why."""


class State:
    """The state of a worker: its channel, its processors, and the raced files that the session knows of."""

    def __init__(self, start: messages.Start) -> None:
        self.channel = Channel.of_worker(start.orders, start.answers)
        install(start.seed)
        self.names = frozenset(start.names)
        self.files = None if start.files is None else frozenset(start.files)
        self.home = home.installed()
        self.processors = host.processors()
        self.pinned: int | None = None
        # The running test, what its random numbers depend on, and whether its benchmark was timed.
        self.item: pytest.Item | None = None
        self.seed = ""
        self.timed = False
        # The values of __file__ that were looked at.
        self.seen: set[str] = set()
        self.errors: dict[str, str] = {}

    @property
    def gate(self) -> Gate | None:
        """The gate of the running test, if it has one."""
        return self.item.stash.get(GATE, None) if self.item else None

    def reach(self) -> Reach | None:
        """Return the share of a limit that the running test claims to reach, if any."""
        return self.gate.claim.reach if self.gate else None

    def device_clock(self, result: Any) -> tuple[DeviceClock | None, str | None]:
        """Return what tells the time of a call on its device, by the result of one, and why none does; see Ready."""
        clock = DeviceClock.of(result, self.gate.device_clock if self.gate else None)
        why = None if clock is None else clock.why_not(result)
        return (None if why else clock), why

    def undo_imports(self) -> None:
        """Undo what a suite may have changed at import: the processors that it may use, frozen objects."""
        if self.processors:
            os.sched_setaffinity(0, self.processors)
        self.pinned = None
        gc.unfreeze()

    def pin(self, processor: int | None) -> None:
        """Stay on one processor or, with None, on any."""
        if processor != self.pinned and self.processors:
            os.sched_setaffinity(0, self.processors if processor is None else {processor})
            self.pinned = processor

    def put_home_first(self) -> None:
        """Keep the finder of the raced modules before all others, whatever a suite has put there."""
        if self.home:
            self.home.first()

    def loaded(self) -> list[str]:
        """Return the real paths of the raced modules' files that were loaded since the last call, and of libraries.

        Raises NotRaceable if one of them is not of this side's build.
        """
        if self.home and (why := self.home.complaint()):
            raise NotRaceable(why)
        paths = []
        for name, module in [*sys.modules.items()]:
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file not in self.seen and self._is_raced(name):
                self.seen.add(file)
                path = os.path.realpath(file)
                if self.home is None or self.home.is_home(path):
                    paths.append(path)
        libraries = {path for path in _libraries() if self.home and self.home.is_home(path)} - self.seen
        self.seen |= libraries
        return [*paths, *sorted(libraries.difference(paths))]

    def _is_raced(self, name: str) -> bool:
        return name in self.names or any(name.startswith(f"{root}.") for root in self.names)


def _libraries() -> set[str]:
    """Return the files whose code this process has loaded, by ctypes for instance; none if the system does not tell."""
    try:
        lines = Path("/proc/self/maps").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return set()
    parts = [line.split(maxsplit=5) for line in lines]
    return {part[5] for part in parts if len(part) == 6 and "x" in part[1] and part[5].startswith("/")}  # noqa: PLR2004


class RacedBenchmark(BenchmarkFixture):
    """The fixture `benchmark` of a worker; a subclass, because pytest-benchmark insists on its own type."""

    state: State

    @classmethod
    def of(cls, benchmark: BenchmarkFixture, state: State) -> RacedBenchmark:
        """Return a raced benchmark that shares all attributes with pytest-benchmark's own, which cleans up."""
        raced = cls.__new__(cls)
        raced.__dict__ = benchmark.__dict__
        raced.state = state
        return raced

    def _raw(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        now = CLOCK.ns

        def block(calls: int) -> Spent:
            if device is not None:
                return device.timed(partial(function_to_benchmark, *args, **kwargs), calls)[0]
            start = now()
            for _ in repeat(None, calls):
                function_to_benchmark(*args, **kwargs)
            return Spent(now() - start)

        drawn = SEEDS.fingerprint()
        start = now()
        result = function_to_benchmark(*args, **kwargs)
        once_ns = now() - start
        _refuse_async(result)
        device, lacks = self.state.device_clock(result)
        self._serve(block, lambda call: call(function_to_benchmark, args, kwargs), once_ns, drawn, lacks)
        # What the test and its gate verify must be an answer from after the timed calls, as without a race.
        return function_to_benchmark(*args, **kwargs)

    def _raw_pedantic(
        self,
        target: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        rounds: int = 1,  # noqa: ARG002  # the session says how many
        warmup_rounds: int = 0,  # noqa: ARG002
        iterations: int = 1,
    ) -> Any:
        result, now = None, CLOCK.ns
        device: DeviceClock | None = None

        def one_round() -> Spent:
            nonlocal result
            given = (setup() if setup else None) or (args, kwargs or {})
            if device is not None:
                spent, result = device.timed(partial(target, *given[0], **given[1]), iterations)
            else:
                start = now()
                for _ in repeat(None, iterations):
                    result = target(*given[0], **given[1])
                spent = Spent(now() - start)
            if teardown:
                teardown(*given[0], **given[1])
            return spent

        def block(calls: int) -> Spent:
            rounds = [one_round() for _ in range(calls)]
            return Spent(sum(spent.ns for spent in rounds), sum(spent.device_ns for spent in rounds))

        def once(call: Caller) -> None:
            given = (setup() if setup else None) or (args, kwargs or {})
            call(target, tuple(given[0]), given[1])
            if teardown:
                teardown(*given[0], **given[1])

        drawn = SEEDS.fingerprint()
        once_ns = one_round().ns
        _refuse_async(result)
        device, lacks = self.state.device_clock(result)
        self._serve(block, once, once_ns, drawn, lacks, iterations)
        return result

    def weave(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Refuse: the woven function is called by other code, as often as that pleases."""
        raise NotRaceable("benchmark.weave cannot be raced: other code makes the calls; benchmark the function itself")

    patch = weave

    def _serve(
        self,
        block: Callable[[int], Spent],
        once: Callable[[Caller], object],
        once_ns: int,
        drawn: str,
        device: str | None,
        iterations: int = 1,
    ) -> None:
        """Time or count as ordered, without the garbage collector, and fill in the statistics that a test may read."""
        state = self.state
        if state.timed:
            raise NotRaceable("the test was run again after its benchmark was timed, as plugins do that rerun failures")
        state.timed = True
        stats = self._make_stats(iterations)  # type: ignore[no-untyped-call]
        stats.update(once_ns * 1e-9)
        state.undo_imports()
        group, reach = None if self.group is None else str(self.group), state.reach()
        reaches = reach.text if reach else ""
        state.channel.answer(messages.Ready(once_ns, iterations, group, state.loaded(), drawn, reaches, device))
        collecting = gc.isenabled()
        gc.disable()
        try:
            while True:
                order = state.channel.receive_order()
                if isinstance(order, messages.Block):
                    state.pin(order.processor)
                    all_ns, main_ns = CLOCK.all_ns(), CLOCK.own_ns()
                    spent = block(order.calls)
                    main_ns, all_ns = CLOCK.own_ns() - main_ns, CLOCK.all_ns() - all_ns
                    stats.update(spent.ns * 1e-9 / order.calls)
                    device_ns = None if math.isnan(spent.device_ns) else spent.device_ns
                    state.channel.answer(messages.Timed(spent.ns, all_ns > THREADED * main_ns, device_ns))
                elif isinstance(order, messages.Count):
                    state.channel.answer(_count(once, order, state))
                elif isinstance(order, messages.MeasureLimit) and reach:
                    state.pin(None)
                    state.channel.answer(messages.Limited([*map(float, reach.limit.measure(reach.amount))]))
                else:
                    break
        finally:
            state.undo_imports()
            if collecting:
                gc.enable()


def _count(once: Callable[[Caller], object], order: messages.Count, state: State) -> messages.Counted:
    # It takes ctypes, which no other start of a worker needs.
    from pytest_benchgate.explain import counting

    others_ns = counting.instructions(once, order.warm, order.calls)
    waits = others_ns is not None and counting.waits(once)
    # What the tests define is in another folder on each side.
    folders = [str(state.item.config.rootpath)] if state.item else []
    return messages.Counted(others_ns, waits, *counting.functions(once, state.seen, folders))


def _refuse_async(result: Any) -> None:
    if inspect.isawaitable(result) or inspect.isasyncgen(result):
        if inspect.iscoroutine(result):
            # It will not be awaited, and must not warn of that.
            result.close()
        raise NotRaceable("the function is async: a call only makes a coroutine; benchmark one that runs it to its end")
