"""How often each Python function is called: exact counts, as callgrind sees only the interpreter."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FrameType


def count(call: Callable[[], object], folders: Iterable[str]) -> dict[str, int]:
    """Return how often each Python function is entered in a call, by "name (file)".

    A generator is entered each time that it goes on. Files are relative to the innermost of `folders` that they are in.
    """
    found: Counter[CodeType] = Counter()
    if sys.version_info >= (3, 12):
        _monitored(call, found)
    else:
        _profiled(call, found)
    ordered = sorted((folder for folder in folders if folder), key=len, reverse=True)
    named: Counter[str] = Counter()
    for code, number in found.items():
        file = code.co_filename
        folder = next((one for one in ordered if file.startswith(f"{one}/")), None)
        shown = file if folder is None else file[len(folder) + 1 :]
        named[f"{code.co_qualname} ({shown})"] += number
    return dict(named)


if sys.version_info >= (3, 12):

    def _monitored(call: Callable[[], object], found: Counter[CodeType]) -> None:
        monitoring = sys.monitoring
        tool = next((number for number in (2, 3, 4, 1, 5, 0) if monitoring.get_tool(number) is None), None)
        if tool is None:
            return

        def entered(code: CodeType, offset: int) -> None:  # noqa: ARG001
            found[code] += 1

        events = monitoring.events.PY_START | monitoring.events.PY_RESUME
        monitoring.use_tool_id(tool, "benchgate")
        try:
            for event in (monitoring.events.PY_START, monitoring.events.PY_RESUME):
                monitoring.register_callback(tool, event, entered)
            monitoring.set_events(tool, events)
            call()
        finally:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)

else:

    def _profiled(call: Callable[[], object], found: Counter[CodeType]) -> None:
        def entered(frame: FrameType, event: str, argument: Any) -> None:  # noqa: ARG001
            if event == "call":
                found[frame.f_code] += 1

        before = sys.getprofile()
        sys.setprofile(entered)
        try:
            call()
        finally:
            sys.setprofile(before)
