"""From what the compiler made to what people wrote: inlined functions, Cython's names, files of a build."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_benchgate.explain.debug_information import functions
from pytest_benchgate.explain.profile import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_benchgate.explain.profile import Place

# What compilers append to the name of a function that they have specialized or split, and callgrind to a recursion.
VARIANT = re.compile(r"(\.(constprop|isra|part|cold|lto_priv|llvm|clone)(\.\d+)*)+|'\d+")
CYTHON = re.compile(r"__pyx_(?:fuse_\d+)?(?:pf|pw|f|gb)_(?=\d)")
# Sources that were built in a folder of the race's own.
SCRATCH = re.compile(r".*/race-[^/]+/(?:base|head|own)/")


class Origin(NamedTuple):
    """Where instructions come from: a function by the name that it has in the source, its file and the line."""

    function: str
    file: str
    line: int


def origins(places: Iterable[Place]) -> dict[Place, Origin]:
    """Return where the code at these places comes from, also if it was inlined into other functions."""
    found: dict[Place, Origin] = {}
    by_library: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        found[place] = Origin(readable(place.function.name), relative(place.file), place.line)
        if place.address and place.line:
            by_library[place.function.object].append(place)
    for library, of_library in by_library.items():
        names = functions(Path(library), {place.address for place in of_library})
        for place in of_library:
            if name := names.get(place.address):
                found[place] = found[place]._replace(function=readable(name))
    return found


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

    """
    return UNKNOWN if file in {"", "??", UNKNOWN} else posixpath.normpath(SCRATCH.sub("", file))
