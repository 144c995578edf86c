"""Arrays with named dimensions and coordinates, of xarray, whatever arrays they wrap."""

from __future__ import annotations

from typing import Any

from pytest_benchgate.comparison.core import Comparison, Mismatch, Tolerance, both, is_of

KINDS = ("DataArray", "Dataset", "Variable")


def recognises(value: Any) -> bool:
    """Return whether value is one of xarray's."""
    return is_of(value, "xarray", *KINDS)


def _kind(value: Any) -> str:
    return next(name for name in KINDS if is_of(value, "xarray", name))


def unlabelled(value: Any) -> Any:
    """Return the values of an array without coordinates or units; None for others."""
    plain = is_of(value, "xarray", "DataArray") and not value.coords and not _units(value)
    return value.data if plain else None


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the first difference of two values of xarray; names and attributes other than units do not count."""
    kind = _kind(expected)
    if _kind(got) != kind:
        return comparison.kinds(got, expected, where)
    mismatch = comparison(_units(got), _units(expected), f"{where}.attrs")
    if mismatch:
        return mismatch
    if kind == "Dataset":
        left, right = both(lambda one: {name: item.variable for name, item in one.data_vars.items()}, got, expected)
        return comparison(left, right, where) or _coords(got, expected, comparison, where)
    if got.dims != expected.dims:
        return comparison.words(f"the dims {got.dims}", f"the dims {expected.dims}", got, f"{where}.dims")
    labels = _coords(got, expected, comparison, where) if kind == "DataArray" else None
    return labels or comparison(got.data, expected.data, where)


def _coords(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of the coordinates; a label may be NaN."""
    left, right = both(lambda one: {name: item.variable for name, item in one.coords.items()}, got, expected)
    rtol, atol = comparison.tolerance.rtol, comparison.tolerance.atol
    return comparison.by(Tolerance(rtol, atol, equal_nan=True))(left, right, f"{where}.coords")


def _units(value: Any) -> dict[str, Any]:
    return {name: item for name, item in value.attrs.items() if name == "units"}
