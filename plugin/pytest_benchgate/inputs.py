"""Arguments that a call only reads: whether they hold afterwards what they held before."""

from __future__ import annotations

import array
import copy
import operator
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_benchgate.comparison import SIMPLE, Tolerance, are_equal, has_own_equality, has_written_equality
from pytest_benchgate.lazy import is_lazy

if TYPE_CHECKING:
    from collections.abc import Iterable

# Elements that are read at once.
PART = 2**20
CONTAINERS = (list, tuple, dict, set, deque)
SAME = Tolerance(equal_nan=True)


class Input:
    """What an array, a buffer or a container, and what is in it, held when this was made.

    Memory is kept as a checksum and containers as references, so that large arguments take neither long nor much
    space. Values of other types that can be compared with a copy are copied. Other objects may have a state of their
    own, such as a cache, and are not looked into.

    Parameters
    ----------
    place
        The argument.
    seen : set of int, optional
        The ids of what is held already, as a container may contain itself.

    """

    def __init__(self, place: Any, seen: set[int] | None = None) -> None:
        seen = set() if seen is None else seen
        seen.add(id(place))
        self.place = place
        self._checksum = _checksum(place)
        self._copy = _copied(place) if _has_equality(place) else None
        self._items = _items(place)
        self._inner = [Input(item, seen) for item in self._items if id(item) not in seen and is_read(item)]

    def changed(self) -> bool:
        """Return whether any of it holds something else now."""
        if _checksum(self.place) != self._checksum:
            return True
        if self._copy is not None:
            return not are_equal(self.place, self._copy, SAME)
        now = _items(self.place)
        if len(now) != len(self._items):
            return True
        same = all(map(operator.is_, now, self._items)) or all(map(_are_same, now, self._items))
        return not same or any(inner.changed() for inner in self._inner)

    def places(self) -> Iterable[Any]:
        """Return the argument, and the arrays, buffers and containers in it."""
        yield self.place
        for inner in self._inner:
            yield from inner.places()


def is_read(value: Any) -> bool:
    """Return whether value can be changed in place, or contain what can, and is known well enough to see that."""
    if isinstance(value, np.ndarray):
        # What is mapped from a file may be larger than the memory.
        return not isinstance(value, np.memmap) and value.flags.writeable
    if isinstance(value, memoryview):
        return not value.readonly
    return isinstance(value, bytearray | array.array) or type(value) in CONTAINERS or _has_equality(value)


def _has_equality(value: Any) -> bool:
    """Return whether value is of a type whose values can change, as they have no hash, and be compared as wholes."""
    if type(value).__hash__ is not None or isinstance(value, type | np.ndarray | np.generic):
        return False
    return (has_own_equality(value) or has_written_equality(type(value))) and not is_lazy(value)


def _copied(value: Any) -> Any:
    """Return a copy of value; None if there is none that is equal to it."""
    try:
        made = copy.deepcopy(value)
    except Exception:
        return None
    return made if are_equal(value, made, SAME) else None


def places(value: Any) -> Iterable[Any]:
    """Return an argument, and the arrays, buffers and containers in it."""
    return Input(value).places() if is_read(value) else [value]


def _are_same(now: Any, before: Any) -> bool:
    return now is before or (type(now) is type(before) and type(now) in SIMPLE and bool(now == before))


def _items(place: Any) -> list[Any]:
    if isinstance(place, np.ndarray):
        return [*np.ma.getdata(place).flat] if place.dtype.kind == "O" else []
    if isinstance(place, dict):
        return [*place, *place.values()]
    return [*place] if type(place) in CONTAINERS else []


def _checksum(place: Any) -> Any:
    if isinstance(place, np.ndarray):
        data, mask = np.ma.getdata(place), np.ma.getmask(place)
        memory = 0 if place.dtype.hasobject else _of_memory(data.view(np.ndarray))
        return place.shape, place.dtype, memory, mask is np.ma.nomask or _of_memory(mask)
    if not isinstance(place, bytearray | array.array | memoryview):
        return None
    return zlib.crc32(place if isinstance(place, bytearray) else place.tobytes())


def _of_memory(values: Any, checksum: int = 0) -> int:
    """Return the checksum of an array's elements, read part by part: to make them contiguous takes a copy."""
    if values.size <= PART or not values.ndim:
        return zlib.crc32(values.tobytes(), checksum)
    if len(values) == 1:
        return _of_memory(values[0], checksum)
    half = len(values) // 2
    return _of_memory(values[half:], _of_memory(values[:half], checksum))
