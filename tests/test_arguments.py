"""Bad input is refused before any work, by a message with the argument, its value and the remedy."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from logmap_cy import implementations, logmap

if TYPE_CHECKING:
    from conftest import Case, Oracle

X = np.arange(12)


def readonly() -> np.ndarray[Any, Any]:
    out = np.empty_like(X)
    out.flags.writeable = False
    return out


BAD = {
    "x-float": (dict(x=[1.5]), TypeError, r"x=\[1.5\] has dtype float64.*rint"),
    "x-nan": (dict(x=[float("nan")]), TypeError, r"x=\[nan\].*float64"),
    "x-bool": (dict(x=[True]), TypeError, r"x=\[True\] has dtype bool.*astype"),
    "x-int16": (dict(x=np.array([1], np.int16)), TypeError, r"dtype int16.*astype"),
    "x-object": (dict(x=[10**30]), TypeError, r"dtype object.*np.asarray"),
    "x-none": (dict(x=None), TypeError, r"x=None has dtype object"),
    "x-text": (dict(x="7"), TypeError, r"x='7' has dtype"),
    "x-time": (dict(x=np.array([1], "m8[s]")), TypeError, r"dtype timedelta64"),
    "x-ragged": (dict(x=[[1], [2, 3]]), TypeError, r"regular shape"),
    "x-masked": (dict(x=np.ma.masked_equal(X, 3)), TypeError, r"mask.*filled"),
    "num-negative": (dict(num=-1), ValueError, r"num=-1 is below 0; pass 0"),
    "num-beyond": (dict(num=2**63), ValueError, r"num=9223372036854775808 is above 9223372036854775807; pass 92"),
    "num-far-beyond": (dict(num=10**30, threads=1), ValueError, r"num=1000000000000000000000000000000 is above"),
    "num-float": (dict(num=10.0), TypeError, r"num=10.0 is not an integer; pass"),
    "num-nan": (dict(num=float("nan")), TypeError, r"num=nan is not an integer"),
    "num-bool": (dict(num=True), TypeError, r"num=True is a bool; pass"),
    "num-numpy-bool": (dict(num=np.True_), TypeError, r"num=.*True.* is a bool; pass"),
    "num-none": (dict(num=None), TypeError, r"num=None is not an integer"),
    "p-zero": (dict(p=0), ValueError, r"p=0 is below 1; pass 1 or more"),
    "p-negative": (dict(p=-61), ValueError, r"p=-61 is below 1"),
    "p-float": (dict(p=61.0), TypeError, r"p=61.0 is not an integer"),
    "p-int32": (
        dict(x=X.astype(np.int32), p=2**31 + 1),
        ValueError,
        r"p=2147483649.*int32.*at most 2147483648, or .*uint64",
    ),
    "p-uint32": (dict(x=X.astype(np.uint32), p=2**32 + 1), ValueError, r"p=4294967297.*uint32.*uint64"),
    "p-int64": (dict(p=2**63 + 1), ValueError, r"p=9223372036854775809.*int64.*uint64"),
    "p-uint64": (dict(x=X.astype(np.uint64), p=2**64 + 1), ValueError, r"at most 18446744073709551616$"),
    "mu-float": (dict(mu=22.0), TypeError, r"mu=22.0 is not an integer"),
    "mu-bool": (dict(mu=False), TypeError, r"mu=False is a bool"),
    "threads-zero": (dict(threads=0), ValueError, r"threads=0 is below 1; pass 1 or more"),
    "threads-float": (dict(threads=2.0), TypeError, r"threads=2.0 is not an integer"),
    "out-list": (dict(out=[0] * 12), TypeError, r"out=\[0, .* is not a plain NumPy array; pass np.empty_like"),
    "out-masked": (dict(out=np.ma.masked_equal(X.copy(), 3)), TypeError, r"not a plain NumPy array"),
    "out-dtype": (dict(out=np.zeros(12, np.uint64)), TypeError, r"out has dtype uint64, x has int64; pass"),
    "out-byte-order": (dict(out=np.zeros(12, X.dtype.newbyteorder())), TypeError, r"out has dtype .i8, x has int64"),
    "out-shape": (dict(out=np.zeros((3, 4), np.int64)), ValueError, r"out has shape \(3, 4\), x has \(12,\); pass"),
    "out-read-only": (dict(out=readonly()), ValueError, r"out is read-only; pass"),
    "out-itself": (
        dict(out=as_strided(X.copy(), (12,), (0,))),
        ValueError,
        r"strides \(0,\).*share memory; pass",
    ),
    "implementation": (dict(implementation="fortran"), ValueError, r"'fortran' is not known.*auto, python, .*prange"),
    "implementation-none": (dict(implementation=None), ValueError, r"implementation=None is not known"),
    "device-on-host": (dict(implementation="numpy", device="cl0"), ValueError, r"device='cl0'.*runs on the host"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), BAD.values(), ids=BAD.keys())
def test_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    out = arguments.get("out")
    before = np.array(out)
    with pytest.raises(error, match=message):
        logmap(**({"x": X} | arguments))
    np.testing.assert_array_equal(np.array(out), before)


@pytest.mark.parametrize("name", ["num", "p", "mu", "threads"])
def test_every_number_may_be_a_numpy_integer(name: str) -> None:
    numbers: dict[str, Any] = {"num": 7, "p": 61, "mu": 5, "threads": 2}
    expected = logmap(X, **numbers)
    np.testing.assert_array_equal(logmap(X, **(numbers | {name: np.uint8(numbers[name])})), expected)


def test_out_that_overlaps_x_partly_is_refused(case: Case) -> None:
    memory = np.arange(20)
    for x, out in [(memory[:-1], memory[1:]), (memory[1:], memory[:-1]), (memory, memory[::-1])]:
        with pytest.raises(ValueError, match=r"out overlaps x partly.*pass out=x or a copy"):
            case(x, out=out)
    assert memory.tolist() == list(range(20))


def test_out_between_the_elements_of_x_is_no_overlap(case: Case, oracle: Oracle) -> None:
    memory = np.arange(20)
    expected = oracle(memory[::2], 10, 6700417, 22)
    assert case(memory[::2], out=memory[1::2]).base is not None
    np.testing.assert_array_equal(memory[1::2], expected)
    np.testing.assert_array_equal(memory[::2], np.arange(0, 20, 2))


def test_out_of_any_layout_is_filled_and_returned(case: Case, oracle: Oracle) -> None:
    x = np.arange(24).reshape(4, 6)
    expected = oracle(x, 10, 6700417, 22)
    for out in [np.empty((4, 6), np.int64), np.empty((6, 4), np.int64).T, np.empty((8, 12), np.int64)[::-2, ::2]]:
        assert case(x, out=out) is out
        np.testing.assert_array_equal(out, expected)


def test_no_steps_give_a_copy(case: Case) -> None:
    x = np.array([-5, 2**40])
    answer = case(x, 0)
    assert answer.tolist() == [-5, 2**40]
    assert not np.shares_memory(answer, x)


@pytest.mark.parametrize("x", [[], (), [[]], np.zeros((0, 3), np.uint32), np.zeros((3, 0, 2), ">i4")], ids=str)
def test_empty(case: Case, x: Any) -> None:
    answer = case(x)
    assert answer.shape == np.shape(x)
    assert answer.dtype == getattr(x, "dtype", np.int64)
    assert case(answer, out=answer) is answer


def test_the_most_steps_are_accepted() -> None:
    assert logmap([], 2**63 - 1).shape == logmap([], np.uint64(2**63 - 1), threads=1).shape == (0,)


def test_scalars_give_0d_arrays(case: Case) -> None:
    for x in (10000, np.int64(10000), np.array(10000)):
        answer = case(x)
        assert isinstance(answer, np.ndarray)
        assert answer.shape == ()
        assert answer.dtype == np.int64
        assert int(answer) == 3819240


def test_whatever_has_a_buffer_is_an_array(case: Case) -> None:
    for code, dtype in (("I", np.uint32), ("i", np.int32), ("q", np.int64), ("Q", np.uint64)):
        for numbers in (array.array(code, [1, 2, 10000]), memoryview(array.array(code, [1, 2, 10000]))):
            answer = case(numbers)
            assert answer.dtype == dtype
            assert answer.tolist() == [5756693, 3714507, 3819240]


def test_subclasses_give_plain_arrays(case: Case) -> None:
    x = np.arange(4).view(np.recarray)
    assert type(case(x)) is np.ndarray


def test_read_only_x_is_welcome(case: Case, oracle: Oracle) -> None:
    x = np.broadcast_to(np.arange(5), (3, 5))
    np.testing.assert_array_equal(case(x), oracle(np.array(x), 10, 6700417, 22))


def test_threads_are_a_limit_and_change_no_answer(case: Case, oracle: Oracle) -> None:
    x = np.arange(100_003)
    expected = oracle(x, 10, 6700417, 22)
    for threads in (1, 2, 3, 10**9):
        np.testing.assert_array_equal(case(x, threads=threads), expected)


def test_beyond_its_domain_an_implementation_names_the_exact_ones() -> None:
    for row in implementations():
        if row.known_wrong or row.unavailable or row.domain.contains(2**33, 22):
            continue
        with pytest.raises(ValueError, match=rf'"{row}" is exact for .*not for p=8589934592.*auto, python'):
            logmap(X, p=2**33, implementation=row.name)
