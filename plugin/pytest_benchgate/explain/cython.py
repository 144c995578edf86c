"""The lines of Cython's sources, by the comments that Cython writes into the C files that it generates.

Before the code of each statement there is one with its file, its line and its text. The scripts in front of the
compilers keep them with each build; see race/building/flags.py.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from collections import defaultdict
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

# As `grep -n` prints them.
POSITION = re.compile(r'(\d+): */\* "(.+)":(\d+)')
STATEMENT = re.compile(r"\d+: \* ?(.*?) *# <<<<<<<<<<<<<<")
SUFFIXES = {".pyx", ".pxd", ".pxi", ".py"}


class Statement(NamedTuple):
    """A statement in a source of Cython: its file, line and text."""

    file: str
    line: int
    text: str


class Generated:
    """The C files that Cython generated for a build.

    Parameters
    ----------
    folder : Path, optional
        Where their comments were kept; it need not exist.

    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def statement(self, file: str, line: int) -> Statement | None:
        """Return the statement that a line of a C file was generated for; None where that is not known.

        The build may have given its folders other names in the debug information, so that the end of the path counts.
        """
        path = posixpath.normpath(file)
        candidates = self._files.get(posixpath.basename(path), {})
        if not candidates:
            return None
        marks = candidates[max(candidates, key=lambda one: _common(one, path))]
        index = bisect_right(marks, line, key=lambda mark: mark[0]) - 1
        return marks[index][1] if index >= 0 else None

    @cached_property
    def _files(self) -> dict[str, dict[str, list[tuple[int, Statement]]]]:
        """The statements of each C file, by its name and its path, with the lines that they begin after."""
        found: dict[str, dict[str, list[tuple[int, Statement]]]] = defaultdict(dict)
        for kept in self._folder.glob("*") if self._folder else ():
            marks: list[tuple[int, Statement]] = []
            for text in kept.read_text("utf-8", "replace").splitlines():
                if text.startswith("/"):
                    path, marks = posixpath.normpath(text), []
                    found[posixpath.basename(path)][path] = marks
                elif match := POSITION.match(text):
                    marks.append((int(match[1]), Statement(_shown(match[2]), int(match[3]), "")))
                elif marks and (match := STATEMENT.match(text)):
                    number, statement = marks[-1]
                    marks[-1] = (number, statement._replace(text=match[1].strip()))
        return found


def is_source(file: str) -> bool:
    """Return whether a file is a source that Cython compiles, and not code of Cython's own."""
    return Path(file).suffix in SUFFIXES


def _shown(file: str) -> str:
    """Return the path of a source without the folders above the one that Cython was run in."""
    return re.sub(r"^(\.\./)+", "", posixpath.normpath(file))


def _common(one: str, other: str) -> int:
    """Return how many names two paths have in common at their ends."""
    ends = zip(one.split("/")[::-1], other.split("/")[::-1], strict=False)
    return sum(1 for _ in takewhile(lambda names: names[0] == names[1], ends))
