"""Finds the files that a test looked for in vain, as the checkouts of a race lack them, by the text of its failure."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES
from itertools import islice
from typing import TYPE_CHECKING

from pytest_benchgate.race.building.git import GitError, git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Characters of a path, and paths in a text, that are looked for.
LONGEST, MOST = 1000, 300
QUOTED = re.compile(r"(?<!\w)(?:'([^']+)'|\"([^\"]+)\")")
BARE = re.compile(r"[^\s'\"`<>(){}\[\],;|=]+")
# Both sides must not get these from the user's own build.
BUILT = (*BYTECODE_SUFFIXES, *EXTENSION_SUFFIXES, ".so", ".dylib", ".dll")


@dataclass(frozen=True)
class Absent:
    """Finds files that the user's checkout has, and those of a race lack.

    Attributes
    ----------
    source : Path
        The user's checkout of the repository.
    root : Path
        Rootdir within it.
    sides : Mapping[str, tuple[Path, Path]]
        The checkout of each side, and the folder in it in which its tests start.

    """

    source: Path
    root: Path
    sides: Mapping[str, tuple[Path, Path]]

    def hint(self, side: str, reason: str, file: str) -> str:
        """Return why a test could not find a file, and what to do; empty if it is not for that.

        Parameters
        ----------
        side : str
            Where it failed: base, head, or "base and head".
        reason : str
            The text of its failure.
        file : str
            Its own file, relative to rootdir.

        """
        found = self._find(side, reason, file)
        return self._words(*found) if found else ""

    def to_copy(self, side: str, reason: str, file: str) -> str:
        """Return the value of --race-files that gives both sides this file; empty if there is none. As for `hint`."""
        path, _ = self._find(side, reason, file) or ("", [])
        return "" if not path or self._is_tracked(path) else os.path.relpath(path, self.root)

    def _find(self, side: str, reason: str, file: str) -> tuple[str, list[str]] | None:
        """Return the path of the file within the repository, and the sides that lack it."""
        names = [name for name in side.split(" and ") if name in self.sides]
        for path in dict.fromkeys(self._named(names, reason, file)):
            if lacking := [name for name in names if self._lacks(name, path)]:
                return path, lacking
        return None

    def _named(self, names: list[str], reason: str, file: str) -> Iterator[str]:
        """Yield the paths within a checkout that a text names, absolute ones or relative to where tests look."""
        for text in islice(_texts(reason), MOST):
            for name in names:
                tree, start = self.sides[name]
                _, found, inner = text.partition(f"{tree}{os.sep}")
                if found:
                    yield os.path.normpath(inner)
                # Not any word that happens to be the name of a folder.
                elif not text.startswith(os.sep) and re.search(r"/|\w\.\w", text):
                    for folder in (start, tree / self.root, (tree / self.root / file).parent):
                        yield os.path.relpath(folder / text, tree)

    def _lacks(self, name: str, path: str) -> bool:
        """Return whether a side lacks what the user's checkout has at a path, unless that is from a build."""
        if path == os.curdir or path.startswith((os.pardir, ".git" + os.sep)) or path.endswith(BUILT):
            return False
        try:
            return (self.source / path).exists() and not os.path.lexists(self.sides[name][0] / path)
        # Of a name that is too long, for instance.
        except OSError:
            return False

    def _words(self, path: str, lacking: list[str]) -> str:
        shown = os.path.relpath(path, self.root)
        given = shlex.quote(shown)
        where = " and ".join(lacking)
        if self._is_tracked(path):
            return (
                f"git tracks {shown}, but the commit of {where} lacks it: keep what tests read in their own folder, "
                "which is head's on both sides"
            )
        remedy = (
            f"give both sides a copy with --race-files={given} (or its folder, or a glob), commit it, or let the test "
            "read it from an absolute path, for instance that of an environment variable"
        )
        if self._git("check-ignore", "--quiet", "--", path):
            return (
                f"git ignores {shown} (see: git check-ignore -v {given}), so that the checkouts of this race lack it: "
                f"{remedy}"
            )
        return f"{shown} is not committed, so that the checkout of {where} lacks it: {remedy}"

    def _is_tracked(self, path: str) -> bool:
        return self._git("ls-files", "--error-unmatch", "--", f":(literal){path}")

    def _git(self, *arguments: str) -> bool:
        try:
            git(*arguments, cwd=self.source)
        except GitError:
            return False
        return True


def _texts(reason: str) -> Iterator[str]:
    """Yield what may be a path in a failure's text: of pytest's traceback, only the exception's message counts."""
    lines = reason.splitlines()
    for line in [line.removeprefix("E") for line in lines if line.startswith("E  ")] or lines:
        quoted = [one or other for one, other in QUOTED.findall(line)]
        bare = [re.sub(r"(:\d+)*[.:!?]*$", "", word) for word in BARE.findall(line)]
        yield from (text for text in (*quoted, *bare) if 0 < len(text) <= LONGEST and "\0" not in text)
