"""The OpenCL host: discovery that never raises, programs built once, times apart, wrong kernels caught."""

from __future__ import annotations

import dataclasses
import gc
import os
import re
import subprocess
import sys
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import pytest

from logmap_cy import implementations, logmap, release_opencl
from logmap_cy.opencl import job, program
from logmap_cy.opencl.job import Kernel

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Case, Oracle

STEP = (resources.files("logmap_cy") / "kernels" / "step.h").read_text("utf-8")
ROWS = [row for row in implementations() if row.kind == "opencl"]
X = np.arange(10_000, 20_000)


def table(**environment: str) -> str:
    """Return what `python -m logmap_cy` prints in another environment; it must not fail."""
    run = [sys.executable, "-m", "logmap_cy"]
    return subprocess.run(
        run, env=os.environ | environment, capture_output=True, text=True, check=True, cwd="/", timeout=60
    ).stdout


def load(case: Case) -> Kernel:
    kernel = case.row.load(case.device)
    assert isinstance(kernel, Kernel)
    return kernel


def test_no_driver_is_a_reason_not_an_error(tmp_path: Path) -> None:
    text = table(OCL_ICD_VENDORS=str(tmp_path), OCL_ICD_FILENAMES="", PYTHONPATH=str(tmp_path))
    if "cl0" not in text:  # a driver that is linked in cannot be taken away
        assert re.search(r"not here: opencl_loop, [a-z_, ]*, opencl_article: .*install", " ".join(text.split()))
    assert len(re.findall(r"^opencl_\w+ +opencl ", text, re.MULTILINE)) == len(ROWS)


def test_no_pyopencl_is_a_reason_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "pyopencl.py").write_text("raise OSError('libOpenCL.so.1: cannot open shared object file')")
    text = " ".join(table(PYTHONPATH=str(tmp_path)).split())
    assert "pyopencl cannot be imported (libOpenCL.so.1" in text
    assert "pip" in text


def test_a_platform_without_devices_is_a_reason(tmp_path: Path) -> None:
    """As PoCL is where it cannot write its cache."""
    (tmp_path / "pyopencl.py").write_text(
        "class Error(Exception): pass\n"
        "class Platform:\n"
        "    name = 'Empty'\n"
        "    def get_devices(self): return []\n"
        "class Broken:\n"
        "    name = 'Broken'\n"
        "    def get_devices(self): raise Error('DEVICE_NOT_FOUND')\n"
        "def get_platforms(): return [Platform(), Broken()]\n"
    )
    text = " ".join(table(PYTHONPATH=str(tmp_path)).split())
    assert "platform 'Empty' has no device; for PoCL, is POCL_CACHE_DIR writable?" in text
    assert "platform 'Broken' failed (DEVICE_NOT_FOUND)" in text


def test_devices_are_named_and_chosen_by_name(opencl_case: Case) -> None:
    assert opencl_case.device is not None
    by_name = logmap([1, 2], implementation=opencl_case.row.name, device=str(opencl_case.device))
    assert by_name.tolist() == [5756693, 3714507]
    with pytest.raises(ValueError, match=r"device='cl99' is not known; choose one of: \"cl0\" \(.+\)"):
        logmap([1], implementation=opencl_case.row.name, device="cl99")


def test_a_program_is_built_once_for_its_parameters(opencl_case: Case, oracle: Oracle) -> None:
    release_opencl()
    kernel = load(opencl_case)
    out = np.empty_like(X)
    for p, length, num in [(61, 10, 3), (61, 9999, 10), (67, 10, 3), (61, 1, 1)]:
        kernel(X[:length], out[:length], num, p, 22, 1)
        np.testing.assert_array_equal(out[:length], oracle(X[:length], num, p, 22))
    wanted = (
        2 if "-DP=" in str([*program.open_session(kernel.device).programs]) else 1
    )  # p is a constant, or an argument
    assert len(program.open_session(kernel.device).programs) == wanted


def test_programs_that_are_kept_are_bounded(opencl_case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "PROGRAMS", 2)
    release_opencl()
    kernel = load(opencl_case)
    out = np.empty_like(X)
    for p in (61, 67, 61, 71):
        kernel(X, out, 1, p, 22, 1)
    kept = [key for key in program.open_session(kernel.device).programs if "-DP=67UL" in key]
    assert len(program.open_session(kernel.device).programs) in {1, 2}
    assert kept == []


def test_times_of_transfers_and_kernel_are_apart(opencl_case: Case) -> None:
    x = np.arange(2**18)
    out = np.empty_like(x)
    kernel = load(opencl_case)
    few = [kernel(x, out, 10, 6700417, 22, 1) for _ in range(5)]
    many = kernel(x, out, 1000, 6700417, 22, 1)
    assert all(min(times.write_ns, times.read_ns) >= 0 for times in [*few, many])
    # A graphics card computes 100 steps in less time than it moves the elements.
    assert many.kernel_ns > 5 * min(times.kernel_ns for times in few)


def test_release_lets_go_of_contexts_and_later_calls_work(opencl_case: Case) -> None:
    kernel = load(opencl_case)
    out = np.empty_like(X)
    kernel(X, out, 1, 61, 22, 1)
    session = program.open_session(kernel.device)
    context, cl = session.context, session.cl
    del session

    def references() -> int:
        gc.collect()
        count = context.get_info(cl.context_info.REFERENCE_COUNT)
        assert isinstance(count, int)
        return count

    held = references()
    release_opencl()
    # NVIDIA's driver does not count queues and programs.
    assert references() < held or held == 1
    assert references() == 1
    kernel(X, out, 1, 61, 22, 1)
    assert program.open_session(kernel.device).context != context


def test_prime_lengths_are_padded_to_whole_groups(opencl_case: Case, oracle: Oracle) -> None:
    """Nothing beyond the array is written, whatever the length."""
    memory = np.full(1100, -7)
    for length in (1, 255, 256, 257, 1009):
        memory[:] = -7
        load(opencl_case)(X[:length], memory[:length], 10, 6700417, 22, 1)
        np.testing.assert_array_equal(memory[:length], oracle(X[:length], 10, 6700417, 22))
        assert np.all(memory[length:] == -7)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_kernels_are_valid_as_they_stand(opencl_case: Case, row: object) -> None:
    """Without the host's definitions they stand for the article's parameters."""
    session = program.open_session(load(opencl_case).device)
    assert session.program(str(row), program.source(f"{row}.cl")).kernel_names == "logmap"


def test_a_kernel_that_does_not_compile_is_an_error_with_the_driver_s_words(
    opencl_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_opencl()
    monkeypatch.setattr(job, "source", lambda name: f"__kernel void logmap() {{ not_{name[:6]}; }}")
    with pytest.raises(RuntimeError, match=rf"kernels/{opencl_case.row}.cl was not built(.|\n)*not_opencl"):
        logmap(X, implementation=opencl_case.row.name, device=opencl_case.device)
    release_opencl()


@pytest.mark.parametrize("length", [1, 15, 16, 17, 1009])
@pytest.mark.parametrize("dtype", ["i4", "u4", "i8", "u8"])
def test_a_device_with_memory_of_its_own_gets_and_returns_pieces(
    opencl_case: Case, length: int, dtype: str, monkeypatch: pytest.MonkeyPatch, oracle: Oracle
) -> None:
    """As a GPU does: the driver at hand is made to move the arrays, in pieces that do not divide them."""
    monkeypatch.setattr(program, "PIECE", 100 * int(dtype[1]))
    kernel = load(opencl_case)
    device = dataclasses.replace(kernel.device, shares_memory=False)
    x = np.resize(X, length).astype(dtype)
    out = np.full_like(x, 7)
    times = dataclasses.replace(kernel, device=device)(x, out, 13, 6700417, 22, 1)
    program._sessions.pop(device)
    np.testing.assert_array_equal(out, oracle(x, 13, 6700417, 22), strict=True)
    assert min(times.write_ns, times.kernel_ns, times.read_ns) > 0


@pytest.mark.parametrize("offset", range(0, 64, 8))
def test_any_alignment_is_welcome(opencl_case: Case, offset: int, oracle: Oracle) -> None:
    """Where the device works in the host's memory, it meets what NumPy gives: 16 bytes at best."""
    memory = np.zeros(8 * 1009 + 128, np.uint8)
    begin = -memory.ctypes.data % 64 + offset
    x = memory[begin : begin + 8 * 1009].view(np.int64)
    x[:] = np.resize(X, 1009)
    expected = oracle(x, 10, 6700417, 22)
    np.testing.assert_array_equal(opencl_case(x), expected)
    assert opencl_case(x, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_read_only_arrays_are_read(opencl_case: Case, oracle: Oracle) -> None:
    x = X.copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(opencl_case(x), oracle(x, 10, 6700417, 22))


OPTIONS = [
    "-cl-fast-relaxed-math",
    # Parts of it
    pytest.param("-cl-unsafe-math-optimizations", marks=pytest.mark.thorough),
    pytest.param("-cl-mad-enable -cl-no-signed-zeros", marks=pytest.mark.thorough),
    "-cl-opt-disable",
]


@pytest.mark.parametrize("options", OPTIONS)
def test_options_from_outside_make_no_answer_wrong(opencl_case: Case, options: str, oracle: Oracle) -> None:
    """It is right, or refused with the option's name."""
    code = f"""
import numpy as np
from logmap_cy import logmap
for p, mu in {PARAMETERS}:
    try:
        print(*logmap(np.arange(10_000, 12_000), 10, p, mu, implementation="{opencl_case.row}", device="cl0"))
    except RuntimeError as error:
        print(error)
    except ValueError as error:
        assert "is exact for" in str(error)
        print("beyond")
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd="/", capture_output=True, text=True, check=True, timeout=120,
        env=os.environ | {"PYOPENCL_BUILD_OPTIONS": options, "PYOPENCL_NO_CACHE": "1"},
    ).stdout.splitlines()  # fmt: skip
    assert len(done) == len(PARAMETERS)
    for line, (p, mu) in zip(done, PARAMETERS, strict=True):
        right = " ".join(map(str, oracle(np.arange(10_000, 12_000), 10, p, mu)))
        refused = "computes wrong answers" in line or "depends on exact rounding" in line
        assert line in {right, "beyond"} or (refused and options.split(maxsplit=1)[0] in line)


# What relaxed arithmetic may do: leave out the rounding of a quotient, or round a product before something is added.
RELAXED = {
    "((u) * inverse + ROUNDING) - ROUNDING": "(u) * inverse",
    "(FMA((high), (vec)inverse, (vec)ROUNDING) - ROUNDING)": "((high) * inverse)",
    "FMA((a), (b), -(high))": "((a) * (b) - (high))",
    "FMA(-QUOTIENT(high), (vec)p, (high))": "((high) - QUOTIENT(high) * p)",
}


@pytest.mark.parametrize("expression", RELAXED)
def test_a_program_that_does_not_round_is_refused(
    opencl_case: Case, expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What relaxed arithmetic may do to it, done to its source: PoCL's options happen to leave it alone."""
    text = program.source(f"{opencl_case.row}.cl")
    relaxed = text.replace(expression, RELAXED[expression])
    if relaxed == text:
        # Kernels in integers need no such check.
        assert load(opencl_case).verified == any(known in text for known in RELAXED)
        return
    release_opencl()
    with monkeypatch.context() as patch:
        patch.setattr(job, "source", lambda name: relaxed)
        with pytest.raises(RuntimeError, match=f"{opencl_case.row}.cl computes wrong answers on"):
            logmap(X, implementation=opencl_case.row.name, device=opencl_case.device)
    release_opencl()


def test_devices_without_fused_multiply_add_have_no_single_precision(opencl_case: Case) -> None:
    """And those without double precision no doubles: a row says what it lacks."""
    assert opencl_case.device is not None
    device = dataclasses.replace(opencl_case.device, fma=True, double=True)
    for row in ROWS:
        lacking = [d for d in (dataclasses.replace(device, fma=False), dataclasses.replace(device, double=False))
                   if not row.runs_on(d)]  # fmt: skip
        assert len(lacking) == (row.precision is not None)


PARAMETERS = [(6700417, 22), (6700416, 22), (2**31 - 1, 5)]


def multiplications() -> list[int]:
    """Return the offset of each multiplication in kernels/step.h, where all of the exact kernels' are."""
    code = re.sub(r"/\*.*?\*/", lambda comment: " " * len(comment[0]), STEP, flags=re.DOTALL)
    return [match.start() for match in re.finditer(r"(?<=[\w)] )\*(?= [\w(])", code)]


@pytest.mark.parametrize("offset", multiplications())
def test_one_wrong_multiplication_is_caught(
    opencl_case: Case, offset: int, monkeypatch: pytest.MonkeyPatch, oracle: Oracle
) -> None:
    """A mutant of each, + in place of *, over parameters that take both branches."""
    if " step(u)" not in (kernel := program.source(f"{opencl_case.row}.cl").replace(STEP, "")) or "vec" in kernel:
        return  # its steps are not those of step.h; tests/mutants.py breaks them
    wrong = f"{STEP[:offset]}+{STEP[offset + 1 :]}"
    mutant = program.source(f"{opencl_case.row}.cl").replace(STEP, wrong)
    out = np.empty_like(X)
    agree = []
    for kernel_source in (program.source, lambda name: mutant):
        release_opencl()
        with monkeypatch.context() as patch:
            patch.setattr(job, "source", kernel_source)
            for p in (6700417, 2**32 - 5):
                load(opencl_case)(X, out, 10, p, 22, 1)
                agree.append(np.array_equal(out, oracle(X, 10, p, 22)))
    release_opencl()
    assert agree[:2] == [True, True]
    assert not all(agree[2:])
