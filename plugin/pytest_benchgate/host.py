"""The private parts of pytest-benchmark and pytest that the plugin uses.

Besides, race/worker overrides `_raw` and `_raw_pedantic` of the fixture, and knows the name of pytest's import hook.

pytest-benchmark has no public way to withdraw a time, nor to ask for the budget of a benchmark. What is used here goes
beyond its documentation, and tests/test_host.py fails when it changes:

- a fixture's `has_error`, which keeps a benchmark out of the JSON (its hookspec names it);
- `stats.stats.data`, the list of times: a benchmark without times is in no table, histogram, CSV or comparison;
- `skipped`, which keeps pytest-benchmark from warning that a benchmark was not used, if the gate refused to time it;
- `_add_stats`, which gets a benchmark's statistics before its first round, and their `update`, called after each;
- `_max_time`, `_min_rounds` and `_timer` of a fixture: the options after markers and the command line;
- the BenchmarkSession at `config._benchmarksession`: `benchmarks`, `json`, `save`, `autosave`, `disabled`, `skip`,
  `save_json`, `get_machine_info` and `storage`, for when it writes nothing, or cannot write, and `safe_dumps`;
- `_raw` and `_raw_pedantic` of a fixture, which take the times;
- the arguments of BenchmarkFixture and `_make_stats`, for the times that a race has taken;
- `get_tag` and `get_machine_id` in its modules, of which a worker needs nothing;
- pytest's `Metafunc._arg2fixturedefs`: whether a test gets a fixture of ours or one of the same name from its suite;
- pytest's `create_terminal_writer`, for the progress of what a race builds before there is a terminal reporter;
- pytest's `FixtureDef.finish`; see teardowns.py.
"""

from __future__ import annotations

import inspect
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest_benchmark.plugin
import pytest_benchmark.session
from _pytest.config import create_terminal_writer

# The other modules import it from here.
from pytest_benchmark.fixture import BenchmarkFixture as BenchmarkFixture  # noqa: PLC0414
from pytest_benchmark.utils import safe_dumps

from pytest_benchgate import output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    import pytest


@dataclass(frozen=True)
class Budget:
    """How long and how often a benchmark runs in automatic mode, and its clock, in seconds."""

    max_time_s: float
    min_rounds: int
    timer: Callable[[], float]


def is_benchmark_fixture(value: object) -> bool:
    """Return whether a fixture is pytest-benchmark's; that of pytest-codspeed only says so to isinstance."""
    return issubclass(type(value), BenchmarkFixture)


def is_enabled(benchmark: BenchmarkFixture) -> bool:
    """Return whether the benchmark is timed; it is not with --benchmark-disable, nor under xdist."""
    return bool(getattr(benchmark, "enabled", True))


def takes_own_times(benchmark: BenchmarkFixture) -> bool:
    """Return whether its times are taken otherwise than by pytest-benchmark: by a race, or by pytest-codspeed."""
    return type(benchmark) is not BenchmarkFixture


def budget(benchmark: BenchmarkFixture) -> Budget:
    """Return the budget that markers and options give this benchmark."""
    if not is_benchmark_fixture(benchmark):
        return Budget(0.0, 1, time.perf_counter)
    return Budget(float(benchmark._max_time), int(benchmark._min_rounds), benchmark._timer)


def times_s(benchmark: BenchmarkFixture) -> list[float]:
    """Return the seconds of a call so far, one per round; empty if it was not timed, or is withheld."""
    return list(benchmark.stats.stats.data) if benchmark.stats else []


def statistics(benchmark: BenchmarkFixture) -> Any:
    """Return pytest-benchmark's statistics of the times, with attributes median, iqr and rounds."""
    if benchmark.stats is None:
        raise ValueError(f"{benchmark.name} was not timed")
    return benchmark.stats.stats


def add_information(benchmark: BenchmarkFixture, key: str, value: dict[str, Any] | None) -> None:
    """Set what a timed benchmark's extra_info has for a key, whatever the test did to it; None for nothing."""
    stats: Any = benchmark.stats
    if not isinstance(stats.extra_info, dict):
        stats.extra_info = {}
    stats.extra_info.pop(key, None)
    if value is not None:
        stats.extra_info[key] = value


def pedantic(benchmark: BenchmarkFixture, target: Callable[..., Any], args: Any, kwargs: Any, **options: Any) -> Any:
    """Return the result of benchmark.pedantic."""
    if options.get("setup") and not is_benchmark_fixture(benchmark):
        # pytest-codspeed gives it the arguments.
        options["setup"] = partial(lambda setup, *_, **__: setup(), options["setup"])
    return benchmark.pedantic(target, args=args, kwargs=kwargs, **options)  # type: ignore[no-untyped-call]


def after_each_round(benchmark: BenchmarkFixture, call: Callable[[], None]) -> None:
    """Call `call` after each timed round to come, outside of what is timed."""
    add_stats = benchmark._add_stats

    def add(stats: Any) -> None:
        add_stats(stats)
        update = stats.update

        def update_and_call(duration: float) -> None:
            update(duration)
            call()

        stats.update = update_and_call

    benchmark._add_stats = add


def notice_errors(benchmark: BenchmarkFixture) -> None:
    """Set has_error whatever ends the timing: pytest-benchmark expects an Exception, which pytest.fail does not raise.

    Not for a worker of a race, which takes its times otherwise.
    """

    def noticing(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            try:
                return method(*args, **kwargs)
            except BaseException:
                benchmark.has_error = True
                raise

        return call

    for name in ("_raw", "_raw_pedantic"):
        setattr(benchmark, name, noticing(getattr(benchmark, name)))


def broke_off(benchmark: BenchmarkFixture) -> bool:
    """Return whether an error ended the timing."""
    return bool(benchmark.has_error)


def provides(metafunc: pytest.Metafunc, name: str, module: str) -> bool:
    """Return whether the fixture of this name that a test gets is the one defined in module."""
    found = metafunc._arg2fixturedefs.get(name)
    return found is not None and getattr(found[-1].func, "__module__", None) == module


def is_benchmark(item: pytest.Item) -> bool:
    """Return whether a test has the fixture `benchmark`, of its own or through another."""
    return "benchmark" in getattr(item, "fixturenames", ())


def calls(item: pytest.Item, name: str) -> bool:
    """Return whether the source of a test function has an attribute of this name, as in gate.reaches(...)."""
    function = inspect.unwrap(getattr(item, "function", None) or (lambda: None))
    waiting = [getattr(function, "__code__", None)]
    while waiting:
        code = waiting.pop()
        if isinstance(code, CodeType):
            if name in code.co_names:
                return True
            waiting += code.co_consts
    return False


def parameter_ids(item: pytest.Item) -> dict[str, str]:
    """Return the part of each parameter in a test's id; where several share a part, their values as text."""
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return {}
    names, ids = [*callspec.params], [*callspec._idlist]
    return dict(zip(names, ids if len(names) == len(ids) else map(str, callspec.params.values()), strict=True))


def withhold(benchmark: BenchmarkFixture) -> bool:
    """Take the times of a benchmark out of every report; return whether there were any."""
    benchmark.has_error = True
    if not times_s(benchmark):
        benchmark.skipped = True
        return False
    statistics(benchmark).data.clear()
    return True


def machine_info(config: pytest.Config) -> dict[str, Any]:
    """Return what pytest-benchmark's JSON says of the machine, with the addition of other plugins."""
    session = getattr(config, "_benchmarksession", None)
    return dict(session.get_machine_info()) if session is not None else {}


def json_place(config: pytest.Config) -> Any:
    """Return the path of --benchmark-json, or None."""
    option = config.getoption("benchmark_json", None)
    # pytest-benchmark 5.2 has opened it.
    return option.name if hasattr(option, "write") else option


def guard_files(config: pytest.Config, losing: Callable[[object], AbstractContextManager[None]]) -> None:
    """Let pytest-benchmark write the files of --benchmark-json and --benchmark-save within losing(place)."""
    session = getattr(config, "_benchmarksession", None)
    if session is None:
        return

    def guarded(method: Callable[..., Any], place: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> None:
            with losing(place):
                if isinstance(place, str | Path):
                    output.check(Path(place))
                # What cannot be written must not leave half a file.
                safe_dumps(args[0])  # type: ignore[no-untyped-call]
                method(*args, **kwargs)

        return call

    session.save_json = guarded(session.save_json, json_place(config))
    session.storage.save = guarded(session.storage.save, session.storage)


def save_without_benchmarks(config: pytest.Config) -> None:
    """Write the file of --benchmark-json even if it has no benchmarks, which pytest-benchmark does not.

    Otherwise the file of an earlier run would be taken for this one's. Nothing is saved for later comparisons.
    """
    session = getattr(config, "_benchmarksession", None)
    if session is None or any(session.benchmarks) or session.disabled or session.skip:
        return
    # With these, pytest runs no test.
    if any(getattr(config.option, name, False) for name in ("collectonly", "setuponly", "setupplan")):
        return
    if session.json:
        info = session.get_machine_info()
        commit = config.hook.pytest_benchmark_generate_commit_info(config=config)
        config.hook.pytest_benchmark_update_commit_info(config=config, commit_info=commit)
        data = config.hook.pytest_benchmark_generate_json(
            config=config, benchmarks=[], include_data=True, machine_info=info, commit_info=commit
        )
        config.hook.pytest_benchmark_update_json(config=config, benchmarks=[], output_json=data)
        session.save_json(data)
    session.json = session.save = session.autosave = None


def source(session: Any, compared: dict[str, Any]) -> str:
    """Return the file from which pytest-benchmark has read a run to compare with."""
    files = getattr(session.storage, "_cache", {})
    return next((str(path) for path, data in files.items() if data is compared), "the file")


def processors() -> set[int]:
    """Return the processors that this process may use; none if the system does not let processes choose."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def take_no_times(config: pytest.Config) -> None:
    """Have each benchmark run once and untimed, as with --benchmark-disable, which --benchmark-only does not allow."""
    session = getattr(config, "_benchmarksession", None)
    if session is not None:
        session.disabled = True


def save_nothing() -> None:
    """Let pytest-benchmark start without the names under which it saves runs; called before it declares its options.

    For them it starts git six times and `file` once.
    """
    for module, name in ((pytest_benchmark.plugin, "get_tag"), (pytest_benchmark.session, "get_machine_id")):
        setattr(module, name, lambda: "unsaved")


def measure_no_coverage(early_config: pytest.Config) -> None:
    """Keep pytest-cov from tracing what is timed and from failing a race for its coverage; called before it starts.

    Not by --no-cov: with it, pytest-cov 7.1 fails the tests that have its marker no_cover.
    """
    if hasattr(early_config.known_args_namespace, "cov_source"):
        early_config.known_args_namespace.cov_source = []


def terminal_writer(config: pytest.Config, given: Any) -> Any:
    """Return pytest's writer to the terminal; `given` are the options, before pytest has made its own."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        return config.get_terminal_writer()
    options = {name: getattr(given, name, "auto") for name in ("color", "code_highlight")}
    return create_terminal_writer(SimpleNamespace(option=SimpleNamespace(**options)))  # type: ignore[arg-type]


def record(item: pytest.Item, times_s: Iterable[float], group: str | None, extra_info: dict[str, Any]) -> None:
    """Pass times that were taken elsewhere to pytest-benchmark, for its tables, JSON and storage."""
    session = item.config._benchmarksession  # type: ignore[attr-defined]
    marker = item.get_closest_marker("benchmark")
    benchmark = BenchmarkFixture(  # type: ignore[no-untyped-call]
        item,
        add_stats=session.benchmarks.append,
        logger=session.logger,
        warner=item.warn,
        disabled=False,
        **{**session.options, **(marker.kwargs if marker else {})},
    )
    benchmark.group = group
    benchmark.extra_info.update(extra_info)
    stats = benchmark._make_stats(1)  # type: ignore[no-untyped-call]
    for time_s in times_s:
        stats.update(time_s)
