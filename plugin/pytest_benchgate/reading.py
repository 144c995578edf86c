"""Read plain data, from JSON or for it, into dataclasses: each field is checked by its annotation and its rules."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_benchgate import amounts
from pytest_benchgate.reports.quantity import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

T = TypeVar("T")
MOST_BYTES = 2**28
# Characters of a value in a message.
MOST_SHOWN = 80
LARGEST = amounts.LARGEST
# How deeply values that are kept as they are may be nested.
DEPTH = 5
WORDS = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    dict: "an object",
    tuple: "a list",
}


class Misfit(ValueError):
    """A field has a value that it cannot have."""

    def __init__(self, where: str, expected: str, value: Any) -> None:
        super().__init__(f"field {where.lstrip('.') or '(all)'}: expected {expected}, got {_shown(value)}")


class Missing(ValueError):
    """A field is missing."""


def load(path: Path) -> Any:
    """Return the JSON in the file at path; ValueError, with a text that follows the path, if it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return parse(content)


def parse(content: bytes) -> Any:
    """Return the JSON in the content of a file; ValueError, with a text that follows its name, if it is not valid."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"has more than {MOST_BYTES} bytes")
    try:
        # Of bytes, it finds out the encoding. NaN is no JSON, but pytest-benchmark writes what a test has stored.
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    # Of the encoding, of the syntax, of an integer with too many digits.
    except ValueError as error:
        raise ValueError(f"is not valid JSON ({error})") from error


def into(
    cls: type[T],
    data: Any,
    *,
    optional: Collection[str] = (),
    rules: Mapping[str, tuple[Any, ...]] | None = None,
    where: str = "",
) -> T:
    """Return an instance of a dataclass with the values that data has for its fields.

    Parameters
    ----------
    cls : type
        The dataclass.
    data
        A dictionary, which may have further keys.
    optional : collection of str
        The fields that may be missing, at any depth, where they have a default.
    rules : mapping, optional
        By a field's name: (least, most) for a number or each number of a list, or the strings that are allowed.
    where : str
        The place of data in the whole, for messages.

    Raises
    ------
    Misfit, Missing
        With the field's place, and its value.

    """
    if not isinstance(data, dict):
        raise Misfit(where, WORDS[dict], data)
    found: dict[str, Any] = {}
    kinds = _kinds(cls)  # type: ignore[arg-type]
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        place = f"{where}.{field.name}"
        if field.name in data:
            rule = (rules or {}).get(field.name)
            found[field.name] = _Reader(optional, rules or {}, rule).read(kinds[field.name], data[field.name], place)
        elif field.name not in optional or _is_required(field):
            raise Missing(f"field {place.lstrip('.')} is missing")
    return cls(**found)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


@cache
def _kinds(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Reads one field."""

    optional: Collection[str]
    rules: Mapping[str, Any]
    rule: Any

    def read(self, kind: Any, value: Any, where: str) -> Any:
        origin, of = typing.get_origin(kind), typing.get_args(kind)
        if origin in {types.UnionType, typing.Union}:
            (only,) = (one for one in of if one is not type(None))
            return None if value is None else self.read(only, value, where)
        if kind is Any:
            return plain(value, where)
        if dataclasses.is_dataclass(kind):
            return into(kind, value, optional=self.optional, rules=self.rules, where=where)  # type: ignore[arg-type]
        if origin is tuple:
            return self._items(of, value, where)
        if origin is dict:
            if not isinstance(value, dict):
                raise Misfit(where, WORDS[dict], value)
            return {key: self.read(of[1], item, f"{where}.{_shown(key)}") for key, item in value.items()}
        if kind in {int, float}:
            return self._number(kind, value, where)
        if not isinstance(value, kind):
            raise Misfit(where, WORDS[kind], value)
        if self.rule is not None and value not in self.rule:
            raise Misfit(where, f"one of {', '.join(self.rule)}", value)
        return value

    def _items(self, of: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise Misfit(where, WORDS[tuple], value)
        any_number = of[-1] is Ellipsis
        if not any_number and len(value) != len(of):
            raise Misfit(where, f"a list of {len(of)}", value)
        kinds = [of[0]] * len(value) if any_number else of
        pairs = enumerate(zip(kinds, value, strict=True))
        return tuple(self.read(kind, item, f"{where}[{index}]") for index, (kind, item) in pairs)

    def _number(self, kind: type, value: Any, where: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | kind):
            raise Misfit(where, WORDS[kind], value)
        bounds: Any = self.rule or (-LARGEST, LARGEST)
        least, most = bounds
        if not (math.isfinite(value) if isinstance(value, float) else True) or not least <= value <= most:
            raise Misfit(where, f"{WORDS[kind]} from {least:g} to {most:g}", value)
        return kind(value)


def plain(value: Any, where: str, depth: int = DEPTH) -> Any:
    """Return a value that is kept as it is; Misfit if it is nested too deeply to be shown, or is no JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        raise Misfit(where, "a finite number", value)
    if isinstance(value, dict | list | tuple):
        if not depth:
            raise Misfit(where, f"at most {DEPTH} nested levels", value)
        for item in value.values() if isinstance(value, dict) else value:
            plain(item, where, depth - 1)
    return value


def _shown(value: Any) -> str:
    """Return a value as JSON, shortened and escaped."""
    if isinstance(value, dict | list | tuple):
        return f"{WORDS[dict] if isinstance(value, dict) else WORDS[tuple]} of {len(value)}"
    if isinstance(value, str):
        text = json.dumps(value[: MOST_SHOWN + 1], ensure_ascii=False)
    else:
        text = json.dumps(value) if not isinstance(value, int) or abs(value) < LARGEST else "too large an integer"
    text = printable(text)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
