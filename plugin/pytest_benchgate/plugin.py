"""pytest's hooks and the fixtures; what they do is elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import devices, files, hookspec, host, machine, options

# Imported before a conftest.py may freeze time.
from pytest_benchgate.race.worker import clock  # noqa: F401
from pytest_benchgate.session import GATE, SESSION, start

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Generator, Iterator

    from pytest_benchgate.gate import Gate

# Work-items that a simulator runs within a second or so.
SMALL = 2**14


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    options.declare(parser)


def _races(given: Namespace) -> bool:
    """Return whether these options ask for a race."""
    return given.race is not None or given.race_base_python is not None or bool(given.claims)


def _devices(config: pytest.Config) -> devices.Found:
    return devices.discover(simulators=bool(config.getoption("cl_check")))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """Prepare a race, or the check of kernels, before any conftest.py imports the project or pyopencl."""
    given = early_config.known_args_namespace
    # A worker races nothing, whatever the suite's addopts say.
    if early_config.pluginmanager.has_plugin("pytest_benchgate.race.worker.plugin"):
        return (yield)
    if given.cl_check:
        from pytest_benchgate.cl_check import checking

        checking.prepare(early_config)
    if _races(given):
        host.measure_no_coverage(early_config)
    if given.race is not None:
        from pytest_benchgate.race import startup

        startup.prepare(early_config, given)
    return (yield)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare pytest_benchgate_limits."""
    pluginmanager.add_hookspecs(hookspec)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """With --cl-list, list the devices and exit."""
    if _races(config.option):
        from pytest_benchgate.race import taking

        taking.replace_codspeed(config)
    if not config.getoption("cl_list"):
        return None
    print(_devices(config).describe())  # noqa: T201
    return 0


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and start the session."""
    config.addinivalue_line("markers", options.marker())
    start(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the options of a race that have no effect, as this session has none."""
    given = [
        option.flag
        for option in options.RACE_OPTIONS.values()
        if option.command_line and config.getoption(option.name) is not None
    ]
    if not given or config.pluginmanager.hasplugin("benchgate-race"):
        return []
    return [f"race: no effect without --race=REVISION: {', '.join(given)}"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Get further limits, now that every conftest.py is loaded."""
    for limits in session.config.hook.pytest_benchgate_limits(config=session.config):
        session.config.stash[SESSION].limits.add(limits)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses a device on each chosen one; if there is none, once, to be skipped with the reason."""
    if host.provides(metafunc, "cl_device", __name__):
        found = _devices(metafunc.config).named(metafunc.config.getoption("cl_device"))
        metafunc.parametrize("cl_device", found or [None], ids=str, indirect=True, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, Any, Any]:
    """Remember the benchmark of a test, whatever the name of its fixture."""
    value = yield
    if host.is_benchmark_fixture(value) and isinstance(request.node, pytest.Item):
        request.config.stash[SESSION].remember(request.node, value)
        if not request.config.pluginmanager.hasplugin("pytest_benchgate.race.worker.plugin"):
            host.notice_errors(value)
    return value


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Withhold the time of a test that is interrupted."""
    with item.config.stash[SESSION].phase(item, "setup"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Withhold the time of a test that is interrupted."""
    with item.config.stash[SESSION].phase(item, "call"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Withhold the time of a test that is interrupted, or used a fixture that was."""
    with item.config.stash[SESSION].phase(item, "teardown"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Withhold the time of a test that failed in any phase; outermost, to see what other plugins change."""
    report, state = (yield), item.config.stash[SESSION]
    state.saw(item, report, call.excinfo)
    state.add_properties(item, report)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:  # noqa: ARG001
    """Say where it ran."""
    from pytest_benchgate.reports import json_addition

    machine_info[json_addition.KEY] = machine.describe(machine_info.get("cpu") or {})


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_compare_machine_info(
    config: pytest.Config, benchmarksession: Any, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
) -> None:
    """Note what differs, and remove our part, before pytest-benchmark warns of any difference, such as the load."""
    config.stash[SESSION].compare(machine_info, compared_benchmark, host.source(benchmarksession, compared_benchmark))


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add the withheld benchmarks to pytest-benchmark's JSON."""
    from pytest_benchgate.reports import json_addition

    output_json.update(json_addition.of_report(config.stash[SESSION].report()))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Write the reports that go to files, except in a worker of xdist, which takes no times.

    pytest-benchmark writes its files in this hook, too, at the yield.
    """
    state = session.config.stash[SESSION]
    if not hasattr(session.config, "workerinput"):
        host.guard_files(session.config, state.losing)
        # A suite without benchmarks keeps the file of an earlier run.
        if state.uncollected or any(map(host.is_benchmark, getattr(session, "items", ()))):
            host.save_without_benchmarks(session.config)
        files.write(state, session.config)
    yield
    if state.lost and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the section after pytest-benchmark's tables, and the annotations."""
    state, quiet = config.stash[SESSION], config.get_verbosity() < 0
    # In a log, tables are as wide as they are.
    lines = state.summary(config.get_terminal_writer().fullwidth if terminalreporter.isatty else None, quiet=quiet)
    if lines and not quiet:
        terminalreporter.section("benchgate", sep="-", blue=True, bold=True)
    for line, colour in lines:
        terminalreporter.line(line, **colour)
    for line in state.annotations():
        terminalreporter.line(line)


@pytest.fixture
def gate(request: pytest.FixtureRequest, benchmark: host.BenchmarkFixture) -> Gate:
    """Benchmark a function whose answer is verified before its time counts: gate(function, *args, expect=...)."""
    from pytest_benchgate.gate import Gate
    from pytest_benchgate.limits import LimitClaim

    claim = LimitClaim(request.config.stash[SESSION].limits, host.calls(request.node, "reaches"))
    made = Gate(benchmark, claim=claim)
    if "cl_device" in request.fixturenames:
        made.device = request.getfixturevalue("cl_device").name
    request.node.stash[GATE] = made
    return made


@pytest.fixture(scope="session")
def cl_device(request: pytest.FixtureRequest) -> devices.Device:
    """Return each OpenCL device, or those that --cl-device names."""
    if request.param is not None:
        device: devices.Device = request.param
        return device
    reason = "no OpenCL device: " + "; ".join(_devices(request.config).notes)
    if request.config.getoption("cl_require"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cl_context(cl_device: devices.Device) -> Any:
    """Return a pyopencl.Context of the device, one for the session."""
    import pyopencl as cl

    return cl.Context([cl_device.handle])


@pytest.fixture
def cl_queue(cl_context: Any) -> Iterator[Any]:
    """Return a new pyopencl.CommandQueue on the device, with profiling, which is finished after the test."""
    import pyopencl as cl

    queue = cl.CommandQueue(cl_context, properties=cl.command_queue_properties.PROFILING_ENABLE)
    yield queue
    queue.finish()


@pytest.fixture(scope="session")
def cl_small(pytestconfig: pytest.Config) -> Callable[[int], int]:
    """Return a function that returns the size it is given, with --cl-check at most 2**14: cl_small(1_000_000)."""
    most = SMALL if pytestconfig.getoption("cl_check") else sys.maxsize
    return lambda size: min(size, most)
