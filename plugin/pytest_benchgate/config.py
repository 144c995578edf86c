"""The options, once parsed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_benchgate.settings import FIELDS, SETTINGS, given, of_config, option, shard, what_if_gone, whose

if TYPE_CHECKING:
    from pytest_benchgate.race.verdicts.accepted import Entry


@dataclass(frozen=True)
class RaceConfig:
    """What a race is asked to be.

    Attributes
    ----------
    base: a git revision, "A..." for the merge base with A, or "self"; None with base_python.
    base_python: the interpreter of base's environment, where it exists already.
    threshold: the relative slowdown that matters: 0.03 is 3 %.
    alpha: the chance that any race of the suite raises a false alarm.
    budget_s: seconds for each benchmark, its share of the starts included.
    max_launches: how often both sides may be started for a benchmark.
    strict: whether `unsure` is a failure.
    tests: whose tests are run on both sides: "head" (head's), or "own" (each side's own).
    gone: what becomes of a benchmark that base has and head lacks: "list" or "fail".
    accepted: the slowdowns that are accepted, and not in base already.
    given: the settings that the command line gives, by their names; they count more than any file or marker.
    shard: (k, n): only each n-th benchmark, from the k-th on, k counting from 1.
    json: the file that gets the results as they come, or None.
    cache: the folder of the builds.
    rebuild: whether builds that the cache has are made anew.
    environment: patterns of the names of variables that steer the project's own build.

    """

    base: str | None
    base_python: Path | None
    threshold: float
    alpha: float
    budget_s: float
    max_launches: int
    strict: bool
    tests: str
    gone: str
    accepted: tuple[Entry, ...]
    given: frozenset[str]
    shard: tuple[int, int]
    json: Path | None
    cache: Path
    rebuild: bool = False
    environment: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """What the command line and the environment ask for.

    Attributes
    ----------
    cl_device: a device's name, or a part of it; None for all.
    cl_require: whether a missing device is a failure.
    cl_list: whether to list the devices, and do nothing else.
    markdown: the file that gets the report in Markdown, or None.
    summary: the job summary of the CI, to which the same report is appended, or None.
    annotate: whether to print annotations for GitHub Actions.
    race: the race that is asked for, or None.

    """

    cl_device: str | None
    cl_require: bool
    cl_list: bool
    markdown: Path | None
    summary: Path | None
    annotate: bool
    race: RaceConfig | None


def add_options(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("benchgate", "benchgate: verified benchmarks, OpenCL devices")
    group.addoption(
        "--cl-device",
        metavar="NAME",
        help="run the tests that use an OpenCL device on this one only: cl0, or a part of its or its platform's name",
    )
    group.addoption(
        "--cl-require", action="store_true", help="fail, instead of skip, the tests for which there is no OpenCL device"
    )
    group.addoption("--cl-list", action="store_true", help="list the OpenCL devices, or why there are none, and exit")
    group.addoption(
        "--benchgate-markdown", metavar="FILE", type=Path, help="write the report as Markdown to FILE as well"
    )
    _add_race_options(parser)


def _add_race_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("benchgate race", "benchgate: races between two builds")
    group.addoption(
        "--race",
        metavar="REVISION",
        help="race each benchmark's base, built from this git revision, against head, built from the working tree as "
        "it is; a benchmark that became slower fails. A... is the merge base with A, as in git diff; self races this "
        "environment with itself, and says which slowdown this machine can see",
    )
    group.addoption(
        "--race-base-python",
        metavar="PYTHON",
        type=Path,
        help="instead of --race: the interpreter of an environment that has base installed already",
    )
    for name, (parse, default, metavar, text) in SETTINGS.items():
        group.addoption(
            option(name),
            metavar=metavar,
            type=parse,
            help=f"{text} (default {default}; ini: {name})".replace("%", "%%"),
        )
        parser.addini(name, text, default=default)
    group.addoption("--race-strict", action="store_true", default=None, help="fail what is `unsure` (ini: race_strict)")
    parser.addini("race_strict", "fail what is `unsure`", type="bool", default=False)
    group.addoption(
        "--race-tests", metavar="WHOSE", type=whose,
        help="head: run head's tests on both sides (the default); own: each side's own (ini: race_tests)",
    )  # fmt: skip
    parser.addini("race_tests", "whose tests are run: head or own", default="head")
    group.addoption(
        "--race-gone", metavar="WHAT", type=what_if_gone,
        help="list (the default) or fail the benchmarks that base has and head lacks or newly skips (ini: race_gone)",
    )  # fmt: skip
    parser.addini("race_gone", "benchmarks that head lacks: list or fail", default="list")
    parser.addini("race_accepted", "the file of accepted slowdowns", default="benchgate-accepted.toml")
    group.addoption(
        "--race-shard", metavar="K/N", type=shard, default=(1, 1),
        help="race the K-th of N parts of the suite; its share of alpha stays that of the whole suite",
    )  # fmt: skip
    group.addoption(
        "--race-json", metavar="FILE", type=Path, help="write the results of the race to FILE, as they come"
    )
    group.addoption(
        "--race-cache",
        metavar="FOLDER",
        type=Path,
        help="keep the builds here (ini: race_cache; default: in your cache)",
    )
    parser.addini("race_cache", "the folder of the builds", default="")
    group.addoption("--race-rebuild", action="store_true", help="build both sides anew, whatever the cache has")
    parser.addini(
        "race_environment", "names (or patterns, as in MYPKG_*) of variables that change what is built", type="args"
    )


def read(config: pytest.Config) -> Config:
    """Return the options as given; the CI's job summary and annotations are found by its environment variables."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    return Config(
        cl_device=config.getoption("cl_device"),
        cl_require=config.getoption("cl_require"),
        cl_list=config.getoption("cl_list"),
        markdown=config.getoption("benchgate_markdown"),
        summary=Path(summary) if summary else None,
        annotate=os.environ.get("GITHUB_ACTIONS") == "true",
        race=race(config),
    )


def race(config: pytest.Config) -> RaceConfig | None:
    """Return the race that is asked for, if any; UsageError where it cannot be."""
    base, base_python = config.getoption("race"), config.getoption("race_base_python")
    if base is None and base_python is None:
        return None
    if base is not None and base_python is not None:
        raise pytest.UsageError("--race and --race-base-python both say what base is; give one of them")
    if os.name != "posix":
        raise pytest.UsageError("--race needs Linux or macOS: its workers inherit pipes, as POSIX has them")
    if base_python is not None:
        found = shutil.which(base_python)
        if found is None:
            raise pytest.UsageError(
                f"--race-base-python: {base_python} is no program; give an environment's bin/python"
            )
        base_python = Path(found).absolute()
    settings = of_config(config)
    from pytest_benchgate.race.verdicts import accepted  # noqa: PLC0415  # needs POSIX

    return RaceConfig(
        base=base,
        base_python=base_python,
        **{FIELDS[name]: value for name, value in settings.items()},
        accepted=accepted.load(config.rootpath, config.getini("race_accepted"), base, settings["race_threshold"]),
        given=given(config),
        shard=config.getoption("race_shard"),
        json=config.getoption("race_json"),
        cache=_cache(config),
        rebuild=config.getoption("race_rebuild"),
        environment=tuple(config.getini("race_environment")),
    )


def _cache(config: pytest.Config) -> Path:
    """Return the folder of the builds."""
    import platformdirs  # noqa: PLC0415  # most runs of pytest race nothing

    given = config.getoption("race_cache") or config.getini("race_cache")
    try:
        return config.rootpath / Path(given or platformdirs.user_cache_dir("pytest-benchgate")).expanduser()
    except RuntimeError as error:  # ~somebody, who has no home
        raise pytest.UsageError(f"--race-cache={given}: {error}") from error
