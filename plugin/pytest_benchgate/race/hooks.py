"""The race as pytest sees it: it takes the place of running the tests, and each verdict is a test's outcome."""

from __future__ import annotations

import dataclasses
import math
import random
import shlex
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_benchgate import host, machine, options
from pytest_benchgate.race.arguments import without_output
from pytest_benchgate.race.building import git
from pytest_benchgate.race.building.build import BuildFailed
from pytest_benchgate.race.launching import engine
from pytest_benchgate.race.launching.process import Plan
from pytest_benchgate.race.progress import EVERY_S
from pytest_benchgate.race.reaper import Reaper
from pytest_benchgate.race.sides import basis
from pytest_benchgate.race.sides import revisions as sides
from pytest_benchgate.race.startup import EARLY
from pytest_benchgate.race.statistics import Rule, Verdict, smallest_visible
from pytest_benchgate.race.verdicts import agreement
from pytest_benchgate.race.verdicts.identity import Identity, SelfRace
from pytest_benchgate.race.verdicts.outcome import Judge, is_needed
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.reports import race as words
from pytest_benchgate.reports import race_json
from pytest_benchgate.results import Raced, RaceReport

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.sides.basis import Basis
    from pytest_benchgate.race.verdicts.accepted import Entry
    from pytest_benchgate.race.verdicts.agreement import Agreement
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
        self._collected: dict[str, bool] = {}
        self._marks: dict[str, dict[str, Any]] = {}
        self._races: dict[str, RaceConfig] = {}
        self._accepted: dict[str, Entry] = {}
        self._items: dict[str, pytest.Item] = {}
        self._field: sides.Field | None = None
        self._judge: Judge | None = None
        self._unneeded: list[str] = []
        self._shown_s = -math.inf

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Keep the benchmarks of this shard, once all others have chosen theirs.

        Each job may collect in an order of its own: plugins shuffle, and sets have another order in each process.
        """
        self._collected = {item.nodeid: _is_benchmark(item) for item in items}
        yield
        benchmarks = {item.nodeid: item for item in items if _is_benchmark(item)}
        self._suite = tuple(sorted(benchmarks))
        part, parts = self._race.shard
        kept = {*self._suite[part - 1 :: parts]}
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
        items[:] = [item for nodeid, item in benchmarks.items() if nodeid in kept]
        self._marks = {item.nodeid: options.marks(item) for item in items}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Race all benchmarks, and report each as soon as it is decided."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(
                f"{session.testsfailed} error{'s' * (session.testsfailed != 1)} during collection"
            )
        if session.config.option.collectonly or not (self._suite or self._may_be_gone()):
            return True
        if self._race.json:
            self._race.json.write_text("", "utf-8")  # an earlier race's results must not be taken for this one's
        self._items = {item.nodeid: item for item in session.items}
        files = self._files()
        early = self._config.stash.get(EARLY, None)
        self._shown_s = CLOCK.s()
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

    def _may_be_gone(self) -> bool:
        """Return whether a suite without benchmarks may be one that has lost them; not, if they are not selected."""
        return self._race.base not in {None, "self"} and not any(self._collected.values())

    def _run(self, field: sides.Field, reaper: Reaper) -> None:
        self._field, self._shown_s, start = field, -math.inf, CLOCK.s()
        agreed = agreement.agree(self._config, self._race, field.basis, self._marks, self._suite)
        self._race, self._races, self._accepted = agreed.race, agreed.races, agreed.accepted
        notes = (*field.notes, *agreed.notes)
        races = [self._entered(nodeid) for nodeid in self._items]
        identity = Identity(dict(zip(("base", "head"), field.homes, strict=True)), same=field.null)
        self._session.race = RaceReport(
            *field.labels, self._race.alpha, len(self._suite), notes=notes, shard=self._race.shard,
            suite=self._suite, base_tree=field.trees[0], head_tree=field.trees[1],
            settings=self._race.settings(),
        )  # fmt: skip
        if field.basis is not None:
            self._list_gone(field.basis, agreed)
        self._save()

        def progress(launches: int) -> None:
            self._session.race = dataclasses.replace(
                self._report(),
                launches=launches,
                seconds=CLOCK.s() - start,
                notes=tuple(dict.fromkeys([*notes, *self._unneeded, *identity.notes(), *engine.unlike(races)])),
            )
            self._save()
            self._show(races, launches)

        limit_s = max([Plan.limit_s, *(race.budget_s for race in races)])  # a small budget is no reason to see hangs
        plan = Plan(names=field.names, limit_s=limit_s)
        self._judge = Judge(field, races, plan, reaper)
        engine.run(
            field.sides,
            races,
            plan,
            seed=random.SystemRandom().getrandbits(32),
            reaper=reaper,
            loaded=identity.saw,
            closed=self._closed,
            progress=progress,
        )
        self._session.race = dataclasses.replace(self._report(), complete=True)
        self._save()
        self._line("")

    def _list_gone(self, own: Basis, agreed: Agreement) -> None:
        """Report this shard's part of the benchmarks that base has and head lacks."""
        report, option = self._report(), self._config.option
        if getattr(option, "lf", False) or getattr(option, "stepwise", False):
            note = "what head lacks is not listed: --last-failed and --stepwise select by what ran before, here only"
            self._session.race = dataclasses.replace(report, notes=(*report.notes, note))
            return
        reasons = basis.gone(own, self._collected, self._suite)
        gone = agreement.lacking(agreed, own, reasons, self._suite)
        self._session.race = dataclasses.replace(report, raced=tuple(gone))
        for raced in gone:
            if raced.failed:
                self._tell_gone(raced)

    def _tell_gone(self, raced: Raced) -> None:
        """Fail a test that head does not have."""
        location = (raced.path, raced.line - 1, raced.name)
        self._config.hook.pytest_runtest_logstart(nodeid=raced.nodeid, location=location)
        told = pytest.TestReport(
            nodeid=raced.nodeid, location=location, keywords={raced.name: 1}, outcome="failed",
            longrepr=words.message(raced, self._report()), when="call",
        )  # fmt: skip
        setattr(told, RACED, raced)
        self._config.hook.pytest_runtest_logreport(report=told)
        self._config.hook.pytest_runtest_logfinish(nodeid=raced.nodeid, location=location)

    def _entered(self, nodeid: str) -> engine.Race:
        own = self._races[nodeid]
        threshold = self._accepted[nodeid].limit if nodeid in self._accepted else own.threshold
        rule = Rule(threshold=threshold, alpha=own.alpha, races=len(self._suite))
        if own.base == "self":
            rule = dataclasses.replace(rule, least_launches=min(SELF_LAUNCHES, own.max_launches))
        return engine.Race(nodeid, rule, own.budget_s, own.max_launches)

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
            elif when == "call" and raced.verdict in {"skipped", "gone"}:
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
        assert self._judge is not None  # noqa: S101  # set before anything is raced
        path, line = self._session.place(item, None)
        own, entry = self._races[race.nodeid], self._accepted.get(race.nodeid)
        verdict, side, reason = race.decision.verdict, "", ""
        if race.failed:
            function = getattr(item, "originalname", None) or item.name.partition("[")[0]
            verdict, side, reason = self._judge.why(race, function)
        elif entry and verdict in {Verdict.SAME, Verdict.FASTER}:
            if is_needed(race, own.threshold):
                verdict = Verdict.ACCEPTED
            else:
                change = words.percent(statistics.median(race.numbers))
                name = own.accepted_file
                self._unneeded.append(f"{name}: {race.nodeid} needs no entry any more: its change is {change}")
        failed = (
            verdict in {Verdict.SLOWER, Verdict.ERROR}
            or (verdict is Verdict.UNSURE and own.strict)
            or (verdict is Verdict.GONE and own.gone == "fail")
        )
        raced = Raced(
            nodeid=race.nodeid,
            name=item.name,
            path=path,
            line=line,
            verdict=verdict.value,
            failed=failed,
            threshold=own.threshold,
            limit=entry.limit if entry else None,
            accepted=entry.reason if entry else "",
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

    def _repeat(self, item: pytest.Item) -> str:
        """Return the command that repeats one race: the session's own options, but for what selects and writes."""
        assert self._field is not None  # noqa: S101
        own = self._races[item.nodeid].arguments()
        command = ["pytest", "--benchmark-only", *without_output(self._config), *own]
        return " ".join([*map(shlex.quote, command), self._field.repeat, shlex.quote(item.nodeid)])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Let a shard pass for which the suite has too few benchmarks."""
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._suite and self._session.race:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> Any:
        """Say the verdict where pytest says PASSED or FAILED."""
        raced: Raced | None = getattr(report, RACED, None)
        if raced is None or raced.verdict == "skipped":
            return None
        letters = {"slower": "S", "error": "E", "unsure": "?", "same": ".", "faster": "f", "new": "n", "gone": "g",
                   "accepted": "a"}  # fmt: skip
        word = (
            raced.verdict.upper() if raced.change is None else f"{raced.verdict.upper()} {words.percent(raced.change)}"
        )
        colour = (
            {"red": True}
            if raced.failed
            else {"yellow": True}
            if raced.verdict in {"unsure", "gone", "accepted"}
            else {"green": True}
        )
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
            sys.stdout.write(f"\r\x1b[K{text[: host.terminal_width(reporter) - 1]}")
            sys.stdout.flush()

    def _show(self, races: Sequence[engine.Race], launches: int) -> None:
        """Show how far it is: what is decided, and what is not yet."""
        undecided = sum(race.open for race in races)
        text = f"{words.counts(self._report())}, {undecided} undecided, launch {launches}"
        self._follow(text if undecided else "")

    def _follow(self, text: str) -> None:
        """Show what goes on: in the terminal's last line, or, where there is no terminal, now and then."""
        reporter = self._reporter()
        if reporter is None:
            return
        if reporter.isatty:
            self._line(f"race: {text}" if text else "")
        elif text and CLOCK.s() - self._shown_s >= EVERY_S:
            self._shown_s = CLOCK.s()
            self._say(text)


def _is_benchmark(item: pytest.Item) -> bool:
    return "benchmark" in getattr(item, "fixturenames", ())
