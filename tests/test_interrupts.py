"""Calls amid another call of the same row, as a signal handler makes them, and calls in a forked child."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from logmap_cy import implementations

ROWS = {row.name: row for row in implementations()}
CC = shutil.which("cc")
SIMD = Path(__file__).parent.parent / "logmap_cy" / "vector"
# Runs call(), and at the n-th line of Python within it action(), as a signal handler; returns whether there was one.
# Lines count in files whose paths have the name.
AT_LINE = """
import sys, numpy as np
from logmap_cy import logmap, release
x = np.arange(300)
expected = {p: logmap(x, 13, p) for p in (61, 67)}

def at_line(n, action, call, name=""):
    left = n
    def trace(frame, event, arg):
        nonlocal left
        if event == "line" and name in frame.f_code.co_filename:
            left -= 1
            if left == 0:
                action()
        return trace
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return left <= 0
"""


def python(*code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(map(textwrap.dedent, code))],
        capture_output=True, text=True, timeout=120, check=False, cwd=os.sep,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def available(name: str) -> str:
    reason = ROWS[name].unavailable
    if reason:
        pytest.skip(f"{name}: {reason}")
    return name


@pytest.mark.parametrize("name", ["numba", "hybrid", "list_pool", "list_window", "opencl_loop", "opencl_double"])
def test_a_row_that_interrupts_itself_computes_or_says_why_not(name: str) -> None:
    """Neither call waits for the other for ever, and neither has the other's arguments."""
    outcomes = python(
        AT_LINE,
        f"""
        def compute(p):
            assert (logmap(x, 13, p, implementation="{available(name)}", threads=2) == expected[p]).all()
        def handler():
            try:
                compute(67)
            except RuntimeError as error:
                outcomes.add(str(error))
            else:
                outcomes.add("computed")
        outcomes = set()
        compute(61), compute(67)
        line = 1
        while at_line(line, handler, lambda: compute(61)):
            line += 1
        print(line > 20)
        print(*outcomes, sep="\\n")
        """,
    )
    assert outcomes.pop(0) == "True"
    for outcome in outcomes:
        assert outcome == "computed" or (
            "was called while it runs in this thread, as by a signal handler: have the handler set a flag" in outcome
        )
    assert "computed" in outcomes


@pytest.mark.parametrize(
    ("name", "file"), [("hybrid", "call.py"), ("list_pool", "pool.py"), ("opencl_loop", "program.py")]
)
def test_a_release_amid_a_call_leaves_the_call_right(name: str, file: str) -> None:
    python(
        AT_LINE,
        f"""
        def compute(p):
            assert (logmap(x, 13, p, implementation="{available(name)}", threads=2) == expected[p]).all()
        compute(61)
        line = 1
        while at_line(line, release, lambda: compute(61), "{file}"):
            line += 1
        """,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork() is POSIX")
@pytest.mark.parametrize("name", ["numba", "hybrid", "opencl_loop"])
def test_a_forked_child_refuses_what_fork_has_broken(name: str) -> None:
    """What was checked before the fork is computed after it, as in a child that gets its work from its parent."""
    (refusal,) = python(
        f"""
        import os
        from logmap_cy import _request, logmap
        logmap(range(300), implementation="{available(name)}")
        request = _request.check(range(300), 10, 61, 22, None, None, "{name}", None)
        pid = os.fork()
        if pid == 0:
            try:
                request.compute()
            except RuntimeError as error:
                print(error, flush=True)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        """,
    )
    assert "before fork()" in refusal
    assert "multiprocessing's spawn or forkserver" in refusal


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork() is POSIX")
def test_a_fork_pool_passes_on_that_numba_was_used_before() -> None:
    available("numba")
    (refusal,) = python(
        """
        import functools, multiprocessing
        from logmap_cy import logmap
        compute = functools.partial(logmap, implementation="numba")
        compute([1, 2])
        with multiprocessing.get_context("fork").Pool(2) as pool:
            try:
                pool.map(compute, [[1], [2], [3]])
            except RuntimeError as error:
                print(error)
        """,
    )
    assert "Numba's threads were started before fork()" in refusal


@pytest.mark.skipif(sys.platform == "win32", reason="compiles with flags of GCC and Clang")
def test_the_bias_of_elements_near_2_63_does_not_overflow(tmp_path: Path) -> None:
    """Signed overflow is undefined in C: GCC's and Clang's sanitizer ends a program that has it."""
    if CC is None:
        pytest.skip("no C compiler, cc")
    source, program = tmp_path / "overflow.c", tmp_path / "overflow"
    source.write_text(
        '#include "simd.h"\n'
        "int main(int count, char **arguments) {\n"
        "    ivec sum = iadd(ibroadcast(INT64_MAX - 1 + count), ibroadcast((int64_t)1 << 51));\n"
        "    (void)arguments;\n"
        "    return !any_beyond(sum, 52);\n"
        "}\n"
    )
    flags = ["-fsanitize=signed-integer-overflow", "-fno-sanitize-recover=all", "-w"]
    built = subprocess.run(
        [CC, *flags, f"-I{SIMD}", source, "-o", program], capture_output=True, text=True, check=False
    )
    if built.returncode:
        pytest.skip(f"the compiler has no such sanitizer: {built.stderr[-300:]}")
    run = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
