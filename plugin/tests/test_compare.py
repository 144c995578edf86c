"""Equality of answers, and the words about a difference."""

from __future__ import annotations

import array
import sys
import tracemalloc
import weakref
from collections import OrderedDict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp
from pytest_benchgate import Mismatch, Tolerance, compare
from pytest_benchgate.contents import Contents
from pytest_benchgate.snapshot import Memo, taken

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

NAN = float("nan")
INF = float("inf")
SAME = object()

EQUAL: list[tuple[Any, Any, Tolerance]] = [
    (1, 1, Tolerance()),
    (1, np.int8(1), Tolerance()),
    (2**70, 2**70, Tolerance()),
    (3, 3.0, Tolerance()),
    (0.1 + 0.2, 0.3, Tolerance(rtol=1e-12)),
    (1e-9, 0.0, Tolerance(atol=1e-8)),
    (INF, INF, Tolerance()),
    (NAN, NAN, Tolerance(equal_nan=True)),
    (1 + 1e-9j, 1 + 0j, Tolerance(atol=1e-8)),
    (None, None, Tolerance()),
    ("text", "text", Tolerance()),
    (b"ab", bytearray(b"ab"), Tolerance()),
    (memoryview(b"ab"), b"ab", Tolerance()),
    ({1, 2}, {2, 1}, Tolerance()),
    (SAME, SAME, Tolerance()),
    ({"a": [1, (2.0, b"x")]}, OrderedDict(a=[1, (2.0, b"x")]), Tolerance()),
    (np.arange(3), np.arange(3, dtype=np.uint8), Tolerance()),
    (np.arange(3, dtype=">i4"), np.arange(3), Tolerance()),
    (np.array([2**63], np.uint64), np.array([2**63], np.uint64), Tolerance()),
    (np.array([1.0, NAN]), np.array([1.0, NAN]), Tolerance(equal_nan=True)),
    (np.array([1.0, INF]), np.array([1.0 + 1e-10, INF]), Tolerance(rtol=1e-9)),
    (np.array(["a", "b"]), np.array(["a", "b"]), Tolerance()),
    (np.array([1, "x", [2]], object), np.array([1, "x", [2]], object), Tolerance()),
    (np.ma.masked_equal([1, 2, 3], 2), np.ma.masked_equal([1, 2, 3], 2), Tolerance()),
    (np.zeros(2, [("a", "i4"), ("b", "f8")]), np.zeros(2, [("a", "i4"), ("b", "f8")]), Tolerance()),
    (np.zeros((0, 3)), np.zeros((0, 3)), Tolerance()),
    (array.array("i", [1]), array.array("i", [1]), Tolerance()),
    ([np.arange(2), 3], [np.arange(2), 3], Tolerance()),
]


@pytest.mark.parametrize(("got", "expected", "tolerance"), EQUAL)
def test_equal(got: Any, expected: Any, tolerance: Tolerance) -> None:
    assert compare(got, expected, tolerance) is None


EXACT = Tolerance()
UNEQUAL: list[tuple[Any, Any, Tolerance, str]] = [
    (1, 2, EXACT, "1 of 1 differ, got 1, expected 2\ntolerance: exact; dtype: int; shape: ()"),
    (True, 1, EXACT, "got True, expected 1"),
    (NAN, NAN, EXACT, "got nan, expected nan"),
    (NAN, 1.0, Tolerance(equal_nan=True), "got nan, expected 1.0\ntolerance: exact, NaN equal to NaN"),
    (INF, -INF, Tolerance(rtol=1), "got inf, expected -inf"),
    (INF, 1e308, Tolerance(rtol=1e3), "got inf, expected 1e+308"),
    (0.1 + 0.2, 0.3, EXACT, "got 0.30000000000000004, expected 0.3"),
    (1.1, 1.0, Tolerance(rtol=0.01, atol=0.05), "tolerance: rtol=0.01, atol=0.05; dtype: float"),
    (np.float32(1.5), 1.0, EXACT, "got 1.5, expected 1.0\ntolerance: exact; dtype: float32"),
    ("1", 1, EXACT, "got '1' (str), expected 1"),
    (None, 0, EXACT, "got None (NoneType), expected 0"),
    (None, np.arange(2), EXACT, "got None (NoneType), expected an array of int64, shape (2,)"),
    ([1, 2, 3], [1, 2, 4], EXACT, "1 of 3 differ, the first at [2]: got 3, expected 4\n"),
    ([1, 2, 3], [0, 2, 4], EXACT, "2 of 3 differ, the first at [0]: got 1, expected 0\ntolerance: exact; dtype: list of int; "),
    ([1, 2], [1, 2, 3], EXACT, "got a list of 2, expected one of 3"),
    ((1,), [1], EXACT, "got (1,) (tuple), expected [1]"),
    ("text", "test", EXACT, "1 of 4 differ, the first at [2]: got 'x', expected 's'"),
    (b"\x01\x02", b"\x01\xff", EXACT, "1 of 2 differ, the first at [1]: got 2, expected 255"),
    ({"a": 1}, {"a": 2, "b": 3}, EXACT, "without ['b'] and with [] in addition, expected the keys ['a', 'b']"),
    ({"a": [5, 6]}, {"a": [5, 7]}, EXACT, "1 of 2 differ, the first at ['a'][1]: got 6, expected 7"),
    ({1}, {2}, EXACT, "got {1}, expected {2}"),
    (np.array([[1, 2], [3, 4]]), np.array([[1, 2], [0, 0]]), EXACT,
     "2 of 4 differ, the first at [1, 0]: got 3, expected 0\ntolerance: exact; dtype: int64; shape: (2, 2)"),
    (np.arange(3.0), np.arange(3), EXACT, "got an array of float64, shape (3,), expected an array of int64, shape (3,)"),
    (np.arange(3), np.arange(4), EXACT, "got an array of int64, shape (3,), expected an array of int64, shape (4,)"),
    (np.array([-1]), np.array([2**64 - 1], np.uint64), EXACT, "got -1, expected 18446744073709551615"),
    (np.array([2**53 + 1]), np.array([2**53], np.uint64), EXACT, "got 9007199254740993, expected 9007199254740992"),
    (np.array([1.0, NAN]), np.array([1.0, NAN]), EXACT, "1 of 2 differ, the first at [1]: got nan, expected nan"),
    (np.array(3), np.array(4), EXACT, "1 of 1 differ, got 3, expected 4\ntolerance: exact; dtype: int64; shape: ()"),
    (np.array([1, "x"], object), np.array([1, "y"], object), EXACT, "the first at [1][0]: got 'x', expected 'y'"),
    (np.ma.masked_equal([1, 2, 3], 2), np.array([1, 2, 3]), EXACT, "1 of 3 differ, the first at [1]"),
    (np.array([(1, 2)], [("a", "i4"), ("b", "i4")]), np.array([(1, 3)], [("a", "i4"), ("b", "i4")]), EXACT,
     "the first at ['b'][0]: got 2, expected 3"),
    (np.array(["NaT"], "M8[s]"), np.array(["NaT"], "M8[s]"), EXACT, "1 of 1 differ"),
    ("x" * 200, 1, EXACT, "xxx... (str), expected 1"),
    (10**4000, 0, EXACT, "got 0xd1ba8323fe"),
    ([0] * 1000, (0,), EXACT, "0, 0... (list), expected (0,)"),
    ({"a": [True]}, {"a": [1]}, EXACT, "the first at ['a'][0]: got True, expected 1"),
    ([np.float16(0.1)], [0.1], EXACT, "got 0.0999755859375, expected 0.1"),
    ([2**53 + 1], [2.0**53], EXACT, "got 9007199254740993, expected 9007199254740992.0"),
    (np.array([INF], "f4"), np.array([3e38], "f4"), Tolerance(rtol=2), "got inf, expected 3"),
    (np.array([6e4], "f2"), np.array([-6e4], "f2"), Tolerance(atol=7e4), "got 60000.0, expected -60000.0"),
    ({n + 0.5 for n in range(1001)}, {n + 0.25 for n in range(1001)}, Tolerance(rtol=1e-9), "1001 elements are not equal"),
]  # fmt: skip


@pytest.mark.parametrize(("got", "expected", "tolerance", "words"), UNEQUAL)
def test_unequal_in_words(got: Any, expected: Any, tolerance: Tolerance, words: str) -> None:
    assert words in str(compare(got, expected, tolerance))


ELEMENTS = 2000
NESTED = [(number, 0.5) for number in range(ELEMENTS)]


def calls(function: Callable[[], object]) -> int:
    """Return how many functions are called, a measure of time that does not depend on the machine's load."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG001
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    function()
    sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("got", "expected", "tolerance", "differ"),
    [
        ([*range(ELEMENTS)], [*range(ELEMENTS)], EXACT, 0),
        (dict.fromkeys(range(ELEMENTS), "x"), dict.fromkeys(range(ELEMENTS), "x"), EXACT, 0),
        ({*range(ELEMENTS)}, {*range(ELEMENTS)}, EXACT, 0),
        (np.full(ELEMENTS, "x", object), np.full(ELEMENTS, "x", object), EXACT, 0),
        ([1 + 1e-12] * ELEMENTS, [1.0] * ELEMENTS, Tolerance(rtol=1e-9), 0),
        (NESTED, [*map(tuple, NESTED)], EXACT, 0),
        ([0] * ELEMENTS, [1] * ELEMENTS, EXACT, ELEMENTS),
        (bytes(ELEMENTS), b"x" * ELEMENTS, EXACT, ELEMENTS),
        ("é" * ELEMENTS, "x" * ELEMENTS, EXACT, ELEMENTS),
    ],
    ids=["list", "dict", "set", "objects", "close", "nested", "wrong", "wrong bytes", "wrong text"],
)  # fmt: skip
def test_an_element_takes_few_calls(got: Any, expected: Any, tolerance: Tolerance, differ: int) -> None:
    found: list[Mismatch | None] = []
    assert calls(lambda: found.append(compare(got, taken(expected), tolerance))) < 100 * ELEMENTS
    assert (found[0].differ if found[0] else 0) == differ


@pytest.mark.parametrize("place", [bytearray(ELEMENTS), array.array("d", [0.0]) * ELEMENTS, [0.0] * ELEMENTS], ids=type)
def test_a_written_element_takes_few_calls(place: Any) -> None:
    old = taken(place)
    contents = []
    assert calls(lambda: contents.append(Contents(place, 0))) < 10 * ELEMENTS
    assert calls(contents[0].overwrite) < 10 * ELEMENTS
    assert compare(place, old, EXACT) is not None
    assert calls(contents[0].restore) < 10 * ELEMENTS
    assert compare(place, old, EXACT) is None


def test_no_other_value_gets_the_identity_of_one_that_was_copied() -> None:
    memo, value = Memo(), np.zeros(1)
    gone = weakref.ref(value)
    memo.add(value, 1)
    del value
    assert gone() is not None


def test_an_object_gets_its_attributes_back() -> None:
    """Also those that were removed, and none that were added."""
    place = SimpleNamespace(n=1, values=np.zeros(3))
    values, contents = place.values, Contents(place, 0)
    place.added, place.values = 2, None
    del place.n
    values += 1
    contents.restore()
    assert vars(place).keys() == {"n", "values"}
    assert place.values is values
    assert (place.n, values.tolist()) == (1, [0, 0, 0])


@pytest.mark.parametrize("shape", [(2**22,), (1, 2**22), (2, 1, 2**21), (2**22, 1)])
def test_large_arrays_are_compared_in_little_memory(shape: tuple[int, ...]) -> None:
    expected = np.ones(shape)
    got = expected.copy()
    got.flat[[-2, -1]] = 2
    tracemalloc.start()
    mismatch = compare(got, expected, Tolerance(rtol=1e-9, equal_nan=True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert mismatch is not None
    assert (mismatch.differ, mismatch.where) == (2, str([int(place) for place in np.unravel_index(2**22 - 2, shape)]))
    assert peak < 2 * got.nbytes


@given(data=st.data())
def test_one_changed_element_is_found(data: st.DataObject) -> None:
    dtype = data.draw(stnp.integer_dtypes() | stnp.unsigned_integer_dtypes() | stnp.floating_dtypes(sizes=(32, 64)))
    expected = data.draw(stnp.arrays(dtype, stnp.array_shapes(max_side=4)))
    got = expected.copy()
    index = data.draw(st.tuples(*(st.integers(0, side - 1) for side in expected.shape)))
    tolerance = Tolerance(equal_nan=True)
    assert compare(got, expected, tolerance) is None
    got[index] = 1 if expected[index] != 1 else 0
    mismatch = compare(got, expected, tolerance)
    assert mismatch is not None
    assert (mismatch.differ, mismatch.total, mismatch.where) == (1, expected.size, str(list(index)))


@given(stnp.arrays(np.float64, 5), stnp.arrays(np.float64, 5), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_floats_follow_isclose(got: Any, expected: Any, rtol: float, atol: float, equal_nan: bool) -> None:  # noqa: FBT001
    tolerance = Tolerance(rtol, atol, equal_nan)
    with np.errstate(all="ignore"):
        close = np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=equal_nan)
        assert (compare(got, expected, tolerance) is None) == bool(close.all())
