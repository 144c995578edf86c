"""OpenCL: devices found or not, chosen, required; time on the device; work left behind."""

from __future__ import annotations

import sys
import textwrap
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate import devices

if TYPE_CHECKING:
    from conftest import Suite

pocl = pytest.mark.skipif(not devices.discover().devices, reason=f"no OpenCL device: {devices.discover().notes}")
NOTHING = "raise OSError('libOpenCL.so.1: cannot open shared object file')"
SQUARE = """
    import numpy as np
    import pyopencl as cl
    import pytest

    SOURCE = '''
    __kernel void square(__global long *x, __global long *y) { size_t i = get_global_id(0); y[i] = x[i] * x[i]; }
    __kernel void cube(__global long *x, __global long *y) { size_t i = get_global_id(0); y[i] = x[i] * x[i] * x[i]; }
    __kernel void slow(__global long *x, __global long *y) {
        long u = x[get_global_id(0)];
        for (long k = 0; k < 30000; k++) u = u * u % 1000003 + 1;
        y[get_global_id(0)] = u;
    }
    __kernel void steps(__global long *x, int count) {
        for (int k = 0; k < count; k++) x[0] = x[0] * x[0] % 1000003 + 1;
    }
    '''

    X = np.arange(1024)

    @pytest.fixture
    def program(cl_context):
        return cl.Program(cl_context, SOURCE).build()

    @pytest.fixture
    def run(cl_context, cl_queue, program):
        x = cl.Buffer(cl_context, cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR, hostbuf=X)
        y = cl.Buffer(cl_context, cl.mem_flags.WRITE_ONLY, X.nbytes)
        def run(name, wait=True, out=None):
            event = getattr(program, name)(cl_queue, X.shape, None, x, y)
            if out is not None:
                cl.enqueue_copy(cl_queue, out, y)
            if wait:
                event.wait()
            return event
        return run
"""


def test_discovery_never_raises(suite: Suite, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(pyopencl=NOTHING)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    source = "def test_it(cl_queue): pass\n\ndef test_other(): pass"
    run = suite(source, "-rs")
    run.result.assert_outcomes(skipped=1, passed=1)
    run.result.stdout.fnmatch_lines(
        ["SKIPPED*no OpenCL device: pyopencl cannot be imported (libOpenCL.so.1*pip install*"]
    )
    required = suite(source, "--cl-require")
    required.result.assert_outcomes(errors=1, passed=1)
    assert "no OpenCL device: pyopencl cannot be imported" in required.text
    listed = suite(source, "--cl-list")
    assert listed.result.ret == 0
    assert listed.text.startswith("pyopencl cannot be imported")
    asked = suite(source, "--cl-device=gpu")
    assert asked.result.ret == pytest.ExitCode.USAGE_ERROR
    asked.result.stderr.fnmatch_lines(["ERROR: --cl-device='gpu' is none of the devices found:", "pyopencl cannot*"])


@pytest.mark.parametrize(
    ("platforms", "words"),
    [
        ("return []", "no OpenCL platform was found; install a driver"),
        ("raise Error('PLATFORM_NOT_FOUND_KHR')", "no OpenCL platform was found (PLATFORM_NOT_FOUND_KHR)"),
        ("return [Empty()]", "platform 'Empty' has no device; for PoCL, is POCL_CACHE_DIR writable?"),
        ("return [Broken(), Empty()]", "platform 'Broken' failed (DEVICE_NOT_FOUND)"),
    ],
)
def test_each_way_to_have_no_device_is_a_reason(monkeypatch: pytest.MonkeyPatch, platforms: str, words: str) -> None:
    driver = ModuleType("pyopencl")
    source = f"""
        class Error(Exception): pass
        class Empty:
            name = "Empty"
            def get_devices(self): return []
        class Broken:
            name = "Broken"
            def get_devices(self): raise Error("DEVICE_NOT_FOUND")
        def get_platforms(): {platforms}
    """
    exec(textwrap.dedent(source), vars(driver))  # noqa: S102
    monkeypatch.setitem(sys.modules, "pyopencl", driver)
    found = devices._discover.__wrapped__(simulators=False)
    assert not found.devices
    assert words in "".join(found.notes)


def test_devices_are_chosen_by_id_or_by_a_part_of_a_name() -> None:
    gpu = devices.Device(0, "gpu", "Radeon", "ROCm", "1", None)
    cpu = devices.Device(1, "cpu", "pthread-AMD EPYC", "Portable Computing Language", "3", None)
    found = devices.Found((gpu, cpu))
    assert found.named(None) == (gpu, cpu)
    assert found.named("cl1") == (cpu,)
    assert found.named("portable") == found.named("epyc") == (cpu,)
    assert found.named("nvidia") == ()


@pocl
def test_time_on_the_device_stands_beside_the_round_trip(suite: Suite) -> None:
    run = suite(
        SQUARE
        + """
    def test_event(gate, run):
        out = np.zeros_like(X)
        gate(run, "square", out=out, expect=X * X, written="out")

    def test_by_hand(gate, run):
        gate(lambda: run("square") and None, expect=None, device_ns=lambda result: 7e6)

    def test_host_only(gate):
        gate(lambda: 1, expect=1)
    """
    )
    run.result.assert_outcomes(passed=3)
    event, by_hand, host = run.data["benchmarks"]
    added = event["extra_info"]["benchgate"]
    assert 0 < added["device_ns"] * 1e-9 < event["stats"]["max"]
    assert added["device"] == devices.discover().devices[0].name
    assert by_hand["extra_info"]["benchgate"]["device_ns"] == 7e6
    assert host["extra_info"]["benchgate"]["device_ns"] is None
    assert run.data["machine_info"]["benchgate"]["opencl"][0]["driver"]
    assert "on device" in run.text
    assert "7.00 ms" in run.text


UNFINISHED = (
    SQUARE
    + """
    # Each launch is of one work-item.
    class Host:
        def __init__(self, program, steps):
            self.queue, self.steps = cl.CommandQueue(program.context), np.int32(steps)
            self.kernel, self.x = program.steps, cl.Buffer(program.context, cl.mem_flags.READ_WRITE, 8)
        def __call__(self):
            return self.kernel(self.queue, (1,), (1,), self.x, self.steps)
"""
)


@pocl
def test_unfinished_work_is_detected(suite: Suite) -> None:
    """Also on queues that the test never mentions, by events within the result, and by work that adds up."""
    run = suite(
        UNFINISHED
        + """
    def test_event(gate, run):
        gate(run, "slow", wait=False, expect=lambda event: True)

    def test_event_within(gate, program):
        host = Host(program, 10**6)
        gate(lambda: {"right": [1, host()]}, expect=lambda result: True)

    def test_nothing_returned(gate, run):
        gate(lambda: run("slow", wait=False) and None, expect=None)

    def test_queue_of_its_own(gate, program):
        host = Host(program, 10**6)
        gate(lambda: host() and None, expect=None)

    def test_queue_made_by_the_first_call(gate, program):
        hosts = []
        def late():
            if not hosts: hosts.append(Host(program, 10**6))
            hosts[0]()
        gate(late, expect=None)

    def test_only_round(gate, program):
        hosts = []
        def late():
            if not hosts: hosts.append(Host(program, 10**7))
            hosts[0]()
        gate.pedantic(late, expect=None)

    def test_queue_made_by_each_call(gate, program):
        hosts = []
        def late():
            hosts.append(Host(program, 10**7))
            hosts[-1]()
        gate.pedantic(late, expect=None, rounds=5)

    def test_queue_made_by_the_last_calls(gate, program):
        hosts = []
        def late():
            hosts.append(Host(program, 10**7))
            event = hosts[-1]()
            if len(hosts) < 3: event.wait()
        gate.pedantic(late, expect=None, rounds=5)

    def test_short(gate, program):
        host = Host(program, 50_000)
        gate(lambda: host() and None, expect=None)

    def test_waits_at_first(gate, program):
        host, calls = Host(program, 100_000), []
        def forgetful():
            calls.append(host())
            if len(calls) < 120: host.queue.finish()
        gate.pedantic(forgetful, expect=None, rounds=200)

    def test_waits(gate, run):
        gate(run, "slow", expect=lambda event: True)

    def test_waits_but_for_its_teardown(gate, program):
        host, other = Host(program, 10_000), Host(program, 10**6)
        gate(lambda: host().wait(), expect=None, teardown=lambda: other() and None)
        other.queue.finish()

    def test_a_few_rounds(gate, program):
        host, calls = Host(program, 10), iter(range(9))
        gate.pedantic(lambda: (host().wait(), next(calls))[0], expect=None, rounds=2)

    def test_waits_with_a_queue_made_by_each_call(gate, program):
        hosts = []
        def waits():
            hosts.append(Host(program, 10**6))
            hosts[-1]().wait()
        gate.pedantic(waits, expect=None, rounds=9)

    def test_waits_with_a_queue_of_its_own(gate, program):
        host = Host(program, 10_000)
        gate(lambda: host().wait(), expect=None)
    """
    )
    run.result.assert_outcomes(passed=5, failed=10)
    assert len(run.timed()) == 5
    messages = [entry["message"] for entry in run.data["benchgate"]["withheld"]]
    assert all("before its work on the device was finished: " in message for message in messages)
    assert all("an event that it returned was still" in message for message in messages[:2])
    assert all("its queue was busy for another" in message for message in messages[2:])
    assert all("event.wait() or queue.finish()" in message for message in messages)


ARRAYS = """
    import cupy
    import numpy as np
    import pyopencl as cl
    import pyopencl.array
    import pytest

    X = np.arange(64.0)

    @pytest.fixture(params=["pyopencl", "cupy"])
    def put(request, cl_queue):
        return cupy.ndarray if request.param == "cupy" else lambda x: cl.array.to_device(cl_queue, x)

    def double(x, *more): more[-1].set(2 * x.get())

    def nothing(x, *more): return more[-1]
"""
# A stand-in, which suffices where there is no GPU of NVIDIA.
CUPY = """
    import numpy as np

    class ndarray:
        __cuda_array_interface__ = {}
        def __init__(self, values): self.values = values.copy()
        def __deepcopy__(self, memo): raise TypeError("not here")
        def get(self): return self.values.copy()
        def set(self, values):
            assert type(values) is np.ndarray
            self.values = values.copy()

    class cuda:
        class Device:
            def synchronize(self): pass
"""


@pocl
def test_arrays_on_a_device_are_outputs(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(cupy=CUPY)
    run = suite(
        ARRAYS
        + """
    def test_right(gate, put): gate(double, put(X), put(0 * X), expect=2 * X, written=1)

    def test_right_stale(gate, put): gate(double, put(X), put(2 * X), expect=2 * X, written=1)

    def test_right_expected(gate, put): gate(double, put(X), put(0 * X), expect=put(2 * X), written=1)

    def test_right_setup(gate, put):
        x, out = put(X), put(2 * X)
        gate(double, setup=lambda: ((x, out), {}), expect=2 * X, written=1)

    def test_right_list(gate, put):
        gate(lambda x, out: double(x, out[0]), put(X), [put(0 * X)], expect=lambda out: (out[0].get() == 2 * X).all(), written=1)

    def test_wrong_stale(gate, put):
        out = put(2 * X)
        try:
            gate(nothing, put(X), out, expect=2 * X, written=1)
        finally:
            assert (out.get() == 2 * X).all()

    def test_wrong_setup(gate, put):
        x, out = put(X), put(2 * X)
        gate(nothing, setup=lambda: ((x, out), {}), expect=2 * X, written=1)

    def test_wrong_handed_back(gate, put): gate(lambda x, out: out, put(X), put(2 * X), expect=2 * X)

    def test_wrong_within(gate, put): gate(lambda x, out: [out], put(X), put(2 * X), expect=[2 * X])

    def test_wrong_input(gate, put): gate(lambda x: double(x, x) or 1, put(X), expect=1)

    def test_wrong_buffer(gate, cl_context, cl_queue):
        buffer = cl.Buffer(cl_context, cl.mem_flags.READ_WRITE, X.nbytes)
        gate(lambda: cl.enqueue_copy(cl_queue, buffer, X).wait() or buffer, expect=buffer)

    def test_wrong_expected(gate, put):
        x = put(X)
        gate(lambda x: double(x, x) or x, x, expect=x)
    """
    )
    run.result.assert_outcomes(passed=10, failed=13)
    assert len([name for name in run.timed() if name.startswith("test_right")]) == 10
    assert all("WrongAnswer" in entry["message"] for entry in run.data["benchgate"]["withheld"])


@pocl
def test_an_event_that_nobody_completes_is_not_waited_for(suite: Suite) -> None:
    run = suite(
        """
    import pyopencl as cl

    def test_it(gate, cl_context): gate(lambda: cl.UserEvent(cl_context), expect=lambda event: True)
    """
    )
    run.result.assert_outcomes(failed=1)
    assert "an event that it returned was still submitted" in run.text


@pocl
def test_work_that_failed_is_not_timed(suite: Suite) -> None:
    run = suite(
        """
    import pyopencl as cl

    def test_it(gate, cl_context):
        event = cl.UserEvent(cl_context)
        event.set_status(-5)
        gate(lambda: [event], expect=lambda result: True)
    """
    )
    run.result.assert_outcomes(failed=1)
    assert run.timed() == []
    assert "clWaitForEvents failed" in run.text


@pocl
def test_a_gate_keeps_no_queue_alive(suite: Suite) -> None:
    run = suite(
        """
    import gc
    import pyopencl as cl

    def test_it(gate, cl_queue):
        gate(cl_queue.finish, expect=None)

    def test_after_it():
        assert not [one for one in gc.get_objects() if type(one) is cl.CommandQueue]
    """
    )
    run.result.assert_outcomes(passed=2)


@pocl
def test_wrong_on_one_device_only(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """PoCL gives two devices of its own where it is asked for them; the kernel is wrong on the second."""
    monkeypatch.setenv("POCL_DEVICES", "pthread basic")
    source = (
        SQUARE
        + """
    def test_it(gate, run, cl_device):
        out = np.zeros_like(X)
        gate(run, "cube" if cl_device.index == 1 else "square", out=out, expect=X * X, written="out")
    """
    )
    run = suite(source)
    run.result.assert_outcomes(passed=1, failed=1)
    assert run.timed() == ["test_it[cl0]"]
    (entry,) = run.data["benchgate"]["withheld"]
    assert entry["name"] == "test_it[cl1]"
    assert "1022 of 1024 differ, the first at [2]: got 8, expected 4" in entry["message"]
    chosen = suite(source, "--cl-device=cl0")
    chosen.result.assert_outcomes(passed=1)
