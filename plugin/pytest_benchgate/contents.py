"""What an argument holds before a call, and how it is restored or overwritten."""

from __future__ import annotations

import array
import copy
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping, MutableSequence, MutableSet
from contextlib import contextmanager
from functools import singledispatch
from types import SimpleNamespace
from typing import Any

import numpy as np

from pytest_benchgate import snapshot
from pytest_benchgate.comparison import SIMPLE, Original, Uncopied, attributes, has_identity, has_own_equality, is_of
from pytest_benchgate.comparison.arrays import is_array, is_masked
from pytest_benchgate.written import Key, is_on_device, other, overwrite, view_of


class Contents:
    """What an argument, and everything in it that can change, held when this was made.

    Arrays, containers and objects stay the same and get their content back, since views, aliases and the caller may
    refer to them. Only what cannot be changed in place is replaced.

    Parameters
    ----------
    place
        The argument.
    key : int or str
        Its position or keyword, for messages.

    """

    def __init__(self, place: Any, key: Key) -> None:
        self.place, self.key = place, key
        # By id: each of them, and its content; a list or a dict refers to further ones.
        self._held: dict[int, tuple[Any, Any]] = {}
        left = self._hold(place)
        while left:
            item = left.pop()
            if id(item) in self._held or type(item) in SIMPLE:
                continue
            if _is_tuple(item):
                left += item
            elif _is_changed_in_place(item) or _is_plain_object(item):
                left += self._hold(item)
        self._held = {one: (place, _mapped(content, self._renewed)) for one, (place, content) in self._held.items()}

    def restore(self) -> None:
        """Put everything back."""
        try:
            for place, content in self._held.values():
                if not isinstance(place, tuple):
                    _put(place, _mapped(content, self._renewed))
        except Exception as error:
            raise TypeError(
                f"the argument written={self.key!r}, a {type(self.place).__name__}, cannot be restored to its state "
                f"before the call ({type(error).__name__}: {error}); return a new one for each call from setup="
            ) from error

    def overwrite(self) -> bool:
        """Overwrite each element and attribute with another value of its type; return whether that is possible.

        All of them are made of what was held, as views of one array would overwrite it twice.
        """
        try:
            for place, content in self._held.values():
                refers = isinstance(content, list | dict)
                _put(place, _mapped(content, self._other) if refers else _overwritten(content))
        except Exception:
            return False
        return True

    def _hold(self, place: Any) -> list[Any]:
        """Keep what place holds; return what that refers to."""
        content = _take(place)
        self._held[id(place)] = place, content
        return [*(content.values() if isinstance(content, dict) else content if isinstance(content, list) else ())]

    def _renewed(self, item: Any) -> Any:
        """Return item, or a copy of it if it could change and is not held."""
        if type(item) in SIMPLE or id(item) in self._held:
            return item
        if _is_tuple(item):
            return _tuple(item, self._renewed)
        if _is_constant(item) or _is_read_only(item) or _is_marker(item):
            return item
        try:
            # What it refers to stays the same, too.
            return copy.deepcopy(item, {one: place for one, (place, _) in self._held.items()})
        except Exception:
            return item

    def _other(self, item: Any) -> Any:
        if type(item) not in SIMPLE and id(item) in self._held:
            return item
        return _tuple(item, self._other) if _is_tuple(item) else other(item)


def restore(contents: Iterable[Contents]) -> None:
    """Put back what each of these arguments held."""
    for one in contents:
        one.restore()


def _mapped(content: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(content, list):
        return [*map(function, content)]
    return {key: function(item) for key, item in content.items()} if isinstance(content, dict) else content


def _is_tuple(item: Any) -> bool:
    return type(item) is tuple or (isinstance(item, tuple) and hasattr(item, "_make"))


def _tuple(item: Any, function: Callable[[Any], Any]) -> Any:
    parts = [*map(function, item)]
    if all(one is part for one, part in zip(item, parts, strict=True)):
        return item
    return tuple(parts) if type(item) is tuple else item._make(parts)


def _is_changed_in_place(item: Any) -> bool:
    held = isinstance(item, np.ndarray | MutableMapping | MutableSequence | MutableSet | memoryview)
    return (held and not _is_read_only(item)) or is_on_device(item)


def _is_plain_object(item: Any) -> bool:
    """Return whether item's attributes are its content: not those of a thread pool, say, which its threads share."""
    if isinstance(item, SimpleNamespace):
        return True
    cls = type(item)
    if _defines(cls, "__reduce__", "__reduce_ex__") or cls.__module__.partition(".")[0] in sys.stdlib_module_names:
        return False
    return not (_is_constant(item) or is_array(item) or has_own_equality(item)) and bool(attributes(item))


def _is_read_only(item: Any) -> bool:
    return (isinstance(item, np.ndarray) and not item.flags.writeable) or (
        isinstance(item, memoryview) and item.readonly
    )


def _is_constant(item: Any) -> bool:
    """Return whether item is a definition, or a value with a hash, which does not change."""
    if isinstance(item, type) or inspect.isroutine(item) or inspect.ismodule(item):
        return True
    if has_identity(item):
        return False
    try:
        hash(item)
    except Exception:
        return False
    return True


def _is_marker(item: Any) -> bool:
    """Return whether item is equal to nothing but itself, and has no state of its own beyond its attributes."""
    return has_identity(item) and not _defines(type(item), "__reduce__", "__reduce_ex__", "__getstate__")


def _defines(cls: type, *names: str) -> bool:
    """Return whether cls has such a method, other than that of any object."""
    return any(getattr(cls, name) is not getattr(object, name) for name in names)


@singledispatch
def _take(place: Any) -> Any:
    """Return what place holds: a list or a dict of further values, or a copy of its memory."""
    if isinstance(place, type) or inspect.isroutine(place) or inspect.ismodule(place):
        return {}
    if is_of(place, "pandas", "Series", "DataFrame"):
        return snapshot.table(place, _copied)
    if hasattr(type(place), "iloc") or is_on_device(place):
        return snapshot.taken(place)
    if (view := view_of(place)) is not None:
        return view.copy()
    return attributes(place) if _is_plain(place) else _copied(place)


def _copied(place: Any) -> Any:
    """Return a copy; the objects that it refers to may have changed."""
    content = snapshot.taken(place)
    if isinstance(content, Uncopied) and content.is_unequal:
        return copy.deepcopy(place)
    return content.original if isinstance(content, Original) else content


@singledispatch
def _put(place: Any, content: Any) -> None:
    """Let place hold content."""
    if hasattr(type(place), "iloc"):
        place.iloc[:] = content
    elif is_of(place, "xarray", "Dataset"):
        for name in content.data_vars:
            place[name][...] = content[name]
    elif is_on_device(place):
        place.set(content)
    elif (view := view_of(place)) is not None:
        view[...] = content
    elif _is_plain(place):
        now = attributes(place)
        for name in now.keys() - content.keys():
            delattr(place, name)
        for name, item in content.items():
            if name not in now or now[name] is not item:
                setattr(place, name, item)
    else:
        place[...] = content


def _is_plain(place: Any) -> bool:
    return not hasattr(type(place), "__setitem__") or has_identity(place)


def _overwritten(content: Any) -> Any:
    if isinstance(content, Items):
        return Items()
    if isinstance(content, Masked):
        mask = content.mask
        return Masked(_overwritten(content.data), mask if mask is np.ma.nomask else np.zeros_like(mask))
    changed = _copied(content)
    overwrite(changed)
    return changed


class Items(tuple[Any, ...]):
    """The elements of a set."""

    __slots__ = ()


class Masked:
    """The data and the mask of a masked array."""

    def __init__(self, data: Any, mask: Any) -> None:
        self.data, self.mask = data, mask


@_take.register
def _(place: np.ndarray) -> Any:
    if is_masked(place):
        return Masked(copy.deepcopy(np.ma.getdata(place)), copy.deepcopy(np.ma.getmask(place)))
    return [place[index] for index in np.ndindex(place.shape)] if place.dtype.kind == "O" else snapshot.taken(place)


@_put.register
def _(place: np.ndarray, content: Any) -> None:
    if is_masked(place):
        _put_masked(place, content)
    elif place.dtype.kind == "O":
        for index, item in zip(np.ndindex(place.shape), content, strict=True):
            place[index] = item
    else:
        place[...] = copy.deepcopy(content) if place.dtype.hasobject else content


def _put_masked(place: Any, content: Masked) -> None:
    with _soft(place):
        place.mask = np.ma.nomask
        place.data[...] = content.data
        if content.mask is np.ma.nomask:
            place.shrink_mask()
        else:
            place.mask = content.mask.copy()


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


@_take.register
def _(place: MutableMapping) -> Any:  # type: ignore[type-arg]
    return {key: place[key] for key in place}


@_put.register
def _(place: MutableMapping, content: Any) -> None:  # type: ignore[type-arg]
    place.clear()
    place.update(content)


@_take.register
def _(place: MutableSet) -> Items:  # type: ignore[type-arg]
    return Items(place)


@_put.register
def _(place: MutableSet, content: Any) -> None:  # type: ignore[type-arg]
    place.clear()
    for item in content:
        place.add(item)


@_take.register(MutableSequence)
@_take.register(tuple)
def _(place: Any) -> Any:
    return snapshot.taken(place) if isinstance(place, bytearray | array.array) else [*place]


@_put.register
def _(place: MutableSequence, content: Any) -> None:  # type: ignore[type-arg]
    if isinstance(place, bytearray | array.array | list):
        place[:] = content
    else:
        place.clear()
        place.extend(content)


@_put.register
def _(place: tuple, content: Any) -> None:  # type: ignore[type-arg]
    if any(new is not old for new, old in zip(content, place, strict=True)):
        raise TypeError("a tuple cannot be changed")
