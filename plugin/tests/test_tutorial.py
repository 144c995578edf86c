"""The tutorial in docs/tutorial.md: each of its commands is run as written, and must print what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PLUGIN = Path(__file__).parent.parent
PAGE = PLUGIN.parent / "docs" / "tutorial.md"
LIMIT_S = 600
FILE = re.compile(r"# ([\w.-]+\.(?:toml|pyx|py)|\.gitignore)\n")


class Block(NamedTuple):
    """A fenced block of the page: its language and its text."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]


def normal(text: str) -> list[str]:
    """Return the lines of an output without what differs between runs: figures, units, names of commits, spaces."""
    found = []
    for line in text.splitlines():
        one = re.sub(r"\b[0-9a-f]{10,40}\b", "COMMIT", line)
        one = re.sub(r"[-+]?\d[\d.,e]*", "N", one)
        one = re.sub(r"N (?:[kMG]?(?:numbers|B)/s|[mun]?s)\b", "N UNIT", one)
        one = re.sub(r"N (?:second|minute)s? ago", "N UNIT ago", one)
        one = re.sub(r"-{3,}|={3,}|_{3,}", "---", one)
        found.append(" ".join(one.split()))
    return [one for one in found if one]


def missing(shown: str, printed: str) -> list[str]:
    """Return the lines that the page shows and the output does not have, in whatever order: rows are sorted by time."""
    lines = [one.strip("- ") for one in normal(printed)]
    return [one for one in normal(shown) if one != "..." and one.strip("- ") not in lines]


def run(command: str, folder: Path) -> str:
    """Run a command of the page in bash, in the virtual environment once there is one, and return what it prints."""
    names = ("PYTEST_", "GIT_", "GITHUB_", "PYTHON")
    outer = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    who = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{outer['PATH']}"
    activate = "if [ -e .venv ]; then . .venv/bin/activate; fi; "
    done = subprocess.run(
        ["bash", "-c", activate + command],  # noqa: S607
        cwd=folder, env={**outer, **who, "PATH": path, "CHECKOUT": str(PLUGIN.parent), "COLUMNS": "100", "PIP_COMPILE": "0"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    # pytest fails where the page shows a failure; all else must succeed.
    assert done.returncode == 0 or (command.startswith("pytest") and done.returncode == 1), done.stdout
    return done.stdout


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="the page shows what valgrind counts")
def test_the_tutorials_commands_print_what_it_shows(tmp_path: Path) -> None:
    printed, commands, outputs = "", 0, 0
    folder = tmp_path / "fast"
    folder.mkdir()
    for block in blocks(PAGE.read_text("utf-8")):
        if block.language == "console":
            printed = ""
            for line in block.text.splitlines():
                assert line.startswith("$ ")
                printed += run(line.removeprefix("$ "), folder)
                commands += 1
        elif name := FILE.match(block.text):
            text = block.text.removeprefix(name[0]) if name[1] == ".gitignore" else block.text
            # What the check costs depends on the processor: 20 % on one, 140 % on another.
            if proposed := re.search(r'limit = "(\d+)%"', printed):
                text = text.replace('limit = "60%"', f'limit = "{max(60, 2 * int(proposed[1]))}%"')
            (folder / name[1]).write_text(text, "utf-8")
        else:
            assert block.language == "text"
            assert not missing(block.text, printed), printed
            outputs += 1
    assert (commands, outputs) == (12, 5)


def test_an_output_that_is_not_printed_is_noticed() -> None:
    assert missing("slower: 1 of 2\n...\nat 5.1 us", "slower: 3 of 4\nx\ny\nat 7 ms") == []
    assert missing("slower: 1 of 2", "faster: 1 of 2") == ["slower: N of N"]
    assert missing("built 2 minutes ago", "built 59 seconds ago") == []
    assert missing("a\nb", "b\nc") == ["a"]
