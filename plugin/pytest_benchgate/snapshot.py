"""Copies that later changes do not affect: of what is expected, and of arguments before a call."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np

from pytest_benchgate import lazy
from pytest_benchgate.comparison import Same, has_buffer, has_identity

CONTAINERS = (list, dict, tuple, set, frozenset)


def expected(value: Any) -> Any:
    """Return a copy of an expected value, computed if it is lazy.

    Raises
    ------
    TypeError
        If value can be read only once, or has to be awaited.

    """
    return taken(lazy.computed(value))


def taken(value: Any) -> Any:
    """Return a copy of value; an object without an equality of its own stays, with a copy of its state."""
    return _copied(value, {})


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if id(value) in memo:
        return memo[id(value)]
    kind = type(value)
    if kind in CONTAINERS or (kind is np.ndarray and value.dtype.kind == "O"):
        return _container(value, memo)
    if kind is memoryview:
        return _buffer(value)
    if has_identity(value):
        return Same(value, _state(value))
    try:
        return copy.deepcopy(value, {id(item): item for item in _attributes(value).values() if has_identity(item)})
    except Exception:
        return _buffer(value) if has_buffer(value) else value


def _container(value: Any, memo: dict[int, Any]) -> Any:
    """Return a copy of a container, which may contain itself."""
    if isinstance(value, tuple):
        return tuple(_copied(item, memo) for item in value)
    # What can be hashed does not change, or is compared by identity.
    if isinstance(value, set | frozenset):
        return type(value)(value)
    made = memo[id(value)] = value.copy()
    for key in np.ndindex(value.shape) if isinstance(value, np.ndarray) else _keys(value):
        made[key] = _copied(value[key], memo)
    return made


def _keys(value: Any) -> Any:
    return value if isinstance(value, dict) else range(len(value))


def _attributes(value: Any) -> dict[str, Any]:
    found = getattr(value, "__dict__", None)
    return found if isinstance(found, dict) else {}


def _state(value: Any) -> Any:
    """Return a copy of an object's attributes, or None if they cannot be copied or are part of its definition."""
    if isinstance(value, type) or inspect.isroutine(value) or inspect.ismodule(value):
        return None
    try:
        return copy.deepcopy(_attributes(value))
    except Exception:
        return None


def _buffer(value: Any) -> Any:
    """Return a copy of a buffer, with its format and shape."""
    view = memoryview(value)
    try:
        return memoryview(view.tobytes()).cast(view.format, view.shape) if view.ndim else np.array(view)  # type: ignore[call-overload]
    # memoryview cannot cast to this format.
    except (TypeError, ValueError):
        return np.array(view)
