"""From what the compiler made to what people wrote: inlined functions, Cython's names and lines, files of a build."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_benchgate.explain.cython import is_source
from pytest_benchgate.explain.debug_information import Frame, frames
from pytest_benchgate.explain.profile import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_benchgate.explain.cython import Generated
    from pytest_benchgate.explain.profile import Place
    from pytest_benchgate.race.launching.plan import Side

# What compilers append to the name of a function that they have specialized or split, and callgrind to a recursion.
VARIANT = re.compile(r"(\.(constprop|isra|part|cold|lto_priv|llvm|clone)(\.\d+)*)+|'\d+")
CYTHON = re.compile(r"__pyx_(?:fuse_\d+)?(?:pf|pw|f|gb)_(?=\d)")
# Cython's helpers, and what has no name: the linker's code for calls of other libraries.
OF_OTHERS = ("__Pyx_", "0x")
# Sources of the system, of Python, of other packages, of Rust and its crates.
FOREIGN = re.compile(
    r"^/usr/(?:local/)?(?:include|lib)/|/include/(?:python3|c\+\+)|/site-packages/|^/rustc/|/registry/src/"
)
# Sources that were built in a folder of the race's own, or were generated in one of the build's.
SCRATCH = re.compile(r".*/race-[^/]+/(?:(?:base|head|own)/|(?:base|head)-build/(?:tmp[^/]+/)?)")


class Origin(NamedTuple):
    """Where instructions come from.

    Attributes
    ----------
    function : str
        By the name that it has in the source.
    file, line
        Of the source.
    text : str
        The source's text at this line, if it is known.
    own : bool
        Whether people wrote it for the project: not Cython, and not in the headers of Python or of other libraries.

    """

    function: str
    file: str
    line: int
    text: str = ""
    own: bool = True


def origins(places: Iterable[Place], generated: Generated) -> dict[Place, Origin]:
    """Return where the code at these places comes from, also if it was inlined into other functions.

    Code of others that was inlined into a function of the project counts for that one, and for the line it is used in.
    """
    found: dict[Place, Origin] = {}
    by_library: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        by_library[place.function.object].append(place)
    for library, of_library in by_library.items():
        known = frames(Path(library), {place.address for place in of_library if place.address and place.line})
        for place in of_library:
            found[place] = _origin(place, known.get(place.address, []), generated)
    return found


def _origin(place: Place, inlined: Iterable[Frame], generated: Generated) -> Origin:
    """Return where the code at a place comes from, by the functions that it was inlined into."""
    first = None
    file, line = place.file, place.line
    for frame in inlined or [Frame(place.function.name, "", 0)]:
        origin = _written(frame.name, file, line, generated)
        if origin.own:
            return origin
        first = first or origin
        file, line = frame.file, frame.line
    return first or _written(place.function.name, place.file, place.line, generated)


def _written(function: str, file: str, line: int, generated: Generated) -> Origin:
    """Return where code was written that lies in a file, in a function as the compiler names it."""
    name = readable(function)
    if name != VARIANT.sub("", function) and (statement := generated.statement(file, line)):
        return Origin(name, statement.file, statement.line, statement.text, own=is_source(statement.file))
    own = not name.startswith(OF_OTHERS) and (bool(SCRATCH.match(file)) or not FOREIGN.search(file))
    return Origin(name, relative(file), line, own=own)


class Texts:
    """The lines of a side's sources."""

    def __init__(self, side: Side) -> None:
        tree = SCRATCH.match(f"{side.folder}/")
        installed = side.python.parent.parent.glob("lib/python*/site-packages")
        self._folders = [*([Path(tree[0])] if tree else []), side.folder, *installed]
        self._files: dict[str, list[str]] = {}

    def __call__(self, file: str, line: int) -> str:
        """Return the text of a line; "" where it is not known."""
        if file not in self._files:
            self._files[file] = self._read(file)
        lines = self._files[file]
        return lines[line - 1] if 0 < line <= len(lines) else ""

    def _read(self, file: str) -> list[str]:
        for folder in self._folders:
            with suppress(OSError):
                return [line.strip() for line in (folder / file).read_text("utf-8", "replace").splitlines()]
        return []


def readable(name: str) -> str:
    """Return a function's name as its source has it.

    Examples
    --------
    >>> readable("step.constprop.0")
    'step'
    >>> readable("__pyx_pf_4kern_5Klass_2run")
    'kern.Klass.run'

    """
    name = VARIANT.sub("", name)
    if not (match := CYTHON.match(name)):
        return name
    parts, rest = [], name[match.end() :]
    while (piece := re.match(r"(\d+)(.*)", rest)) and piece[2][int(piece[1]) :].startswith("_"):
        parts.append(piece[2][: int(piece[1])])
        rest = piece[2][int(piece[1]) + 1 :]
    # A number before the last name counts the functions of a class or module.
    return ".".join([*parts, rest.lstrip("0123456789")]) if parts else name


def relative(file: str) -> str:
    """Return the path of a source file in its project, where it is known, with "/" between the folders.

    Examples
    --------
    >>> relative("/tmp/race-x1/head/src/../kern/step.c")
    'kern/step.c'
    >>> relative("/tmp/race-x1/head-build/tmp_a1/build/kern/step.c")
    'build/kern/step.c'

    """
    return UNKNOWN if file in {"", "??", UNKNOWN} else posixpath.normpath(SCRATCH.sub("", file))
