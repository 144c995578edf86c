"""The instructions that a step of one element takes, counted by callgrind, beside those that it needs in theory.

Each contender runs in a process of its own, in one thread: python _instructions.py NAME LIBRARY, under valgrind.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _contenders import kernel
from _harness import progress, table, verify
from _peers import PEERS, PLAIN_STEP, Unavailable, build

from logmap_cy import implementations

if TYPE_CHECKING:
    from _peers import Run

    from logmap_cy import Implementation

REQUESTS = """
#include <valgrind/callgrind.h>
void begin(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void end(void) { CALLGRIND_DUMP_STATS; CALLGRIND_STOP_INSTRUMENTATION; }
"""
# The steps of the calls that are counted. The first call does more than others do. The difference of the other two is
# that of their steps: what a call does besides cancels out, but for some thousand instructions of the interpreter.
LENGTH, FEW, MANY = 2**12, 10, 90
COUNTED = (FEW, FEW, MANY)
LIMIT_S = 300
ENVIRONMENT = os.environ | {"PYTHONHASHSEED": "0"}
# The kinds of rows that were compiled ahead, and compute in the thread that calls them.
KINDS = ("objects", "cython", "numpy")
# Bytes of a vector, by the last part of a row's name.
VECTORS = {"baseline": 16, "neon": 16, "avx2": 32, "avx512": 64, "ifma": 64}
INTEGER_STEP, FUSED_STEP, FLOAT_STEP, UNFUSED_STEP = 3, 4, 7, 7
EVEX = "0x62"  # the first byte of AVX-512's instructions


def theory(row: Implementation) -> float | None:
    """Return the instructions of its step for one element, without loops, loads and stores; None if unknown."""
    name = row.name.rpartition("_")[2]
    if not row.name.startswith("vector_"):
        return None if row.kind == "numpy" else PLAIN_STEP
    if "_float" in row.name:
        return FLOAT_STEP / (VECTORS[name] / 4)
    fused = name != "baseline" or platform.machine() in {"aarch64", "arm64"}
    step = INTEGER_STEP if name == "ifma" else FUSED_STEP if fused else UNFUSED_STEP
    return step / (VECTORS[name] / 8)


def theories() -> dict[str, float | None]:
    """Return what can be counted, with the instructions of a step in theory."""
    rows = [row for row in implementations() if row.kind in KINDS and not row.known_wrong and not row.unavailable]
    return {row.name: theory(row) for row in rows} | {peer.name: peer.theory for peer in PEERS if peer.ahead}


def instructions(name: str, library: Path) -> float:
    """Return the instructions of a step of one element; raise Unavailable if they cannot be counted."""
    with tempfile.TemporaryDirectory(prefix="limits-") as folder:
        own = ["--instr-atstart=no", f"--callgrind-out-file={folder}/counts", f"--log-file={folder}/log", "--vgdb=no"]
        command = ["valgrind", "--tool=callgrind", *own, sys.executable, __file__, name, str(library)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=LIMIT_S, env=ENVIRONMENT
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"not done after {LIMIT_S} s under valgrind") from error
        if done.returncode:
            raise Unavailable(complaint(Path(folder, "log"), done))
        _, few, many = (total(Path(folder, f"counts.{number}")) for number in range(1, 1 + len(COUNTED)))
    return (many - few) / (LENGTH * (MANY - FEW))


def total(profile: Path) -> int:
    match = re.search(r"^totals: (\d+)$", profile.read_text("utf-8"), re.MULTILINE)
    if match is None:
        raise Unavailable(f"callgrind has written no totals to {profile.name}")
    return int(match[1])


def complaint(log: Path, done: subprocess.CompletedProcess[str]) -> str:
    """Return why a process under valgrind has failed."""
    match = re.search(r"unhandled instruction bytes: (0x\w+)", log.read_text("utf-8", "replace"))
    if match:
        return f"valgrind does not know {'AVX-512' if match[1].lower() == EVEX else 'some of'} its instructions"
    if done.returncode < 0:
        return f"ended by {signal.Signals(-done.returncode).name} under valgrind"
    return (done.stderr.strip().splitlines() or [f"exit status {done.returncode} under valgrind"])[-1]


def counted(words: list[str]) -> str:
    """Return a Markdown table of all that have one of the words in their names, all without words."""
    title = "## Instructions of one step of one element, one thread\n\n"
    note = (
        "Of what was compiled ahead; counted by callgrind, without what a call does besides. NumPy, which looks at the "
        "processor, sees one without AVX-512. In theory: the step's arithmetic, on vectors where there are any.\n\n"
    )
    if shutil.which("valgrind") is None:
        return f"{title}Not counted: valgrind is not installed.\n"
    wanted = {name: least for name, least in theories().items() if not words or any(word in name for word in words)}
    lines = []
    with tempfile.TemporaryDirectory(prefix="limits-") as folder:
        library = Path(folder, "requests.so")
        try:
            build(REQUESTS, library)
        except Unavailable as error:
            return f"{title}Not counted: {error}\n"
        for name, least in wanted.items():
            progress(f"instructions of {name}")
            bound = "" if least is None else f"{least:.3g}"
            try:
                count = instructions(name, library)
            except Unavailable as error:
                lines.append([name, f"not counted: {error}", bound, ""])
            else:
                lines.append([name, f"{count:.3g}", bound, "" if least is None else f"{count / least:.2f}"])
    progress("")
    columns = ["", "counted:", "in theory:", "counted / theory:"]
    return title + note + table(columns, lines)


def _run(name: str) -> Run:
    """Return what computes; end the process with the reason if it cannot here."""
    for row in implementations():
        if row.name == name:
            if row.unavailable:
                sys.exit(f"valgrind does not know its instructions: {row.cpu}")
            return functools.partial(kernel, row.load())
    return next(peer for peer in PEERS if peer.name == name).load(1)


def main() -> None:
    name, path = sys.argv[1:]
    run, library = _run(name), ctypes.CDLL(path)
    x = np.arange(LENGTH)
    out = np.empty_like(x)
    for num in COUNTED:
        run(x, out, num)
        library.begin()
        run(x, out, num)
        library.end()
        verify(name, out, num)


if __name__ == "__main__":
    main()
