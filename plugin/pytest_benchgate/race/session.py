"""The race as pytest sees it: it takes the place of running the tests, and each verdict is a test's outcome."""

from __future__ import annotations

import dataclasses
import math
import random
import shlex
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_benchgate import config as options
from pytest_benchgate import host, machine
from pytest_benchgate.race import engine, git, sides
from pytest_benchgate.race.arguments import without_output
from pytest_benchgate.race.build import BuildFailed
from pytest_benchgate.race.early import EARLY
from pytest_benchgate.race.identity import Identity, SelfRace
from pytest_benchgate.race.process import Plan, Why
from pytest_benchgate.race.progress import EVERY_S
from pytest_benchgate.race.reaper import Reaper
from pytest_benchgate.race.statistics import Rule, Verdict, smallest_visible
from pytest_benchgate.reports import race as words
from pytest_benchgate.reports import race_json
from pytest_benchgate.results import Raced, RaceReport

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_benchgate.config import RaceConfig
    from pytest_benchgate.session import Session

SELF_LAUNCHES = 8  # of a null race: enough to know the scatter that it tells of
RACED = "benchgate_raced"  # the attribute of a report that carries its race


def start(config: pytest.Config, race: RaceConfig, session: Session) -> None:
    """Take part in a session; refuse what cannot be raced before anything is collected."""
    host.take_times(config)
    if race.base is not None and race.base != "self" and EARLY not in config.stash:
        try:
            git.Repository.around(config.rootpath).resolve(race.base)
        except git.GitError as error:
            raise pytest.UsageError(f"--race: {error}") from error
    if race.json:
        try:
            race.json.parent.mkdir(parents=True, exist_ok=True)
            race.json.open("a").close()
        except OSError as error:
            raise pytest.UsageError(f"--race-json: cannot write {race.json}: {error}") from error
    config.pluginmanager.register(RaceSession(config, race, session), "benchgate-race")


class RaceSession:
    """Registered in the place of pytest's own loop over the tests, with --race or --race-base-python."""

    def __init__(self, config: pytest.Config, race: RaceConfig, session: Session) -> None:
        self._config, self._race, self._session = config, race, session
        self._suite: tuple[str, ...] = ()
        self._settings: dict[str, dict[str, Any]] = {}
        self._items: dict[str, pytest.Item] = {}
        self._field: sides.Field | None = None
        self._shown_s = -math.inf

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Keep the benchmarks of this shard, once all others have chosen theirs.

        Each job may collect in an order of its own: plugins shuffle, and sets have another order in each process.
        """
        yield
        benchmarks = {item.nodeid: item for item in items if "benchmark" in getattr(item, "fixturenames", ())}
        self._suite = tuple(sorted(benchmarks))
        part, parts = self._race.shard
        kept = {*self._suite[part - 1 :: parts]}
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
        items[:] = [item for nodeid, item in benchmarks.items() if nodeid in kept]
        self._settings = {item.nodeid: options.marked(item, self._race) for item in items}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Race all benchmarks, and report each as soon as it is decided."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(
                f"{session.testsfailed} error{'s' * (session.testsfailed != 1)} during collection"
            )
        if session.config.option.collectonly or not self._suite:
            return True
        if self._race.json:
            self._race.json.write_text("", "utf-8")  # an earlier race's results must not be taken for this one's
        self._items = {item.nodeid: item for item in session.items}
        files = self._files()
        early = self._config.stash.get(EARLY, None)
        self._shown_s = time.monotonic()
        try:
            with early.stack if early else ExitStack() as stack:
                reaper = early.reaper if early else stack.enter_context(Reaper())
                mode = self._config.getoption("importmode")
                trees = early.build(self._config, self._race, mode, self._say, self._follow) if early else None
                field = sides.prepare(self._config, self._race, files, reaper, trees)
                self._run(field, reaper)
        except BuildFailed as error:
            self._line("")
            if (reporter := self._reporter()) is not None:
                reporter.ensure_newline()
                reporter.write_line(str(error))
            pytest.exit(str(error).partition("\n")[0], returncode=pytest.ExitCode.TESTS_FAILED)
        except (sides.SidesError, SelfRace, git.GitError) as error:
            self._line("")
            raise pytest.UsageError(str(error)) from error
        return True

    def _files(self) -> list[Path]:
        """Return the files of the benchmarks, relative to rootdir."""
        found: dict[Path, None] = {}
        for item in self._items.values():
            try:
                found[item.path.relative_to(self._config.rootpath)] = None
            except ValueError:
                raise pytest.UsageError(
                    f"{item.path} lies outside of {self._config.rootpath}, so that it cannot be raced; set --rootdir"
                ) from None
        return list(found)

    def _run(self, field: sides.Field, reaper: Reaper) -> None:
        self._field, self._shown_s, start = field, -math.inf, time.monotonic()
        races = [self._entered(nodeid) for nodeid in self._items]
        identity = Identity(dict(zip(("base", "head"), field.homes, strict=True)), same=field.null)
        self._session.race = RaceReport(
            *field.labels, self._race.alpha, len(self._suite), notes=field.notes, shard=self._race.shard,
            suite=self._suite, base_tree=field.trees[0], head_tree=field.trees[1], settings=options.shown(self._race),
        )  # fmt: skip
        self._save()

        def progress(launches: int) -> None:
            self._session.race = dataclasses.replace(
                self._report(),
                launches=launches,
                seconds=time.monotonic() - start,
                notes=(*field.notes, *identity.notes()),
            )
            self._save()
            self._show(races, launches)

        limit_s = max([Plan.limit_s, *(race.budget_s for race in races)])  # a small budget is no reason to see hangs
        engine.run(
            field.sides,
            races,
            Plan(names=field.names, limit_s=limit_s),
            seed=random.SystemRandom().getrandbits(32),
            reaper=reaper,
            loaded=identity.saw,
            closed=self._closed,
            progress=progress,
        )
        self._session.race = dataclasses.replace(self._report(), complete=True)
        self._save()
        self._line("")

    def _entered(self, nodeid: str) -> engine.Race:
        settings = self._settings[nodeid]
        rule = Rule(threshold=settings["race_threshold"], alpha=settings["race_alpha"], races=len(self._suite))
        if self._race.base == "self":
            rule = dataclasses.replace(rule, least_launches=min(SELF_LAUNCHES, settings["race_max_launches"]))
        return engine.Race(nodeid, rule, settings["race_budget"], settings["race_max_launches"])

    def _report(self) -> RaceReport:
        report = self._session.race
        assert report is not None  # noqa: S101  # made before anything is raced
        return report

    def _closed(self, race: engine.Race) -> None:
        """Report a race that is over: to pytest, to pytest-benchmark, to our own reports."""
        item = self._items[race.nodeid]
        raced = self._raced(item, race)
        report = self._report()
        self._session.race = report = dataclasses.replace(report, raced=(*report.raced, raced))
        if race.launches and not race.failed:
            times = [head_ns * 1e-9 for launched in race.launches for head_ns in launched.head_ns]
            host.record(item, times, race.launches[-1].group, {machine.KEY: {"race": dataclasses.asdict(raced)}})
        self._line("")
        hook = item.config.hook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for when in ("setup", "call", "teardown"):
            outcome: Literal["passed", "failed", "skipped"] = "passed"
            text: str | tuple[str, int, str] | None = None
            if when == "call" and raced.failed:
                outcome, text = "failed", words.message(raced, report)
            elif when == "call" and raced.verdict == "skipped":
                outcome, text = "skipped", (raced.path, raced.line, f"Skipped: {raced.reason} ({raced.side})")
            told = pytest.TestReport(
                nodeid=item.nodeid, location=item.location, keywords=dict.fromkeys(item.keywords, 1), outcome=outcome,
                longrepr=text, when=when, duration=raced.seconds if when == "call" else 0.0,
            )  # fmt: skip
            if when == "call":
                setattr(told, RACED, raced)
            hook.pytest_runtest_logreport(report=told)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _raced(self, item: pytest.Item, race: engine.Race) -> Raced:
        """Return the result of a race that is over."""
        assert self._field is not None  # noqa: S101  # set before anything is raced
        path, line = self._session.place(item, None)
        settings = self._settings[race.nodeid]
        verdict, side, reason = race.decision.verdict, "", ""
        if race.failed:
            verdict, side, reason = self._why(item, race)
        failed = verdict in {Verdict.SLOWER, Verdict.ERROR} or (verdict is Verdict.UNSURE and settings["race_strict"])
        raced = Raced(
            nodeid=race.nodeid,
            name=item.name,
            path=path,
            line=line,
            verdict=verdict.value,
            failed=failed,
            threshold=race.rule.threshold,
            alarm=race.rule.races / race.rule.alpha,
            repeat=self._repeat(item),
            evidence=race.decision.evidence,
            seconds=race.seconds,
            side=side,
            reason=reason,
        )
        if not race.launches:
            return raced
        low, high, coverage = race.interval()
        raced = dataclasses.replace(
            raced,
            numbers=tuple(race.numbers),
            change=statistics.median(race.numbers),
            low=low,
            high=high,
            coverage=coverage,
            pairs=sum(len(launched.head_ns) for launched in race.launches),
            base_s=statistics.median(ns for launched in race.launches for ns in launched.base_ns) * 1e-9,
            head_s=statistics.median(ns for launched in race.launches for ns in launched.head_ns) * 1e-9,
        )
        if self._race.base != "self" or race.failed:
            return raced
        affordable = min(race.max_launches, int(race.budget_s / (race.seconds / len(race.launches))))
        rng = random.Random(0)  # noqa: S311  # the same numbers, the same figure
        visible = smallest_visible(race.numbers, race.rule, max(affordable, 1), rng)
        blind = visible is None or visible > math.log1p(race.rule.threshold)
        return dataclasses.replace(
            raced, visible=math.log1p(words.MOST) if visible is None else visible, failed=failed or blind
        )

    def _why(self, item: pytest.Item, race: engine.Race) -> tuple[Verdict, str, str]:
        """Return the verdict on a race that could not be run, the side, and the reason."""
        failed = race.failed
        assert failed is not None and self._field is not None  # noqa: PT018, S101
        if failed.why is Why.SKIPPED:
            return Verdict.SKIPPED, failed.side, failed.reason
        function = getattr(item, "originalname", None) or item.name.partition("[")[0]
        file = item.nodeid.partition("::")[0]
        lacks = failed.why is Why.LACKS or (failed.why is Why.FAILED and self._field.is_new(file, function))
        if failed.side == "base" and lacks:
            return Verdict.NEW, failed.side, f"base has no such benchmark: {failed.reason}"
        return Verdict.ERROR, failed.side, failed.reason

    def _repeat(self, item: pytest.Item) -> str:
        """Return the command that repeats one race: the session's own options, but for what selects and writes."""
        assert self._field is not None  # noqa: S101
        settings = self._settings[item.nodeid]
        given = without_output(self._config)
        changed = [
            f"--{name.replace('_', '-')}={f'{100 * value:.6g}%' if name == 'race_threshold' else value}"
            for name, value in settings.items()
            if name != "race_strict" and value != (parse := options.SETTINGS[name])[0](parse[1])
        ]
        changed += ["--race-strict"] * settings["race_strict"] + ["--race-tests=own"] * (self._race.tests == "own")
        if cache := self._config.getoption("race_cache"):
            changed.append(f"--race-cache={cache}")
        command = ["pytest", "--benchmark-only", *given, *changed]
        return " ".join([*map(shlex.quote, command), self._field.repeat, shlex.quote(item.nodeid)])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Let a shard pass for which the suite has too few benchmarks."""
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._session.race and self._session.race.complete:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> Any:
        """Say the verdict where pytest says PASSED or FAILED."""
        raced: Raced | None = getattr(report, RACED, None)
        if raced is None or raced.verdict == "skipped":
            return None
        letters = {"slower": "S", "error": "E", "unsure": "?", "same": ".", "faster": "f", "new": "n"}
        word = (
            raced.verdict.upper() if raced.change is None else f"{raced.verdict.upper()} {words.percent(raced.change)}"
        )
        colour = {"red": True} if raced.failed else {"yellow": True} if raced.verdict == "unsure" else {"green": True}
        return (
            report.outcome,
            "F" if raced.failed and raced.verdict == "same" else letters[raced.verdict],
            (word, colour),
        )

    def _save(self) -> None:
        """Write what is known by now, so that it outlives a crash of the session."""
        places = [self._race.json] if self._race.json else []
        cache = getattr(self._config, "cache", None)
        if cache is not None:
            places.append(Path(cache.mkdir("benchgate")) / "race.json")
        data = race_json.render(self._report(), machine.describe({}))
        for place in places:
            try:
                race_json.write(place, data)
            except OSError as error:
                self._session.unwritten[str(place)] = str(error)

    def _reporter(self) -> Any:
        return self._config.pluginmanager.getplugin("terminalreporter")

    def _say(self, text: str) -> None:
        """Show a step of the preparations."""
        if (reporter := self._reporter()) is not None and self._config.get_verbosity() >= 0:
            reporter.ensure_newline()
            reporter.write_line(f"race: {text}")
            reporter.flush()

    def _line(self, text: str) -> None:
        """Put text into the terminal's last line; an empty one clears it."""
        reporter = self._reporter()
        if reporter is not None and reporter.isatty and self._config.get_verbosity() >= 0:
            reporter.ensure_newline()
            sys.stdout.write(f"\r\x1b[K{text[: reporter._screen_width - 1]}")  # noqa: SLF001
            sys.stdout.flush()

    def _show(self, races: Sequence[engine.Race], launches: int) -> None:
        """Show how far it is: launch, decided so far, and what is under suspicion most."""
        undecided = [race for race in races if race.open]
        text = f"launch {launches}, {len(races) - len(undecided)} of {len(races)} over"
        if undecided:
            suspect = max(undecided, key=lambda race: abs(statistics.median(race.numbers or [0.0])))
            if suspect.launches:
                low, high, _ = suspect.interval()
                median = statistics.median(suspect.numbers)
                text += f"; {suspect.nodeid}: {words.percent(median)} ({words.percent(low)} .. {words.percent(high)})"
        self._follow(text if undecided else "")

    def _follow(self, text: str) -> None:
        """Show what goes on: in the terminal's last line, or, where there is no terminal, now and then."""
        reporter = self._reporter()
        if reporter is None:
            return
        if reporter.isatty:
            self._line(f"race: {text}" if text else "")
        elif text and time.monotonic() - self._shown_s >= EVERY_S:
            self._shown_s = time.monotonic()
            self._say(text)
