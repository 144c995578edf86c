"""Parsers of the values of options, which raise what argparse shows, and how such a value is written."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


# How many builds of each side can tell a slowdown from a placement.
PLACEMENTS = range(6, 65)


def percentage(text: str) -> float:
    """Return "3 %" as 0.03."""
    number = text.strip().removesuffix("%")
    try:
        value = float(number) / 100
    except ValueError:
        value = math.nan
    if not text.strip().endswith("%") or not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage above 0; write it as in 3%")
    return value


def probability(text: str) -> float:
    """Return "0.001" as a number between 0 and 1."""
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must lie between 0 and 1; 0.001 is one false alarm in 1000 suites")
    return value


def seconds(text: str) -> float:
    """Return "60" as a number above 0."""
    value = _number(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds above 0, as in 60")
    return value


def count(text: str) -> int:
    """Return "60" as an integer of 1 or more."""
    value = _number(text)
    if not (math.isfinite(value) and value == int(value) and value >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(value)


def placements(text: str) -> str:
    """Return "auto" or a number of builds; with fewer than 6 the interval of their median has less than 95 %."""
    if text != "auto" and not (text.isdecimal() and (int(text) == 0 or int(text) in PLACEMENTS)):
        least, most = PLACEMENTS[0], PLACEMENTS[-1]
        raise argparse.ArgumentTypeError(f"{text!r} must be auto, 0, or a number from {least} to {most}")
    return text


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that accepts these words only."""

    def parse(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"{text!r} must be {', '.join(words[:-1])} or {words[-1]}")
        return text

    return parse


def shard(text: str) -> tuple[int, int]:
    """Return "2/4" as (2, 4)."""
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} must be K/N with K from 1 to N, as in 2/4")
    return int(part), int(parts)


def _number(text: str) -> float:
    """Return NaN, which is in no range, for what is not a number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def shown(value: object) -> str:
    """Return a value as one writes it on the command line or in a configuration file."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def shown_percentage(value: float) -> str:
    """Return 0.03 as "3%"."""
    return f"{100 * value:.6g}%"
