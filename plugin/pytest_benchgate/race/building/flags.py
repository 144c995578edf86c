"""The flags that a race adds to both builds, through the variables that build systems read.

Where the linker puts a function can decide over its speed. On an AMD EPYC, a function of 32 bytes that is never called,
put at the head of python-rapidjson's source, moved the code behind it: of 184 benchmarks 11 became up to 17 % faster
and 5 up to 9 % slower, though their instructions were the same. With each function at a multiple of 64 bytes, a line of
the cache, all stayed within 1.5 %. So both builds have it, unless the user's own flags align functions.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# The most bytes that moved_by puts in front of a function: a line of the cache.
MOST_BYTES = 64
ALIGN = "-falign-functions=64"
# Each variable that build systems read flags from, with the one that names its compiler and the usual command.
COMPILERS = {"CFLAGS": ("CC", "cc", "c"), "CXXFLAGS": ("CXX", "c++", "c++")}


def environment(flags: Sequence[str] = (ALIGN,)) -> dict[str, str]:
    """Return the variables that add flags to a build, for each compiler that knows all of them.

    The user's own flags stay, and come last, so that they count more. What they say of alignment is left alone.
    """
    found = {}
    for name, (variable, usual, language) in COMPILERS.items():
        own = os.environ.get(name, "")
        missing = [flag for flag in flags if flag != ALIGN or "align-functions" not in own]
        compiler = os.environ.get(variable) or sysconfig.get_config_var(variable) or usual
        if missing and _knows(compiler, language, missing):
            found[name] = " ".join([*missing, own]).strip()
    return found


def moved_by(count: int) -> tuple[str, str]:
    """Return the flags that put so many bytes, which are never executed, in front of each function."""
    return ("-falign-functions=1", f"-fpatchable-function-entry={count},{count}")


def _knows(compiler: str, language: str, flags: Sequence[str]) -> bool:
    """Return whether a compiler compiles an empty file with these flags."""
    try:
        command = shlex.split(compiler)
        if not command or shutil.which(command[0]) is None:
            return False
        done = subprocess.run(  # noqa: S603
            [*command, "-Werror", *flags, "-x", language, "-c", os.devnull, "-o", os.devnull],
            capture_output=True,
            check=False,
        )
    except (OSError, ValueError):
        return False
    return done.returncode == 0
