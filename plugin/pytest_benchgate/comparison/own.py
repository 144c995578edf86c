"""Values that hold more than their parts show: an equality of their own may deny that two of them are equal."""

from __future__ import annotations

import copy
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_benchgate.comparison import arrays
from pytest_benchgate.comparison.core import Tolerance, by_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchgate.comparison.core import Comparison, Mismatch

    Compare = Callable[[Any, Any, Comparison, str], Mismatch | None]

# Libraries whose equality says no more than a comparison part by part, or goes by another rule than the gate's.
KNOWN = {"builtins", "collections", "_collections_abc", "array", "ctypes", "_ctypes", "numpy", "pandas", "polars"}
# What dataclasses and attrs generate is not written by anybody.
GENERATED = ("<string>", "<attrs generated")


@by_type
def has_written_equality(cls: type) -> bool:
    """Return whether the equality of a class was written for it, or for a class of its library."""
    origin = next(base for base in cls.__mro__ if "__eq__" in vars(base))
    code = getattr(vars(origin)["__eq__"], "__code__", None)
    generated = code is not None and code.co_filename.startswith(GENERATED)
    return not (generated or origin.__module__.partition(".")[0] in KNOWN)


def heard(compare: Compare) -> Compare:
    """Let values of one type deny, by their own ==, an equality that compare has found in their parts.

    Examples are the number of bits in a bit array, which its buffer of bytes does not show, the axes of a histogram
    that can be read as an array, and further values of one key in a mapping. Where they are not NumPy's, what can be
    read as an array may also affirm an equality: of a bit array, the last bits of its buffer are any.
    """

    @wraps(compare)
    def judged(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
        mismatch = compare(got, expected, comparison, where)
        if got is expected or type(got) is not type(expected) or not has_written_equality(type(got)):
            return mismatch
        equal = _verdict(got, expected)
        if mismatch is not None:
            return None if equal and arrays.has_buffer(got) and not _extends_known(got) else mismatch
        if equal is not False:
            return None
        exact = comparison.by(Tolerance())
        # NaN, or a difference within the tolerance, may be the reason; and so may what no copy keeps.
        if compare(got, expected, exact, where) is not None:
            return None
        if _verdict(copy.deepcopy(expected), expected) is False:
            return None
        return comparison.whole(got, expected, where, f" (equal in its parts, but not by {type(got).__name__}'s ==)")

    return judged


def _verdict(one: Any, other: Any) -> bool | None:
    """Return what two values say of their equality; None if their == fails, or returns an array."""
    try:
        equal = one == other
    except Exception:
        return None
    return bool(equal) if isinstance(equal, bool | np.bool_) else None


def are_unequal(one: Any, other: Any) -> bool:
    """Return whether two values deny by their own == that they are equal."""
    return _verdict(one, other) is False


def _extends_known(value: Any) -> bool:
    """Return whether value is of a subclass of Python's or NumPy's own types, whose content counts, not its ==."""
    return any(base.__module__.partition(".")[0] in KNOWN and base is not object for base in type(value).__mro__)
