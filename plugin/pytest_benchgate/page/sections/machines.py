"""Where the sources were measured, side by side, and which facts differ; and the times on devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_benchgate import machine
from pytest_benchgate.page.model import Facts, Section, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_benchgate.page.model import Part, Source

MODULES = "modules"
# Characters of a hash that tell it from others.
MOST_HASH = 12


def build(sources: Sequence[Source]) -> Iterator[Section]:
    """Return one section for all sources."""
    known = [source for source in sources if source.machine]
    if not known:
        return
    titles = [source.title for source in known]
    facts = [_facts(source.machine) for source in known]
    parts: list[Part] = [_table("Machines", titles, facts)]
    modules = [_hashes(source.machine) for source in known]
    if any(modules):
        parts.append(_table("Extension modules, by the SHA-256 of their files", titles, modules))
    different = sum(len(part.marked) for part in parts if isinstance(part, Facts))
    intro = [f"{different} facts differ; they are marked."] if len(known) > 1 else []
    yield Section("machines", "Machines and devices", intro, parts)


def _table(caption: str, titles: Sequence[str], facts: Sequence[Mapping[str, str]]) -> Facts:
    keys = list(dict.fromkeys(key for known in facts for key in known))
    rows = [(named(key), *(known.get(key, "") for known in facts)) for key in keys]
    differs = frozenset(
        index for index, row in enumerate(rows) if len(set(row[1:])) > 1 and row[0] not in machine.VOLATILE
    )
    return Facts(caption, ("", *titles), rows, differs)


def _facts(info: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known of a machine, one level deep."""
    facts: dict[str, str] = {}
    for key, value in info.items():
        if key == MODULES:
            continue
        if key == "opencl" and isinstance(value, list):
            for index, device in enumerate(value):
                facts[f"device {index}"] = machine.text(device)
        elif isinstance(value, dict):
            facts |= {f"{key}: {name}": machine.text(item) for name, item in value.items()}
        else:
            facts[str(key)] = machine.text(value)
    return facts


def _hashes(info: Mapping[str, Any]) -> dict[str, str]:
    modules = info.get(MODULES)
    return {str(name): str(value)[:MOST_HASH] for name, value in modules.items()} if isinstance(modules, dict) else {}
