"""The options, once parsed."""

from __future__ import annotations

import argparse
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = "benchgate"  # the marker that overrides a race's options for a test


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


def percentage(text: str) -> float:
    """Return "3 %" as 0.03."""
    number = text.strip().removesuffix("%")
    try:
        value = float(number) / 100
    except ValueError:
        value = math.nan
    if not text.strip().endswith("%") or not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no threshold; write it in percent, as in 3%")
    return value


def probability(text: str) -> float:
    """Return "0.001" as a number between 0 and 1."""
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must lie between 0 and 1; 0.001 is one false alarm in 1000 suites")
    return value


def seconds(text: str) -> float:
    """Return "60" as a number above 0."""
    value = _number(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds above 0")
    return value


def count(text: str) -> int:
    """Return "60" as an integer of 1 or more."""
    value = _number(text)
    if not (math.isfinite(value) and value == int(value) and value >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} must be 1, 2, 3 ...")
    return int(value)


def whose(text: str) -> str:
    """Return "head" or "own"."""
    if text not in {"head", "own"}:
        raise argparse.ArgumentTypeError(f"{text!r} must be head (head's tests on both sides) or own (each side's own)")
    return text


def shard(text: str) -> tuple[int, int]:
    """Return "2/4" as (2, 4)."""
    one, slash, many = text.partition("/")
    if not (slash and one.isdecimal() and many.isdecimal() and 1 <= int(one) <= int(many)):
        raise argparse.ArgumentTypeError(f"{text!r} must be K/N with K from 1 to N, as in 2/4")
    return int(one), int(many)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


# Name, what parses it, its default, and its help; each is an option, an ini key and a keyword of the marker.
SETTINGS: dict[str, tuple[Callable[[str], Any], str, str, str]] = {
    "race_threshold": (percentage, "3%", "PERCENT", "the slowdown that matters"),
    "race_alpha": (probability, "0.001", "ALPHA", "the chance of a false alarm, in the whole suite together"),
    "race_budget": (seconds, "60", "SECONDS", "how long each benchmark may be raced before it is `unsure`"),
    "race_max_launches": (count, "60", "N", "how often both sides may be started before a benchmark is `unsure`"),
}


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
            _option(name),
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


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


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
    settings = {name: _setting(config, name, parse) for name, (parse, *_) in SETTINGS.items()}
    strict = config.getoption("race_strict")
    return RaceConfig(
        base=base,
        base_python=base_python,
        threshold=settings["race_threshold"],
        alpha=settings["race_alpha"],
        budget_s=settings["race_budget"],
        max_launches=settings["race_max_launches"],
        strict=config.getini("race_strict") if strict is None else strict,
        tests=_setting(config, "race_tests", whose),
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


def _setting(config: pytest.Config, name: str, parse: Callable[[str], Any]) -> Any:
    """Return an option as given, or as the ini file has it."""
    given = config.getoption(name)
    if given is not None:
        return given
    try:
        return parse(str(config.getini(name)))
    except argparse.ArgumentTypeError as error:
        raise pytest.UsageError(f"{config.inipath}: {name}: {error}") from error


def shown(race: RaceConfig) -> dict[str, Any]:
    """Return the session's settings by their names, for reports."""
    return {**of_tests(race), "race_tests": race.tests}


def of_tests(race: RaceConfig) -> dict[str, Any]:
    """Return the settings that a test's marker may change."""
    return {"race_threshold": race.threshold, "race_alpha": race.alpha, "race_budget": race.budget_s,
            "race_max_launches": race.max_launches, "race_strict": race.strict}  # fmt: skip


def marked(item: pytest.Item, race: RaceConfig) -> dict[str, Any]:
    """Return the settings of one test's race: the session's, but for what its markers say.

    @pytest.mark.benchgate(race_threshold="10 %", race_strict=True)
    """
    settings = of_tests(race)
    for mark in reversed([*item.iter_markers(MARK)]):  # the closest last
        if mark.args or not mark.kwargs.keys() <= settings.keys():
            raise pytest.UsageError(f"{item.nodeid}: the marker {MARK} takes the keywords {', '.join(settings)}")
        for name, value in mark.kwargs.items():
            try:
                settings[name] = bool(value) if name == "race_strict" else SETTINGS[name][0](str(value))
            except argparse.ArgumentTypeError as error:
                raise pytest.UsageError(f"{item.nodeid}: {name}: {error}") from error
    return settings
