"""Whether the two sides of a race really differ: which files each has loaded, and whether their inputs are equal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_benchgate.race.launching.engine import Race

ADVICE = (
    "the source tree precedes what is installed (PYTHONPATH, pythonpath in pytest's configuration, an editable "
    "install, a conftest.py that changes sys.path); with both sides alike, nothing would ever be slower"
)
# Benchmarks that a note names.
SHOWN = 5


class SelfRace(Exception):
    """Both sides run the same files."""


@dataclass
class Identity:
    """The raced files that each side has loaded, and their SHA-256, by side and path.

    Attributes
    ----------
    homes : Mapping[str, tuple[Path, ...]]
        For each side, the folders from which its files must come; empty if any will do.
    same : bool
        Whether the sides are meant to be one build.

    """

    homes: Mapping[str, tuple[Path, ...]]
    same: bool = False
    files: dict[str, dict[str, str]] = field(default_factory=lambda: {"base": {}, "head": {}})

    def add(self, side: str, paths: Iterable[str]) -> None:
        """Add files that a side has loaded; raise SelfRace if one is not its own. Each file is read once."""
        other = self.files["base" if side == "head" else "head"]
        for path in paths:
            if not self.same and path in other:
                raise SelfRace(f"both sides run {path}: {ADVICE}")
            homes = () if self.same else self.homes[side]
            if homes and not any(Path(path).is_relative_to(home) for home in homes):
                raise SelfRace(f"{side} runs {path}, which is not part of its build: {ADVICE}")
            if path not in self.files[side]:
                self.files[side][path] = "" if self.same else _sha256(Path(path))

    def notes(self) -> list[str]:
        """Return what the user should know about the files."""
        if self.same:
            return []
        base, head = (
            {(Path(path).name, content) for path, content in self.files[side].items()} for side in ("base", "head")
        )
        if not base and not head:
            return ["the benchmarks have loaded none of the project's modules, so what was raced is not known"]
        for side, files in (("base", base), ("head", head)):
            if not files:
                return [f"the benchmarks have loaded none of the project's modules on {side}"]
        if base == head:
            return [
                f"both sides have loaded equal files ({len(head)}): nothing that was raced differs, unless in its data"
            ]
        return []


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def unlike_inputs(races: Sequence[Race]) -> list[str]:
    """Return a note on the benchmarks whose sides may have had different inputs, if any."""
    names = [race.nodeid for race in races if not race.alike]
    if not names:
        return []
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    note = (
        "the sides drew or seeded different random numbers before the benchmark began, so that their inputs may "
        f"differ: {shown}; seed from a constant, not from the clock or the process id"
    )
    return [note]
