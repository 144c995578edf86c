"""The program valgrind: whether it is there, how a process is run under it, and what its log says."""

from __future__ import annotations

import math
import os
import re
import resource
import shutil
from contextlib import suppress
from pathlib import Path

from pytest_benchgate.explain.requests import Unsupported, check

INSTALL = {
    "apt-get": "sudo apt-get install valgrind",
    "dnf": "sudo dnf install valgrind",
    "zypper": "sudo zypper install valgrind",
    "pacman": "sudo pacman -S valgrind",
    "apk": "sudo apk add valgrind",
}
UNHANDLED = re.compile(r"unhandled instruction bytes: ((?:0x)?[0-9A-Fa-f]{2})")
# The C library copies large blocks by one instruction, of which callgrind counts each byte. These thresholds are beyond
# all blocks, so that what a copy counts does not jump with its size.
TUNABLES = "glibc.cpu.x86_rep_movsb_threshold=0x7fffffff:glibc.cpu.x86_rep_stosb_threshold=0x7fffffff"
EVEX = 0x62  # the first byte of AVX-512's instructions


def program() -> str:
    """Return the path of valgrind; raise Unsupported where there is none, or no use for it."""
    check()
    if (found := shutil.which("valgrind")) is not None:
        return found
    manager = next((name for name in INSTALL if shutil.which(name)), None)
    how = f": {INSTALL[manager]}" if manager else " by the system's package manager"
    raise Unsupported(f"valgrind is not installed; install it{how}")


def prefix(folder: Path) -> tuple[str, ...]:
    """Return the command that runs a process under callgrind, which writes into a folder; raise Unsupported."""
    tunables = ":".join(filter(None, [os.environ.get("GLIBC_TUNABLES"), TUNABLES]))
    return (
        "/usr/bin/env",
        f"GLIBC_TUNABLES={tunables}",
        program(),
        "--tool=callgrind",
        "--instr-atstart=no",
        # Addresses tell which functions the compiler has inlined.
        "--dump-instr=yes",
        f"--callgrind-out-file={folder}/callgrind.%p",
        f"--log-file={folder}/log.%p",
        "--vgdb=no",  # which would leave pipes in the folder of temporary files
    )


def limit(process: int, limit_s: int) -> None:
    """Have SIGXCPU end a process after so many further seconds of processor time, unless it has ended already."""
    with suppress(OSError, IndexError):
        # After its name, which may have any characters: user and system time are the 12th and 13th field.
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        used_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        hard = resource.prlimit(process, resource.RLIMIT_CPU)[1]
        soft = math.ceil(used_s) + limit_s
        resource.prlimit(
            process, resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
        )


def complaint(folder: Path) -> str:
    """Return why valgrind could not run a process, by its log, which is removed; "" where that does not say."""
    for path in sorted(folder.glob("log.*")):
        log = path.read_text("utf-8", "replace")
        path.unlink()
        if match := UNHANDLED.search(log):
            if int(match[1], 16) == EVEX:
                return (
                    "it executes AVX-512 instructions, which valgrind does not know; build both sides without, for "
                    "instance with CFLAGS=-mno-avx512f or -march=x86-64-v3 in place of -march=native"
                )
            return f"it executes an instruction that valgrind does not know ({match[0].rpartition(': ')[2]} ...)"
    return ""
