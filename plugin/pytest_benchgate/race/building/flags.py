"""The flags that a race adds to every compilation of both builds.

They are added by scripts in front of the compilers, not by CFLAGS: where that variable is set, setuptools and many
configure scripts leave out their own flags, and what they would have built at -O3 is not optimised at all.

Each function is aligned to a line of the cache. Where the linker puts a function can decide over its speed; a function
that is never called, and moves those behind it, must not look like a change of them. And there are line numbers, for
explanations, which change no instruction.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ALIGN = "-falign-functions=64"
LINES = "-g1"
USUAL = (ALIGN, LINES)
# What keeps build backends from removing the line numbers again, and gives Rust some.
KEEPING_LINES = {
    "SKBUILD_INSTALL_STRIP": "false",
    "CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only",
    "CARGO_PROFILE_RELEASE_STRIP": "none",
}
# The most bytes that moved_by puts in front of a function: a line of the cache.
MOST_BYTES = 64
# The usual names of compilers, beside those that the user and the interpreter name.
NAMES = ("cc", "c++", "gcc", "g++", "clang", "clang++")


def moved_by(count: int) -> tuple[str, str]:
    """Return the flags that put so many bytes, which are never executed, in front of each function."""
    return ("-falign-functions=1", f"-fpatchable-function-entry={count},{count}")


def wrap_compilers(folder: Path, flags: Sequence[str]) -> dict[str, str]:
    """Fill a folder with scripts that run compilers with these flags, if they know all of them.

    The flags precede the arguments, which therefore count more. Returns the environment variables of a build: PATH, by
    which it finds the scripts, CC and CXX where these have the path of a compiler, and what keeps line numbers.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, compiler in _compilers():
        _wrap(folder / name, compiler, flags)
    variables = {name: value for name, value in KEEPING_LINES.items() if name not in os.environ}
    variables["PATH"] = os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])
    for variable in ("CC", "CXX"):
        compiler, _, arguments = os.environ.get(variable, "").partition(" ")
        script = folder / f"{variable}-{Path(compiler).name}"
        if "/" in compiler and _wrap(script, compiler, flags):
            variables[variable] = f"{shlex.quote(str(script))} {arguments}".strip()
    return variables


def are_known(flags: Sequence[str]) -> bool:
    """Return whether any compiler here knows all of these flags."""
    return any(_knows(compiler, flags) for _, compiler in _compilers())


def _compilers() -> Iterator[tuple[str, str]]:
    """Yield the names of compilers on the PATH, with their paths."""
    named = [os.environ.get(name) or sysconfig.get_config_var(name) or "" for name in ("CC", "CXX")]
    for name in dict.fromkeys([*NAMES, *(text.partition(" ")[0] for text in named)]):
        if name and "/" not in name and (compiler := shutil.which(name)) is not None:
            yield name, compiler


def _wrap(script: Path, compiler: str, flags: Sequence[str]) -> bool:
    """Write a script that runs a compiler with these flags; return whether it knows them."""
    if not _knows(compiler, flags):
        return False
    script.write_text(f'#!/bin/sh\nexec {shlex.join([compiler, *flags])} "$@"\n', "utf-8")
    script.chmod(0o755)
    return True


def _knows(compiler: str, flags: Sequence[str]) -> bool:
    """Return whether a compiler compiles an empty file with these flags."""
    command = [compiler, "-Werror", *flags, "-x", "c", "-c", os.devnull, "-o", os.devnull]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
    except OSError:
        return False
