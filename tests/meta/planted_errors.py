"""Errors to plant in the sources, one at a time, each of which sanitize.py has to find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Planted:
    """An error.

    Attributes
    ----------
    what : str
        What the sanitizer calls it.
    path : str
        The source, relative to the tree.
    changes : tuple of (str, str)
        Each text in it, and what takes its place; the sanitizer has to name the line of the last one.
    tests : str
        Those that are run, as pytest's -k selects them.

    """

    what: str
    path: str
    changes: tuple[tuple[str, str], ...]
    tests: str

    def plant(self, tree: Path) -> int:
        """Change the source in the tree, and return the line of the last change."""
        source = tree / self.path
        text, place = source.read_text("utf-8"), 0
        for before, after in self.changes:
            if text.count(before) != 1:
                raise LookupError(f"{self.path} has {before!r} {text.count(before)} times; mend PLANTED")
            place = text.index(before)
            text = text.replace(before, after)
        source.write_text(text, "utf-8")
        return text.count("\n", 0, place) + 1


ROWS, FRAME, SIMD = "logmap_cy/rows/", "logmap_cy/vector/frame.pxi", "logmap_cy/vector/simd.h"
OVERFLOW = "heap-buffer-overflow"

ADDRESSES = (
    Planted(OVERFLOW, f"{ROWS}memoryview.pyx", (("enter(x[i], p)", "enter(x[i + 1], p)"),), "memoryview"),
    Planted(OVERFLOW, f"{ROWS}unrolled.pyx", (("out[i] = <integer>u", "out[i + 1] = <integer>u"),), "unrolled"),
    Planted(OVERFLOW, f"{ROWS}objects.pyx", (("_enter(given[i], p)", "_enter(given[i + 1], p)"),), "list"),
    Planted(OVERFLOW, FRAME, (("memcpy(out, buffer, n *", "memcpy(out, buffer, (n + 1) *"),), "vector_baseline"),
    Planted(
        "out of bounds for type",
        FRAME,
        (
            ("integer buffer[MOST_WIDTH * MOST_LANES]", "integer buffer[MOST_LANES]"),
            ("buffer[i] = 0", "buffer[i] = 0"),
        ),
        "vector_baseline",
    ),
    # Streams need an aligned address.
    Planted(
        "SEGV",
        FRAME,
        (
            ("min(n, <Py_ssize_t>(-<uintptr_t>out % LINE // sizeof(integer)))", "0"),
            ("        block(x + i, out + i,", "        block(x + i, out + i,"),
        ),
        "vector_baseline",
    ),
    Planted(
        "heap-use-after-free",
        FRAME,
        (
            ("        Plan derived\n", "        Plan derived\n        const Constants* k\n"),
            ("    derived = plan(p, mu)\n", "    derived = Plan(p, mu)\n"),
            ("    check(derived, p, mu)\n", "    check(derived, p, mu)\n    k, derived = &derived.constants, None\n"),
            ("num, &derived.constants, threads)", "num, k, threads)"),
        ),
        "vector_baseline",
    ),
    Planted(
        "negation of -",
        f"{ROWS}step.pxd",
        (("p - 1 - <uint64_t>~value % p", "(p - <uint64_t>-value % p) % p"),),
        "memoryview",
    ),
    Planted("signed integer overflow", SIMD, (("(ivec)((uvec)a + (uvec)b)", "a + b"),), "vector_baseline"),
    Planted(
        "misaligned address",
        f"{ROWS}buffer.pyx",
        (("memcpy(&u, &source[i], 8)", "u = (<const uint64_t*>&source[i])[0]"),),
        "buffer",
    ),
    Planted(
        "misaligned address",
        SIMD,
        (("ivec r; memcpy(&r, from, sizeof r); return r;", "return *(const ivec *)from;"),),
        "vector_baseline",
    ),
    Planted("division by zero", "logmap_cy/vector/quick.pyx", (("steps < 1", "steps < 0"),), "quick"),
)

# By threads of OpenMP, and by Python's.
RACES = (
    Planted(
        "data race",
        FRAME,
        (
            ("end = min(n, head + (t + 1) * share)", "end = min(n, head + (t + 1) * share + 1)"),
            ("        part(x + begin, out + begin,", "        part(x + begin, out + begin,"),
        ),
        "vector_baseline",
    ),
    Planted(
        "data race",
        f"{ROWS}prange.pyx",
        (
            ("cdef inline uint64_t steps(", "cdef uint64_t last = 0\n\n\ncdef inline uint64_t steps("),
            ("    cdef int64_t _k\n", "    global last\n    cdef int64_t _k\n"),
            ("    return u\n", "    last += u\n    return u\n"),
        ),
        "prange",
    ),
    Planted(
        "data race",
        f"{ROWS}unrolled.pyx",
        (
            ("cdef inline uint64_t ten_steps(", "cdef uint64_t last = 0\n\n\ncdef inline uint64_t ten_steps("),
            ("    cdef:\n        Py_ssize_t i\n", "    global last\n    cdef:\n        Py_ssize_t i\n"),
            ("            out[i] = <integer>u\n", "            last += u\n            out[i] = <integer>u\n"),
        ),
        "unrolled",
    ),
)
