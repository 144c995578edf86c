"""New pages of memory for the machine code of both sides, in each launch after the first.

The kernel keeps the content of a file in pages, which all processes that load it share, and where these are changes how
fast the code is: two builds of multidict with the same machine code differed by up to 20 %, in every launch of a race,
until both files were copied. So two files that stay as they are cannot be exchanged, and their builds are not equal.
Copied before each launch, they are: where their pages are is drawn anew, and in the same way on both sides. Of the
first launch it is not known before which files it loads.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

# Extension modules, and libraries that these load: kern.abi3.so, libkern.so.1, kern.pyd, libkern.dylib.
MACHINE_CODE = re.compile(r"\.(so(\.\d+)*|pyd|dll|dylib)$")


def renew(paths: Iterable[str], rng: random.Random) -> None:
    """Replace extension modules and libraries by copies of themselves; what is none, or cannot be replaced, stays.

    Their order is random: were one side always the first, the sides could not be exchanged.
    """
    found = sorted(filter(MACHINE_CODE.search, paths))
    for path in rng.sample(found, len(found)):
        copy = Path(f"{path}.{os.getpid()}")
        try:
            # A cache that is not ours, or a full disk.
            with suppress(OSError):
                shutil.copy2(path, copy)
                copy.replace(path)
        finally:
            copy.unlink(missing_ok=True)
