"""Runs git."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Set if git itself runs the tests, as in a hook: each command would use the wrong repository.
MISLEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
WITHOUT_GIT = "without it, race an environment that has base installed: --race-base-python=PYTHON"


class GitError(Exception):
    """A git command that failed, with its message."""


def git(*arguments: str, cwd: Path, given: str = "", **env: str) -> str:
    """Return the output of `git ARGUMENTS`, run in cwd with an input; raise GitError if it fails."""
    output = raw_git(*arguments, cwd=cwd, given=given.encode("utf-8", "surrogateescape"), **env)
    return output.decode("utf-8", "surrogateescape").rstrip("\n")


def raw_git(*arguments: str, cwd: Path, given: bytes = b"", **env: str) -> bytes:
    """Return the bytes that `git ARGUMENTS` prints; see `git`."""
    clean = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607  # the user's
            cwd=cwd,
            env={**clean, **env, "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1"},
            input=given,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise GitError(f"git is not installed; {WITHOUT_GIT}") from None
    if done.returncode:
        message = done.stderr.decode("utf-8", "surrogateescape").strip()
        raise GitError(f"git {' '.join(arguments)}: {message or f'exit status {done.returncode}'}")
    return done.stdout
