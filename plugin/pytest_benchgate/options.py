"""The options, each declared once: as a field of Config or RaceConfig.

From its declaration follow its flag and what --help says, its key in pytest's configuration, its keyword of the marker,
the type and value of the field, what the workers of a race get, and the command that repeats a race.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import parsers
from pytest_benchgate.declaration import Option, given, options_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_benchgate.race.verdicts.accepted import Entry

MARKER = "benchgate"
# Its keywords that claim something; see claims/stated.py.
CLAIMS = ("faster_than", "by", "slower_than", "within", "grows", "sizes", "clock")
# Values of --race that are no revision: races in which nothing differs, or only where the code lies.
SELF, RELINKED = "self", "relinked"


@dataclass(frozen=True, kw_only=True, eq=False)
class RaceConfig:
    """What a race is asked to be: the options, and what follows from them.

    Attributes
    ----------
    builds : Path
        The folder of the builds: `cache`, or else one in the user's cache.
    accepted : tuple of Entry
        The accepted slowdowns in `accepted_file` that base does not have.
    given : frozenset of str
        The fields that the command line gives. These count more than any configuration or marker.

    """

    # fmt: off
    base: str | None = Option(
        "race", str, None, "REVISION",
        "race each benchmark: build this git revision (base) and the working tree as it is (head), and fail the "
        "benchmarks that became slower. A... is the merge base of A and HEAD, as in git diff. self races this "
        "environment against itself, to show the smallest slowdown that can be found on this machine; relinked races "
        "the working tree against itself with its functions in other places, to show by how much that changes times",
    ).field()
    base_python: Path | None = Option(
        "race_base_python", Path, None, "PYTHON",
        "instead of --race: the interpreter of an environment in which base is installed already",
    ).field()
    claims: bool = Option(
        "claims", None, False, "",
        "check what tests claim about their speed, by the marker benchgate(faster_than=TEST, by=2) and the like, or by "
        "gate.reaches: race each against the test or limit that it names, and fail those whose claim is refuted",
    ).field()
    threshold: float = Option(
        "race_threshold", parsers.percentage, 0.03, "PERCENT", "the slowdown that matters",
        show=parsers.shown_percentage, ini=True, marker=True, from_base=True,
    ).field()
    alpha: float = Option(
        "race_alpha", parsers.probability, 0.001, "ALPHA", "the probability of a false alarm in the whole suite",
        ini=True, marker=True, from_base=True,
    ).field()
    budget_s: float = Option(
        "race_budget", parsers.seconds, 60.0, "SECONDS", "how long each benchmark may be raced before it is `unsure`",
        ini=True, marker=True, from_base=True,
    ).field()
    max_launches: int = Option(
        "race_max_launches", parsers.count, 60, "N",
        "how often both sides may be started before a benchmark is `unsure`",
        ini=True, marker=True, from_base=True,
    ).field()
    count: bool = Option(
        "race_count", None, False, "",
        "compare the instructions of a call, as valgrind counts them, instead of times, on machines too busy to time "
        "anything: exact and quick, but blind to memory, cache, the kernel, waiting, threads and AVX-512",
        ini=True, from_base=True,
    ).field()
    count_threshold: float = Option(
        "race_count_threshold", parsers.percentage, 0.01, "PERCENT",
        "the additional instructions that matter, with --race-count",
        show=parsers.shown_percentage, ini=True, marker=True, from_base=True,
    ).field()
    strict: bool = Option(
        "race_strict", None, False, "",
        "fail the benchmarks that are `unsure` or `placement`, and the claims that are `unsure`",
        ini=True, marker=True, from_base=True,
    ).field()
    tests: str = Option(
        "race_tests", parsers.one_of("head", "own"), "head", "head|own",
        "whose tests are run: head's on both sides, or each side's own", ini=True, from_base=True,
    ).field()
    explain: str = Option(
        "race_explain", parsers.one_of("auto", "all", "off"), "auto", "auto|all|off",
        "for which benchmarks valgrind counts the instructions of a call in base and in head, to name the functions "
        "that execute more: those that are `slower`, `unsure` or near the threshold; all; or none",
        ini=True,
    ).field()
    placements: str = Option(
        "race_placements", parsers.placements, "auto", "auto|N",
        "race an alarm again over N builds of each side, 6 to 64, that differ in where their functions lie, and with 0 "
        "never; auto is 8 if head executes no more instructions than base, and otherwise 0; with --race=relinked, the "
        "number of builds (auto is 8)",
        ini=True, from_base=True,
    ).field()
    gone: str = Option(
        "race_gone", parsers.one_of("list", "fail"), "list", "list|fail",
        "whether to list or to fail the benchmarks that base has and head lacks or newly skips",
        ini=True, from_base=True,
    ).field()
    accepted_file: str = Option(
        "race_accepted", str, "benchgate-accepted.toml", "", "the file of accepted slowdowns, relative to rootdir",
        command_line=False, ini=True,
    ).field()
    shard: tuple[int, int] = Option(
        "race_shard", parsers.shard, (1, 1), "K/N",
        "race the K-th of N parts of the suite; its share of alpha stays that of the whole suite",
    ).field()
    shard_times: Path | None = Option(
        "race_shard_times", Path, None, "PATH",
        "let the parts take equally long by the JSON of an earlier race: a file, or a folder of those of its shards",
    ).field()
    json: Path | None = Option(
        "race_json", Path, None, "FILE", "write the results of the race to FILE as they come",
    ).field()
    cache: Path | None = Option(
        "race_cache", Path, None, "FOLDER", "where builds are kept, by default in the user's cache folder", ini=True,
    ).field()
    rebuild: bool = Option("race_rebuild", None, False, "", "build both sides anew, whatever the cache has").field()
    environment: tuple[str, ...] = Option(
        "race_environment", None, (), "",
        "names, or patterns as in MYPKG_*, of environment variables that change what is built",
        command_line=False, ini=True,
    ).field()
    before_build: str | None = Option(
        "race_before_build", str, None, "COMMAND", "a shell command to run in each side's project before it is built, "
        "as for sources that a program generates and git ignores", ini=True,
    ).field()
    files: tuple[str, ...] = Option(
        "race_files", None, (), "GLOB", "files and folders that git ignores and tests need, relative to rootdir: both "
        "sides get a copy; may be given several times", ini=True,
    ).field()
    files_root: Path | None = Option(
        "race_files_root", Path, None, "", "where the files of race_files are, if not in this checkout of the "
        "repository: another one, such as the main worktree, relative to rootdir", command_line=False, ini=True,
    ).field()
    # fmt: on
    builds: Path = Path()
    accepted: tuple[Entry, ...] = ()
    given: frozenset[str] = frozenset()

    @property
    def slowdown(self) -> float:
        """The relative slowdown that matters, in time or, with `count`, in instructions."""
        return self.count_threshold if self.count else self.threshold

    @property
    def revision(self) -> str | None:
        """The revision that base is built from, if any."""
        return None if self.base in {SELF, RELINKED} else self.base

    def with_settings(self, values: Mapping[str, Any]) -> RaceConfig:
        """Return it with these values, by fields, but for what the command line gives."""
        return dataclasses.replace(self, **{field: value for field, value in values.items() if field not in self.given})

    def settings(self) -> dict[str, Any]:
        """Return its settings by their names."""
        return {setting.name: getattr(self, field) for field, setting in SETTINGS.items()}

    def arguments(self) -> list[str]:
        """Return the arguments that repeat what pytest's configuration may have, where it is not the default."""
        return [
            argument
            for field, option in RACE_OPTIONS.items()
            if option.command_line and option.ini and getattr(self, field) != option.default
            for argument in option.arguments(getattr(self, field))
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Config:
    """What the command line and the environment ask for.

    Attributes
    ----------
    summary : Path, optional
        The job summary of the CI, to which the report in Markdown is appended.
    annotate : bool
        Whether to print annotations for GitHub Actions.
    race : RaceConfig, optional
        The race that is asked for.

    """

    # fmt: off
    cl_device: str | None = Option(
        "cl_device", str, None, "NAME",
        "run the tests that use an OpenCL device on this one only: cl0, or a part of its name or its platform's",
        for_workers=True,
    ).field()
    cl_require: bool = Option(
        "cl_require", None, False, "", "fail, rather than skip, the tests for which there is no OpenCL device",
        for_workers=True,
    ).field()
    cl_check: bool = Option(
        "cl_check", None, False, "",
        "run kernels on Oclgrind, a simulator, and fail the tests whose kernels have data races, access memory out of "
        "bounds, read what was not written, or diverge at barriers; no times are taken",
    ).field()
    cl_list: bool = Option(
        "cl_list", None, False, "", "list the OpenCL devices, or the reasons why there are none, and exit",
    ).field()
    markdown: Path | None = Option(
        "benchgate_markdown", Path, None, "FILE", "write the report as Markdown to FILE as well",
    ).field()
    html: Path | None = Option(
        "benchgate_html", Path, None, "FILE",
        "write the report as an HTML page to FILE as well: one file, which loads nothing",
    ).field()
    # fmt: on
    summary: Path | None = None
    annotate: bool = False
    race: RaceConfig | None = None


# By the names of their fields: all options, those that base's configuration sets, and those that a marker may set.
OPTIONS, RACE_OPTIONS = options_of(Config), options_of(RaceConfig)
SETTINGS = {field: option for field, option in RACE_OPTIONS.items() if option.from_base}
MARKS = {field: option for field, option in RACE_OPTIONS.items() if option.marker}
# Those of the command line that the workers of a race must not get.
NOT_FOR_WORKERS = tuple(
    option for option in (*OPTIONS.values(), *RACE_OPTIONS.values()) if option.command_line and not option.for_workers
)


def declare(parser: pytest.Parser) -> None:
    """Declare the options to pytest."""
    for options, name, text in (
        (OPTIONS, "benchgate", "benchgate: verified benchmarks, OpenCL devices"),
        (RACE_OPTIONS, "benchgate race", "benchgate: races between two builds"),
    ):
        group = parser.getgroup(name, text)
        for option in options.values():
            option.declare(parser, group)


def marker() -> str:
    """Return the declaration of the marker."""
    names = ", ".join((*(option.name for option in MARKS.values()), *CLAIMS))
    return f"{MARKER}({names}): options of a race, for this test, and what it claims about its speed"


def read(config: pytest.Config) -> Config:
    """Return the options as given; the CI's job summary and annotations are found by its environment variables."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    return Config(
        **{field: option.value(config) for field, option in OPTIONS.items()},
        summary=Path(summary) if summary else None,
        annotate=os.environ.get("GITHUB_ACTIONS") == "true",
        race=read_race(config),
    )


def read_race(config: pytest.Config) -> RaceConfig | None:
    """Return the race that is asked for, if any; pytest.UsageError where it cannot be."""
    base, base_python = config.getoption("race"), config.getoption("race_base_python")
    claims = bool(config.getoption("claims"))
    if base is None and base_python is None and not claims:
        return None
    if claims and not (base is None and base_python is None):
        raise pytest.UsageError("--claims compares tests of one build, and --race two builds; give one of them")
    if base is not None and base_python is not None:
        raise pytest.UsageError("--race and --race-base-python both say what base is; give one of them")
    if os.name != "posix":
        raise pytest.UsageError("--race needs Linux or macOS: its workers inherit pipes, as POSIX has them")
    from pytest_benchgate.race.verdicts import accepted

    race = RaceConfig(**{field: option.value(config) for field, option in RACE_OPTIONS.items()})
    if race.count and not claims:
        from pytest_benchgate.explain import requests, valgrind

        try:
            valgrind.program()
        except requests.Unsupported as error:
            raise pytest.UsageError(f"--race-count: {error}") from error
    return dataclasses.replace(
        race,
        base_python=base_python and _executable(base_python),
        builds=_builds(config, race.cache),
        accepted=accepted.load(config, race.accepted_file, race.revision, race.slowdown),
        given=given(config, SETTINGS),
    )


def _executable(python: Path) -> Path:
    """Return the path of --race-base-python."""
    if (found := shutil.which(python)) is None:
        raise pytest.UsageError(f"--race-base-python: {python} is not an executable; give an environment's bin/python")
    return Path(found).absolute()


def _builds(config: pytest.Config, cache: Path | None) -> Path:
    """Return the folder of the builds."""
    import platformdirs

    try:
        return config.rootpath / (cache or platformdirs.user_cache_path("pytest-benchgate")).expanduser()
    # ~somebody, who has no home.
    except RuntimeError as error:
        raise pytest.UsageError(f"--race-cache={cache}: {error}") from error


def settings(config: pytest.Config) -> dict[str, Any]:
    """Return the settings of a race that this configuration has, by their fields."""
    return {field: setting.value(config) for field, setting in SETTINGS.items()}


def marks(item: pytest.Item) -> dict[str, Any]:
    """Return the settings that a test's markers have, by their fields; pytest.UsageError where they are none.

    @pytest.mark.benchgate(race_threshold="10 %", race_strict=True)
    """
    keywords = {option.name: (field, option) for field, option in MARKS.items()}
    found: dict[str, Any] = {}
    closest_first = [*item.iter_markers(MARKER)]
    for mark in reversed(closest_first):
        unknown = [f"{name}={value!r}" for name, value in mark.kwargs.items() if name not in {*CLAIMS, *keywords}]
        if stray := [*map(repr, mark.args), *unknown]:
            takes, got = ", ".join((*keywords, *CLAIMS)), ", ".join(stray)
            raise pytest.UsageError(f"{item.nodeid}: the marker {MARKER} takes the keywords {takes}; got {got}")
        for name in mark.kwargs.keys() & keywords.keys():
            value, (field, option) = mark.kwargs[name], keywords[name]
            try:
                found[field] = option.marked(value)
            except argparse.ArgumentTypeError as error:
                raise pytest.UsageError(f"{item.nodeid}: {name}: {error}") from error
    return found
