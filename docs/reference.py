"""The tables of docs/options.md, as the plugin declares its options and commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_benchgate.cli import make_parser
from pytest_benchgate.options import OPTIONS, RACE_OPTIONS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from pytest_benchgate.declaration import Option


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    cells = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def sentence(text: str) -> str:
    """Return a help text as a sentence in Markdown."""
    marked = re.sub(r"--[a-z]+(?:-[a-z]+)*(?:=\w+)?", r"`\g<0>`", text.replace("*", r"\*"))
    return f"{marked[:1].upper()}{marked[1:]}."


def declared(options: Iterable[Option[Any]]) -> str:
    """Return options as a table: their names, what they do, their defaults, and where else they can be given."""
    found = []
    for option in options:
        flag = option.flag if option.is_switch else f"{option.flag}={option.metavar}"
        shown = option.ini and not option.is_switch and option.default not in {None, ()}
        notes = [f"Default: `{option.show(option.default)}`."] * shown
        if option.ini and option.command_line:
            notes.append(f"Ini: `{option.name}`{', and the marker' * option.marker}.")
        name = f"`{flag}`" if option.command_line else f"ini `{option.name}`"
        found.append((name, " ".join([sentence(option.help), *notes])))
    return table(("option", "what it does"), found)


def options() -> str:
    """Return all options of pytest's command line."""
    return f"## Gates and devices\n\n{declared(OPTIONS.values())}\n\n## Races\n\n{declared(RACE_OPTIONS.values())}"


def subparsers() -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """Return what argparse knows of the subcommands of pytest-benchgate."""
    found: argparse._SubParsersAction[argparse.ArgumentParser] = make_parser()._subparsers._group_actions[0]  # type: ignore[assignment,union-attr]  # noqa: SLF001
    return found


def spelled(action: argparse.Action) -> str:
    """Return an argument as one writes it."""
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    many = " ..." if action.nargs == "+" else ""
    flags = [
        f"{flag}{'=' if flag.startswith('--') else ' '}{value}{many}".rstrip("= ") for flag in action.option_strings
    ]
    return ", ".join(f"`{flag}`" for flag in flags) or f"`{value}{many}`"


def commands() -> str:
    """Return the subcommands of pytest-benchgate with their arguments."""
    every = subparsers()
    found = []
    for entry in every._choices_actions:  # noqa: SLF001
        arguments = [
            (spelled(action), sentence(str(action.help)))
            for action in every.choices[entry.dest]._actions  # noqa: SLF001
            if action.dest != "help"
        ]
        found.append(
            f"### `pytest-benchgate {entry.dest}`\n\n{sentence(str(entry.help))}\n\n"
            + table(("argument", "what it does"), arguments)
        )
    return "\n\n".join(found)
