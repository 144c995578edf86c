"""What the session and a worker say to each other: JSON lines, each of whose fields is checked when it is read.

Each order of the session gets one answer:

| order | answers |
|---|---|
| (the start) | Collecting, once for each file, then Collected |
| Run | Ready, or Done where the test ends before its benchmark is called |
| Block | Timed, or Done where the test ends instead |
| End | Done |
| Quit | none |

Every line carries the number of its order, so that neither a line of somebody else's nor one too many is taken for the
answer.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, TypeAlias

UNUSABLE = 71  # exit status of a worker whose pipes are no longer its own, and which can say so in no other way
SHOWN = 200  # characters of a line that is no message
# Characters of a text, of which the beginning and the end are kept: what was called, and what was said last.
BEGINNING, ENDING = 10_000, 30_000


class Run(NamedTuple):
    """Start a test, which runs up to its benchmark; `next` is the test after it."""

    nodeid: str
    next: str | None


class Block(NamedTuple):
    """Call the benchmarked function so often, on one processor or, where it is None, on any."""

    calls: int
    processor: int | None


class End(NamedTuple):
    """Let the test go on to its end."""


class Quit(NamedTuple):
    """End the worker."""


class Collecting(NamedTuple):
    """A file is about to be imported, for its tests; a worker that dies before its next answer has died of it."""

    file: str


class Collected(NamedTuple):
    """The tests of a side.

    Attributes
    ----------
    process: the worker's process id.
    errors: what could not be collected, by file or folder, and why.
    broken: the raced modules that cannot be imported, and why; looked at only where there are errors.

    """

    process: int
    nodeids: list[str]
    errors: dict[str, str]
    broken: dict[str, str]


NOTHING = Collected(0, [], {}, {})


class Ready(NamedTuple):
    """A test has called its benchmark.

    Attributes
    ----------
    once_ns: what the first call took.
    iterations: how many calls a round of it is made of.
    group: the benchmark's.
    files: the raced files that were loaded since this was last said, and their SHA-256.
    drawn: a fingerprint of the random numbers that were drawn before; see seeds.py.

    """

    once_ns: int
    iterations: int
    group: str | None
    files: dict[str, str]
    drawn: str


class Timed(NamedTuple):
    """A block took so long; and whether other threads than the main one worked in it."""

    ns: int
    threaded: bool


class Done(NamedTuple):
    """A test has ended: "passed", "skipped", or otherwise, and why."""

    outcome: str
    reason: str


Message: TypeAlias = Run | Block | End | Quit | Collecting | Collected | Ready | Timed | Done
KINDS: dict[str, type[Message]] = {
    kind.__name__: kind for kind in (Run, Block, End, Quit, Collecting, Collected, Ready, Timed, Done)
}


class Garbled(Exception):
    """A line that is no message, or not the one that was due."""


def encode(message: Message, number: int) -> bytes:
    """Return the line of a message that belongs to this order."""
    return json.dumps([number, type(message).__name__, message._asdict()]).encode("ascii") + b"\n"


def decode(line: bytes) -> tuple[int, Message]:
    """Return the number of the order, and the message; raise Garbled where it is none."""
    try:
        number, kind_name, fields = json.loads(line)
        kind = KINDS[kind_name]
        is_right = _is(number, "int") and fields.keys() == {*kind._fields}
        if is_right and all(_is(fields[name], annotation) for name, annotation in kind.__annotations__.items()):
            return number, kind(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise Garbled(f"{line[:SHOWN]!r}{'...' * (len(line) > SHOWN)} is no message of a worker")


def shortened(text: str) -> str:
    """Return a text with its middle left out where it is very long."""
    left_out = len(text) - BEGINNING - ENDING
    if left_out <= 0:
        return text
    return f"{text[:BEGINNING]}\n[... {left_out} characters are left out here ...]\n{text[-ENDING:]}"


def _is(value: Any, annotation: Any) -> bool:
    """Return whether a value is of the type that an annotation, as text, names."""
    text = getattr(annotation, "__forward_arg__", annotation)
    match text:
        case "str":
            return isinstance(value, str)
        case "int":
            return type(value) is int
        case "bool":
            return isinstance(value, bool)
        case "str | None" | "int | None":
            return value is None or _is(value, text.removesuffix(" | None"))
        case "list[str]":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case "dict[str, str]":
            return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    raise TypeError(f"no check for {annotation!r}")
