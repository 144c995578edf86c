"""Series and frames of Polars."""

from __future__ import annotations

from typing import Any

from pytest_benchgate.comparison import arrays
from pytest_benchgate.comparison.core import Comparison, Mismatch, both, is_of, text

# Their units are converted.
TIMES = ("Datetime", "Duration")
BEYOND_NUMPY = ("Int128", "UInt128")


def recognises(value: Any) -> bool:
    """Return whether value is one of Polars'."""
    return is_of(value, "polars", "DataFrame", "Series")


def unlabelled(value: Any) -> Any:
    """Return the values of a series without a name and without missing values; None for others."""
    return value.to_numpy() if is_of(value, "polars", "Series") and not value.name and not value.null_count() else None


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference of two values of Polars."""
    if type(got) is not type(expected):
        return comparison.kinds(got, expected, where)
    if is_of(got, "polars", "Series"):
        if got.name != expected.name:
            return comparison.words(f"the name {got.name!r}", f"the name {expected.name!r}", got, where)
        return _column(got, expected, comparison, where)
    # Without columns, too.
    if got.height != expected.height:
        return comparison.kinds(got, expected, where)
    if got.columns != expected.columns:
        left, right = both(lambda one: f"the columns {text(one.columns)}", got, expected)
        return comparison.words(left, right, got, f"{where}.columns")
    for name in expected.columns:
        mismatch = _column(got[name], expected[name], comparison, f"{where}[{name!r}]")
        if mismatch:
            return mismatch
    return None


def _column(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    if len(got) != len(expected):
        return comparison.kinds(got, expected, where)
    left, right = both(lambda one: one.is_null().to_numpy(), got, expected)
    mismatch = arrays.arrays(left, right, comparison, f"{where}.is_null()")
    if mismatch:
        return mismatch
    dtypes = both(lambda one: one.dtype, got, expected)
    numbers = all(dtype.is_numeric() and not dtype.is_decimal() for dtype in dtypes)
    if not (numbers or dtypes[0] == dtypes[1] or _same_times(*dtypes)):
        return comparison.words(f"the dtype {dtypes[0]}", f"the dtype {dtypes[1]}", got, where)
    if type(dtypes[0]).__name__ in ("Struct", "List", "Array"):
        return _nested(got, expected, comparison, where)
    if any(str(dtype) in BEYOND_NUMPY for dtype in dtypes):
        if not all(dtype.is_integer() for dtype in dtypes):
            return comparison.words(f"the dtype {dtypes[0]}", f"the dtype {dtypes[1]}", got, where)
        left, right = both(lambda one: one.drop_nulls().to_list(), got, expected)
    elif type(dtypes[0]).__name__ == "Time":
        # Python's times of day have no nanoseconds.
        left, right = both(lambda one: one.drop_nulls().to_physical().to_numpy(), got, expected)
    elif numbers or type(dtypes[0]).__name__ in TIMES:
        left, right = both(lambda one: one.drop_nulls().to_numpy(), got, expected)
    else:
        left, right = both(lambda one: one.to_list(), got, expected)
    return comparison(left, right, where)


def _nested(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two nested columns of one dtype, whose times may have nanoseconds."""
    if type(expected.dtype).__name__ == "Struct":
        names = [field.name for field in expected.dtype.fields]
        fields = ((name, got.struct.field(name), expected.struct.field(name)) for name in names)
        mismatches = (_column(left, right, comparison, f"{where}[{name!r}]") for name, left, right in fields)
        return next(filter(None, mismatches), None)
    if type(expected.dtype).__name__ == "List":
        left, right = both(lambda one: one.list.len(), got, expected)
        if mismatch := _column(left, right, comparison, f"{where}.list.len()"):
            return mismatch
    return _column(got.explode(), expected.explode(), comparison, f"{where}.explode()")


def _same_times(one: Any, other: Any) -> bool:
    """Return whether two dtypes differ only in the unit of their times."""
    zones = [getattr(dtype, "time_zone", None) for dtype in (one, other)]
    return type(one) is type(other) and type(one).__name__ in TIMES and zones[0] == zones[1]
