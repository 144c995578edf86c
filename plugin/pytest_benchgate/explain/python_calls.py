"""What Python code does in a call, counted exactly, as callgrind sees only the interpreter.

Each function's calls are counted, and of the raced modules each line's bytecode instructions.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from types import CodeType, FrameType

# Beyond that many instructions they are not counted: each is an event, which takes a hundred times as long.
MOST = 300_000


@dataclass
class _Found:
    """What was executed.

    Attributes
    ----------
    files : collection of str
        The files whose instructions are counted.
    calls : Counter
        How often each function was entered.
    instructions : Counter
        How often each instruction was executed, by its offset.
    number : int
        The instructions in all.

    """

    files: Collection[str]
    calls: Counter[CodeType] = field(default_factory=Counter)
    instructions: Counter[tuple[CodeType, int]] = field(default_factory=Counter)
    number: int = 0

    def execute(self, code: CodeType, offset: int) -> bool:
        """Count an instruction; return whether there is no point in going on."""
        self.instructions[code, offset] += 1
        self.number += 1
        return self.number > MOST


def count(
    call: Callable[[], object], folders: Iterable[str], files: Collection[str] = ()
) -> tuple[dict[str, int], dict[str, int]]:
    """Return how often each Python function is entered in a call, and how many instructions the lines of files execute.

    Functions are named "name (file)", lines "name (file):line". A generator is entered each time that it goes on. Files
    are relative to the innermost of `folders` that they are in.
    """
    found = _Found(files)
    if sys.version_info >= (3, 12):
        _monitored(call, found)
    else:
        _profiled(call, found)
    ordered = sorted((folder for folder in folders if folder), key=len, reverse=True)
    calls: Counter[str] = Counter()
    for code, number in found.calls.items():
        calls[_named(code, ordered)] += number
    lines: Counter[str] = Counter()
    for (code, offset), number in found.instructions.items() if found.number <= MOST else ():
        line = next((line for low, high, line in code.co_lines() if low <= offset < high), None)
        lines[f"{_named(code, ordered)}:{line or code.co_firstlineno}"] += number
    return dict(calls), dict(lines)


def _named(code: CodeType, folders: Iterable[str]) -> str:
    file = code.co_filename
    folder = next((one for one in folders if file.startswith(f"{one}/")), None)
    return f"{code.co_qualname} ({file if folder is None else file[len(folder) + 1 :]})"


if sys.version_info >= (3, 12):

    def _monitored(call: Callable[[], object], found: _Found) -> None:
        monitoring = sys.monitoring
        events = monitoring.events
        tool = next((number for number in (2, 3, 4, 1, 5, 0) if monitoring.get_tool(number) is None), None)
        if tool is None:
            return

        def entered(code: CodeType, offset: int) -> None:  # noqa: ARG001
            found.calls[code] += 1
            if code.co_filename in found.files and code not in raced:
                raced.add(code)
                monitoring.set_local_events(tool, code, events.INSTRUCTION)

        def executed(code: CodeType, offset: int) -> object:
            return monitoring.DISABLE if found.execute(code, offset) else None

        raced: set[CodeType] = set()
        monitoring.use_tool_id(tool, "benchgate")
        try:
            for event, callback in (
                (events.PY_START, entered), (events.PY_RESUME, entered), (events.INSTRUCTION, executed),
            ):  # fmt: skip
                monitoring.register_callback(tool, event, callback)
            monitoring.set_events(tool, events.PY_START | events.PY_RESUME)
            call()
        finally:
            monitoring.set_events(tool, 0)
            for code in raced:
                monitoring.set_local_events(tool, code, 0)
            monitoring.free_tool_id(tool)

else:

    def _profiled(call: Callable[[], object], found: _Found) -> None:
        def entered(frame: FrameType, event: str, argument: Any) -> None:  # noqa: ARG001
            if event == "call":
                found.calls[frame.f_code] += 1

        def traced(frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG001
            if event == "call" and frame.f_code.co_filename not in found.files:
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            if event == "opcode" and found.execute(frame.f_code, frame.f_lasti):
                sys.settrace(None)
            return traced

        before = sys.getprofile(), sys.gettrace()
        sys.setprofile(entered)
        if found.files:
            sys.settrace(traced)
        try:
            call()
        finally:
            sys.settrace(before[1])
            sys.setprofile(before[0])
