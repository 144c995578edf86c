"""The subcommand action: the steps of the GitHub action that prepare a race and run it.

Inputs are read from the environment: in a script, the shell would interpret them.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_benchgate.reports import github
from pytest_benchgate.reports.quantity import line

if TYPE_CHECKING:
    from collections.abc import Mapping

DESCRIPTION = """\
What the GitHub action does between its other steps; see plugin/action.yml.

prepare  write the output base, the revision to race against, and the outputs key and restore-keys, for actions/cache
race     race, with the reports in BENCHGATE_RESULTS, and write the outputs verdict, json, markdown, html
"""
EPILOG = """\
environment:
  BENCHGATE_BASE       a revision; by default the merge base with GITHUB_BASE_REF, or else the commit before
  BENCHGATE_THRESHOLD, BENCHGATE_SHARD, BENCHGATE_SHARDS, BENCHGATE_ARGUMENTS
  BENCHGATE_CACHE      the folder of the builds
  BENCHGATE_RESULTS    the folder of the reports
  GITHUB_OUTPUT        the file of the outputs
"""
# By the exit status of pytest --race.
VERDICTS = {0: "passed", 1: "slower", 2: "interrupted", 5: "none", 10: "undecided", 11: "error", 12: "not-built"}
USAGE = 2


def declare(commands: Any) -> None:
    """Add the subcommand to those of pytest-benchgate."""
    parser = commands.add_parser(
        "action",
        help="do a step of the GitHub action",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", metavar="STEP", choices=["prepare", "race"], help="which step: prepare or race")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> int:
    """Do a step; return its exit status."""
    from pytest_benchgate.race.building.run_git import GitError

    try:
        return (_prepare if arguments.step == "prepare" else _race)(environment)
    except (GitError, ValueError) as error:
        print(github.command("error", str(error), title="pytest-benchgate"))  # noqa: T201
        return USAGE


def _prepare(environment: Mapping[str, str]) -> int:
    from pytest_benchgate.race.building.git import Repository

    base = environment.get("BENCHGATE_BASE") or _usual_base(environment)
    repository = Repository.around(Path())
    trees = [repository.resolve(revision).tree for revision in (base, "HEAD")]
    # The builds of one base serve all commits of a pull request.
    python = f"pytest-benchgate-{platform.system()}-{platform.machine()}-py{platform.python_version()}"
    keys = [f"{python}-", f"{python}-{trees[0]}-", f"{python}-{trees[0]}-{trees[1]}"]
    _put(environment, base=base, key=keys[2], **{"restore-keys": f"{keys[1]}\n{keys[0]}"})
    return 0


def _usual_base(environment: Mapping[str, str]) -> str:
    """Return the merge base of a pull request, or the commit before."""
    target = environment.get("GITHUB_BASE_REF")
    return f"origin/{target}..." if target else "HEAD~1"


def _race(environment: Mapping[str, str]) -> int:
    results = Path(_given(environment, "BENCHGATE_RESULTS"))
    number, count = (environment.get(f"BENCHGATE_{name}") or "1" for name in ("SHARD", "SHARDS"))
    if not (number.isdecimal() and count.isdecimal()):
        raise ValueError(f"shard {number!r} of shards {count!r}: give numbers")
    paths = {
        name: results / f"race-{number}.{end}" for name, end in (("json", "json"), ("markdown", "md"), ("html", "html"))
    }
    command = [
        str(shutil.which("pytest", path=Path(sys.executable).parent) or "pytest"),
        "--benchmark-only",
        f"--race={environment.get('BENCHGATE_BASE') or _usual_base(environment)}",
        f"--race-cache={_given(environment, 'BENCHGATE_CACHE')}",
        f"--race-json={paths['json']}",
        f"--benchgate-markdown={paths['markdown']}",
        f"--benchgate-html={paths['html']}",
        *([f"--race-shard={number}/{count}"] if int(count) > 1 else []),
        *([f"--race-threshold={given}"] if (given := environment.get("BENCHGATE_THRESHOLD")) else []),
        *shlex.split(environment.get("BENCHGATE_ARGUMENTS", "")),
    ]
    print(line(shlex.join(command)), flush=True)  # noqa: T201
    status = subprocess.run(command, check=False).returncode  # noqa: S603
    written = {name: str(path) for name, path in paths.items() if path.is_file()}
    _put(environment, verdict=VERDICTS.get(status, "failed"), **written)
    return status


def _given(environment: Mapping[str, str], name: str) -> str:
    """Return a variable of the environment; ValueError if it is not set."""
    if not environment.get(name):
        raise ValueError(f"{name} is not set; plugin/action.yml sets it, see pytest-benchgate action --help")
    return environment[name]


def _put(environment: Mapping[str, str], **outputs: str) -> None:
    """Write outputs of the step; their values may have lines, but none that would end them."""
    end = "end-of-output"
    if any(end in value for value in outputs.values()):
        raise ValueError(f"an output has {end!r}, which would end it: {outputs}")
    with Path(_given(environment, "GITHUB_OUTPUT")).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}<<{end}\n{value}\n{end}\n" for name, value in outputs.items())
