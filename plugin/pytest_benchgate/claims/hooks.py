"""Claims as pytest sees them: a session of the tests that claim something, each of which fails if it is refuted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate import host, options
from pytest_benchgate.claims import stated
from pytest_benchgate.claims.course import Course
from pytest_benchgate.race.events import Settled
from pytest_benchgate.race.hooks import RaceHooks
from pytest_benchgate.race.verdicts import reporting
from pytest_benchgate.reports import json_addition
from pytest_benchgate.results import WALL

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest

    from pytest_benchgate.claims.stated import Stated
    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.events import Event
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.startup import Startup
    from pytest_benchgate.race.suite import Suite
    from pytest_benchgate.session import Session


class ClaimHooks(RaceHooks):
    """Registered in place of pytest's own loop over the tests, with --claims."""

    _LACK = (
        "claims anything; see @pytest.mark.benchgate(faster_than=TEST, by=2) and gate.reaches. A claim on growth "
        "needs a test of a larger size than the smallest"
    )

    def __init__(self, config: pytest.Config, race: RaceConfig, session: Session) -> None:
        super().__init__(config, race, session)
        self._stated: dict[str, list[Stated]] = {}

    def _takes_part(self, item: pytest.Item) -> bool:
        """Return whether a test claims anything; pytest.UsageError if its claims make no sense."""
        # A claim with a misspelt keyword is none, and would pass unchecked.
        options.marks(item)
        self._stated[item.nodeid] = stated.of_item(item, self._collected, self._kept)
        return bool(self._stated[item.nodeid])

    def _events(self, suite: Suite, startup: Startup | None, reaper: Reaper) -> Generator[Event, None, None]:  # noqa: ARG002
        mine = {one.key: one for nodeid in suite.benchmarks for one in self._stated[nodeid]}
        files = dict.fromkeys(self._benchmark(item).file for one in mine.values() for item in one.items)
        total = sum(len(self._stated[nodeid]) for nodeid in suite.nodeids)
        return Course(self._config, self._race, suite, mine, total, [*files], reaper).run()

    def _handle(self, event: Event, items: dict[str, pytest.Item]) -> None:
        if not isinstance(event, Settled):
            super()._handle(event, items)
            return
        self._session.race = event.report
        item = items[event.claims[0].nodeid]
        races = [race for race in event.races if race.clock == WALL and not race.failed]
        launches = [timed for race in races for timed in race.launches]
        if launches:
            times_s = [own_ns * 1e-9 for timed in launches for own_ns in timed.head_ns]
            host.record(item, times_s, launches[-1].group, json_addition.of_claims(event.claims))
        self._progress.clear()
        reporting.log(item, event.claims, event.report)
