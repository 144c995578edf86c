"""Arguments that a call only reads: whether they hold afterwards what they held before."""

from __future__ import annotations

import array
import copy
import operator
import zlib
from collections import Counter, OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_benchgate.comparison import SIMPLE, Tolerance, are_equal, has_own_equality, has_written_equality
from pytest_benchgate.lazy import is_lazy

if TYPE_CHECKING:
    from collections.abc import Iterable

# Elements that are read at once.
PART = 2**20
# Further values of other types than Python's and NumPy's are not looked into: each is copied and compared twice.
MOST_COPIES = 1000
CONTAINERS = (list, tuple, dict, set, deque, OrderedDict, defaultdict, Counter)
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

    """

    def __init__(self, place: Any) -> None:
        self.place = place
        self._held: list[_Held] = []
        # A container may contain itself.
        seen, left, copies = {id(place)}, [place], 0
        while left:
            held = _Held.of(left.pop(), is_copied=copies < MOST_COPIES)
            copies += held.copy is not None
            self._held.append(held)
            for item in held.items:
                if type(item) not in SIMPLE and id(item) not in seen and is_read(item):
                    seen.add(id(item))
                    left.append(item)

    def changed(self) -> bool:
        """Return whether any of it holds something else now."""
        return any(held.changed() for held in self._held)

    def places(self) -> Iterable[Any]:
        """Return the argument, and the arrays, buffers and containers in it."""
        return [held.place for held in self._held]


class _Held(NamedTuple):
    """What one of them held: a checksum of its memory, its items, or a copy."""

    place: Any
    checksum: Any
    items: list[Any]
    copy: Any

    @classmethod
    def of(cls, place: Any, *, is_copied: bool) -> _Held:
        copied = _copied(place) if is_copied and _has_equality(place) else None
        return cls(place, _checksum(place), _items(place), copied)

    def changed(self) -> bool:
        if _checksum(self.place) != self.checksum:
            return True
        if self.copy is not None:
            return not are_equal(self.place, self.copy, SAME)
        now = _items(self.place)
        if len(now) != len(self.items):
            return True
        return not (all(map(operator.is_, now, self.items)) or all(map(_are_same, now, self.items)))


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
