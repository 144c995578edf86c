"""Answers that are still to be computed when the function returns: they are named, and their time does not count."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Suite

LAZY = {
    "a generator": ("lambda: (x for x in [1])", "generator); read it to its end"),
    "a map": (
        "lambda: map(len, [])",
        "map); read it to its end within the function: list(...)",
    ),
    "zip": ("lambda: zip([1], [2])", "zip);"),
    "an iterator of an array": ("lambda: np.arange(3).flat", "numpy's flatiter);"),
    "a coroutine": ("coroutine", "coroutine); run it to its end within the function"),
    "an asynchronous generator": ("asynchronous", "async_generator);"),
    "an asynchronous iterator": ("Pages", "test_it's Pages); run it to its end"),
    "an iterator that raises for other attributes": ("Strict", "test_it's Strict); read it to its end"),
    "a future": (
        "lambda: concurrent.futures.Future()",
        "concurrent's Future); wait for its result",
    ),
    "within a list": ("lambda: [1, (x for x in [1])]", "generator);"),
    "within a dictionary": ("lambda: {'a': {'b': (map(len, []),)}}", "map);"),
    "within a dataclass": ("lambda: Rows(map(len, []))", "map);"),
    "within a deque": ("lambda: collections.deque([map(len, [])])", "map);"),
    "within an array": ("lambda: np.array([map(len, [])], object)", "map);"),
    "a thread": ("lambda: threading.Thread(target=len)", "threading's Thread); wait for its end"),
    "a program": ("lambda: program.poll() or program", "subprocess's Popen); wait for its end within the function"),
    "an array on file": (
        "lambda: np.load('x.npy', mmap_mode='r')",
        "numpy's memmap); read it within the function: numpy.array",
    ),
    "an archive": ("lambda: np.load('x.npz')", "numpy's NpzFile); read it within the function: dict(...)"),
}
OF_LIBRARIES = {
    "dask.array": ("lambda: dask.array.ones(9).sum()", "dask's Array); call .compute() within"),
    "dask.delayed": ("lambda: dask.delayed(len)([])", "dask's Delayed); call .compute()"),
    "dask.bag": ("lambda: dask.bag.from_sequence([1])", "dask's Bag);"),
    "xarray": (
        "lambda: xarray.DataArray(importlib.import_module('dask.array').ones(3))", "xarray's DataArray); call .compute()"),
    "polars": ("lambda: polars.LazyFrame({'a': [1]})", "polars's LazyFrame); call .collect()"),
    "PIL.Image": ("lambda: PIL.Image.open(picture)", "PIL's PngImageFile); call .load() within"),
    "pyarrow.dataset": (
        "lambda: pyarrow.dataset.dataset(pyarrow.table({'a': [1]}))", "pyarrow's InMemoryDataset); call .to_table()"),
    "pandas": (
        "lambda: pandas.read_csv(io.StringIO('a'), chunksize=1)", "pandas's TextFileReader); read it to its end"),
    "zarr": ("lambda: zarr.zeros(3)", "zarr's Array); read it within the function: [...]"),
    "h5py": (
        "lambda: h5py.File('x', 'w', driver='core', backing_store=False).create_dataset('x', data=[1])",
        "h5py's Dataset); read it within the function: [...]"),
}  # fmt: skip
DONE = {
    "computed": "gate(lambda: range(3), expect=range(3))",
    "a file": "gate(open, __file__, expect=lambda file: file.close() is None)",
    "a program that has ended": """
    def f():
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        return process
    gate.pedantic(f, expect=lambda process: process.returncode == 0)""",
    "an array on file that is read": "gate(lambda: np.load('x.npy', mmap_mode='r') * 2, expect=np.full(3, 2.0))",
    "an array on file that is written": """
    def f():
        out = np.lib.format.open_memmap("y.npy", "w+", shape=(3,))
        out[:] = 1
        return out
    gate(f, expect=np.load("x.npy", mmap_mode="r"))""",
    "an archive that is read": "gate(lambda: dict(np.load('x.npz')), expect=np.load('x.npz'))",
    "a dataclass of which a field is not set": "gate(lambda: Rows.__new__(Rows), expect=lambda rows: True)",
    "an array within an object": "gate(lambda: {'a': np.arange(3)}, expect={'a': np.arange(3)})",
}
PRELUDE = """
import collections, concurrent.futures, dataclasses, importlib, io, subprocess, sys, threading
import numpy as np
import pytest

@dataclasses.dataclass
class Rows: rows: object

@pytest.fixture(autouse=True, scope="module")
def made():
    global program, picture
    np.savez("x.npz", a=np.ones(3))
    np.save("x.npy", np.ones(3))
    picture = io.BytesIO()
    try:
        import PIL.Image
        PIL.Image.new("L", (9, 9)).save(picture, "png")
    except ImportError:
        pass
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as program:
        yield

async def coroutine(): return 1

async def asynchronous(): yield 1

class Pages:
    def __aiter__(self): return self
    async def __anext__(self): raise StopAsyncIteration

class Strict:
    def __iter__(self): return self
    def __next__(self): raise StopIteration
    def __getattr__(self, name): raise KeyError(name)

def test_good(benchmark): benchmark(lambda: 1)
"""


def test_a_lazy_result_is_refused_with_the_remedy(suite: Suite) -> None:
    lines = [PRELUDE]
    cases = {**LAZY, **OF_LIBRARIES}
    missing = {name for name in OF_LIBRARIES if importlib.util.find_spec(name.partition(".")[0]) is None}
    for number, (name, (function, _)) in enumerate(cases.items()):
        library = f"{name} = pytest.importorskip({name!r})" if name in OF_LIBRARIES and "." not in name else "pass"
        if "." in name:
            top = name.partition(".")[0]
            library = f"{top} = pytest.importorskip({top!r}); importlib.import_module({name!r})"
        lines.append(
            f"def test_lazy_{number}(gate):\n    {library}\n    gate({function}, expect=lambda answer: True)\n"
        )
    run = suite("\n".join(lines), "--tb=line", "-W", "error::RuntimeWarning")
    run.result.assert_outcomes(passed=1, failed=len(cases) - len(missing), skipped=len(missing))
    assert run.timed() == ["test_good"]
    said = {entry["name"]: entry["message"] for entry in run.data["benchgate"]["withheld"]}
    for number, (name, (_, words)) in enumerate(cases.items()):
        if name not in missing:
            assert f"UnfinishedWork: the function returned a lazy value ({words}" in said[f"test_lazy_{number}"]


def test_a_finished_result_is_timed(suite: Suite) -> None:
    tests = (f"def test_{number}(gate): {call}" for number, call in enumerate(DONE.values()))
    run = suite(PRELUDE + "\n".join(tests))
    run.result.assert_outcomes(passed=1 + len(DONE))


STAND_INS = {
    "a mock": "unittest.mock.MagicMock()",
    "an empty module": "types.ModuleType('stand_in')",
    "NumPy": "types.SimpleNamespace(**{name: np.ndarray for name in NAMES})",
}
REPLACED = ["cupy", "pyopencl", "pyopencl.array", "torch", "jax", "mlx.core", "tensorflow", "numba.cuda", "scipy.sparse",
            "pandas", "pandas.api.extensions"]  # fmt: skip


@pytest.mark.parametrize(
    "stand_in",
    [pytest.param(one, marks=[pytest.mark.thorough] if one == "a mock" else []) for one in STAND_INS],
)
def test_stand_ins_of_libraries_are_not_taken_for_them(suite: Suite, stand_in: str) -> None:
    run = suite(f"""
        import sys, types, unittest.mock
        import numpy as np
        import pytest
        NAMES = ["ndarray", "Array", "Tensor", "array"]

        @pytest.mark.parametrize("library", {REPLACED})
        def test_it(gate, monkeypatch, library):
            monkeypatch.setitem(sys.modules, library, {STAND_INS[stand_in]})
            x = np.arange(3.0)
            gate(lambda x: {{"a": [x + 1]}}, x, expect={{"a": [x + 1]}})

        def test_at_the_end(gate):
            sys.modules["pyopencl"] = {STAND_INS[stand_in]}
            gate(lambda: 1, expect=1)
    """)
    run.result.assert_outcomes(passed=len(REPLACED) + 1)
    assert run.result.ret == 0, run.text


def test_a_library_that_offers_dask_s_methods_does_not_need_dask(suite: Suite) -> None:
    pytest.importorskip("pint")
    run = suite("""
        import sys
        sys.modules["dask"] = None
        import pint
        unit = pint.UnitRegistry()

        def test_answer(gate): gate(lambda: 1000 * unit.m, expect=1 * unit.km)

        def test_argument(gate): gate(lambda x: {"d": x}, 1 * unit.m, expect=lambda answer: answer["d"].magnitude == 1)
    """)
    run.result.assert_outcomes(passed=2)


def test_callable_objects_that_raise_where_an_attribute_is_missing(suite: Suite) -> None:
    run = suite("""
        import functools
        from pytest_benchgate import lazy

        class Fields(dict):
            def __getattr__(self, name): return self[name]
            def __call__(self, x): return x

        def test_it(gate):
            function = Fields(a=1)
            assert lazy.waiting(function, lambda result: None)(2) == 2
            gate(function, 2, expect=2)
    """)
    run.result.assert_outcomes(passed=1)


def test_lazy_results_are_refused_without_times_too(suite: Suite) -> None:
    run = suite("def test_it(gate): gate(map, len, [], expect=lambda answer: True)", "--benchmark-disable")
    run.result.assert_outcomes(failed=1)


def test_a_lazy_argument_is_not_computed_to_be_compared(suite: Suite) -> None:
    # Not dask.array, which cannot be imported twice, as pytester's tests here come to.
    pytest.importorskip("dask")
    run = suite("""
        import dask.array as da
        import numpy as np

        def test_it(gate):
            blocks, calls = [], []
            def made(block):
                blocks.append(1)
                return block + 1
            x = da.map_blocks(made, da.zeros(3, chunks=3), dtype=float, meta=np.zeros(0))
            def total(x):
                calls.append(1)
                return float(x.sum().compute(scheduler="synchronous"))
            gate.pedantic(total, (x,), rounds=3, expect=3.0)
            assert len(blocks) == len(calls)
    """)
    run.result.assert_outcomes(passed=1)


def test_a_lazy_expected_value_is_computed_before_the_first_call(suite: Suite) -> None:
    pytest.importorskip("dask.array")
    run = suite("""
        import dask.array as da
        import numpy as np
        def test_it(gate):
            x = np.arange(3.0)
            expect = da.from_array(x) + 1
            def f(x):
                x += 1
                return x
            gate.pedantic(f, (x,), expect=expect)
            assert x.tolist() != [1, 2, 3]
    """)
    run.result.assert_outcomes(failed=1)
    assert "after the last round: 3 of 3 differ, the first at [0]" in run.text


WAITS = {
    "jax": """
        import jax, jax.numpy as jnp
        x = jnp.ones((300, 300))
        f = jax.jit(lambda x: jnp.linalg.matrix_power(x / 300, 40))
        expect = np.asarray(f(x))
    """,
    "pyopencl": """
        import pyopencl as cl, pyopencl.array
        from pytest_benchgate.devices import discover
        # PyOpenCL's own choice may be a simulator.
        queue = cl.CommandQueue(cl.Context([discover().devices[0].handle]))
        x = cl.array.to_device(queue, np.ones(10**6))
        f = lambda x: x + x
        expect = np.full(10**6, 2.0)
    """,
}


@pytest.mark.parametrize("library", WAITS)
def test_asynchronous_libraries_are_waited_for_within_the_timed_call(suite: Suite, library: str) -> None:
    """A round is as long as the call and the wait, and not only as the call."""
    pytest.importorskip(library)
    if library == "pyopencl" and not importlib.import_module("pytest_benchgate.devices").discover().devices:
        pytest.skip("no OpenCL device")
    run = suite(f"""
        import time
        import numpy as np
        from pytest_benchgate import lazy
        {WAITS[library]}
        def test_it(gate):
            gate.pedantic(f, (x,), rounds=5, expect=expect, rtol=1e-4)
            wait = lazy.waits(f(x), (x,))
            least = float("inf")
            for _ in range(20):
                begin = time.perf_counter()
                wait(f(x))
                least = min(least, time.perf_counter() - begin)
            assert min(gate.benchmark.stats.stats.data) > 0.2 * least
    """)
    run.result.assert_outcomes(passed=1)
