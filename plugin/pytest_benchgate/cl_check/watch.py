"""Copy Oclgrind's log from its pipe to a file; where pytest ends before it stops this process, say during which test.

A program of its own, of the standard library only: a crash of Oclgrind ends the process of pytest.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

# Follows what was logged before.
MARK = b"\0"
MOST_SHOWN = 2000
REMEDIES = (
    "If it crashed: Oclgrind crashes at times, most often while it looks for uninitialised values. "
    "OCLGRIND_UNINITIALIZED=0 turns that off; deselect the test, and run it alone with this setting. "
    "With pytest-xdist, -n1 fails the test only, and goes on with the others."
)


def copy(source: int, target: int) -> None:
    """Copy all that is written to a pipe until its last writer has ended."""
    while text := os.read(source, 65536):
        os.write(target, text)


def words(folder: Path) -> str:
    """Return what to say of a session that has ended while its log, and the name of its test, were in this folder."""
    test, logged = folder / "test", folder / "log"
    running = test.read_text("utf-8") if test.exists() else ""
    tail = logged.read_bytes().rpartition(MARK)[2].decode(errors="replace").strip()[-MOST_SHOWN:]
    first = f"--cl-check: pytest crashed or was killed during {running or 'no test'}"
    return "\n".join(line for line in (first, tail and f"Oclgrind: {tail}", REMEDIES) if line)


def main() -> None:
    """Copy the standard input to the standard output; the argument is the folder."""
    folder = Path(sys.argv[1])
    copy(0, 1)
    sys.stderr.write(f"\n{words(folder)}\n")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
