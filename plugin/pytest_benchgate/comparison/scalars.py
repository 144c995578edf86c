"""Scalars: numbers of Python and NumPy, zero-dimensional arrays, decimals and fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from numbers import Complex, Rational
from typing import Any

import numpy as np

from pytest_benchgate.comparison import arrays
from pytest_benchgate.comparison.core import Comparison, Mismatch, Tolerance, shape, text

PLAIN = (bool, int, float, complex)
WIDE = (np.longdouble, np.clongdouble)
# What dtype.isbuiltin is for dtypes of other libraries, and the dtypes of NumPy's that may hold their values.
REGISTERED = 2
WIDEST = (np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.complex128))


def kind(value: Any) -> str:
    """Return NumPy's letter for the kind of a scalar, "i" also for unsigned; "" if it is not a scalar."""
    if isinstance(value, np.generic):
        return letter(value.dtype)
    types = ((bool, "b"), (int, "i"), (float, "f"), (complex, "c"), (str, "U"), (bytes, "S"))
    return next((letter for cls, letter in types if isinstance(value, cls)), "")


def letter(dtype: np.dtype[Any]) -> str:
    """Return NumPy's letter for the kind of a dtype, "i" also for unsigned, and "U" for all text."""
    found = widened(dtype).kind
    return {"u": "i", "T": "U"}.get(found, found)


def widened(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype of NumPy's that holds all values of one that another library has registered, such as bfloat16."""
    registered = dtype.isbuiltin == REGISTERED
    return next((wide for wide in WIDEST if registered and np.can_cast(dtype, wide)), dtype)


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two scalars; integers and floats mix, other kinds do not."""
    kinds = kind(got), kind(expected)
    if set(kinds) <= set("mM") and kinds[0] == kinds[1]:
        return arrays.arrays(np.asarray(got), np.asarray(expected), comparison, where)
    if not all(kinds):
        return comparison.kinds(got, expected, where)
    if kinds[0] == kinds[1] or set(kinds) <= set("ifc"):
        left, right = _plain(got), _plain(expected)
        inexact = bool(set(kinds) & set("fc"))
        if close(left, right, comparison.tolerance) if inexact else left == right:
            return None
    dtype = str(got.dtype) if isinstance(got, np.generic) else type(got).__name__
    note = "" if kinds[0] == kinds[1] or set(kinds) <= set("bifc") else f" ({dtype})"
    return Mismatch(1, 1, where, text(got) + note, text(expected), dtype, shape(got), comparison.tolerance)


def _plain(value: Any) -> Any:
    """Return value as Python's own type, or NumPy's if that is wider, so that a subclass does not judge itself."""
    # NumPy drops the trailing NULs of its own text and bytes.
    if isinstance(value, np.generic) and not isinstance(value, str | bytes):
        return value if isinstance(value, WIDE) else value.item()
    for cls in (bool, int, float, complex):
        if isinstance(value, cls):
            return value if type(value) is cls else cls.__add__(value, cls(0))  # type: ignore[operator]
    return str.__getitem__(value, slice(None)) if isinstance(value, str) else bytes(memoryview(value))


def close(got: Any, expected: Any, tolerance: Tolerance) -> bool:
    """Return whether got is close to expected; complex numbers with a NaN are compared by their parts."""
    if got == expected:
        return True
    # NaN is not equal to itself.
    if got != got or expected != expected:  # noqa: PLR0124
        if isinstance(got, complex | np.complexfloating) or isinstance(expected, complex | np.complexfloating):
            parts = (got.real, expected.real), (got.imag, expected.imag)
            return tolerance.equal_nan and all(close(left, right, tolerance) for left, right in parts)
        return bool(tolerance.equal_nan and got != got and expected != expected)  # noqa: PLR0124
    # The difference of a large integer and a float may be rounded to 0.
    if tolerance.exact:
        return False
    try:
        distance = abs(got - expected)
        return bool(np.isfinite(distance) and distance <= tolerance.atol + tolerance.rtol * abs(expected))
    # The integer is too large for a float.
    except OverflowError:
        return False


def is_exact(value: Any) -> bool:
    """Return whether value is a decimal, a fraction or a number of another library (gmpy2, mpmath, SymPy)."""
    if isinstance(value, Decimal | Fraction):
        return True
    foreign = isinstance(value, Complex) and not isinstance(value, (*PLAIN, np.generic)) and not arrays.is_array(value)
    return foreign and (_is_ratio(value) or not isinstance(value, Rational))


def _is_ratio(value: Any) -> bool:
    return callable(getattr(type(value), "as_integer_ratio", None))


def compare_exact(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two such numbers of one type, by exact arithmetic, or else by their own."""
    if type(got) is not type(expected):
        return comparison.kinds(got, expected, where)
    nan = [_is_nan(value) for value in (got, expected)]
    if any(nan):
        equal = comparison.tolerance.equal_nan and all(nan)
    else:
        equal = bool(got == expected) or _near(got, expected, comparison.tolerance)
    return None if equal else comparison.whole(got, expected, where)


def _is_nan(value: Any) -> bool:
    # A signalling NaN raises where it is compared.
    return value.is_nan() if isinstance(value, Decimal) else bool(value != value)  # noqa: PLR0124


def _near(got: Any, expected: Any, tolerance: Tolerance) -> bool:
    if tolerance.exact:
        return False
    try:
        if not _is_ratio(expected):
            return bool(tolerance.admits(got, expected))
        left, right = (Fraction(*(int(part) for part in value.as_integer_ratio())) for value in (got, expected))
    # Infinity.
    except (OverflowError, ValueError):
        return False
    return abs(left - right) <= Fraction(float(tolerance.atol)) + Fraction(float(tolerance.rtol)) * abs(right)
