"""--cl-check: planted faults in kernels are found, right kernels pass, and no time is taken."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate import devices
from pytest_benchgate.cl_check import checking

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Suite

FOUND = devices.discover(simulators=True)
simulated = pytest.mark.skipif(not FOUND.devices, reason=f"no Oclgrind: {FOUND.notes}")
RUN = '''
import numpy as np
import pyopencl as cl
import pytest

SOURCE = """
__kernel void right(__global const int *x, __global int *out) {
    __local int swapped[64];
    int i = get_local_id(0);
    swapped[63 - i] = x[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    out[get_global_id(0)] = swapped[i];
}
__kernel void global_race(__global const int *x, __global int *out) {
    out[0] = x[get_global_id(0)];
}
__kernel void read_write_race(__global const int *x, __global int *out) {
    size_t i = get_global_id(0);
    out[i] = i;
    out[i] = out[(i + 1) % 128];
}
__kernel void local_race(__global const int *x, __global int *out) {
    __local int last;
    last = x[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    out[get_global_id(0)] = last;
}
__kernel void no_barrier(__global const int *x, __global int *out) {
    __local int swapped[64];
    int i = get_local_id(0);
    swapped[63 - i] = x[get_global_id(0)];
    out[get_global_id(0)] = swapped[i];
}
__kernel void divergence(__global const int *x, __global int *out) {
    if (get_local_id(0) < 32)
        barrier(CLK_LOCAL_MEM_FENCE);
    out[get_global_id(0)] = 1;
}
__kernel void write_past(__global const int *x, __global int *out) {
    out[get_global_id(0) + 1] = x[get_global_id(0)];
}
__kernel void write_before(__global const int *x, __global int *out) {
    out[(int)get_global_id(0) - 1] = 1;
}
__kernel void read_past(__global const int *x, __global int *out) {
    out[get_global_id(0)] = x[get_global_id(0) + 1];
}
__kernel void uninitialised_local(__global const int *x, __global int *out) {
    __local int parts[64];
    if (get_local_id(0) < 32)
        parts[get_local_id(0)] = x[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    out[get_global_id(0)] = parts[get_local_id(0)];
}
__kernel void uninitialised_private(__global const int *x, __global int *out) {
    int parts[4];
    parts[0] = x[get_global_id(0)];
    for (int i = 0; i < 4; i++)
        if (parts[i] > 0)
            out[get_global_id(0)] = 1;
}
__kernel void uninitialised_global(__global const int *x, __global int *out) {
    out[get_global_id(0)] = out[get_global_id(0)] + 1;
}
"""

def launch(context, queue, name, wait=True):
    x = cl.Buffer(context, cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR, hostbuf=np.arange(128, dtype=np.int32))
    out = cl.Buffer(context, cl.mem_flags.READ_WRITE, 4 * 128)
    event = cl.Kernel(cl.Program(context, SOURCE).build(), name)(queue, (128,), (64,), x, out)
    if wait:
        event.wait()
'''
# The kernel, the kind of fault that is reported, and its line.
PLANTED = {
    # The first: Oclgrind takes memory that an earlier buffer had for written.
    "uninitialised_global": ("Uninitialized value", "out[get_global_id(0)] = out[get_global_id(0)] + 1;"),
    "global_race": ("Write-write data race at global", "out[0] = x[get_global_id(0)];"),
    "read_write_race": ("Read-write data race at global", "out[i] = out[(i + 1) % 128];"),
    "local_race": ("Write-write data race at local", "last = x[get_global_id(0)];"),
    "no_barrier": ("Read-write data race at local", "out[get_global_id(0)] = swapped[i];"),
    "divergence": ("Work-group divergence detected (barrier)", "barrier(CLK_LOCAL_MEM_FENCE);"),
    "write_past": ("Invalid write of size 4 at global", "out[get_global_id(0) + 1] = x[get_global_id(0)];"),
    "write_before": ("Invalid write of size 4 at global", "out[(int)get_global_id(0) - 1] = 1;"),
    "read_past": ("Invalid read of size 4 at global", "out[get_global_id(0)] = x[get_global_id(0) + 1];"),
    "uninitialised_local": ("Uninitialized value", "out[get_global_id(0)] = parts[get_local_id(0)];"),
    "uninitialised_private": ("Controlflow depends on uninitialized value", "if (parts[i] > 0)"),
}


@simulated
def test_planted_faults_are_found_and_right_kernels_pass(suite: Suite) -> None:
    names = [*PLANTED, "right"]
    run = suite(
        f"""{RUN}
@pytest.mark.parametrize("name", {names})
def test_it(cl_context, cl_queue, name):
    launch(cl_context, cl_queue, name)
""",
        "--cl-check",
    )
    run.result.assert_outcomes(passed=1, failed=len(PLANTED))
    assert "cl-check: cl0: simulator, Oclgrind Simulator (platform Oclgrind" in run.text
    _, *failures = re.split(r"^_+ test_it\[cl0-(\w+)\] _+$", run.text, flags=re.MULTILINE)
    told = dict(zip(failures[::2], failures[1::2], strict=True))
    assert list(told) == [*PLANTED]
    for name, (kind, line) in PLANTED.items():
        assert kind in told[name]
        assert re.search(rf"Kernel: +{name}\n", told[name])
        assert re.search(rf"At line \d+ .*of input\.cl:\n *{re.escape(line)}", told[name])
        assert re.search(r"Global\(\d+,0,0\) Local\(\d+,0,0\)|Work-[Gg]roup: \(\d,0,0\)", told[name])


@simulated
def test_right_kernels_pass_whatever_their_code(suite: Suite) -> None:
    """Of vectors, with filled buffers, and through pyopencl's own templates."""
    run = suite(
        """
    import numpy as np
    import pyopencl as cl
    import pyopencl.array

    def test_components(cl_context, cl_queue):
        source = "__kernel void f(__global float4 *x, __global float4 *y) { int i = get_global_id(0); y[i].x = x[i].w; y[i].yzw = x[i].zyx; }"
        x = np.arange(64, dtype=np.float32)
        given = cl.Buffer(cl_context, cl.mem_flags.COPY_HOST_PTR, hostbuf=x)
        out = cl.Buffer(cl_context, cl.mem_flags.READ_WRITE, x.nbytes)
        cl.Program(cl_context, source).build().f(cl_queue, (16,), (4,), given, out)
        found = np.zeros_like(x)
        cl.enqueue_copy(cl_queue, found, out)
        assert (found.reshape(-1, 4) == x.reshape(-1, 4)[:, ::-1]).all()

    def test_filled(cl_context, cl_queue):
        source = "__kernel void f(__global int *x) { x[get_global_id(0)] += 1; }"
        x = cl.Buffer(cl_context, cl.mem_flags.READ_WRITE, 4 * 64)
        cl.enqueue_fill_buffer(cl_queue, x, np.int16(7), 0, 4 * 64)
        cl.Program(cl_context, source).build().f(cl_queue, (64,), (8,), x).wait()
        found = np.zeros(64, np.int32)
        cl.enqueue_copy(cl_queue, found, x)
        assert (found == 7 * 2**16 + 8).all()

    def test_zeros(cl_queue):
        assert ((cl.array.zeros(cl_queue, 100, np.int64) + 1).get() == 1).all()
""",
        "--cl-check",
    )
    run.result.assert_outcomes(passed=3)


@simulated
def test_a_report_does_not_depend_on_earlier_buffers(suite: Suite) -> None:
    """Their addresses were used again: larger buffers were reported though written, and others not though unwritten."""
    run = suite(
        """
    import numpy as np
    import pyopencl as cl
    import pytest

    SOURCE = "__kernel void copy(__global const int *x, __global int *y) { y[get_global_id(0)] = x[get_global_id(0)]; }"

    @pytest.fixture(scope="session")
    def copy(cl_context):
        return cl.Program(cl_context, SOURCE).build().copy

    def buffers(context, count, number):
        return [cl.Buffer(context, cl.mem_flags.READ_WRITE, 4 * count) for _ in range(number)]

    @pytest.mark.parametrize("count", [8, 64])
    def test_sizes(cl_context, cl_queue, copy, count):
        x = cl.Buffer(cl_context, cl.mem_flags.COPY_HOST_PTR, hostbuf=np.arange(count, dtype=np.int32))
        y, z = buffers(cl_context, count, 2)
        copy(cl_queue, (count,), (8,), x, y)
        copy(cl_queue, (count,), (8,), y, z)
        out = np.zeros(count, np.int32)
        cl.enqueue_copy(cl_queue, out, z)
        assert (out == np.arange(count)).all()
        x.release()

    @pytest.mark.parametrize("own", [False, True])
    def test_unwritten(cl_device, cl_context, copy, own):
        context = cl.Context([cl_device.handle]) if own else cl_context
        kernel = cl.Program(context, SOURCE).build().copy if own else copy
        cl.Buffer(context, cl.mem_flags.COPY_HOST_PTR, hostbuf=np.arange(64, dtype=np.int32)).release()
        x, y = buffers(context, 64, 2)
        kernel(cl.CommandQueue(context), (64,), (8,), x, y).wait()

    def test_kept(cl_context, pytestconfig):
        kept = pytestconfig.pluginmanager.getplugin("benchgate-cl-check").kept
        assert [*kept._buffers] == [cl_context.int_ptr]
        assert kept._count == len(kept._buffers[cl_context.int_ptr]) == 9
        assert kept._bytes == 4 * (3 * 8 + 3 * 64 + 3 * 64)
""",
        "--cl-check",
    )
    run.result.assert_outcomes(passed=3, failed=2)
    assert run.text.count("Uninitialized value written to global memory") >= 2


@simulated
def test_values_read_from_images_are_not_reported(suite: Suite) -> None:
    """Oclgrind takes all of them for uninitialised, and what is computed from them; other faults count there, too."""
    run = suite(
        """
    import numpy as np
    import pyopencl as cl
    import pytest

    SOURCE = '''
    #define IMAGE read_only image2d_t
    __constant sampler_t near = CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_CLAMP_TO_EDGE | CLK_FILTER_NEAREST;
    // Not the same ones for both: those that were launched once are known.
    #define TWICE(name, place) \\
        __kernel void name(IMAGE x, __global float *y) { \\
            int i = get_global_id(0); \\
            y[place] = 2 * read_imagef(x, near, (int2)(i, 0)).x; \\
        }
    TWICE(twice_called, i)
    TWICE(twice_enqueued, i)
    TWICE(past_called, i + 1)
    TWICE(past_enqueued, i + 1)
    __kernel void more(__global float *y) { y[get_global_id(0)] += 1; }
    '''
    X = np.arange(64, dtype=np.float32).reshape(1, 64)

    @pytest.mark.parametrize("how", ["called", "enqueued"])
    @pytest.mark.parametrize("name", ["twice", "past"])
    def test_it(cl_context, cl_queue, name, how):
        x, program = cl.image_from_array(cl_context, X, 1), cl.Program(cl_context, SOURCE).build()
        y = cl.Buffer(cl_context, cl.mem_flags.READ_WRITE, X.nbytes)
        kernel = cl.Kernel(program, f"{name}_{how}")
        if how == "called":
            kernel(cl_queue, (64,), (8,), x, y)
        else:
            kernel.set_args(x, y)
            cl.enqueue_nd_range_kernel(cl_queue, kernel, (64,), (8,))
        if name == "twice":
            cl.Kernel(program, "more")(cl_queue, (64,), (8,), y)
        out = np.zeros(64, np.float32)
        cl.enqueue_copy(cl_queue, out, y)
        assert name == "past" or (out == 2 * X[0] + 1).all()

    def test_without(cl_context, cl_queue):
        y = cl.Buffer(cl_context, cl.mem_flags.READ_WRITE, X.nbytes)
        cl.Program(cl_context, SOURCE).build().more(cl_queue, (64,), (8,), y).wait()
""",
        "--cl-check",
    )
    run.result.assert_outcomes(passed=2, failed=3)
    assert run.text.count("Oclgrind: Invalid write of size 4") >= 2
    past, _, without = run.text.partition("_ test_without")
    assert "ninitialized" not in past
    assert "Uninitialized value" in without


@simulated
def test_a_crash_names_the_test_and_leaves_nothing_behind(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    run = suite(
        f"""{RUN}
import os, signal
def test_right(cl_context, cl_queue):
    launch(cl_context, cl_queue, "right")

def test_crash(cl_context, cl_queue):
    launch(cl_context, cl_queue, "write_past")
    os.kill(os.getpid(), signal.SIGSEGV)
""",
        "--cl-check", f"--basetemp={pytester.path / 'base'}",
    )  # fmt: skip
    assert run.result.ret == -signal.SIGSEGV
    # Said by a process that outlives pytest.
    end = time.monotonic() + 20
    while [*tmp_path.iterdir()] and time.monotonic() < end:
        time.sleep(0.01)
    assert [*tmp_path.iterdir()] == []
    errors = (pytester.path / "stderr").read_text("utf-8")
    assert "--cl-check: pytest crashed or was killed during test_it.py::test_crash[cl0] (call)\n" in errors
    assert "Invalid write of size 4" in errors
    assert "OCLGRIND_UNINITIALIZED=0" in errors


@simulated
def test_code_that_chooses_a_device_gets_the_simulator(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYOPENCL_CTX", "portable")
    monkeypatch.setenv("PYOPENCL_TEST", "portable")
    run = suite(
        f"""{RUN}
def test_it():
    context = cl.create_some_context()
    launch(context, cl.CommandQueue(context), "write_past")

def test_first(cl_device):
    assert cl_device.handle in cl.get_platforms()[0].get_devices()
    assert len(cl.get_platforms()) == 1
""",
        "--cl-check",
    )
    run.result.assert_outcomes(passed=1, failed=1)
    assert "Oclgrind: Invalid write of size 4" in run.text


@simulated
def test_doubtful_reports_say_how_to_turn_them_off(suite: Suite) -> None:
    run = suite(
        f"""{RUN}
@pytest.mark.parametrize("name", ["uninitialised_private", "write_past"])
def test_it(cl_context, cl_queue, name):
    launch(cl_context, cl_queue, name)
""",
        "--cl-check",
    )
    run.result.assert_outcomes(failed=2)
    # Where CI is set, pytest's summary repeats whole messages.
    failures = run.text.partition("short test summary info")[0]
    assert failures.count("OCLGRIND_UNINITIALIZED=0 turns these reports off") == 1


@simulated
def test_a_fault_fails_the_test_in_which_it_is_found(suite: Suite) -> None:
    """In setup, in teardown, before a skip, beside a failure of its own; in each of several contexts."""
    run = suite(
        f"""{RUN}
@pytest.fixture
def wrong(cl_context, cl_queue):
    launch(cl_context, cl_queue, "write_past")

def test_setup(wrong): pass

def test_teardown(cl_context, cl_queue):
    launch(cl_context, cl_queue, "write_past", wait=False)

def test_right(cl_context, cl_queue):
    launch(cl_context, cl_queue, "right")

def test_skipped(cl_context, cl_queue):
    launch(cl_context, cl_queue, "write_past")
    pytest.skip("later")

def test_failed(cl_context, cl_queue):
    launch(cl_context, cl_queue, "write_past")
    assert 1 == 2

def test_contexts(cl_device):
    for name in ("write_past", "global_race", "right"):
        context = cl.Context([cl_device.handle])
        launch(context, cl.CommandQueue(context), name)

@pytest.mark.xfail(strict=True)
def test_expected(cl_context, cl_queue):
    launch(cl_context, cl_queue, "write_past")
""",
        "--cl-check",
    )
    run.result.assert_outcomes(passed=2, failed=3, errors=2, xfailed=1)
    run.result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_setup*",
            "Oclgrind: Invalid write of size 4*",
            "*ERROR at teardown of test_teardown*",
            "Oclgrind: Invalid write of size 4*",
            "*_ test_failed*",
            "*- Captured Oclgrind call -*",
            "Oclgrind: Invalid write of size 4*",
            "*_ test_contexts*",
            "Oclgrind: Invalid write of size 4*",
            "Oclgrind: Write-write data race*",
            "FAILED test_it.py::test_skipped?cl0? - Failed: Oclgrind: Invalid write*",
            "FAILED test_it.py::test_failed?cl0? - assert 1 == 2",
        ]
    )
    assert "During handling" not in run.text


@simulated
def test_no_time_is_taken_and_sizes_are_small(suite: Suite) -> None:
    run = suite(
        f"""{RUN}
def test_right(gate, cl_context, cl_queue):
    gate(lambda: launch(cl_context, cl_queue, "right"), expect=None)

def test_plain(benchmark, cl_small):
    benchmark(len, "text")
    assert (cl_small(100), cl_small(2**20)) == (100, 2**14)

def test_no_benchmark(): assert False
""",
        "--cl-check", "--benchmark-only",
    )  # fmt: skip
    run.result.assert_outcomes(passed=2, skipped=1)
    assert run.data == {}
    assert "times verified" not in run.text


def test_without_the_option_a_simulator_is_no_device(suite: Suite) -> None:
    run = suite(
        "def test_it(cl_device): assert cl_device.kind != 'simulator'\ndef test_size(cl_small): assert cl_small(2**20) == 2**20"
    )
    outcomes = run.result.parseoutcomes()
    assert outcomes.get("passed", 0) == 1 + len(devices.discover().devices)
    listed = suite("", "--cl-list").text
    assert "Oclgrind Simulator" not in listed
    assert ("is a simulator, used with --cl-check only" in listed) == bool(FOUND.devices)


@simulated
def test_the_option_lists_and_names_simulators_only(suite: Suite) -> None:
    assert suite("", "--cl-check", "--cl-list").text.startswith("cl0: simulator, Oclgrind Simulator")
    asked = suite("", "--cl-check", "--cl-device=pthread")
    assert asked.result.ret == pytest.ExitCode.USAGE_ERROR
    asked.result.stderr.fnmatch_lines(["ERROR: --cl-device='pthread' is none of the devices found:", "cl0: simulator*"])


def test_it_refuses_what_it_cannot_check(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(early="import pyopencl", late="raise OSError('libOpenCL.so.1')")
    early = suite("", "--cl-check", "-p", "early")
    assert early.result.ret == pytest.ExitCode.USAGE_ERROR
    early.result.stderr.fnmatch_lines(["ERROR: --cl-check: pyopencl was imported before*import pyopencl where it is*"])
    raced = suite("", "--cl-check", "--race-base-python=python")
    assert raced.result.ret == pytest.ExitCode.USAGE_ERROR
    raced.result.stderr.fnmatch_lines(["ERROR: --cl-check takes no times, so leave out --race*"])


def test_without_oclgrind_it_says_what_to_install(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(pyopencl="class Error(Exception): pass\ndef get_platforms(): return []")
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    run = suite("", "--cl-check")
    assert run.result.ret == pytest.ExitCode.USAGE_ERROR
    run.result.stderr.fnmatch_lines(['ERROR: --cl-check needs Oclgrind:*pip install "pytest-benchgate?check?"*'])


@simulated
def test_it_runs_with_xdist_and_leaves_nothing_behind(
    suite: Suite, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    run = suite(
        f"""{RUN}
@pytest.mark.parametrize("name", ["right", "write_past"] * 3)
def test_it(cl_context, cl_queue, name):
    launch(cl_context, cl_queue, name)
""",
        "--cl-check", "-p", "xdist", "-n2", f"--basetemp={pytester.path / 'base'}",
    )  # fmt: skip
    run.result.assert_outcomes(passed=3, failed=3)
    assert [*tmp_path.iterdir()] == []


@simulated
def test_faults_of_child_processes_count(suite: Suite) -> None:
    run = suite(
        f"""{RUN}
if __name__ == "__main__":
    (platform,) = [platform for platform in cl.get_platforms() if platform.name == "Oclgrind"]
    context = cl.Context(platform.get_devices())
    launch(context, cl.CommandQueue(context), "write_past")

def test_child(cl_context, cl_queue):
    import subprocess, sys
    launch(cl_context, cl_queue, "right")
    subprocess.run([sys.executable, __file__], check=True)
""",
        "--cl-check",
    )
    run.result.assert_outcomes(failed=1)
    assert "Invalid write of size 4 at global memory" in run.text


@simulated
def test_faults_outside_of_tests_fail_the_next_one(suite: Suite) -> None:
    run = suite(
        f"""{RUN}
(platform,) = [platform for platform in cl.get_platforms() if platform.name == "Oclgrind"]
context = cl.Context(platform.get_devices())
launch(context, cl.CommandQueue(context), "write_past")

def test_innocent(): pass
def test_other(): pass
""",
        "--cl-check",
    )
    run.result.assert_outcomes(errors=1, passed=1)
    assert "while no test ran, before this one: Oclgrind: Invalid write" in run.text


@simulated
def test_when_oclgrind_logs_no_more_the_session_ends(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCLGRIND_MAX_ERRORS", "3")
    run = suite(
        f"""{RUN}
@pytest.mark.parametrize("run", range(3))
def test_it(cl_context, cl_queue, run):
    launch(cl_context, cl_queue, "global_race")
""",
        "--cl-check",
    )
    run.result.assert_outcomes(failed=1)
    assert "logs no more; fix those first, or set it higher" in run.text


def test_messages_of_one_kind_are_shown_once() -> None:
    one = "\nInvalid write of size 4 at global memory address 0x{0}\n\tKernel: k\n\tEntity: Global({0},0,0)\n\t  store i32 %1, !dbg !12\n\tAt line 3 of input.cl:\n\t  y[i] = x;\n\t\n"
    text = checking.summarise(
        "".join(one.format(place) for place in (8, 9, 10)) + "".join(f"\nfault {'x' * n}\n" for n in range(6))
    )
    assert text.splitlines() == [
        "Oclgrind: Invalid write of size 4 at global memory address 0x8 (3 times, at other addresses or by other work-items)",
        "  Kernel: k",
        "  Entity: Global(8,0,0)",
        "  At line 3 of input.cl:",
        "    y[i] = x;",
        *(f"Oclgrind: fault {'x' * n}".rstrip() for n in range(4)),
        "Oclgrind: 2 more kinds of faults",
    ]


@pytest.mark.parametrize(
    "text", ["Controlflow depends on uninitialized value", "OCLGRIND FATAL ERROR (/src/plugins/Uninitialized.cpp:194)"]
)
def test_what_may_be_a_fault_of_oclgrinds_says_so(text: str) -> None:
    assert checking.summarise(text).splitlines() == [f"Oclgrind: {text}", checking.FALSE_ALARMS]
