"""pytest's hooks and the fixtures; what they do is elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import config as options
from pytest_benchgate import devices, hookspec, host, machine, output, settings
from pytest_benchgate.race.worker import clock  # noqa: F401  # before a conftest.py may freeze time
from pytest_benchgate.reports import github, json_addition, terminal
from pytest_benchgate.reports.quantity import printable
from pytest_benchgate.session import BENCHMARK, GATE, SESSION, Session

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytest_benchgate.gate import Gate


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    options.add_options(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """See to where the session imports the raced project from, before any conftest.py does, and output is captured."""
    given = early_config.known_args_namespace
    if early_config.pluginmanager.has_plugin("pytest_benchgate.race.worker.plugin"):
        return (yield)  # whatever addopts say
    if given.race is not None or given.race_base_python is not None:
        host.measure_no_coverage(early_config)
    if given.race is not None:
        from pytest_benchgate.race import startup  # noqa: PLC0415  # needs POSIX

        startup.prepare(early_config, given)
    return (yield)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare pytest_benchgate_limits."""
    pluginmanager.add_hookspecs(hookspec)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """List the devices and stop, with --cl-list."""
    if not options.read(config).cl_list:
        return None
    print(devices.discover().describe())  # noqa: T201
    return 0


def pytest_configure(config: pytest.Config) -> None:
    """Make the session; refuse a device that does not exist."""
    chosen = options.read(config)
    if chosen.cl_device is not None and not devices.discover().named(chosen.cl_device):
        raise pytest.UsageError(
            f"--cl-device={chosen.cl_device!r} is none of the devices found:\n{devices.discover().describe()}"
        )
    if chosen.markdown:
        others = {"--benchmark-json": host.json_place(config), "GITHUB_STEP_SUMMARY": chosen.summary}
        for name, place in others.items():
            if place is not None and output.is_one_file(place, chosen.markdown):
                raise pytest.UsageError(f"--benchgate-markdown and {name} both are {chosen.markdown}; give another")
        try:
            chosen.markdown.parent.mkdir(parents=True, exist_ok=True)
            if not chosen.markdown.is_fifo():  # which would wait for a reader
                chosen.markdown.open("a").close()
        except (OSError, ValueError) as error:
            raise pytest.UsageError(f"--benchgate-markdown: cannot write {chosen.markdown}: {error}") from error
    session = config.stash[SESSION] = Session(chosen, config.rootpath)
    config.addinivalue_line(
        "markers",
        f"{settings.MARK}({', '.join(settings.OF_TESTS)}): for one test",
    )
    if chosen.race:
        from pytest_benchgate.race.hooks import start  # noqa: PLC0415  # needs POSIX

        start(config, chosen.race, session)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Ask for further limits, now that every conftest.py is loaded."""
    for limits in session.config.hook.pytest_benchgate_limits(config=session.config):
        session.config.stash[SESSION].limits.add(limits)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses a device once on each that is chosen; without any, once, to be skipped with the reason."""
    if host.provides(metafunc, "cl_device", __name__):
        found = devices.discover().named(metafunc.config.getoption("cl_device"))
        metafunc.parametrize("cl_device", found or [None], ids=str, indirect=True, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, Any, Any]:
    """Remember the benchmark of a test, whatever its fixture is called."""
    value = yield
    if isinstance(value, host.BenchmarkFixture) and isinstance(request.node, pytest.Item):
        request.node.stash[BENCHMARK] = value
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
    """Withhold the time of a test that failed, in any phase; outermost, to see what other plugins made of it."""
    report = yield
    item.config.stash[SESSION].saw(item, report, call.excinfo)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:  # noqa: ARG001
    """Say where it ran."""
    machine_info[machine.KEY] = machine.describe(machine_info.get("cpu") or {})


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_compare_machine_info(
    config: pytest.Config, benchmarksession: Any, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
) -> None:
    """Say what differs, and take our part out before pytest-benchmark warns of any difference, a load's for one."""
    from pytest_benchgate.reports import runs  # noqa: PLC0415  # most runs compare with nothing

    try:
        runs.check_compared(compared_benchmark)
    except ValueError as error:
        place = printable(host.source(benchmarksession, compared_benchmark))
        raise pytest.UsageError(f"--benchmark-compare: {place} is damaged: {error}") from error
    now = machine_info.pop(machine.KEY, None)
    then = compared_benchmark["machine_info"].pop(machine.KEY, None)
    if now and then:
        config.stash[SESSION].unlike += machine.differences(now, then)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add what was withheld to pytest-benchmark's JSON."""
    output_json[machine.KEY] = json_addition.render(config.stash[SESSION].report())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Write the reports that go to files; not in a worker of xdist, where no times are taken.

    pytest-benchmark writes its files in this hook, too, before the yield.
    """
    state = session.config.stash[SESSION]
    if not hasattr(session.config, "workerinput"):
        host.guard_files(session.config, state.losing)
        if state.withheld:
            host.save_without_benchmarks(session.config)
        state.write_files()
    yield
    if state.lost and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the section after pytest-benchmark's tables, and the annotations."""
    session = config.stash[SESSION]
    report = session.report()
    lines = terminal.render(report)
    if lines or session.unlike or session.unwritten:
        terminalreporter.section("benchgate", sep="-", blue=True, bold=True)
    for line in lines:
        terminalreporter.line(line, **_colour(line))
    for name, reason in session.limits.failures.items():
        terminalreporter.line(f"limit {printable(name)} could not be measured: {printable(reason)}", yellow=True)
    for place, reason in session.unwritten.items():
        terminalreporter.line(f"{printable(place)} could not be written: {printable(reason)}", red=True)
    for line in session.unlike:
        terminalreporter.line(f"compared with another machine: {printable(line)}", yellow=True)
    if session.config.annotate:
        for line in github.render(report):
            terminalreporter.line(line)


def _colour(line: str) -> dict[str, bool]:
    return {"red": line.startswith(("withheld:", "slower:")), "yellow": line.startswith(("suspicious:", "note:"))}


@pytest.fixture
def gate(request: pytest.FixtureRequest, benchmark: host.BenchmarkFixture) -> Gate:
    """Benchmark a function whose answer is verified before its time counts: gate(function, *args, expect=...)."""
    from pytest_benchgate.gate import Gate  # noqa: PLC0415  # with NumPy, which takes a while to import

    made = Gate(benchmark)
    if "cl_queue" in request.fixturenames:
        made.queue = request.getfixturevalue("cl_queue")
    if "cl_device" in request.fixturenames:
        made.device = request.getfixturevalue("cl_device").name
    request.node.stash[GATE] = made
    return made


@pytest.fixture(scope="session")
def cl_device(request: pytest.FixtureRequest) -> devices.Device:
    """Give each OpenCL device found, or the ones that --cl-device names."""
    if request.param is not None:
        device: devices.Device = request.param
        return device
    reason = "no OpenCL device: " + "; ".join(devices.discover().notes)
    if request.config.getoption("cl_require"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cl_context(cl_device: devices.Device) -> Any:
    """Give a pyopencl.Context of the device, one for the session."""
    import pyopencl as cl  # noqa: PLC0415

    return cl.Context([cl_device.handle])


@pytest.fixture
def cl_queue(cl_context: Any) -> Iterator[Any]:
    """Give a new pyopencl.CommandQueue on the device, with profiling; it is finished after the test."""
    import pyopencl as cl  # noqa: PLC0415

    queue = cl.CommandQueue(cl_context, properties=cl.command_queue_properties.PROFILING_ENABLE)
    yield queue
    queue.finish()
