"""Every implementation gives, on every device, the answers of Python's unbounded integers, or refuses."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from logmap_cy import implementations, logmap

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Case, Oracle
    from logmap_cy._contract import Array

DTYPES: list[type[np.integer[Any]]] = [np.int32, np.int64, np.uint32, np.uint64]
LENGTHS = [0, 1, 7, 64, 97, 1009]


def last_p(bits: int, mu: int) -> int:
    """Return the largest p with mu * (p - 1) * p < 2**bits."""
    p = math.isqrt(2**bits // mu) + 2
    while mu * (p - 1) * p >= 2**bits:
        p -= 1
    return p


PARAMETERS = {  # num, p, mu
    "article": (10, 6700417, 22),
    "one-step": (1, 6700417, 22),
    "nine-steps": (9, 6700417, 22),
    "eleven-steps": (11, 6700417, 22),
    "p-even": (10, 6700416, 22),
    "p-power-of-two": (10, 2**20, 5),
    "p-not-prime": (10, 6700417 - 2, 22),
    "p-1": (10, 1, 22),
    "p-2": (10, 2, 3),
    "p-61": (10, 61, 22),
    "p-last-one-product-in-63-bits": (10, last_p(63, 22), 22),
    "p-first-beyond-63-bits": (10, last_p(63, 22) + 1, 22),
    "p-last-one-product-in-64-bits": (10, last_p(64, 22), 22),
    "p-first-beyond-64-bits": (10, last_p(64, 22) + 1, 22),
    "p-last-odd-below-2^25": (10, 2**25 - 1, 22),
    "p-first-odd-beyond-2^25": (10, 2**25 + 1, 2**24 + 1),
    "p-2^27-1": (10, 2**27 - 1, 2**26),
    "p-2^27": (10, 2**27, 2**26 + 1),
    "p-first-beyond-2^27": (10, 2**27 + 1, 2**26 + 2),
    "p-2^31-1": (10, 2**31 - 1, 2**31 - 2),
    "p-2^31": (10, 2**31, 3),
    "p-2^32": (10, 2**32, 2**32 - 1),
    "p-beyond-2^32": (10, 2**32 + 1, 22),
    "p-2^45-1": (10, 2**45 - 1, 2**44 + 1),
    "p-2^45": (10, 2**45, 2**45 - 1),
    "p-beyond-2^45": (10, 2**45 + 1, 22),
    "p-2^63": (2, 2**63, -1),
    "p-2^64": (2, 2**64, 2**64 - 3),
    "mu-0": (10, 6700417, 0),
    "mu-0-p-2^63": (2, 2**63, 0),
    "mu-multiple-of-p": (10, 6700417, 3 * 6700417),
    "mu-negative": (10, 6700417, -22),
    "mu-huge": (10, 6700417, 10**30 + 7),
}


def inputs(dtype: type[np.integer], length: int, p: int) -> Array:
    """Return the edges of the dtype and of p, then random values of the whole dtype, in a fixed order."""
    info = np.iinfo(dtype)
    edges = [info.max, info.min, 0, 1, 2, 9880, -1, -2, p - 1, p, p + 1, -p, -p - 1, 2 * p, info.min + 1, info.max - 1]
    fitting = [value for value in edges if info.min <= value <= info.max][:length]
    rng = np.random.default_rng(length)
    random = rng.integers(info.min, info.max, length - len(fitting), dtype=dtype, endpoint=True)
    return np.concatenate([np.array(fitting, dtype), random])


def check(case: Case, parameters: tuple[int, int, int], lengths: list[int], oracle: Oracle) -> None:
    """Assert that arrays of each dtype and length get the oracle's answers, or are refused."""
    num, p, mu = parameters
    for dtype, length in itertools.product(DTYPES, lengths):
        x = inputs(dtype, length, p)
        before = x.copy()
        if p - 1 > np.iinfo(dtype).max:
            with pytest.raises(ValueError, match="does not fit x"):
                case(x, num, p, mu)
        elif not case.row.domain.contains(p, mu % p):
            with pytest.raises(ValueError, match="is exact for"):
                case(x, num, p, mu)
        else:
            answer = case(x, num, p, mu)
            np.testing.assert_array_equal(answer, oracle(x, num, p, mu), strict=True)
            np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS.keys())
def test_equals_the_oracle_or_refuses(case: Case, parameters: tuple[int, int, int], oracle: Oracle) -> None:
    check(case, parameters, LENGTHS, oracle)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param(value, id=name, marks=[pytest.mark.thorough] * (name != "article"))
        for name, value in PARAMETERS.items()
    ],
)
def test_equals_the_oracle_in_many_elements(case: Case, parameters: tuple[int, int, int], oracle: Oracle) -> None:
    check(case, parameters, [2**16], oracle)


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS.keys())
def test_auto_is_exact_for_every_p(parameters: tuple[int, int, int], oracle: Oracle) -> None:
    num, p, mu = parameters
    x = inputs(np.uint64, 1009, p)
    np.testing.assert_array_equal(logmap(x, num, p, mu), oracle(x, num, p, mu), strict=True)


@pytest.mark.parametrize("num", [1000, 2**17 + 3])
def test_many_steps(case: Case, num: int, oracle: Oracle) -> None:
    x = inputs(np.int64, 3, 6700417)
    np.testing.assert_array_equal(case(x, num), oracle(x, num, 6700417, 22))


def test_known_answers(case: Case) -> None:
    assert case(1, 1, 61, 22) == 44
    assert case([1, 2, 3], 10, 61, 22).tolist() == [28, 25, 37]
    assert case([1, 2, 10000, 33554431]).tolist() == [5756693, 3714507, 3819240, 151347]


def sum_of_the_article_s_run(call: Callable[[Array], Array]) -> int:
    """Return the sum over x = 0 .. 2^25 - 1, in pieces."""
    piece = 2**22
    return sum(int(call(np.arange(start, start + piece)).sum()) for start in range(0, 2**25, piece))


def test_known_sum_of_the_article_s_run() -> None:
    assert sum_of_the_article_s_run(logmap) == 112374112568415


@pytest.mark.thorough
def test_known_sum_of_the_article_s_run_by_each(native_case: Case) -> None:
    """The plain loop in Python, most of a minute, is left to the --full benchmark."""
    assert sum_of_the_article_s_run(native_case) == 112374112568415


@pytest.mark.parametrize("offset", [0, *(pytest.param(offset, marks=pytest.mark.thorough) for offset in (1, 15)), 5])
@pytest.mark.parametrize("dtype", [np.int32, np.int64], ids=["int32", "int64"])
def test_large_arrays_start_anywhere(native_case: Case, dtype: type[np.integer], offset: int) -> None:
    """Of 4 MiB and more, so that out may be written past the caches, which wants lines: none is left out."""
    x = np.arange(2**20 + 77, dtype=dtype)
    expected = x.astype(np.int64)
    for _ in range(10):
        expected = 22 * expected * (expected + 1) % 6700417  # below 2**51
    memory = np.full(len(x) + 32, -1, dtype)
    start = -memory.ctypes.data % 64 // memory.itemsize + offset
    out = memory[start : start + len(x)]
    for threads in (1, 3):
        memory[:] = -1
        native_case(x, out=out, threads=threads)
        np.testing.assert_array_equal(out, expected)
        assert np.all(memory[:start] == -1)
        assert np.all(memory[start + len(x) :] == -1)


def test_the_check_rejects_the_known_wrong(wrong_case: Case, oracle: Oracle) -> None:
    """Run unguarded, it is wrong in nearly all answers of the article's run; the kernel from the first overflow on."""
    compute = wrong_case.row.load(wrong_case.device)
    x = np.arange(2**16)
    out = np.empty_like(x)

    compute(x, out, 1, 6700417, 22, 1)
    wrong = np.flatnonzero(out != oracle(x, 1, 6700417, 22))
    assert wrong[0] == {"opencl_article": 9880, "numpy_article_nine": 1}[wrong_case.row.name]

    compute(x, out, 10, 6700417, 22, 1)
    expected = oracle(x, 10, 6700417, 22)
    with pytest.raises(AssertionError, match="Mismatched elements"):
        np.testing.assert_array_equal(out, expected)
    assert np.count_nonzero(out == expected) < 10


def test_the_known_wrong_is_refused_by_name(wrong_case: Case) -> None:
    told = {"opencl_article": "32-bit int.*opencl_loop", "numpy_article_nine": "nine steps.*numpy_article"}
    with pytest.raises(ValueError, match=f"known to be wrong.*{told[wrong_case.row.name]}"):
        wrong_case([1])


def layouts(x: Array) -> list[Array]:
    """Return views and copies of x: as it is, reversed, every second, transposed, misaligned."""
    shifted = np.frombuffer(bytearray(x.nbytes + 1), np.uint8)[1:].view(x.dtype)[: x.size].reshape(x.shape)
    shifted[...] = x
    return [x, x[::-1], x[..., ::2], x.T, shifted] if x.ndim else [x, shifted]


@given(data=st.data())
@settings(suppress_health_check=[*HealthCheck])
def test_any_array_and_any_parameters(case: Case, oracle: Oracle, data: st.DataObject) -> None:
    dtype = data.draw(stnp.integer_dtypes(sizes=(32, 64)) | stnp.unsigned_integer_dtypes(sizes=(32, 64)), "dtype")
    x = data.draw(stnp.arrays(dtype, stnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9)), "x")
    x = data.draw(st.sampled_from(layouts(x)), "layout")
    # Few moduli for OpenCL: each is a program to build.
    bound = min(2**32, np.iinfo(dtype).max + 1)
    if not case.row.domain.contains(bound, bound - 1):
        bound = 2**20 - 1  # with any mu below p, one product stays below 2**60
    few = case.row.kind == "opencl"
    p = data.draw(st.sampled_from([61, 6700417, bound]) if few else st.integers(1, bound), "p")
    mu = data.draw(st.sampled_from([22, -5]) if few else st.integers(-(2**70), 2**70), "mu")
    assume(case.row.domain.contains(p, mu % p))
    num = data.draw(st.integers(0, 35), "num")
    expected = oracle(x, num, p, mu)

    answer = case(x, num, p, mu)
    assert answer.dtype == dtype
    np.testing.assert_array_equal(answer, expected, strict=True)

    in_place = case(x, num, p, mu, out=x)
    assert in_place is x
    np.testing.assert_array_equal(x, expected, strict=True)


def test_rows_that_are_exact_say_so() -> None:
    assert [row.name for row in implementations() if row.known_wrong] == [
        "numpy_article_nine", "opencl_article",
    ]  # fmt: skip
