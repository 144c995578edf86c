"""Tables for terminals: aligned columns, by the cells that characters take, within a width."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BETWEEN = "  "
# Cells of the first column, before any other column is left out.
LEAST = 20


def width(text: str) -> int:
    """Return the cells that printable text takes in a terminal.

    >>> width("abc"), width("漢字"), width("e\N{COMBINING ACUTE ACCENT}")
    (3, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Return text that takes at most so many cells, without its middle if it is too long.

    >>> cut("test_steps[100000]", 12)
    'test_...000]'
    """
    if width(text) <= columns:
        return text
    if columns <= len("..."):
        return "..."[:columns]
    end = (columns - 3) // 2
    return f"{_fitting(text, columns - 3 - end)}...{_fitting(text[::-1], end)[::-1]}"


def _fitting(text: str, columns: int) -> str:
    """Return the beginning of text that takes at most so many cells."""
    for index, char in enumerate(text):
        columns -= _cells(char)
        if columns < 0:
            return text[:index]
    return text


def aligned(rows: Sequence[Sequence[str]], columns: int | None = None) -> list[str]:
    """Return rows with their columns aligned: the first left, the others right.

    Within `columns` cells the first column is cut, and the last ones are left out, where these do not suffice.
    """
    if not rows:
        return []
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    if columns is not None:
        while len(widths) > 1 and _total(widths) - widths[0] + min(widths[0], LEAST) > columns:
            widths.pop()
        widths[0] = max(min(widths[0], columns - _total(widths) + widths[0]), 0)
    return [
        BETWEEN.join(
            _padded(cut(cell, most), most, left=index == 0)
            for index, (cell, most) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(BETWEEN) * (len(widths) - 1)


def _padded(text: str, columns: int, *, left: bool) -> str:
    spaces = " " * (columns - width(text))
    return text + spaces if left else spaces + text
