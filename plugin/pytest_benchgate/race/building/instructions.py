"""The instructions in a library, to tell whether two builds have the same."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

EXECUTABLE = 0x4  # SHF_EXECINSTR
HAS_NO_BYTES = 8  # SHT_NOBITS


def instructions(library: Path) -> str | None:
    """Return a hash of the instructions in a library; None where the file is not ELF of 64 bits, little-endian."""
    data = library.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        return None
    try:
        (table,) = struct.unpack_from("<Q", data, 0x28)
        size, count = struct.unpack_from("<HH", data, 0x3A)
        digest = hashlib.sha256()
        for index in range(count):
            _, kind, attributes, _, offset, length = struct.unpack_from("<IIQQQQ", data, table + index * size)
            if attributes & EXECUTABLE and kind != HAS_NO_BYTES:
                digest.update(data[offset : offset + length])
    except struct.error:
        return None
    return digest.hexdigest()
