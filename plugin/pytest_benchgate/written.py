"""Arguments that a function fills, and how their memory is read and overwritten."""

from __future__ import annotations

import warnings
from functools import singledispatch
from typing import Any, TypeAlias

import numpy as np

from pytest_benchgate.comparison import has_identity, is_of
from pytest_benchgate.comparison.arrays import is_array
from pytest_benchgate.lazy import is_lazy

Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
Key: TypeAlias = int | str
# What NumPy may try to tell columns of one array apart; beyond it, they count as shared if they are interleaved.
WORK = 1000


def argument(key: Key, arguments: Arguments) -> Any:
    """Return the argument that key names, by position or keyword; ValueError if there is none."""
    args, kwargs = arguments
    try:
        return args[key] if isinstance(key, int) else kwargs[key]
    except LookupError:
        given = [*range(len(args)), *kwargs]
        raise ValueError(f"written={key!r} is not an argument of the call, which has {given}") from None


def view_of(value: Any) -> Any:
    """Return a plain array over value's own memory, or None if NumPy cannot read it."""
    if isinstance(value, np.ndarray):
        return value.view(np.ndarray)
    memory = memory_of(value)
    if memory is None:
        return None
    # NumPy warns of a packed structure of ctypes, and reads it nevertheless.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(memory)
        except (TypeError, ValueError, BufferError, RuntimeError):
            return None


def memory_of(value: Any) -> memoryview | None:
    """Return a view of value's own memory, or None if it shows none."""
    try:
        return memoryview(value)
    # A class may define __buffer__ in Python.
    except Exception:  # noqa: BLE001
        return None


def is_on_device(value: Any) -> bool:
    """Return whether value is an array of PyOpenCL or CuPy, which get() reads and set() writes."""
    if isinstance(value, np.ndarray):
        return False
    return is_of(value, "pyopencl.array", "Array") or is_of(value, "cupy", "ndarray")


def is_buffer(value: Any) -> bool:
    """Return whether value has elements in memory that a function can fill: an array, a buffer, a table or a list."""
    if isinstance(value, np.ndarray | memoryview | list | bytearray) or is_on_device(value):
        return True
    memory = memory_of(value)
    if memory is not None:
        return not memory.readonly
    try:
        # Data on file, or still to be computed, is not read for this.
        return hasattr(type(value), "__setitem__") and is_array(value) and not is_lazy(value)
    # An object may raise anything where an attribute is missing.
    except Exception:  # noqa: BLE001
        return False


def shared(one: Any, other: Any) -> bool:
    """Return whether two values are one object, or share memory."""
    if one is other:
        return True
    views = view_of(one), view_of(other)
    return views[0] is not None and views[1] is not None and bool(np.may_share_memory(*views, max_work=WORK))  # type: ignore[arg-type]


def is_empty(value: Any) -> bool:
    """Return whether value has no elements, so that nothing can be written into it.

    An object without an equality of its own is more than its elements: its attributes can be written.
    """
    if has_identity(value):
        return False
    try:
        size = getattr(value, "size", None)
        return bool(size == 0) if isinstance(size, int) else len(value) == 0
    # A scalar has no length, and an object may raise anything where an attribute is missing.
    except Exception:  # noqa: BLE001
        return False


@singledispatch
def overwrite(place: Any) -> None:
    """Overwrite each element of an array, a buffer or a table with another value of its type."""
    # pandas.
    if hasattr(type(place), "iloc"):
        for index in range(len(place)):
            place.iloc[index] = other(place.iloc[index]) if place.ndim == 1 else [*map(other, place.iloc[index])]
    elif is_of(place, "xarray", "Dataset"):
        for name in place.data_vars:
            overwrite(place[name])
    elif (view := view_of(place)) is not None:
        overwrite(view)
    else:
        content = np.array(place)
        overwrite(content)
        try:
            place[...] = content if content.ndim else content[()]
        except TypeError:
            # A tensor cannot be assigned an array, but shares its memory.
            np.asarray(place)[...] = content


def other(value: Any) -> Any:
    """Return another value of the same type, which no tolerance makes equal."""
    if isinstance(value, bool | np.bool_):
        return not value
    # Not a greater one: value may be the greatest of its type.
    if isinstance(value, int | np.integer):
        return value ^ (type(value)(1) if isinstance(value, np.integer) else 1)
    if isinstance(value, float | complex | np.inexact):
        # NaN is not equal to itself.
        return type(value)(0 if value != value else "nan")  # noqa: PLR0124
    if isinstance(value, str | bytes):
        return value[:0] if value else "x" if isinstance(value, str) else b"x"
    return 0 if value is None else None


@overwrite.register
def _(place: np.ndarray) -> None:
    """Stay within the range of the array's own integers: they may be used as an index."""
    kind = place.dtype.kind
    if place.dtype.names is not None:
        for name in place.dtype.names:
            overwrite(place[name])
    elif kind in "fc":
        place[...] = np.where(np.isnan(place), 0, np.nan)
    elif kind in "mM":
        place[...] = np.where(np.isnat(place), np.zeros((), place.dtype), np.array("NaT", place.dtype))
    elif kind in "iu":
        place[...] = place ^ place.dtype.type(1)
    elif kind == "b":
        place[...] = ~place
    elif kind in "SUT":
        x, y = np.array(["x", "y"], place.dtype)
        place[...] = np.where(place == x, y, x)
    elif kind == "O":
        for index in np.ndindex(place.shape):
            place[index] = other(place[index])
    else:
        raw = place.view((np.uint8, place.dtype.itemsize))
        raw ^= 1
