"""The program valgrind: whether it is there, how a process is run under it, and what its log says."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from pytest_benchgate.explain.profile import Profile, ProfileError, read
from pytest_benchgate.explain.requests import Unsupported, check

if TYPE_CHECKING:
    from pathlib import Path

INSTALL = {
    "apt-get": "sudo apt-get install valgrind",
    "dnf": "sudo dnf install valgrind",
    "zypper": "sudo zypper install valgrind",
    "pacman": "sudo pacman -S valgrind",
    "apk": "sudo apk add valgrind",
}
UNHANDLED = re.compile(r"unhandled instruction bytes: ((?:0x)?[0-9A-Fa-f]{2})")
EVEX = 0x62  # the first byte of AVX-512's instructions


def prefix(folder: Path) -> tuple[str, ...]:
    """Return the command that runs a process under callgrind, which writes into a folder; raise Unsupported."""
    check()
    program = shutil.which("valgrind")
    if program is None:
        manager = next((name for name in INSTALL if shutil.which(name)), None)
        how = f": {INSTALL[manager]}" if manager else " by the system's package manager"
        raise Unsupported(f"valgrind is not installed; install it{how}")
    return (
        program,
        "--tool=callgrind",
        "--instr-atstart=no",
        # Addresses tell which functions the compiler has inlined; threads of their own, whether there is more than one.
        "--dump-instr=yes",
        "--separate-threads=yes",
        f"--callgrind-out-file={folder}/callgrind.%p",
        f"--log-file={folder}/log.%p",
        "--vgdb=no",  # which would leave pipes in the folder of temporary files
    )


def profiles(folder: Path, process: int, number: int) -> list[Profile]:
    """Return the profile of each thread in the call of a number, from 1; raise ProfileError."""
    found = [read(path) for path in sorted(folder.glob(f"callgrind.{process}.{number}-*"))]
    if not found:
        raise ProfileError(f"callgrind wrote no profile of call {number} of process {process}")
    return found


def complaint(folder: Path) -> str:
    """Return why valgrind could not run a process, by its log; "" where that does not say."""
    for path in sorted(folder.glob("log.*")):
        if match := UNHANDLED.search(path.read_text("utf-8", "replace")):
            if int(match[1], 16) == EVEX:
                return (
                    "it executes AVX-512 instructions, which valgrind does not know; build both sides without, for "
                    "instance with CFLAGS=-mno-avx512f or -march=x86-64-v3 in place of -march=native"
                )
            return f"it executes an instruction that valgrind does not know ({match[0].rpartition(': ')[2]} ...)"
    return ""
