"""The quick path for small plain arrays gives what the general path gives: the same answers and the same errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from logmap_cy import logmap, release
from logmap_cy.vector import quick

if TYPE_CHECKING:
    from conftest import Oracle
    from logmap_cy._contract import Array

P, MU = 6700417, 22


@pytest.fixture(autouse=True)
def primed() -> None:
    """Let the parameters be known, as after any call that gave them."""
    logmap([1], 10, P, MU)
    logmap([1], 10, 2**32 + 1, 5)


def taken(x: Array, num: Any, p: int, mu: int, out: Any = None) -> bool:
    return quick.call(x, num, p, mu, out) is not None


def test_small_plain_calls_take_it() -> None:
    x = np.arange(64)
    assert taken(x, 10, P, MU)
    assert taken(x.reshape(4, 16), 10, P, MU)
    assert taken(x.astype(np.uint32), 10, P, MU, out=np.empty(64, np.uint32))
    assert taken(x, 10, P, MU, out=x)
    assert not taken(x, 10, P, 10**30)  # not primed


def test_it_is_as_exact(oracle: Oracle) -> None:
    dtypes: list[type[np.integer[Any]]] = [np.int32, np.int64, np.uint32, np.uint64]
    for dtype in dtypes:
        info = np.iinfo(dtype)
        x = np.array([info.min, info.max, 0, 1, P - 1, P, *range(200)], dtype)
        answer = quick.call(x, 7, P, MU, None)
        assert answer is not None
        np.testing.assert_array_equal(answer, oracle(x, 7, P, MU), strict=True)


def layouts() -> dict[str, tuple[Any, Any]]:
    """Return arguments that are not plain: x and out."""
    x = np.arange(64)
    frozen = np.arange(64)
    frozen.flags.writeable = False
    shifted = np.zeros(8 * 64 + 1, np.uint8)[1:].view(np.int64)
    return {
        "every second": (x[::2], None),
        "misaligned": (shifted, None),
        "other byte order": (x.astype(">i8"), None),
        "partial overlap": (x[:-1], x[1:]),
        "overlap from behind": (x[1:], x[:-1]),
        "read-only out": (x, frozen),
        "another shape": (x, np.empty((8, 8), np.int64)),
        "another dtype": (x, np.empty(64, np.uint64)),
        "out is no array": (x, [0] * 64),
        "every second of out": (x, np.empty(128, np.int64)[::2]),
        "small integers": (x.astype(np.int16), None),
        "floats": (x.astype(float), None),
        "times": (x.view("m8[s]"), None),
        "masked": (np.ma.masked_array(x), None),
        "nothing": (x[:0], None),
    }


@pytest.mark.parametrize("arrays", layouts().values(), ids=layouts())
def test_what_is_not_plain_is_left_to_the_general_path(arrays: tuple[Any, Any]) -> None:
    x, out = arrays
    assert not taken(x, 10, P, MU, out=out)


@pytest.mark.parametrize("num", [0, -1, True, 1.0, 2**63, 2**70, np.int64(3), 2**18])
def test_so_are_other_numbers_of_steps(num: Any) -> None:
    assert not taken(np.arange(64), num, P, MU)


def test_a_modulus_that_does_not_fit_the_dtype_is_refused_as_ever() -> None:
    x = np.arange(64, dtype=np.uint32)
    assert not taken(x, 10, 2**32 + 1, 5)
    with pytest.raises(ValueError, match="does not fit x"):
        logmap(x, 10, 2**32 + 1, 5)
    assert taken(x.astype(np.int64), 10, 2**32 + 1, 5)


def test_what_is_kept_is_bounded(oracle: Oracle) -> None:
    x = np.arange(9)
    for p in range(3, 3003):
        logmap(x, 3, p, 22)
    np.testing.assert_array_equal(logmap(x, 3, 3001, 22), oracle(x, 3, 3001, 22))


def test_forgotten_parameters_take_the_general_path() -> None:
    x = np.arange(9)
    assert taken(x, 3, P, MU)
    release()
    assert not taken(x, 3, P, MU)
    logmap(x, 3, P, MU)
    assert taken(x, 3, P, MU)


@given(
    x=stnp.arrays(
        stnp.integer_dtypes(sizes=(32, 64)) | stnp.unsigned_integer_dtypes(sizes=(32, 64)),
        stnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=30),
    ),
    num=st.integers(-2, 40),
    p=st.integers(-1, 2**46) | st.integers(1, 2**27),
    mu=st.integers(-(2**50), 2**50),
)
def test_both_paths_agree(x: Array, num: int, p: int, mu: int) -> None:
    def outcome(**options: Any) -> Any:
        try:
            return logmap(x, num, p, mu, **options).tolist()
        except (TypeError, ValueError) as error:
            return str(error)

    # A call with threads takes the general path; one without takes the quick path from the second time on.
    general = outcome(threads=1)
    assert outcome() == general
    assert outcome() == general
