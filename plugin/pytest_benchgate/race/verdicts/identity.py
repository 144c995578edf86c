"""Whether the two sides of a race really are two: which files each has loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

ADVICE = (
    "the source tree stands before what is installed (PYTHONPATH, pythonpath in pytest's configuration, an editable "
    "install, a conftest.py that changes sys.path); with both sides alike, nothing would ever be slower"
)


class SelfRace(Exception):
    """Both sides run the same files."""


@dataclass
class Identity:
    """The raced files that each side has told of, by name of the side: path to SHA-256.

    Attributes
    ----------
    homes: for each side, the folders from which its files must come; none where any will do.
    same: whether the sides are meant to be one build.

    """

    homes: dict[str, tuple[Path, ...]]
    same: bool = False
    files: dict[str, dict[str, str]] = field(default_factory=lambda: {"base": {}, "head": {}})

    def saw(self, side: str, files: dict[str, str]) -> None:
        """Take note of what a side has loaded; raise SelfRace where the other one has loaded it, too."""
        self.files[side] |= files
        if self.same:
            return
        other = self.files["base" if side == "head" else "head"]
        for path in files:
            if path in other:
                raise SelfRace(f"both sides run {path}: {ADVICE}")
            homes = self.homes[side]
            if homes and not any(Path(path).is_relative_to(home) for home in homes):
                raise SelfRace(f"{side} runs {path}, which is not of its build: {ADVICE}")

    def notes(self) -> list[str]:
        """Return what a person should know about what was raced."""
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
            return [f"both sides have loaded equal files ({len(head)}): nothing that was raced differs"]
        return []
