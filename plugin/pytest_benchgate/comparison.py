"""Is the answer right? Values, arrays and nested containers, compared element by element."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SCALARS = (bool, int, float, complex, np.generic)


class WrongAnswer(AssertionError):
    """A benchmark's answer is not the expected one; its time does not count."""


@dataclass(frozen=True)
class Tolerance:
    """How far a float may be from what is expected: ``abs(got - expected) <= atol + rtol * abs(expected)``.

    The rule of numpy.isclose, with no tolerance unless it is asked for. NaN equals NaN with equal_nan only.
    """

    rtol: float = 0.0
    atol: float = 0.0
    equal_nan: bool = False

    def __str__(self) -> str:
        """Return the tolerance in words."""
        exact = "exact" if self.rtol == self.atol == 0 else f"rtol={self.rtol:g}, atol={self.atol:g}"
        return f"{exact}, NaN equal to NaN" if self.equal_nan else exact


@dataclass(frozen=True)
class Mismatch:
    """The first difference, and how many there are in its array or sequence.

    Attributes
    ----------
    differ, total: how many elements of how many differ.
    where: the place of the first one, as an index expression behind the answer: "['a'][3]"; "" for the whole.
    got, expected: the two elements, as text.
    dtype, shape: of what was got, as text.

    """

    differ: int
    total: int
    where: str
    got: str
    expected: str
    dtype: str
    shape: str
    tolerance: Tolerance

    def __str__(self) -> str:
        """Return the message of a failure, in two lines."""
        place = f"the first at {self.where}: " if self.where else ""
        return (
            f"{self.differ} of {self.total} differ, {place}got {self.got}, expected {self.expected}\n"
            f"tolerance: {self.tolerance}; dtype: {self.dtype}; shape: {self.shape}"
        )


@dataclass(frozen=True)
class Same:
    """Stands for an expected object that nothing but itself is equal to, with a copy of its attributes.

    Attributes
    ----------
    original: the object.
    state: its attributes as they were, or None where they do not count.

    """

    original: Any
    state: dict[str, Any] | None

    def __repr__(self) -> str:
        """Return the object's own."""
        return repr(self.original)


def compare(got: Any, expected: Any, tolerance: Tolerance, where: str = "") -> Mismatch | None:
    """Return the first difference between got and expected, or None where there is none.

    Integers, bytes, strings and whatever is not a number exactly, floats and complex numbers by tolerance. Arrays must
    agree in shape and in kind (an integer array is never equal to a float array), not in width or byte order.
    """
    if isinstance(expected, Same):
        if got is not expected.original or expected.state is None:
            return None if got is expected.original else _whole(got, expected.original, tolerance, where)
        return _mappings(vars(got) if expected.state else {}, expected.state, tolerance, where)
    if isinstance(expected, np.ndarray | np.void) or isinstance(got, np.ndarray | np.void):
        return _arrays(got, expected, tolerance, where)
    if isinstance(expected, SCALARS) or isinstance(got, SCALARS):
        return _scalars(got, expected, tolerance, where)
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        return _mappings(got, expected, tolerance, where)
    if isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        return _sequences(got, expected, tolerance, where)
    if isinstance(expected, bytes | bytearray | memoryview) and isinstance(got, bytes | bytearray | memoryview):
        return _sequences(bytes(got), bytes(expected), tolerance, where)
    if isinstance(expected, str) and isinstance(got, str):
        return _sequences(got, expected, tolerance, where)
    if _is_array_like(expected) or _is_array_like(got):
        return _arrays(got, expected, tolerance, where)
    return None if _same(got, expected) else _whole(got, expected, tolerance, where)


def _same(got: Any, expected: Any) -> bool:
    return type(got) is type(expected) and bool(got is expected or got == expected)


def _is_array_like(value: Any) -> bool:
    return hasattr(value, "__array__") or hasattr(value, "__array_interface__")


def _whole(got: Any, expected: Any, tolerance: Tolerance, where: str, *, why: str = "") -> Mismatch:
    return Mismatch(1, 1, where, f"{_text(got)}{why}", _text(expected), type(got).__name__, _shape(got), tolerance)


def _shape(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return str(value.shape)
    return f"({len(value)},)" if hasattr(value, "__len__") else "()"


def text(value: Any, most: int = 80) -> str:
    """Return value's repr, shortened; of a foreign type it may fail, which must not hide the wrong answer."""
    try:
        shown = repr(value)
    except Exception as error:  # noqa: BLE001
        shown = f"a {type(value).__name__}, whose repr failed: {type(error).__name__}"
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    return text(value.item() if isinstance(value, np.generic) else value)


def _scalars(got: Any, expected: Any, tolerance: Tolerance, where: str) -> Mismatch | None:
    if not (isinstance(got, SCALARS) and isinstance(expected, SCALARS)):
        return _whole(got, expected, tolerance, where, why=f" ({type(got).__name__})")
    left = got.item() if isinstance(got, np.generic) else got
    right = expected.item() if isinstance(expected, np.generic) else expected
    inexact = isinstance(left, float | complex) or isinstance(right, float | complex)
    equal = _close(left, right, tolerance) if inexact and not isinstance(left, bytes | str) else left == right
    if equal and isinstance(left, bool) == isinstance(right, bool):
        return None
    return Mismatch(1, 1, where, _text(got), _text(expected), _dtype(got), "()", tolerance)


def _dtype(value: Any) -> str:
    return str(value.dtype) if isinstance(value, np.generic) else type(value).__name__


def _close(got: complex, expected: complex, tolerance: Tolerance) -> bool:
    if got == expected:
        return True
    if got != got or expected != expected:  # noqa: PLR0124  # NaN
        return tolerance.equal_nan and got != got and expected != expected  # noqa: PLR0124
    distance = abs(got - expected)
    return math.isfinite(distance) and distance <= tolerance.atol + tolerance.rtol * abs(expected)


def _mappings(got: Mapping[Any, Any], expected: Mapping[Any, Any], tolerance: Tolerance, where: str) -> Mismatch | None:
    missing = [key for key in expected if key not in got]
    extra = [key for key in got if key not in expected]
    if missing or extra:
        words = f"a {type(got).__name__} without {missing!r} and with {extra!r} besides"
        return Mismatch(len(missing) + len(extra), len(expected), where, words, f"the keys {_text(list(expected))}",
                        type(got).__name__, _shape(got), tolerance)  # fmt: skip
    return _count([(f"{where}[{key!r}]", got[key], expected[key]) for key in expected], got, tolerance)


def _sequences(got: Any, expected: Any, tolerance: Tolerance, where: str) -> Mismatch | None:
    if isinstance(got, tuple) != isinstance(expected, tuple):
        return _whole(got, expected, tolerance, where, why=f" ({type(got).__name__})")
    if len(got) != len(expected):
        lengths = f"a {type(got).__name__} of {len(got)}", f"one of {len(expected)}"
        return Mismatch(1, 1, where, *lengths, type(got).__name__, _shape(got), tolerance)
    if isinstance(got, bytes | str):  # an element of a str is a str: no recursion
        wrong = [index for index, pair in enumerate(zip(got, expected, strict=True)) if pair[0] != pair[1]]
        if not wrong:
            return None
        first = wrong[0]
        pair = repr(got[first]), repr(expected[first])
        return Mismatch(len(wrong), len(got), f"{where}[{first}]", *pair, type(got).__name__, _shape(got), tolerance)
    return _count([(f"{where}[{i}]", got[i], expected[i]) for i in range(len(expected))], got, tolerance)


def _count(places: list[tuple[str, Any, Any]], whole: Any, tolerance: Tolerance) -> Mismatch | None:
    """Return the first difference of a container; where its elements are plain, with the count of all."""
    found = [mismatch for place, left, right in places if (mismatch := compare(left, right, tolerance, place))]
    if not found:
        return None
    first = found[0]
    if first.total > 1:  # the first is within a container or array of its own, which its count is about
        return first
    return Mismatch(len(found), len(places), first.where, first.got, first.expected,
                    f"{type(whole).__name__} of {first.dtype}", _shape(whole), tolerance)  # fmt: skip


def _arrays(got: Any, expected: Any, tolerance: Tolerance, where: str) -> Mismatch | None:
    if not (_is_array_like(got) and _is_array_like(expected)):
        return _whole(got, expected, tolerance, where, why=f" ({type(got).__name__})")
    left, right = np.asanyarray(got), np.asanyarray(expected)
    kinds = {"u": "i"}
    if left.shape != right.shape or kinds.get(left.dtype.kind, left.dtype.kind) != kinds.get(
        right.dtype.kind, right.dtype.kind
    ):
        return Mismatch(1, 1, where, _text(left), _text(right), str(left.dtype), str(left.shape), tolerance)
    if left.dtype.names is not None:
        return _structured(left, right, tolerance, where)
    if left.dtype.kind == "O":
        return _objects(left, right, tolerance, where)
    wrong = ~_equal(left, right, tolerance)
    count = int(np.count_nonzero(wrong))
    if not count:
        return None
    index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    place = f"{where}[{', '.join(map(str, index))}]" if index else where
    return Mismatch(
        count, left.size, place, _text(left[index]), _text(right[index]), str(left.dtype), str(left.shape), tolerance
    )


def _equal(left: Any, right: Any, tolerance: Tolerance) -> Any:
    """Return where two arrays of one shape and kind are equal; masked elements are equal to masked ones only."""
    if isinstance(left, np.ma.MaskedArray) or isinstance(right, np.ma.MaskedArray):
        masks = np.ma.getmaskarray(left), np.ma.getmaskarray(right)
        values = _equal(np.ma.getdata(left), np.ma.getdata(right), tolerance)
        return (masks[0] == masks[1]) & (masks[0] | values)
    if left.dtype.kind in "fc":
        if tolerance.rtol == tolerance.atol == 0:
            equal = np.asarray(left == right)
            return equal | (np.isnan(left) & np.isnan(right)) if tolerance.equal_nan else equal
        return np.isclose(left, right, rtol=tolerance.rtol, atol=tolerance.atol, equal_nan=tolerance.equal_nan)
    if left.dtype.kind in "iu" and left.dtype.kind != right.dtype.kind:
        # int64 beside uint64: NumPy before 2 compares them as floats. Negative is never equal to unsigned.
        signed = left if left.dtype.kind == "i" else right
        return (left.astype(np.uint64) == right.astype(np.uint64)) & (signed >= 0)
    equal = np.asarray(left == right)
    if left.dtype.kind in "mM" and tolerance.equal_nan:
        return equal | (np.isnat(left) & np.isnat(right))
    return equal


def _structured(left: Any, right: Any, tolerance: Tolerance, where: str) -> Mismatch | None:
    if left.dtype.names != right.dtype.names:
        return Mismatch(1, 1, where, _text(left), _text(right), str(left.dtype), str(left.shape), tolerance)
    for name in left.dtype.names:
        mismatch = _arrays(left[name], right[name], tolerance, f"{where}[{name!r}]")
        if mismatch:
            return mismatch
    return None


def _objects(left: Any, right: Any, tolerance: Tolerance, where: str) -> Mismatch | None:
    places = [(f"{where}[{', '.join(map(str, index))}]", left[index], right[index]) for index in np.ndindex(left.shape)]
    return _count(places, left, tolerance)
