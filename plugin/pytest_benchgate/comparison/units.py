"""Quantities with a unit, of pint, astropy, unyt and similar libraries. Units are converted, kinds do not mix."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_benchgate.comparison.core import Comparison, Mismatch, Tolerance, attribute, both

# What a conversion may cost, in units of the last place.
ROUNDING = 4


def unit_of(value: Any) -> Any:
    """Return the unit of a quantity, or None."""
    unit = attribute(value, "units")
    unit = attribute(value, "unit") if unit is None else unit
    return unit if unit is not None and callable(getattr(type(value), "to", None)) else None


def recognises(value: Any) -> bool:
    """Return whether value is a quantity."""
    return not isinstance(value, type) and unit_of(value) is not None


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two quantities, or of a dimensionless one and a plain value."""
    units = unit_of(got), unit_of(expected)
    try:
        if units[0] is None or units[1] is None:
            left, right = both(lambda one: one if unit_of(one) is None else _plain(one), got, expected)
            converted = True
        else:
            converted = not bool(units[0] == units[1])
            left, right = _magnitude(got.to(units[1]) if converted else got), _magnitude(expected)
    # Each library has an error of its own for units that do not convert.
    except Exception as error:
        # Units of two registries of pint.
        if type(error) is ValueError:
            raise
        return comparison.kinds(got, expected, where)
    if not converted:
        return comparison(left, right, where)
    left, right = both(_as_float, left, right)
    tolerance = comparison.tolerance
    rtol = max(tolerance.rtol, ROUNDING * float(np.finfo(np.result_type(left, right)).eps))
    return comparison.by(Tolerance(rtol, tolerance.atol, tolerance.equal_nan))(left, right, where)


def _plain(quantity: Any) -> Any:
    """Return the magnitude of a dimensionless quantity."""
    try:
        return _magnitude(quantity.to("dimensionless"))
    # astropy has no name for it.
    except ValueError:
        return _magnitude(quantity.to(""))


def _magnitude(quantity: Any) -> Any:
    for name in ("magnitude", "value"):
        found = attribute(quantity, name)
        if found is not None:
            return found
    return np.asarray(quantity)


def _as_float(magnitude: Any) -> Any:
    """Return a magnitude after a conversion as floats, which some libraries make of integers."""
    if isinstance(magnitude, int | np.integer):
        return float(magnitude)
    if isinstance(magnitude, np.ndarray) and magnitude.dtype.kind in "iu":
        return magnitude.astype(np.float64)
    return magnitude
