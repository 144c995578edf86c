"""Which functions each instruction of a library comes from, by its debug information, also where they were inlined."""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

BLOCKS = {"DW_TAG_lexical_block", "DW_TAG_try_block", "DW_TAG_catch_block"}
FUNCTIONS = {"DW_TAG_subprogram", "DW_TAG_inlined_subroutine"}
SCOPES = {"DW_TAG_structure_type", "DW_TAG_class_type", "DW_TAG_namespace"}
NAMES = ("DW_AT_abstract_origin", "DW_AT_specification")  # where the name is that an entry does not have itself
DWARF5 = 5
NAMELESS = {"operator()", "_FUN"}  # of a lambda, which counts for the function that it is in


class Frame(NamedTuple):
    """A function that code was written in, or inlined into.

    Attributes
    ----------
    name : str
        Its name in the source.
    file, line
        Where it was inlined from, in turn; "" and 0 for a function that was not inlined.

    """

    name: str
    file: str
    line: int


def frames(library: Path, addresses: Iterable[int]) -> dict[int, list[Frame]]:
    """Return the functions that the code at each address belongs to, the innermost first, as far as that is known."""
    elffile, exceptions = import_module("elftools.elf.elffile"), import_module("elftools.common.exceptions")
    found: dict[int, list[Frame]] = {}
    with suppress(OSError, exceptions.ELFError, exceptions.DWARFError), library.open("rb") as file:
        elf = elffile.ELFFile(file)
        if not elf.has_dwarf_info(strict=True):
            return {}
        wanted = sorted({*addresses})
        for unit in elf.get_dwarf_info().iter_CUs():
            top = unit.get_top_DIE()
            within = [at for low, high in _ranges(top) for at in _between(wanted, low, high)]
            if within:
                # Of equal ranges, the one that comes later in the unit is the inner one.
                ranges = [*_functions(top, sorted(within), _files(unit))]
                ranges.reverse()
                ranges.sort(key=lambda one: one[1] - one[0])
                found |= {at: [] for at in within}
                for low, high, frame in ranges:
                    for at in _between(wanted, low, high):
                        found[at].append(frame)
    return found


def _between(addresses: Sequence[int], low: int, high: int) -> Sequence[int]:
    """Return those of the sorted addresses from low to before high."""
    return addresses[bisect_left(addresses, low) : bisect_left(addresses, high)]


def _functions(top: Any, wanted: Sequence[int], files: Mapping[int, str]) -> Iterator[tuple[int, int, Frame]]:
    """Yield the addresses, from the first to before the last, that each function has code at, and what it is.

    Only of those with code at a wanted address; what is within the others is not read, which would take minutes for
    a large library.
    """
    for entry in top.iter_children():
        if entry.tag not in FUNCTIONS | BLOCKS | SCOPES:
            continue
        ranges = [one for one in _ranges(entry) if _between(wanted, *one)]
        if not ranges and entry.tag not in SCOPES:
            continue
        if entry.tag in FUNCTIONS and (name := _name(entry)).rpartition("::")[2] not in NAMELESS:
            number, line = (entry.attributes.get(f"DW_AT_call_{what}") for what in ("file", "line"))
            frame = Frame(name, files.get(number.value, "") if number else "", line.value if line else 0)
            for low, high in ranges:
                yield low, high, frame
        yield from _functions(entry, wanted, files)


def _files(unit: Any) -> dict[int, str]:
    """Return the paths of a unit's sources by the numbers that its entries have for them."""
    program = unit.dwarfinfo.line_program_for_CU(unit)
    if program is None:
        return {}
    header, attributes = program.header, unit.get_top_DIE().attributes
    compiled_in = attributes["DW_AT_comp_dir"].value if "DW_AT_comp_dir" in attributes else b""
    # Until version 4, the numbers start at 1, and folder 0 is the one in which it was compiled.
    first = 0 if header.version >= DWARF5 else 1
    folders = [*([compiled_in] * first), *header.include_directory]
    return {
        number: posixpath.join(
            *(str(part, "utf-8", "replace") for part in (compiled_in, folders[one.dir_index], one.name))
        )
        for number, one in enumerate(header.file_entry, first)
        if one.dir_index < len(folders)
    }


def _name(entry: Any) -> str:
    """Return a function's name, with the classes and namespaces that it is in; "operator()" where it has none."""
    while "DW_AT_name" not in entry.attributes:
        reference = next((one for one in NAMES if one in entry.attributes), None)
        if reference is None:
            return "operator()"
        entry = entry.get_DIE_from_attribute(reference)
    parts = [entry]
    while (entry := entry.get_parent()) is not None and entry.tag in SCOPES:
        parts += [entry] * ("DW_AT_name" in entry.attributes)
    return "::".join(str(part.attributes["DW_AT_name"].value, "utf-8", "replace") for part in reversed(parts))


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
