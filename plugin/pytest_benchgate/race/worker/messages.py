"""The protocol between the session and a worker: lines of JSON or, for a block, of words; each field is checked.

The session sends orders, and a worker answers each of them once:

| order | answers |
|---|---|
| Start (by an environment variable) | Collecting, once for each file, then Collected |
| Run | Ready, or Done where the test ends before its benchmark is called |
| Block | Timed, or Done where the test ends instead |
| Count | Counted, or Done where the test ends instead |
| MeasureLimit | Limited, or Done where the test ends instead |
| End | Done |
| Quit | none |

Each line carries the number of its order, so that neither a line that a test has printed nor a surplus line is taken
for the answer.

Messages are named tuples: as dataclasses they would add 3 ms to the start of each worker.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

# Exit status of a worker whose pipes were closed or replaced, so that it cannot report anything else.
UNUSABLE = 71
# Characters of an invalid line that are shown.
SHOWN = 200
# Characters of a long text that are kept: the call at its beginning, and the error at its end.
BEGINNING, ENDING = 10_000, 30_000


class Start(NamedTuple):
    """How a worker starts.

    Attributes
    ----------
    session : int
        The process id of the session, without which it ends.
    orders, answers : int
        The file descriptors of the pipes that it reads from and writes to.
    seed : int
        Of this launch.
    names : list[str]
        The top-level modules that are raced.
    files : list[str] | None
        The test files that are collected, as in node ids; None for all.

    """

    session: int
    orders: int
    answers: int
    seed: int
    names: list[str]
    files: list[str] | None


class Run(NamedTuple):
    """Start a test, which runs up to its benchmark.

    Attributes
    ----------
    nodeid : str
        The test.
    next : str | None
        The test after it.
    seed : str | None
        What its random numbers depend on, beside the seed of the launch; the test's id if None.

    """

    nodeid: str
    next: str | None
    seed: str | None = None


class Block(NamedTuple):
    """Call the benchmarked function `calls` times, on one processor or, if it is None, on any."""

    calls: int
    processor: int | None


class Count(NamedTuple):
    """Call the function `warm` times, count the instructions of each of `calls` calls, then those of Python."""

    warm: int
    calls: int


class MeasureLimit(NamedTuple):
    """Measure the limit of which the test claims to reach a share."""


class End(NamedTuple):
    """Run the test to its end."""


class Quit(NamedTuple):
    """End the worker."""


class Collecting(NamedTuple):
    """A test file is about to be imported; if the worker dies before its next answer, this file is the cause."""

    file: str


class Collected(NamedTuple):
    """The tests of a side.

    Attributes
    ----------
    process : int
        The worker's process id.
    errors : dict[str, str]
        What could not be collected, by file or folder, and why.
    broken : dict[str, str]
        The raced modules that cannot be imported, and why; empty unless there are errors.

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
    once_ns : int
        The time of the first call.
    iterations : int
        The number of calls in a round.
    group : str | None
        The benchmark's.
    files : list[str]
        The raced files that were loaded since the last Ready, by their real paths.
    drawn : str
        A fingerprint of the random numbers that were drawn before; see seeds.py.
    reaches : str
        The share of a limit that it claims to reach, as in "80 % of copy"; empty if none.
    device : str | None
        Why its device tells no time of a call, empty if it does; None without a device.

    """

    once_ns: int
    iterations: int
    group: str | None
    files: list[str]
    drawn: str
    reaches: str
    device: str | None


class Timed(NamedTuple):
    """The time of a block.

    Attributes
    ----------
    ns : int
        By the wall clock.
    threaded : bool
        Whether threads other than the main one worked in it.
    device_ns : float | None
        By the clock of the device on which its calls work; None if that does not tell, or without a device.

    """

    ns: int
    threaded: bool
    device_ns: float | None


class Counted(NamedTuple):
    """What a call does.

    Attributes
    ----------
    others_ns : int | None
        The processor time of other threads in the calls of which callgrind wrote a profile; None without callgrind.
    waits : bool
        Whether each call waits; False without callgrind.
    functions : dict[str, int]
        How often each Python function was entered in another call.
    lines : dict[str, int]
        How many bytecode instructions the lines of raced Python functions executed in it.

    """

    others_ns: int | None
    waits: bool
    functions: dict[str, int]
    lines: dict[str, int]


class Limited(NamedTuple):
    """Samples of the seconds that the limit takes for as much as the test does."""

    seconds: list[float]


class Done(NamedTuple):
    """A test has ended: its outcome, as pytest has it, and the reason if it did not pass."""

    outcome: str
    reason: str


Order: TypeAlias = Run | Block | Count | MeasureLimit | End | Quit
Answer: TypeAlias = Collecting | Collected | Ready | Timed | Counted | Limited | Done
Message: TypeAlias = Order | Answer
ORDERS: dict[str, type[Order]] = {kind.__name__: kind for kind in (Run, Block, Count, MeasureLimit, End, Quit)}
ANSWERS: dict[str, type[Answer]] = {
    kind.__name__: kind for kind in (Collecting, Collected, Ready, Timed, Counted, Limited, Done)
}


WORDS = {"None": None, "True": True, "False": False}
# How to read the fields of the messages of each block. They are lines of words: the processor's caches are cold by
# then, so that JSON would take 0.08 ms.
SHORT: dict[str, tuple[Callable[[str], Any], ...]] = {
    "Block": (int, lambda word: WORDS[word] if word in WORDS else int(word)),
    "Timed": (int, WORDS.__getitem__, lambda word: WORDS[word] if word in WORDS else _finite(word)),
}


class InvalidMessage(Exception):
    """A line that is not a message, or not the expected one."""


def encode_start(start: Start) -> str:
    """Return the value of the environment variable that starts a worker; boot.py reads the seed from it, too."""
    return json.dumps(start._asdict())


def decode_start(text: str) -> Start:
    """Return how to start, from the value of the environment variable; raise InvalidMessage if it is damaged."""
    try:
        fields = json.loads(text)
        if _fits(fields, Start):
            return Start(**fields)
    except (ValueError, TypeError, AttributeError):
        pass
    raise InvalidMessage(f"{text[:SHOWN]!r} does not start a worker")


def encode(message: Message, number: int) -> bytes:
    """Return the line of a message that belongs to the order of this number."""
    if isinstance(message, Block | Timed):
        return f"{type(message).__name__} {number} {' '.join(map(str, message))}\n".encode("ascii")
    return json.dumps([number, type(message).__name__, message._asdict()]).encode("ascii") + b"\n"


def decode_order(line: bytes) -> tuple[int, Order]:
    """Return the number of an order, and the order; raise InvalidMessage if the line is not one."""
    number, order = _decode(line, ORDERS)
    return number, order


def decode_answer(line: bytes) -> tuple[int, Answer]:
    """Return the number of the order that is answered, and the answer; raise InvalidMessage if the line is not one."""
    number, answer = _decode(line, ANSWERS)
    return number, answer


def _decode(line: bytes, kinds: dict[str, Any]) -> tuple[int, Any]:
    try:
        if not line.startswith(b"["):
            name, number, *words = line.decode("ascii").split(" ")
            return int(number), kinds[name](*(read(word) for read, word in zip(SHORT[name], words, strict=True)))
        number, kind_name, fields = json.loads(line)
        kind = kinds[kind_name]
        if _is(number, "int") and _fits(fields, kind):
            return number, kind(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise InvalidMessage(f"{line[:SHOWN]!r}{'...' * (len(line) > SHOWN)} is not a message of this protocol")


def _finite(word: str) -> float:
    """Return a number; raise ValueError if it is not finite."""
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(word)
    return value


def shortened(text: str) -> str:
    """Return a text without its middle if it is very long."""
    omitted = len(text) - BEGINNING - ENDING
    if omitted <= 0:
        return text
    return f"{text[:BEGINNING]}\n[... {omitted} characters are omitted here ...]\n{text[-ENDING:]}"


def _fits(fields: Any, kind: Any) -> bool:
    """Return whether fields are exactly those of a kind of message, each of its type."""
    return fields.keys() == {*kind._fields} and all(
        _is(fields[name], annotation) for name, annotation in kind.__annotations__.items()
    )


def _is(value: Any, annotation: Any) -> bool:
    """Return whether a value is of the type that an annotation, as text, names."""
    text = getattr(annotation, "__forward_arg__", annotation)
    if text.endswith(" | None"):
        return value is None or _is(value, text.removesuffix(" | None"))
    match text:
        case "str":
            return isinstance(value, str)
        case "int":
            return type(value) is int
        case "float":
            return type(value) in {int, float} and math.isfinite(value)
        case "bool":
            return isinstance(value, bool)
        case "list[str]":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "list[float]":
            return isinstance(value, list) and all(type(item) in {int, float} for item in value)
        case "dict[str, str]" | "dict[str, int]":
            kind = str(text).removeprefix("dict[str, ").removesuffix("]")
            return isinstance(value, dict) and all(_is(item, kind) for item in value.values())
    raise TypeError(f"no check for {annotation!r}")
