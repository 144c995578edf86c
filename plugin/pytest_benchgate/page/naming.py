"""Short names: what tells benchmarks, or files, apart that stand beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def distinct(names: Sequence[str]) -> list[str]:
    """Return names without the function and the parameters that all have in common.

    >>> distinct(["test_map[64-numpy]", "test_map[64-numba]", "test_map[64-plain]"])
    ['numpy', 'numba', 'plain']
    """
    if len(set(names)) == 1:
        return [*names]
    # The first and the last in order differ as early as any two.
    first, last = min(names), max(names)
    same = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    start = max(first.rfind("[", 0, same), first.rfind("-", 0, same)) + 1
    return [name[start:].removesuffix("]") for name in names] if "[" in first[:start] else [*names]


def of_files(paths: Sequence[Path]) -> list[str]:
    """Return names of files: without their suffix, and with as many of their folders as tell them apart.

    >>> from pathlib import Path
    >>> of_files([Path("linux/times.json"), Path("mac/times.json")])
    ['linux/times', 'mac/times']
    """
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.with_suffix("").parts[-count:]) for path in paths]
        if len({*names}) == len({*paths}):
            return names
    return [*map(str, paths)]
