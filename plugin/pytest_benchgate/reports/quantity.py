"""Numbers with their units, for people, and text without control characters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_benchgate.results import Raced, Result

# Characters of an id in a table: parameters can be as long as the data that they hold.
MOST_TEXT = 160
# Characters of any other line.
MOST_LINE = 1000
# From here on, numbers are written with an exponent.
MOST_SHOWN = 1e6
STEPS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))


def scaled(value: float, unit: str) -> str:
    """Return value with three digits and a fitting prefix.

    >>> scaled(0.00123, "s")
    '1.23 ms'
    """
    factor, prefix = next((step for step in STEPS if abs(value) >= step[0]), (1e-9, "n"))
    shown = value / factor
    if abs(shown) >= MOST_SHOWN:
        return f"{shown:.3g} {prefix}{unit}"
    digits = 0 if abs(shown) >= 99.95 else 1 if abs(shown) >= 9.995 else 2  # noqa: PLR2004
    return f"{shown:.{digits}f} {prefix}{unit}" if value else f"0 {unit}"


def counted(number: int, noun: str) -> str:
    """Return "1 commit" or "2 commits"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def percent(number: float) -> str:
    """Return ln(ratio) as a change in percent: "+5.1 %" is slower."""
    change = 100 * math.expm1(number)
    return f"{change:{'+.1f' if abs(change) < MOST_SHOWN else '+.3g'}} %"


def rates(result: Result) -> str:
    """Return the rates of a benchmark."""
    if result.work is None:
        return ""
    units = {"items": f"{result.work.unit}/s", "bytes": "B/s", "operations": "op/s"}
    return ", ".join(scaled(rate, units[name]) for name, rate in result.rates().items())


def shares(result: Result) -> str:
    """Return how close a benchmark comes to each limit."""
    return ", ".join(f"{100 * share.share:.3g} % of {share.limit}" for share in result.shares)


def device_time(result: Result) -> str:
    """Return the time of one call on its device."""
    return "" if result.device_ns is None else scaled(result.device_ns * 1e-9, "s")


def in_device_time(raced: Raced) -> str:
    """Return what follows a verdict on the time on a device; empty after one on the wall time."""
    # At startup this module is imported for its texts only.
    from pytest_benchgate.results import WALL

    return "" if raced.clock == WALL else " in device time"


def shortened(text: str, most: int = MOST_TEXT) -> str:
    """Return text as printable does; if it is too long, without its middle."""
    text = printable(text if len(text) <= 2 * most else f"{text[:most]}{text[-most:]}")
    return text if len(text) <= most else f"{text[: most // 2 - 2]}...{text[-(most // 2 - 1) :]}"


def exception(reason: str) -> str:
    r"""Return the line of a failure's text that says most: the exception's message, if pytest's traceback has one.

    >>> exception("call: traceback\nE   OSError: no such file\n\n/lib/os.py:123: OSError")
    'OSError: no such file'
    """
    lines = reason.strip().splitlines() or [""]
    # The text on a worker that died ends as it begins; between is what its tests have printed.
    messages = [line.removeprefix("E").strip() for line in lines if line.startswith("E  ") and lines[0] != lines[-1]]
    return [*messages, lines[-1]][0]


def line(text: str) -> str:
    """Return text on one line of limited length, with control characters escaped."""
    return shortened(text, MOST_LINE)


def printable(text: str) -> str:
    """Return text on one line, with control characters escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
