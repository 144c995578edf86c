"""A Dask array gives a Dask array: lazy, block by block, and exact wherever and however often a block is computed."""

from __future__ import annotations

import functools
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from logmap_cy import logmap

if TYPE_CHECKING:
    from conftest import Case, Oracle
    from logmap_cy._contract import Array

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")
zarr = pytest.importorskip("zarr")

Compute: TypeAlias = Callable[..., Any]

P = 6700417
DTYPES = ["int32", "int64", "uint32", "uint64", ">i4", ">u8"]
HANGS_S = 60  # only what is broken takes as long

# Shape -> chunks: 0-d, empty arrays and blocks, blocks of one element, many dimensions.
CHUNKS: dict[tuple[int, ...], Any] = {
    (): (),
    (0,): (0,),
    (1009,): ((500, 0, 509),),
    (7,): 1,
    (0, 3): (1, 2),
    (40, 30): (17, 30),
    (3, 4, 5, 6): (2, 4, 1, 5),
    (1,) * 20 + (5, 3): (1,) * 20 + (2, 2),
}


def values(dtype: str, shape: tuple[int, ...]) -> Array:
    """Return values of the whole dtype, its ends among them, in a fixed order."""
    info = np.iinfo(dtype)
    native = np.dtype(dtype).newbyteorder("=")
    found = np.random.default_rng(7).integers(info.min, info.max, shape, native, endpoint=True)
    if found.size > 1:
        found.flat[:2] = info.min, info.max
    return np.asarray(found, dtype)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as found:
        yield found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Start a cluster of two processes of one thread each, which are started again when they die."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 10}),
        distributed.LocalCluster(2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0") as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[Any]:
    """Connect by nothing but the address, as from another machine."""
    with distributed.Client(address, set_as_default=False) as found:
        yield found


@pytest.fixture(params=["threads", "processes", "cluster"])
def compute(request: pytest.FixtureRequest) -> Compute:
    """Give dask.compute on each of Dask's schedulers."""
    if request.param == "cluster":
        return functools.partial(dask.compute, scheduler=request.getfixturevalue("client"))
    pool = request.getfixturevalue("pool") if request.param == "processes" else None
    return functools.partial(dask.compute, scheduler=request.param, pool=pool)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_scheduler_gives_the_answers_of_the_oracle(compute: Compute, dtype: str, oracle: Oracle) -> None:
    arrays = [values(dtype, shape) for shape in CHUNKS]
    lazy = [logmap(da.from_array(x, CHUNKS[x.shape]), 10, P, -5) for x in arrays]
    for x, answer in zip(arrays, compute(*lazy), strict=True):
        # Blocks that come from other processes are put together by Dask in native byte order, whatever they had.
        expected = x.dtype.newbyteorder(answer.dtype.byteorder)
        np.testing.assert_array_equal(answer, oracle(x, 10, P, -5).astype(expected), strict=True)


def test_numbers_of_any_size_travel(compute: Compute, oracle: Oracle) -> None:
    x = values("uint64", (97,))
    [answer] = compute(logmap(da.from_array(x, 20), np.uint8(3), 2**64, -(10**30)))
    np.testing.assert_array_equal(answer, oracle(x, 3, 2**64, -(10**30)), strict=True)


def test_every_implementation(case: Case, pool: ProcessPoolExecutor, oracle: Oracle) -> None:
    """Rows with a pool of their own in Dask's processes, too: they compute there and have none, and the test ends."""
    x = values("int64", (40, 30))
    lazy = case(da.from_array(x, (17, 30)))
    [answer] = dask.compute(lazy, scheduler="threads")
    if case.row.kind == "pool":
        np.testing.assert_array_equal(answer, oracle(x, 10, P, 22), strict=True)
        [answer] = dask.compute(lazy, scheduler="processes", pool=pool)
    np.testing.assert_array_equal(answer, oracle(x, 10, P, 22), strict=True)


def test_a_device_travels_by_its_name(opencl_case: Case, compute: Compute, oracle: Oracle) -> None:
    x = values("int64", (40, 30))
    [answer] = compute(opencl_case(da.from_array(x, (17, 30))))
    np.testing.assert_array_equal(answer, oracle(x, 10, P, 22), strict=True)


@given(data=st.data())
def test_any_array_any_chunks_and_any_parameters(oracle: Oracle, data: st.DataObject) -> None:
    dtype = data.draw(stnp.integer_dtypes(sizes=(32, 64)) | stnp.unsigned_integer_dtypes(sizes=(32, 64)), "dtype")
    x = data.draw(stnp.arrays(dtype, stnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)), "x")
    cuts = [data.draw(st.lists(st.integers(0, side), max_size=4).map(sorted), "cuts") for side in x.shape]
    chunks = tuple(
        tuple(stop - start for start, stop in itertools.pairwise([0, *inner, side]))
        for inner, side in zip(cuts, x.shape, strict=True)
    )
    p = data.draw(st.integers(1, np.iinfo(dtype).max + 1), "p")
    mu = data.draw(st.integers(-(2**70), 2**70), "mu")
    num = data.draw(st.integers(0, 35), "num")
    threads = data.draw(st.none() | st.integers(1, 3), "threads")

    lazy: Any = logmap(da.from_array(x, chunks), num, p, mu, threads=threads)
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.chunks, lazy.dtype) == (x.shape, chunks, dtype)
    assert type(lazy._meta) is np.ndarray
    answer = lazy.compute(scheduler="threads")
    np.testing.assert_array_equal(answer, oracle(x, num, p, mu), strict=True)


def test_chunks_of_unknown_size_stay_unknown(compute: Compute, oracle: Oracle) -> None:
    x = values("int64", (100,))
    lazy: Any = da.from_array(x, 30)
    answer: Any = logmap(lazy[lazy > 0])
    assert np.isnan(answer.chunks).all()
    [found] = compute(answer)
    np.testing.assert_array_equal(found, oracle(x[x > 0], 10, P, 22), strict=True)


def test_a_reduction_and_what_is_made_of_the_answer(compute: Compute, oracle: Oracle) -> None:
    x = np.arange(100)
    lazy: Any = logmap(da.from_array(x, 30).sum())
    answers: Any = logmap(da.from_array(x, 30))
    found = compute(lazy, (answers + 1)[::7].sum())
    right = oracle(x, 10, P, 22)
    assert found == (oracle(np.array(4950), 10, P, 22), (right + 1)[::7].sum())


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    computed = []

    def count(block: Array) -> Array:
        computed.append(block.size)
        return block

    x = da.from_array(np.arange(100), 30).map_blocks(count, dtype=np.int64, meta=np.empty(0, np.int64))
    lazy: Any = logmap(logmap(x), implementation="python")
    assert computed == []
    assert lazy.blocks[1].compute(scheduler="threads").shape == (30,)
    assert computed == [30]
    lazy.compute(scheduler="threads")
    assert sorted(computed) == [10, 30, 30, 30, 30]


def test_the_same_call_has_the_same_name_and_another_has_not() -> None:
    """Dask computes once what has one name."""
    x = da.from_array(np.arange(100), 30)
    calls: list[dict[str, Any]] = [{}, {"num": 9}, {"p": 61}, {"mu": 5}, {"threads": 2}, {"implementation": "numpy"}]

    def name(call: dict[str, Any]) -> str:
        lazy: Any = logmap(x, **call)
        return str(lazy.name)

    names = [list(map(name, calls)) for _ in range(2)]
    assert names[0] == names[1]
    assert len(set(names[0])) == len(calls)
    assert all(name.startswith("logmap_block-") for name in names[0])


BAD = {
    "num-negative": dict(num=-1),
    "num-beyond": dict(num=2**63),
    "num-float": dict(num=10.0),
    "p-zero": dict(p=0),
    "p-int64": dict(p=2**63 + 1),
    "mu-bool": dict(mu=True),
    "threads-zero": dict(threads=0),
    "threads-float": dict(threads=2.0),
    "implementation": dict(implementation="fortran"),
    "implementation-none": dict(implementation=None),
    "known-wrong": dict(implementation="opencl_article"),
    "domain": dict(implementation="numpy_article", p=2**40),
    "device-on-host": dict(implementation="numpy", device="cl0"),
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD.keys())
def test_refused_at_once_and_in_the_words_for_a_numpy_array(arguments: dict[str, Any]) -> None:
    x = np.arange(12)
    with pytest.raises((TypeError, ValueError)) as plain:
        logmap(x, **arguments)
    with pytest.raises(plain.type) as lazy:
        logmap(da.from_array(x, 5), **arguments)
    assert str(lazy.value) == str(plain.value)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones(12), r"dtype float64.*rint"),
        (np.ones(12, bool), r"dtype bool.*astype"),
        (np.ones(12, np.int16), r"dtype int16.*astype"),
        (np.array([10**30] * 12), r"dtype object"),
        (np.ma.masked_equal(np.arange(12), 3), r"masked array.*mask would be lost"),
    ],
    ids=["float", "bool", "int16", "object", "masked"],
)
def test_arrays_of_other_kinds_are_refused_at_once(x: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        logmap(da.from_array(x, 5))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda block: np.ma.masked_equal(block, 3), r"masked array.*mask would be lost"),
        (lambda block: block / 2, r"dtype float64.*rint"),
    ],
    ids=["masked", "float"],
)
def test_blocks_that_are_not_what_dask_was_told_are_refused(
    compute: Compute, spoil: Callable[[Any], Any], message: str
) -> None:
    x = da.from_array(np.arange(12), 5).map_blocks(spoil, dtype=np.int64, meta=np.empty(0, np.int64))
    with pytest.raises(TypeError, match=message):
        compute(logmap(x))


def test_out_is_refused_and_what_to_do_instead_works(tmp_path: Path, oracle: Oracle) -> None:
    x, out = np.arange(100), np.full(100, -1)
    lazy = da.from_array(x, 30)
    places: list[Any] = [out, lazy, [0] * 100]
    for place in places:
        with pytest.raises(ValueError, match=r"not computed yet; pass None.*to_zarr.*dask.array.store"):
            logmap(lazy, out=place)
    assert np.all(out == -1)
    answer: Any = logmap(lazy)
    da.store(answer, out, scheduler="threads")
    np.testing.assert_array_equal(out, oracle(x, 10, P, 22))
    answer.to_zarr(tmp_path / "answer")
    np.testing.assert_array_equal(zarr.open(tmp_path / "answer")[:], oracle(x, 10, P, 22))
    with pytest.raises(TypeError, match=r"out=dask.array.* is not a plain NumPy array"):
        logmap(x, out=lazy)


def python(code: str) -> str:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=2 * HANGS_S, check=True, cwd=os.sep)
    return done.stdout


def test_dask_is_not_imported_by_logmap() -> None:
    assert python("import sys, logmap_cy; logmap_cy.logmap([1], threads=1); print('dask' in sys.modules)") == "False\n"


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core has one thread anyway")
def test_a_block_has_one_thread_unless_more_are_asked_for() -> None:
    grown = python("""
        import dask.array as da, numpy as np, psutil
        from logmap_cy import logmap
        from logmap_cy.rows import prange
        x = da.from_array(np.arange(2**20), 2**19)
        for threads in (None, 1, 2):
            before = psutil.Process().num_threads()
            logmap(x, implementation="prange", threads=threads).compute(scheduler="synchronous")
            print(psutil.Process().num_threads() - before, end=" ")
        print(int(prange.openmp_threads() > 0))
    """).split()
    assert grown[:2] == ["0", "0"]
    assert grown[2] == grown[3]


def wait_for(found: Callable[[], bool]) -> None:
    end = time.monotonic() + HANGS_S
    while not found():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_cluster_that_loses_a_worker_gets_every_answer_right(client: Any, tmp_path: Path, oracle: Oracle) -> None:
    """Each of the two processes computes four of sixteen blocks, and waits in its fifth; there one is killed."""
    done, held, gate = tmp_path / "done", tmp_path / "held", tmp_path / "gate"
    done.mkdir()
    held.mkdir()

    def announce(block: Array, block_id: tuple[int]) -> Array:
        """Write done/NUMBER-PID, for a process's fifth block after the gate is there."""
        mine = f"{block_id[0]}-{os.getpid()}"
        if len([*done.glob(f"*-{os.getpid()}")]) == 4:
            (held / mine).touch()
            while not gate.exists():
                time.sleep(0.01)
        (done / mine).touch()
        return block

    def blocks_of(process: str) -> set[str]:
        return {path.name.split("-")[0] for path in done.glob(f"*-{process}")}

    x = values("int64", (16 * 1000,))
    lazy: Any = logmap(da.from_array(x, 1000))
    future = client.compute(lazy.map_blocks(announce, dtype=lazy.dtype, meta=lazy._meta))
    wait_for(lambda: len([*held.iterdir()]) == 2)
    assert len([*done.iterdir()]) == 8
    assert not future.done()

    victim, other = sorted(path.name.split("-")[1] for path in held.iterdir())
    lost = blocks_of(victim)
    psutil.Process(int(victim)).kill()  # SIGKILL; on Windows, TerminateProcess
    gate.touch()
    np.testing.assert_array_equal(future.result(timeout=HANGS_S), oracle(x, 10, P, 22), strict=True)

    assert blocks_of(victim) == lost  # it did not get beyond the gate
    again = {path.name.split("-")[0] for path in done.iterdir() if not path.name.endswith(f"-{victim}")}
    assert len(lost) == 4
    assert again == {str(number) for number in range(16)}  # what had died with it among them
    wait_for(lambda: len(client.run(os.getpid)) == 2)
    processes = {str(process) for process in client.run(os.getpid).values()}
    assert other in processes
    assert victim not in processes


@pytest.mark.thorough
def test_an_array_larger_than_memory_passes_from_zarr_to_zarr() -> None:
    """512 MB in blocks of 8 MB, by a process that Linux allows no more than 256 MB beyond what it starts with."""
    megabytes, block = 512, 2**20
    right = np.arange(P)
    for _ in range(10):
        right = 22 * right * (right + 1) % P  # below 2**51
    with tempfile.TemporaryDirectory() as folder:
        script = str(Path(__file__).parents[1] / "benchmarks" / "beyond.py")
        command = [sys.executable, script, "--child", folder, "--megabytes", str(megabytes)]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=5 * HANGS_S).stdout)
        answer = zarr.open(Path(folder, "answer"), mode="r")
        assert answer.shape == (megabytes * 2**17,)
        for start in range(0, answer.size, block):
            part = np.arange(start, start + block)
            np.testing.assert_array_equal(answer[start : start + block], right[part % P], strict=True)
    assert found["bytes"] == megabytes * 2**20
    assert found["growth"] < 150 * 2**20
