"""The map over integers, lists, and buffers of 64-bit integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from logmap_cy import _arguments
from logmap_cy._drive import schedule
from logmap_cy._registry import P_32_BITS
from logmap_cy.rows import objects
from logmap_cy.rows.buffer import map_bytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

STEPS_PER_CALL = 2**24
# Bytes of an element.
WIDTH = 8


def logmap_scalar(
    value: SupportsIndex, num: SupportsIndex = 10, p: SupportsIndex = 6700417, mu: SupportsIndex = 22
) -> int:
    """Return num steps of ``value <- mu * value * (value + 1) mod p``, by one compiled call.

    Parameters
    ----------
    value : int
        From -2**63 to 2**64 - 1.
    num : int, default 10
        The number of steps, from 0 to 2**63 - 1.
    p : int, default 6700417
        The modulus, from 1 to 2**32.
    mu : int, default 22
        The factor, of any size and sign.

    Returns
    -------
    int
        In [0, p) for num >= 1.

    Raises
    ------
    OverflowError
        value is out of range.
    TypeError
        A number is not an integer.
    ValueError
        num or p is out of range.

    Examples
    --------
    >>> from logmap_cy import logmap_scalar
    >>> logmap_scalar(1, 1, 61)
    44

    """
    number = _arguments.integer("value", value)
    steps, modulus, factor = _parameters(num, p, mu)
    return objects.calc(number, steps, modulus, factor) if steps else number


def logmap_list(
    values: list[int], num: SupportsIndex = 10, p: SupportsIndex = 6700417, mu: SupportsIndex = 22
) -> list[int]:
    """Return a new list: num steps of the map for each of values.

    The GIL is released every few milliseconds, so that other threads can run.

    Parameters
    ----------
    values : list of int
        From -2**63 to 2**64 - 1.
    num, p, mu : int
        As for `logmap_scalar`.

    Returns
    -------
    list of int
        As long as `values`; in [0, p) for num >= 1.

    Raises
    ------
    OverflowError, TypeError, ValueError
        As `logmap_scalar`.

    Examples
    --------
    >>> from logmap_cy import logmap_list
    >>> logmap_list([1, 2, 3], p=61)
    [28, 25, 37]

    """
    if not isinstance(values, list):
        raise TypeError(f"values is a {type(values).__name__}, not a list; pass list(values), or an array to logmap")
    steps, modulus, factor = _parameters(num, p, mu)
    return objects.map_list(values, steps, modulus, factor) if steps else [*values]


def logmap_buffer(
    source: Buffer | np.ndarray[Any, Any], num: SupportsIndex = 10, p: SupportsIndex = 6700417, mu: SupportsIndex = 22
) -> bytes:
    """Return num steps of the map for each 64-bit integer of a buffer, as bytes.

    The GIL is released while computing.

    Parameters
    ----------
    source : bytes, bytearray, memoryview, array.array or another contiguous buffer
        64-bit integers (formats q, Q, and l, L where they have 64 bits), signed if the format is. Plain bytes
        (formats B, b, c) are read as signed integers of 8 bytes each, in native byte order.
    num, p, mu : int
        As for `logmap_scalar`.

    Returns
    -------
    bytes
        8 for each integer, in native byte order.

    Raises
    ------
    BufferError
        source is not contiguous.
    TypeError
        source has no buffer, or its elements are not 64-bit integers in native byte order.
    ValueError
        Plain bytes are not a whole number of integers, or num or p is out of range.

    Examples
    --------
    >>> import array
    >>> from logmap_cy import logmap_buffer
    >>> array.array("q", logmap_buffer(array.array("q", [1, 2, 3]), p=61))
    array('q', [28, 25, 37])

    """
    steps, modulus, factor = _parameters(num, p, mu)
    try:
        # To a type checker, arrays have no buffer before Python 3.12.
        view = memoryview(source)  # type: ignore[arg-type, unused-ignore]
    except TypeError:
        raise TypeError(
            f"source={_arguments.short(source)} has no buffer; pass bytes, an array.array or a memoryview"
        ) from None
    if not view.c_contiguous:
        raise BufferError("source is not contiguous; pass a copy: bytes(source)")
    form = view.format.lstrip("@=")
    if form not in ({*"qQlL"} if view.itemsize == WIDTH else {*"Bbc"}):
        raise TypeError(
            f"source has elements of format {view.format!r} ({view.itemsize} bytes each), not 64-bit integers in "
            "native byte order; convert them, for example with array.array('q', source)"
        )
    if view.nbytes % WIDTH:
        raise ValueError(f"source has {view.nbytes} bytes, not a whole number of 64-bit integers; pass a multiple of 8")
    signed = form not in {"Q", "L"}
    plain = np.frombuffer(view, np.uint8) if view.nbytes else np.empty(0, np.uint8)
    target = np.empty(view.nbytes, np.uint8)
    if steps == 0:
        return plain.tobytes()
    for part, count, is_first in schedule(view.nbytes // WIDTH, steps, STEPS_PER_CALL):
        place = slice(WIDTH * part.start, WIDTH * part.stop)
        map_bytes((plain if is_first else target)[place], target[place], signed, count, modulus, factor)
    return target.tobytes()


def _parameters(num: Any, p: Any, mu: Any) -> tuple[int, int, int]:
    """Return num, p and mu modulo p, checked."""
    steps = _arguments.steps(num)
    modulus = _arguments.integer("p", p, least=1)
    factor = _arguments.integer("mu", mu) % modulus
    if not P_32_BITS.contains(modulus, factor):
        raise ValueError(f"p={modulus} is above 2**32, beyond which this is not exact; pass an array to logmap")
    return steps, modulus, factor
