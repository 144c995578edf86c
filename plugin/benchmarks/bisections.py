"""How often does a search for the first slower commit find it, and how long does it take?

    tox run -e bisections                      20 histories, the machine left alone
    tox run -e bisections -- --histories 2     two of them

Each history has 32 commits after the good one, in a random order: a C function becomes 5 % slower in one, three do not
build, eight change the C file otherwise, most touch only a text file. A search is right if it names the slower commit,
a range if it names some commits with that one among them, and wrong if that one is not among them. The builds of a
history are made during its search: none is in the cache before. --again searches once more, with all builds cached.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from trial import CALL, EXAMPLE, FUNCTION, ONE_BODY

COMMITS, BROKEN, CODE = 32, 3, 8
TEST = "tests/test_speed.py::test_steps[10000]"
NO_VERDICT = 125


def history(repository: Path, percent: int, seed: int) -> str:
    """Make a repository whose commits after the tag `good` are in a random order; return the id of the slower one."""
    rng = random.Random(seed)
    kinds = ["slower", *["broken"] * BROKEN, *["code"] * CODE]
    kinds += ["text"] * (COMMITS - len(kinds))
    rng.shuffle(kinds)
    # The bad revision must build.
    while kinds[-1] == "broken":
        rng.shuffle(kinds)
    shutil.copytree(EXAMPLE, repository)
    source = repository / "logistic.c"
    working = source.read_text("utf-8").replace(FUNCTION, ONE_BODY + FUNCTION)
    assert working.count(CALL) == working.count(ONE_BODY) == 1, f"{source} has changed: plant another slowdown in it"
    git(repository, "init", "--quiet", "--initial-branch=main")
    record(repository, "The good revision", {"logistic.c": working})
    git(repository, "tag", "good")
    slower = ""
    for number, kind in enumerate(kinds):
        if kind == "slower":
            working = working.replace(CALL, f"{CALL} * {percent} / 100);\n        {CALL}")
        elif kind == "code":
            working += f"\nint unused_{number}(void);\n"
        broken = "#error does not build\n" * (kind == "broken")
        record(repository, f"Commit {number}: {kind}", {"logistic.c": working + broken, "number.txt": f"{number}\n"})
        if kind == "slower":
            slower = git(repository, "rev-parse", "HEAD")
    return slower


def record(repository: Path, message: str, files: dict[str, str]) -> None:
    """Commit these files."""
    for name, text in files.items():
        (repository / name).write_text(text, "utf-8")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--no-verify", "--message", message)


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=trial", "-c", "user.email=trial@localhost", *arguments]
    return subprocess.run(command, cwd=repository, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def search(repository: Path, folder: Path, more: list[str]) -> tuple[int, float, dict[str, Any]]:
    """Search; return the exit status, the seconds, and the JSON."""
    place = folder / "bisect.json"
    command = [sys.executable, "-m", "pytest_benchgate.cli", "bisect", "--good=good", "--bad=main", "--restart",
               f"--race-cache={folder / 'cache'}", f"--json={place}", TEST, *more]  # fmt: skip
    start = time.monotonic()
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if not place.is_file():
        sys.exit(f"no search: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(place.read_text("utf-8"))
    return done.returncode, seconds, found


def grade(status: int, found: dict[str, Any], slower: str) -> str:
    suspects = [commit["id"] for commit in found["suspects"]]
    if status == NO_VERDICT:
        return "no verdict"
    if slower not in suspects:
        return "wrong"
    return "right" if suspects == [slower] else f"range ({found['ending']})"


def main() -> None:
    summary, _, more = (__doc__ or "").partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=summary, epilog=more, formatter_class=form)
    parser.add_argument("--histories", type=int, default=20)
    parser.add_argument("--percent", type=int, default=5, help="the slowdown (default 5)")
    parser.add_argument("--seed", type=int, default=1, help="of the first history; the others count up")
    parser.add_argument("--again", action="store_true", help="search each history once more, its builds cached")
    parser.add_argument("pytest", nargs="*", help="further options for pytest, after --")
    options = parser.parse_args()
    grades: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    seconds: dict[str, list[float]] = collections.defaultdict(list)
    for seed in range(options.seed, options.seed + options.histories):
        with tempfile.TemporaryDirectory(prefix="bisections-") as name:
            folder = Path(name)
            slower = history(folder / "project", options.percent, seed)
            for builds in ("built", "cached")[: 1 + options.again]:
                status, took, found = search(folder / "project", folder, options.pytest)
                graded = grade(status, found, slower)
                grades[builds][graded] += 1
                seconds[builds].append(took)
                outcomes = collections.Counter(trial["outcome"] for trial in found["trials"])
                print(f"history {seed}, {builds}: {graded}, {took:.0f} s, {dict(outcomes)}", flush=True)
    for builds, counts in grades.items():
        print(f"{builds}: {dict(counts)}; seconds: median {statistics.median(seconds[builds]):.0f}, "
              f"most {max(seconds[builds]):.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
