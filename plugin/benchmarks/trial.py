"""How often does a race give a false alarm, how often does it find a slowdown, and how long does it take?

    tox run -e trial                                      10 races of equal builds, the machine left alone
    tox run -e trial -- --what slow5 --load 2 --races 20  100 benchmarks that are 5 % slower, beside two busy processes

Races real commits of the small C project that trial_project.py makes, five benchmarks each, and tells for each race its
seconds and verdicts, then their sums. --out keeps each race's own numbers as a JSON line.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from trial_project import make_project

STRETCH_S = 0.05  # mean length of a busy and of an idle stretch
BUSY_BYTES = 2**25  # streamed through while busy, so that caches and memory are disturbed as well
SLOWER = ("same", "slow2", "slow5", "slow10")


def disturb(seed: int) -> None:
    """Be busy and idle in turns, for ever."""
    rng, source = random.Random(seed), bytearray(BUSY_BYTES)
    while True:
        until = time.monotonic() + rng.expovariate(1 / STRETCH_S)
        while time.monotonic() < until:
            source = source[:]
        time.sleep(rng.expovariate(1 / STRETCH_S))


def race(project: Path, pytest: Path, more: list[str]) -> dict[str, Any]:
    """Race what is checked out against base; return the race's own JSON, and the seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "race.json")
        command = [
            str(pytest),
            "--benchmark-only",
            "--benchmark-quiet",
            "-q",
            "--race=base",
            f"--race-json={out}",
            *more,
        ]
        start = time.monotonic()
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - start
        if not out.is_file():
            sys.exit(f"no race: pytest ended with {done.returncode}\n{done.stdout}{done.stderr}")
        found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return found | {"command_seconds": seconds}


def prepare(folder: Path) -> tuple[Path, Path]:
    """Make the project, and an environment with it and the plugin as it is here; return it and its pytest."""
    project, environment = folder / "project", folder / "environment"
    make_project(project, [2, 5, 10])
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    here = Path(__file__).parent.parent
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(here), str(project)], check=True)
    return project, python.parent / "pytest"


def main() -> None:
    summary, _, more = (__doc__ or "").partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=summary, epilog=more, formatter_class=form)
    parser.add_argument("--what", choices=SLOWER, default="same", help="head: how much slower than base (default same)")
    parser.add_argument("--races", type=int, default=10)
    parser.add_argument("--load", type=int, default=0, metavar="PROCESSES", help="busy processes beside (default none)")
    parser.add_argument("--out", type=Path, help="a file to add a JSON line for each race to")
    parser.add_argument("pytest", nargs="*", help="further options for pytest, after --")
    options = parser.parse_args()
    verdicts: collections.Counter[str] = collections.Counter()
    seconds: list[float] = []
    with tempfile.TemporaryDirectory(prefix="trial-") as name:
        project, pytest = prepare(Path(name))
        subprocess.run(["git", "checkout", "-q", options.what], cwd=project, check=True)  # noqa: S607
        race(project, pytest, ["--race-max-launches=1", *options.pytest])  # the builds are in the cache from here on
        load = [multiprocessing.Process(target=disturb, args=(seed,), daemon=True) for seed in range(options.load)]
        for job in load:
            job.start()
        for _ in range(options.races):
            found = race(project, pytest, options.pytest)
            told = [(raced["verdict"], raced["change"]) for raced in found["raced"]]
            verdicts.update(verdict for verdict, _ in told)
            seconds.append(found["command_seconds"])
            shown = ", ".join(verdict if change is None else f"{verdict} {change:+.1%}" for verdict, change in told)
            print(f"{seconds[-1]:5.1f} s  {shown}", flush=True)
            if options.out:
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(found) + "\n")
        for job in load:
            job.terminate()
    print(f"{options.what}, load {options.load}: {dict(verdicts)}; seconds: median {statistics.median(seconds):.1f}, "
          f"most {max(seconds):.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
