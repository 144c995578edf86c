"""Arrays, tables and scalars of Arrow: types and missing values count, chunks, widths and units of time do not.

Times of day, unions and run-end encoded arrays are compared exactly, and by their whole types.
"""

from __future__ import annotations

import sys
from typing import Any

from pytest_benchgate.comparison import arrays
from pytest_benchgate.comparison.core import Comparison, Mismatch, Tolerance, both, is_of, text

TABLES, COLUMNS = ("Table", "RecordBatch"), ("Array", "ChunkedArray")
# Types that differ from each other in width, unit or storage only, by the names of pyarrow's functions for them.
KINDS = {
    "integer": ("is_integer",),
    "floating": ("is_floating",),
    "boolean": ("is_boolean",),
    "timestamp": ("is_timestamp",),
    "duration": ("is_duration",),
    "date": ("is_date",),
    "decimal": ("is_decimal",),
    "string": ("is_string", "is_large_string", "is_string_view"),
    "binary": ("is_binary", "is_large_binary", "is_binary_view"),
}
IN_LISTS = {"decimal", "string", "binary"}


def recognises(value: Any) -> bool:
    """Return whether value is one of Arrow's."""
    return is_of(value, "pyarrow", *TABLES, *COLUMNS, "Scalar")


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference of two values, at least one of which is of Arrow."""
    for names in (TABLES, COLUMNS, ("Scalar",)):
        if all(is_of(one, "pyarrow", *names) for one in (got, expected)):
            break
    else:
        return _beside_array(got, expected, comparison, where)
    if names is TABLES:
        return _tables(got, expected, comparison, where)
    if names is COLUMNS:
        return _column(got, expected, comparison, where)
    left, right = both(lambda one: sys.modules["pyarrow"].repeat(one, 1), got, expected)
    return comparison.kinds(got, expected, where) if _column(left, right, comparison, where) else None


def _beside_array(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of a column and an array of another library, which has no missing values and no zones."""
    left, right = both(lambda one: _plain(one) if recognises(one) else one, got, expected)
    if left is None or right is None or not (arrays.is_array(left) and arrays.is_array(right)):
        return comparison.kinds(got, expected, where)
    return comparison(left, right, where)


def _plain(value: Any) -> Any:
    if not is_of(value, "pyarrow", *COLUMNS) or value.null_count:
        return None
    if sys.modules["pyarrow"].types.is_dictionary(value.type):
        value = _whole(value).dictionary_decode()
    kind, zone = _kind(value.type)
    return value.to_numpy(zero_copy_only=False) if kind and zone is None else None


def _tables(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    if got.num_rows != expected.num_rows:
        return comparison.words(f"{got.num_rows} rows", f"{expected.num_rows} rows", got, where)
    fields = both(lambda one: [(field.name, field.nullable) for field in one.schema], got, expected)
    if fields[0] != fields[1]:
        left, right = both(lambda names: f"the columns (and whether they are nullable) {text(names)}", *fields)
        return comparison.words(left, right, got, f"{where}.schema")
    columns = zip(expected.column_names, got.columns, expected.columns, strict=True)
    mismatches = (_column(left, right, comparison, f"{where}[{name!r}]") for name, left, right in columns)
    return next(filter(None, mismatches), None)


def _column(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference of two arrays: in their types, lengths, missing values and values, in this order."""
    kinds = both(lambda one: _kind(one.type), got, expected)
    if kinds[0] != kinds[1]:
        return comparison.words(f"the type {got.type}", f"the type {expected.type}", got, where)
    if len(got) != len(expected):
        return comparison.kinds(got, expected, where)
    got, expected = both(_whole, got, expected)
    # In a moment, where most are; NaN equals nothing here.
    if got.equals(expected):
        return None
    missing = both(lambda one: one.is_null().to_numpy(zero_copy_only=False), got, expected)
    if mismatch := arrays.arrays(*missing, comparison, f"{where}.is_null()"):
        return mismatch
    kind = kinds[0][0]
    if not kind:
        return _nested(got, expected, comparison, where)
    if kind in IN_LISTS:
        return comparison(got.to_pylist(), expected.to_pylist(), where)
    left, right = both(lambda one: one.drop_null().to_numpy(zero_copy_only=False), got, expected)
    return comparison(left, right, where)


def _kind(dtype: Any) -> tuple[str, Any]:
    """Return the kind of a type, and its time zone; "" and the type itself for others."""
    types = sys.modules["pyarrow"].types
    tests = ((kind, getattr(types, name, None)) for kind, names in KINDS.items() for name in names)
    kind = next((kind for kind, test in tests if test is not None and test(dtype)), "")
    return kind, getattr(dtype, "tz", None) if kind else dtype


def _whole(values: Any) -> Any:
    """Return chunks as one array."""
    return values.combine_chunks() if is_of(values, "pyarrow", "ChunkedArray") else values


def _nested(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two arrays of one type, as far as it has parts; that of others exactly."""
    kind, types = expected.type, sys.modules["pyarrow"].types
    if types.is_dictionary(kind):
        left, right = both(lambda one: one.dictionary_decode(), got, expected)
        return _column(left, right, comparison, where)
    if isinstance(kind, sys.modules["pyarrow"].BaseExtensionType):
        return _column(got.storage, expected.storage, comparison, where)
    if types.is_struct(kind):
        fields = zip(kind, got.flatten(), expected.flatten(), strict=True)
        mismatches = (_column(left, right, comparison, f"{where}[{field.name!r}]") for field, left, right in fields)
        return next(filter(None, mismatches), None)
    if types.is_nested(kind) and hasattr(expected, "value_lengths") and not types.is_map(kind):
        left, right = both(lambda one: one.value_lengths(), got, expected)
        if mismatch := _column(left, right, comparison, f"{where}.value_lengths()"):
            return mismatch
        return _column(got.flatten(), expected.flatten(), comparison, f"{where}.flatten()")
    if types.is_map(kind):
        return comparison(got.to_pylist(), expected.to_pylist(), where)
    equal = got.equals(expected)
    return None if equal else comparison.by(Tolerance()).whole(got, expected, where)
