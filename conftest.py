"""The suite's fixtures: one case for each implementation and device, and the oracle."""

from __future__ import annotations

import fnmatch
import functools
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pytest
from pytest_benchgate import Limit, devices

from logmap_cy import Device, Implementation, implementations, logmap
from logmap_cy._contract import Array
from logmap_cy._registry import cpu_features, widest
from logmap_cy._threads import available

Oracle: TypeAlias = Callable[[Array, int, int, int], Array]
# Random inputs that Hypothesis tries in each of its tests.
QUICK_EXAMPLES, THOROUGH_EXAMPLES = 40, 400


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's own options."""
    group = parser.getgroup("logmap-cy")
    group.addoption("--thorough", action="store_true", help="add the tests marked thorough; try far more random inputs")
    group.addoption("--full", action="store_true", help="add the article's run: 2^25 elements, 10 steps; takes minutes")
    group.addoption(
        "--implementation",
        action="append",
        metavar="NAME",
        help="only these rows of `python -m logmap_cy`; may be given several times, and NAME be a pattern: 'vector_*'",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Run each benchmark once and untimed, unless the command line asks for times."""
    option = config.option
    known = [row.name for row in implementations()]
    for pattern in option.implementation or ():
        if not fnmatch.filter(known, pattern):
            raise pytest.UsageError(f"--implementation={pattern} is none of the rows: {', '.join(known)}")
    option.benchmark_disable = option.benchmark_disable or not (option.benchmark_only or option.benchmark_enable)
    if not option.benchmark_only:
        # Only here: the workers of a race start often, and this import is slow.
        from hypothesis import settings

        # Shared runners stall for seconds, so no example has a deadline.
        examples = THOROUGH_EXAMPLES if option.thorough else QUICK_EXAMPLES
        settings.register_profile("suite", deadline=None, print_blob=True, max_examples=examples)
        settings.load_profile("suite")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Send pytest-rerunfailures' messages at once, two a test: TCP would delay each second one by 40 ms."""
    own = getattr(getattr(session.config, "failures_db", None), "sock", None)
    if own is not None:
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let a run of the tests that run alone succeed where the arguments select none of them."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.option.markexpr == "alone":
        session.exitstatus = pytest.ExitCode.OK


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is no benchmark under --benchmark-only, where pytest-benchmark would skip it line by line.

    Without --thorough also what is marked so, and without --full the large arrays that go through Python's integers, a
    second or more a call.
    """
    others = {
        item
        for item in items
        if (config.option.benchmark_only and "benchmark" not in getattr(item, "fixturenames", ()))
        or (not config.option.thorough and item.get_closest_marker("thorough"))
        or (not config.option.full and _takes_long(getattr(item, "callspec", None)))
    }
    config.hook.pytest_deselected(items=[*others])
    items[:] = [item for item in items if item not in others]


def _takes_long(callspec: Any) -> bool:
    params = callspec.params if callspec else {}
    return "case" in params and params["case"].row.kind in OBJECTS and params.get("size", 0) > SMALL


@dataclass(frozen=True)
class Case:
    """An implementation, on one of its devices where it has any; its str is its part of the test id."""

    row: Implementation
    device: Device | None

    def __str__(self) -> str:
        """Return the implementation's name, and the device's where there is one."""
        return f"{self.row}@{self.device}" if self.device else str(self.row)

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """Return logmap of x by this case."""
        answer: Array = logmap(x, *args, implementation=self.row.name, device=self.device, **kwargs)
        return answer


OBJECTS = {"python", "objects", "pool"}  # kinds that go through Python's integers, a hundred times slower
SMALL = 2**16  # elements that they are benchmarked with by default

# Fixture -> the rows that a test asking for it runs over, on each of their devices.
CASES: dict[str, Callable[[Implementation], bool]] = {
    "case": lambda row: not row.known_wrong,
    "native_case": lambda row: not row.known_wrong and row.kind not in OBJECTS,
    "opencl_case": lambda row: not row.known_wrong and row.kind == "opencl",
    "float_case": lambda row: "_float" in row.name,
    "wrong_case": lambda row: bool(row.known_wrong),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise by CASES; a row that this machine lacks is one case, so that it is skipped or fails by name."""
    for name in CASES.keys() & set(metafunc.fixturenames):
        rows = [row for row in filter(CASES[name], implementations()) if _chosen(metafunc.config, row)]
        found = devices.discover(simulators=bool(metafunc.config.getoption("cl_check")))
        asked = found.named(metafunc.config.getoption("cl_device"))
        wanted = {None, *map(str, asked)}
        cases = [Case(row, d) for row in rows for d in row.devices or (None,) if (d and str(d)) in wanted]
        metafunc.parametrize(name, cases, ids=str, indirect=True)


def _chosen(config: pytest.Config, row: Implementation) -> bool:
    patterns = config.getoption("implementation") or ["*"]
    return any(fnmatch.fnmatchcase(row.name, pattern) for pattern in patterns)


def _available(request: pytest.FixtureRequest) -> Case:
    case: Case = request.param
    if case.row.unavailable:
        kind, lacks_cpu = case.row.kind, case.row.cpu and case.row.cpu not in cpu_features()
        # Devices may lack a precision; none at all is a failure where one is required.
        required = request.config.getoption("--cl-require") and not devices.discover().devices
        no_device = kind in {"opencl", "hybrid"} and not required
        may_lack = no_device or lacks_cpu or kind == "peer"
        (pytest.skip if may_lack else pytest.fail)(f"{case.row}: {case.row.unavailable}")
    return case


case = pytest.fixture(_available, name="case")
native_case = pytest.fixture(_available, name="native_case")
opencl_case = pytest.fixture(_available, name="opencl_case")
float_case = pytest.fixture(_available, name="float_case")
wrong_case = pytest.fixture(_available, name="wrong_case")


@functools.cache
def _oracle(data: bytes, dtype: str, num: int, p: int, mu: int) -> Array:
    answers = np.frombuffer(data, dtype).tolist()
    for _ in range(num):
        answers = [mu * value * (value + 1) % p for value in answers]
    return np.array(answers, dtype)


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    """Give the definition of the map, in Python's unbounded integers: oracle(x, num, p, mu) -> array like x."""

    def answer(x: Array, num: int, p: int, mu: int) -> Array:
        return _oracle(x.tobytes(), x.dtype.str, num, p, mu).reshape(x.shape)

    return answer


def _multiply_add_seconds(operations: float) -> list[float]:
    """Return samples of the seconds for that many multiply-adds, in registers, by all threads."""
    multiply_adds, samples = widest().multiply_adds, []
    for _ in range(9):
        start = time.perf_counter()
        done = multiply_adds(2**18, available())
        samples.append((time.perf_counter() - start) / done * operations)
    return samples


def pytest_benchgate_limits() -> list[Limit]:
    """Add the multiply-add peak to the limits of the reports."""
    return [Limit("multiply-add", "operations", _multiply_add_seconds)]
