"""The checks of logmap's arguments. Each error names the argument, its value and the remedy."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from logmap_cy._registry import ROWS

if TYPE_CHECKING:
    from logmap_cy._contract import Array
    from logmap_cy._registry import Implementation
    from logmap_cy.opencl.device import Device

# Candidate solutions that NumPy tries; views cut by slices need a handful.
OVERLAP_WORK = 10**6
# No run of more steps would end.
MOST_STEPS = 2**63 - 1
# Characters of a value in a message.
SHORT = 60


def array(x: Any) -> Array:
    """Return x as an array of int32, int64, uint32 or uint64, a view wherever NumPy can give one.

    Raises
    ------
    TypeError
        x is of another dtype, masked, or not an array.

    """
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError("x is a masked array, and its mask would be lost; pass x.filled(value) or x.compressed()")
    try:
        found = np.asarray(x)
    except ValueError as error:
        raise TypeError(f"x={short(x)} is not an array ({error}); pass integers in a regular shape") from error
    if isinstance(x, list | tuple) and found.size == 0:
        # NumPy takes [] for floats.
        found = found.astype(np.int64)
    if found.dtype.kind in "iu" and found.dtype.itemsize in (4, 8):
        return found
    remedy = {
        "f": "the map is defined on integers: round as you need, for example with np.rint(x).astype(np.int64)",
        "O": "convert it with np.asarray(x, dtype=np.int64), which refuses what does not fit",
    }.get(found.dtype.kind, "convert it with x.astype(np.int64) if that is what you mean")
    raise TypeError(f"x={short(x)} has dtype {found.dtype}; it must be int32, int64, uint32 or uint64; {remedy}")


def integer(name: str, value: Any, *, least: int | None = None, most: int | None = None) -> int:
    """Return value as an int.

    Raises
    ------
    TypeError
        The value is not an integer; a bool does not count as one.
    ValueError
        The value is below `least` or above `most`.

    """
    number = value if type(value) is int else _index(name, value)
    if least is not None and number < least:
        raise ValueError(f"{name}={number} is below {least}; pass {least} or more")
    if most is not None and number > most:
        raise ValueError(f"{name}={number} is above {most}; pass {most} or less")
    return number


def _index(name: str, value: Any) -> int:
    """Return what is not exactly an int as one, or raise TypeError."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}={value!r} is a bool; pass an integer, int({name}) if you mean it")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={short(value)} is not an integer; pass an int") from None


def steps(num: Any) -> int:
    """Return num as an int from 0 to MOST_STEPS; ValueError or TypeError otherwise."""
    return integer("num", num, least=0, most=MOST_STEPS)


def modulus(p: SupportsIndex, dtype: np.dtype[Any]) -> int:
    """Return p as an int whose largest remainder, p - 1, fits dtype; ValueError or TypeError otherwise."""
    number = integer("p", p, least=1)
    largest = int(np.iinfo(dtype).max)
    if number - 1 > largest:
        wider = "" if dtype == np.uint64 else ", or x.astype(np.uint64)"
        raise ValueError(f"p={number}: p - 1 does not fit x's dtype {dtype}; pass p of at most {largest + 1}{wider}")
    return number


def output(out: Any, x: Array) -> Array:
    """Return out if the answer for x can be written there, or a new array for None.

    Raises
    ------
    TypeError
        out is not an array, or of another dtype.
    ValueError
        out has another shape, is read-only, shares memory with x without being x's own elements in x's order, or has
        elements that may share memory with each other.

    """
    if out is None:
        return np.empty_like(x, subok=False)
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"out={short(out)} is not a plain NumPy array; pass np.empty_like(x)")
    if out.dtype != x.dtype:
        raise TypeError(f"out has dtype {out.dtype}, x has {x.dtype}; pass np.empty_like(x)")
    if out.shape != x.shape:
        raise ValueError(f"out has shape {out.shape}, x has {x.shape}; pass np.empty_like(x)")
    if not out.flags.writeable:
        raise ValueError("out is read-only; pass a writable array, or None to get a new one")
    if _may_overlap_itself(out):
        raise ValueError(f"out has strides {out.strides}, so its elements may share memory; pass np.empty_like(x)")
    same = out.ctypes.data == x.ctypes.data and out.strides == x.strides
    if not same and _overlap(out, x):
        raise ValueError("out overlaps x partly, and would overwrite what is still to be read; pass out=x or a copy")
    return out


def implementation(name: Any) -> Implementation:
    """Return the row of that name; ValueError if there is none, if it is known to be wrong, or not available here."""
    row = next((row for row in ROWS if row.name == name), None)
    if row is None:
        names = ", ".join(["auto", *(row.name for row in ROWS)])
        raise ValueError(f"implementation={short(name)} is not known; choose one of: {names}")
    if row.known_wrong:
        raise ValueError(f'implementation="{row}" is known to be wrong: {row.known_wrong}')
    if row.unavailable:
        raise ValueError(f'implementation="{row}" is not available here: {row.unavailable}; "auto" always is')
    return row


def device(name: Any, row: Implementation) -> Device | None:
    """Return the row's device for a Device, its name ("cl0"), or None, which stands for the first."""
    if name is None:
        return row.devices[0] if row.devices else None
    if not row.devices:
        raise ValueError(f'device={short(name)}: implementation="{row}" runs on the host; omit device')
    for found in row.devices:
        if name == found or name == str(found):
            return found
    known = ", ".join(f'"{found}" ({found.name})' for found in row.devices)
    raise ValueError(f"device={short(name)} is not known; choose one of: {known}")


def _overlap(out: Array, x: Array) -> bool:
    try:
        return np.shares_memory(out, x, max_work=OVERLAP_WORK)  # type: ignore[arg-type]  # the stub knows -1 and 0 only
    except np.exceptions.TooHardError:
        return True


def _may_overlap_itself(out: Array) -> bool:
    """Whether two elements may share memory. Never True for what slices, transposes and reshapes make."""
    reach = out.itemsize
    dimensions = [(abs(stride), length) for stride, length in zip(out.strides, out.shape, strict=True) if length > 1]
    for stride, length in sorted(dimensions):
        if stride < reach:
            return out.size > 0
        reach += stride * (length - 1)
    return False


def short(value: Any) -> str:
    """Return the repr of a value, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= SHORT else f"{text[: SHORT - 3]}..."
