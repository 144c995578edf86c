"""Arguments that a function fills: before a call, their content is restored or overwritten."""

from __future__ import annotations

import array
from collections import deque
from collections.abc import Iterator, MutableMapping, MutableSequence, MutableSet
from contextlib import contextmanager
from functools import singledispatch
from typing import Any, TypeAlias

import numpy as np

from pytest_benchgate import snapshot
from pytest_benchgate.comparison import SIMPLE, Same, attributes, has_identity

Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
Key: TypeAlias = int | str


def argument(key: Key, arguments: Arguments) -> Any:
    """Return the argument that key names, by position or keyword; ValueError if there is none."""
    args, kwargs = arguments
    try:
        return args[key] if isinstance(key, int) else kwargs[key]
    except LookupError:
        given = [*range(len(args)), *kwargs]
        raise ValueError(f"written={key!r} is not an argument of the call, which has {given}") from None


def fill(place: Any, old: Any, key: Key) -> None:
    """Put a copy of what old holds into place."""
    try:
        _fill(place, old)
    except Exception as error:
        raise TypeError(
            f"the argument written={key!r}, a {type(place).__name__}, cannot be restored to its state before the call "
            f"({type(error).__name__}: {error}); return a new one for each call from setup="
        ) from error


@singledispatch
def _fill(place: Any, old: Any) -> None:
    # pandas.
    if hasattr(place, "iloc"):
        place.iloc[:] = old
    elif (view := view_of(place)) is not None:
        view[...] = view_of(old)
    elif hasattr(place, "__setitem__"):
        place[...] = old
    else:
        copied = snapshot.taken(old)
        # Of an object without an equality of its own, this has put its state back.
        if copied is not place:
            Same(place, None).restored(attributes(copied))


@_fill.register
def _(place: np.ndarray, old: Any) -> None:
    place[...] = snapshot.taken(old) if place.dtype.hasobject else old


@_fill.register
def _(place: np.ma.MaskedArray, old: Any) -> None:
    with _soft(place):
        place.mask = np.ma.nomask
        place.data[...] = np.ma.getdata(old)
        place.mask = np.ma.getmaskarray(old).copy()


@_fill.register
def _(place: MutableMapping, old: Any) -> None:  # type: ignore[type-arg]
    place.clear()
    place.update(snapshot.taken(old))


@_fill.register
def _(place: MutableSet, old: Any) -> None:  # type: ignore[type-arg]
    place.clear()
    place |= old


@_fill.register
def _(place: deque, old: Any) -> None:  # type: ignore[type-arg]
    place.clear()
    place.extend(snapshot.taken(old))


@_fill.register
def _(place: MutableSequence, old: Any) -> None:  # type: ignore[type-arg]
    # Millions of numbers, none of which holds anything.
    if isinstance(place, bytearray | array.array):
        place[:] = old
    # Its arrays stay the same objects.
    elif len(place) == len(old) and any(map(_holds, place)):
        for index, item in enumerate(old):
            if _holds(place[index]):
                _fill(place[index], item)
            else:
                place[index] = snapshot.taken(item)
    else:
        place[:] = snapshot.taken(old)


@_fill.register
def _(place: tuple, old: Any) -> None:  # type: ignore[type-arg]
    for item, content in zip(place, old, strict=True):
        if _holds(item):
            _fill(item, content)


def _holds(item: Any) -> bool:
    return type(item) not in SIMPLE and isinstance(
        item, np.ndarray | MutableMapping | MutableSequence | MutableSet | memoryview
    )


def view_of(value: Any) -> Any:
    """Return a plain array over value's own memory, or None if NumPy cannot read it."""
    if isinstance(value, np.ndarray):
        return value.view(np.ndarray)
    try:
        return np.asarray(memoryview(value))
    except (TypeError, ValueError, BufferError, RuntimeError):
        return None


def shared(one: Any, other: Any) -> bool:
    """Return whether two values are one object, or share memory."""
    if one is other:
        return True
    views = view_of(one), view_of(other)
    return views[0] is not None and views[1] is not None and bool(np.may_share_memory(*views))


def is_empty(value: Any) -> bool:
    """Return whether value has no elements, so that nothing can be written into it."""
    size = getattr(value, "size", None)
    try:
        return bool(size == 0) if isinstance(size, int) else len(value) == 0
    except TypeError:
        return False


def overwrite(place: Any) -> bool:
    """Overwrite each element of place with another value of its type; return whether that is possible."""
    try:
        _overwrite(place)
    except Exception:
        return False
    return True


@singledispatch
def _overwrite(place: Any) -> None:
    # pandas.
    if hasattr(place, "iloc"):
        for index in range(len(place)):
            place.iloc[index] = _other(place.iloc[index]) if place.ndim == 1 else [*map(_other, place.iloc[index])]
    elif (view := view_of(place)) is not None:
        _overwrite(view)
    elif hasattr(place, "__setitem__"):
        content = np.array(place)
        _overwrite(content)
        try:
            place[...] = content if content.ndim else content[()]
        except TypeError:
            # A tensor cannot be assigned an array, but shares its memory.
            np.asarray(place)[...] = content
    else:
        for name, value in attributes(place).items():
            setattr(place, name, _other(value))


@_overwrite.register
def _(place: np.ma.MaskedArray) -> None:
    with _soft(place):
        place.mask = np.ma.nomask
        _overwrite(place.data)


@contextmanager
def _soft(place: np.ma.MaskedArray) -> Iterator[None]:
    """Let the mask of an array be taken away, which a hard one resists."""
    hard = place.hardmask
    place.soften_mask()
    try:
        yield
    finally:
        if hard:
            place.harden_mask()


@_overwrite.register
def _(place: MutableMapping) -> None:  # type: ignore[type-arg]
    for key in [*place]:
        _overwrite_item(place, key)


@_overwrite.register
def _(place: MutableSet) -> None:  # type: ignore[type-arg]
    place.clear()


@_overwrite.register(MutableSequence)
@_overwrite.register(tuple)
def _(place: Any) -> None:
    if (view := view_of(place)) is not None:
        _overwrite(view)
        return
    for index in range(len(place)):
        _overwrite_item(place, index)


def _overwrite_item(place: Any, key: Any) -> None:
    item = place[key]
    if type(item) in SIMPLE:
        place[key] = _other(item)
    elif _holds(item) or isinstance(item, tuple) or (has_identity(item) and attributes(item)):
        _overwrite(item)
    else:
        place[key] = _other(item)


def _other(value: Any) -> Any:
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


@_overwrite.register
def _(place: np.ndarray) -> None:
    """Stay within the range of the array's own integers: they may be used as an index."""
    kind = place.dtype.kind
    if place.dtype.names is not None:
        for name in place.dtype.names:
            _overwrite(place[name])
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
            place[index] = _other(place[index])
    else:
        raw = place.view((np.uint8, place.dtype.itemsize))
        raw ^= 1
