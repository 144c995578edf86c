"""Which function each instruction of a library comes from, by its debug information, also where it was inlined."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FUNCTIONS = {"DW_TAG_subprogram", "DW_TAG_inlined_subroutine"}
NAMES = ("DW_AT_abstract_origin", "DW_AT_specification")  # where the name is that an entry does not have itself
NAMELESS = {"operator()", "_FUN"}  # of a lambda, which counts for the function that it is in


def functions(library: Path, addresses: Iterable[int]) -> dict[int, str]:
    """Return the name of the function that the code at each address was written in, as far as that is known."""
    elffile, exceptions = import_module("elftools.elf.elffile"), import_module("elftools.common.exceptions")
    found: dict[int, str] = {}
    with suppress(OSError, exceptions.ELFError, exceptions.DWARFError), library.open("rb") as file:
        elf = elffile.ELFFile(file)
        if not elf.has_dwarf_info(strict=True):
            return {}
        wanted = sorted(addresses)
        for unit in elf.get_dwarf_info().iter_CUs():
            within = [one for one in wanted if any(low <= one < high for low, high in _ranges(unit.get_top_DIE()))]
            if within:
                found |= _innermost([*_functions(unit)], within)
    return found


def _innermost(named: list[tuple[int, int, str]], addresses: Iterable[int]) -> dict[int, str]:
    """Return the name of the smallest range that each address lies in."""
    named.sort(key=lambda one: one[1] - one[0])
    found = {}
    for address in addresses:
        name = next((name for low, high, name in named if low <= address < high), None)
        if name is not None:
            found[address] = name
    return found


def _functions(unit: Any) -> Iterator[tuple[int, int, str]]:
    """Yield the addresses, from the first to before the last, that each function has code at, and its name."""
    for entry in unit.iter_DIEs():
        if entry.tag in FUNCTIONS and (name := _name(entry)) not in NAMELESS:
            for low, high in _ranges(entry):
                yield low, high, name


def _name(entry: Any) -> str:
    """Return a function's name; "operator()" where it has none."""
    while "DW_AT_name" not in entry.attributes:
        reference = next((one for one in NAMES if one in entry.attributes), None)
        if reference is None:
            return "operator()"
        entry = entry.get_DIE_from_attribute(reference)
    return str(entry.attributes["DW_AT_name"].value, "utf-8", "replace")


def _ranges(entry: Any) -> list[tuple[int, int]]:
    """Return the addresses that an entry has code at."""
    attributes = entry.attributes
    if "DW_AT_ranges" in attributes:
        lists = entry.dwarfinfo.range_lists()
        start = entry.cu.get_top_DIE().attributes.get("DW_AT_low_pc")
        base = start.value if start else 0
        found = []
        for one in lists.get_range_list_at_offset(attributes["DW_AT_ranges"].value, cu=entry.cu):
            if hasattr(one, "base_address"):
                base = one.base_address
            else:
                offset = 0 if getattr(one, "is_absolute", False) else base
                found.append((one.begin_offset + offset, one.end_offset + offset))
        return found
    if "DW_AT_low_pc" not in attributes or "DW_AT_high_pc" not in attributes:
        return []
    low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
    return [(low, high.value if high.form == "DW_FORM_addr" else low + high.value)]
