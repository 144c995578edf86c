"""How often does a race give a false alarm, how often does it find a slowdown, and how long does it take?

    tox run -e trial                                      10 races of equal builds, the machine left alone
    tox run -e trial -- --what slow5 --load 2 --races 20  100 benchmarks 5 % slower, beside two busy processes

Races real commits of examples/c_extension, five benchmarks each, and prints the seconds and verdicts of every race,
then their sums. `same` changes only a comment; `slow5` computes the first 5 % of the elements twice, by the same
code. --out keeps each race's own numbers as a JSON line.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__)
EXAMPLE, PLUGIN = HERE.parents[2] / "examples" / "c_extension", HERE.parents[1]
STRETCH_S = 0.05  # mean length of a busy and of an idle stretch
BUSY_BYTES = 2**25  # streamed through while busy, so that caches and memory are disturbed as well
PERCENT = {"same": 0, "slow2": 2, "slow5": 5, "slow10": 10}
FUNCTION, CALL = "static void compute(", "compute(x.buf, out.buf, x.len / sizeof(int64_t)"
# One body, at one alignment, in every commit: where code lies must not be what a race sees.
ONE_BODY = "__attribute__((noinline, noclone, aligned(64))) "


def disturb(seed: int) -> None:
    """Be busy and idle in turns, for ever."""
    rng, source = random.Random(seed), bytearray(BUSY_BYTES)
    while True:
        until = time.monotonic() + rng.expovariate(1 / STRETCH_S)
        while time.monotonic() < until:
            source = source[:]
        time.sleep(rng.expovariate(1 / STRETCH_S))


def race(project: Path, pytest: Path, more: list[str]) -> dict[str, Any]:
    """Race HEAD against the commit before; return the race's own JSON, and the seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "race.json")
        own = ["--benchmark-only", "--benchmark-quiet", "-q", "--race=HEAD~1", f"--race-json={out}"]
        start = time.monotonic()
        done = subprocess.run([str(pytest), *own, *more], cwd=project, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - start
        if not out.is_file():
            sys.exit(f"no race: pytest ended with {done.returncode}\n{done.stdout}{done.stderr}")
        found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return found | {"command_seconds": seconds}


def prepare(folder: Path, percent: int) -> tuple[Path, Path]:
    """Make the project, and an environment with it and the plugin as it is here; return it and its pytest."""
    project, environment = folder / "project", folder / "environment"
    shutil.copytree(EXAMPLE, project)
    kernel, tests = project / "logistic.c", project / "tests" / "test_speed.py"
    source = kernel.read_text("utf-8").replace(FUNCTION, ONE_BODY + FUNCTION)
    assert source.count(CALL) == source.count(ONE_BODY) == 1, f"{kernel} has changed: plant another slowdown in it"
    kernel.write_text(source, "utf-8")
    git = ["git", "-c", "user.name=trial", "-c", "user.email=trial@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "base"]):
        subprocess.run([*git, *command], cwd=project, check=True)
    slower = source.replace(CALL, f"{CALL} * {percent} / 100);\n        {CALL}") if percent else source
    kernel.write_text(slower, "utf-8")
    tests.write_text(tests.read_text("utf-8") + "\n# Nothing was changed here.\n", "utf-8")
    subprocess.run([*git, "commit", "-q", "-a", "-m", f"{percent} % more work"], cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(PLUGIN), str(project)], check=True)
    return project, python.parent / "pytest"


def main() -> None:
    summary, _, more = (__doc__ or "").partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=summary, epilog=more, formatter_class=form)
    parser.add_argument(
        "--what", choices=PERCENT, default="same", help="head: how much slower than base (default same)"
    )
    parser.add_argument("--races", type=int, default=10, help="(default 10)")
    parser.add_argument("--load", type=int, default=0, metavar="PROCESSES", help="busy processes beside (default none)")
    parser.add_argument("--out", type=Path, help="a file to add a JSON line for each race to")
    parser.add_argument("pytest", nargs="*", help="further options for pytest, after --")
    options = parser.parse_args()
    verdicts: collections.Counter[str] = collections.Counter()
    seconds: list[float] = []
    with tempfile.TemporaryDirectory(prefix="trial-") as name:
        project, pytest = prepare(Path(name), PERCENT[options.what])
        # The builds are in the cache from here on.
        race(project, pytest, [*options.pytest, "--race-max-launches=1", "--race-explain=off"])
        load = [multiprocessing.Process(target=disturb, args=(seed,), daemon=True) for seed in range(options.load)]
        for job in load:
            job.start()
        for _ in range(options.races):
            found = race(project, pytest, options.pytest)
            raced = [(one["verdict"], one["change"]) for one in found["raced"]]
            verdicts.update(verdict for verdict, _ in raced)
            seconds.append(found["command_seconds"])
            shown = ", ".join(verdict if change is None else f"{verdict} {change:+.1%}" for verdict, change in raced)
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
