"""Scalars: numbers of Python and NumPy, zero-dimensional arrays, decimals and fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from pytest_benchgate.comparison import arrays
from pytest_benchgate.comparison.core import Comparison, Mismatch, Tolerance, shape, text

PLAIN = (bool, int, float, complex)
WIDE = (np.longdouble, np.clongdouble)


def kind(value: Any) -> str:
    """Return NumPy's letter for the kind of a scalar, "i" also for unsigned; "" if it is not a scalar."""
    if isinstance(value, np.generic):
        return {"u": "i"}.get(value.dtype.kind, value.dtype.kind)
    types = ((bool, "b"), (int, "i"), (float, "f"), (complex, "c"), (str, "U"), (bytes, "S"))
    return next((letter for cls, letter in types if isinstance(value, cls)), "")


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
    if isinstance(value, np.generic):
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


def compare_rational(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two decimals or two fractions, by exact arithmetic."""
    if type(got) is not type(expected):
        return comparison.kinds(got, expected, where)
    nan = isinstance(got, Decimal) and (got.is_nan() or expected.is_nan())
    if nan:
        equal = comparison.tolerance.equal_nan and got.is_nan() and expected.is_nan()
    else:
        equal = got == expected or (_finite(got) and _finite(expected) and _near(got, expected, comparison.tolerance))
    return None if equal else comparison.whole(got, expected, where)


def _finite(value: Any) -> bool:
    return isinstance(value, Fraction) or value.is_finite()


def _near(got: Any, expected: Any, tolerance: Tolerance) -> bool:
    distance = abs(Fraction(got) - Fraction(expected))
    return distance <= Fraction(float(tolerance.atol)) + Fraction(float(tolerance.rtol)) * abs(Fraction(expected))
