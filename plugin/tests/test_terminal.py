"""What a race shows while it runs: a table in a terminal, lines in a log; and the report at its end."""

from __future__ import annotations

import dataclasses
import io
import math
import os
import re
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from _pytest._io import TerminalWriter
from hostile import HOSTILE
from pytest_benchgate.race import status
from pytest_benchgate.race.events import Row, Status, Step
from pytest_benchgate.race.launching.engine import Race
from pytest_benchgate.race.launching.results import Timed
from pytest_benchgate.race.progress import Progress
from pytest_benchgate.race.statistics import Rule, Verdict
from pytest_benchgate.reports import terminal as report_terminal
from pytest_benchgate.reports.columns import aligned, cut, width
from pytest_benchgate.results import RaceReport, Report
from racing import QUICK, SLOW_CALC
from test_reports import RACE, SLOWER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from racing import Project
    from terminal import Terminal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs pseudo-terminals")
SIZES = [(40, 10), (80, 24), (200, 50)]
# All that is written to move the cursor, to erase and to colour.
ESCAPE = re.compile(r"\x1b\[(?:\d+[AC]|J|\d+m)|\r")


def rows(*names: str) -> tuple[Row, ...]:
    return tuple(Row((name, "suspect", "+10.0 %", "+9.0 .. +11.0 %", "12 launches"), "red") for name in names)


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Terminal, Progress]]]:
    """Give show(columns, lines, verbosity=0) -> (terminal, progress)."""
    from terminal import Terminal

    opened: list[Terminal] = []
    for name in ("NO_COLOR", "FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def make(columns: int = 80, lines: int = 24, verbosity: int = 0) -> tuple[Terminal, Progress]:
        made = Terminal(columns, lines)
        opened.append(made)
        monkeypatch.setattr(sys, "stdout", made.file)
        return made, Progress(TerminalWriter(made.file), verbosity=verbosity)

    yield make
    monkeypatch.undo()
    for made in opened:
        made.close()


Show: TypeAlias = "Callable[..., tuple[Terminal, Progress]]"


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_a_table_is_painted_over_within_the_terminal(show: Show, columns: int, lines: int) -> None:
    screen, progress = show(columns, lines)
    for count in (1, 30, 3, 0, 5):
        names = [f"test_with_a_long_name[{number}-{'x' * 100}]" for number in range(count)]
        progress.show(Status(f"{count} undecided, launch {count}", rows=rows(*names)))
        text = screen.text()
        assert text[0] == f"race: {count} undecided, launch {count}"
        assert len(text) == 1 + min(count, lines - 4)
        assert all(line.startswith("  test_") and "suspect" in line and len(line) < columns for line in text[1:]), text
        assert not screen.screen.cursor.hidden
    assert ("12 launches" in text[1]) == (columns > 40)
    progress.show(Step("base: built\nin 1 s"))
    progress.show(Status("launch 2", rows=rows("b")))
    assert [line.split("  ")[0] for line in screen.text()] == ["race: base: built\\nin 1 s", "race: launch 2", ""]
    progress.clear()
    assert screen.text() == ["race: base: built\\nin 1 s"]
    assert (screen.screen.cursor.x, screen.screen.cursor.y) == (0, 1)
    assert not ESCAPE.sub("", screen.raw).count("\x1b")


def test_a_terminal_that_is_resized_keeps_nothing_of_the_old_table(show: Show) -> None:
    screen, progress = show(120, 24)
    progress.show(Step("a step"))
    for columns, lines in ((120, 24), (50, 20), (41, 12), (200, 40), (80, 10)):
        screen.resize(columns, lines)
        progress.show(Status("some text " * 8, rows=rows(*("a" * 90, "漢" * 50, "c"))))
        text = screen.text()
        assert text[0] == "race: a step"
        assert text[1].startswith("race: some text")
        assert len(text) == 5, text
    screen.resize(30, 24)
    progress.clear()
    assert screen.text() == ["race: a step"]


def test_hostile_names_move_nothing(show: Show) -> None:
    screen, progress = show(80, 24)
    for number, text in enumerate(HOSTILE.values()):
        progress.show(Status(text or "-", rows=(Row((text,) * 5), *rows(text))))
        shown = screen.text()
        assert shown[: min(number, 21)] == ["race: x"] * min(number, 21)
        assert shown[min(number, 21)].startswith("race: ")
        progress.clear()
        progress.show(Step("x"))
    assert "\x1b" not in ESCAPE.sub("", screen.raw)


def test_wide_characters_take_two_cells() -> None:
    assert [width(text) for text in ("abc", "漢字", "e\u0301", "")] == [3, 4, 1, 0]
    assert [cut("漢字かな", columns) for columns in (8, 7, 6, 3, 1)] == ["漢字かな", "漢...な", "漢...", "...", "."]
    assert aligned([("漢字", "1"), ("abcde", "22")]) == ["漢字    1", "abcde  22"]
    for text in HOSTILE.values():
        for columns in (0, 1, 5, 20):
            assert width(cut(text[:1000], columns)) <= columns
    row = ("a" * 30, "b" * 5, "c" * 9)
    assert aligned([row], 38) == [f"{cut('a' * 30, 20)}  bbbbb  ccccccccc"]
    assert aligned([row], 30) == [f"{cut('a' * 30, 23)}  bbbbb"]
    assert aligned([row], 10) == [cut("a" * 30, 10)]


def test_without_a_terminal_or_colours_there_are_lines(monkeypatch: pytest.MonkeyPatch, show: Show) -> None:
    def lines(progress: Progress, read: Callable[[], list[str]]) -> list[str]:
        progress.show_next()
        for number in range(3):
            progress.show(Status(f"launch {number}\x1b[2J", "a title", rows("x")))
        progress.show(Step("a step"))
        progress.clear()
        return read()

    expected = ["race: launch 0\\x1b[2J", "race: a step"]
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb"), ("PY_COLORS", "0")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            screen, progress = show()
            assert lines(progress, screen.text) == expected
            assert "\x1b" not in screen.raw
    screen, _ = show()
    writer = TerminalWriter(screen.file)
    writer.hasmarkup = False  # as --color=no does
    assert lines(Progress(writer, verbosity=0), screen.text) == expected
    log = io.StringIO()
    monkeypatch.setattr(sys, "stdout", log)
    writer.hasmarkup = True  # as --color=yes does, in a log, too
    assert lines(Progress(writer, verbosity=0), lambda: log.getvalue().splitlines()) == expected


def test_quiet_is_one_line_in_a_terminal_and_none_in_a_log(monkeypatch: pytest.MonkeyPatch, show: Show) -> None:
    screen, progress = show(verbosity=-1)
    progress.show(Step("not shown"))
    progress.show(Status("launch 1", "a title", rows("x")))
    assert screen.text() == ["race: launch 1"]
    progress.clear()
    assert screen.text() == []
    silent, progress = show(verbosity=-2)
    progress.show(Status("launch 1"))
    assert silent.raw == ""
    log = io.StringIO()
    monkeypatch.setattr(sys, "stdout", log)
    Progress(TerminalWriter(log), verbosity=-1).show(Status("launch 1"))
    assert log.getvalue() == ""


def test_an_encoding_that_lacks_characters_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", log)
    Progress(TerminalWriter(log), verbosity=0).show(Step("漢"))
    assert log.buffer.getvalue() == b"race: \\u6f22\n"


def timed(number: float) -> Timed:
    return Timed(number, (1.0,), (math.exp(number),))


def race(name: str, *numbers: float, seconds: float = 2.0) -> Race:
    made = Race(name, Rule(races=10))
    decision = made.rule.decide(numbers)
    return dataclasses.replace(
        made, launches=tuple(map(timed, numbers)), seconds=seconds * len(numbers), decision=decision
    )


def test_the_time_to_go_is_about_what_it_takes() -> None:
    """As if launches went on as they have begun: an alarm takes so many more, and `same` a few."""
    slower = race("t::slower", *[0.1] * 5)
    needed = next(n for n in range(60) if slower.rule.decide([0.1] * n).verdict is Verdict.SLOWER)
    seconds = status._seconds_to_go([slower])
    assert seconds == pytest.approx(2.0 * (needed - 5))
    same = race("t::same", 0.0)
    assert status._seconds_to_go([same]) == pytest.approx(2.0 * 2)
    assert status._seconds_to_go([same, slower]) == pytest.approx(2.0 * (needed - 5 + 2))
    assert status._seconds_to_go([same, race("t::new")]) is None
    assert status._seconds_to_go([same] * 200) == pytest.approx(200 * 4.0)
    # No longer than the budget.
    near = dataclasses.replace(race("t::near", 0.03, 0.03), budget_s=5.0)
    assert status._seconds_to_go([near]) == pytest.approx(1.0)
    assert [status.duration(s) for s in (0.0, 7.2, 59.6, 60, 150.0, 1234.0)] == [
        "1 s", "7 s", "1 min", "1 min", "2 min 30 s", "20 min",
    ]  # fmt: skip


def test_suspects_come_first_with_their_intervals() -> None:
    races = [race("t::same", 0.0, 0.001), race("t::slow", *[0.1, 0.12] * 3), race("t::new")]
    found = status.of_launch(RaceReport("b", "h", 0.001, 9), races, 3, 7, lambda nodeid: nodeid.partition("::")[2])
    assert found.text == "nothing decided, 3 undecided, launch 7"
    assert [row.cells for row in found.rows] == [
        ("slow", "suspect", "+11.6 %", "+10.5 .. +12.7 %", "6 launches"),
        ("same", "", "+0.1 %", "+0.0 .. +0.1 %", "2 launches"),
    ]
    assert [row.colour for row in found.rows] == ["red", ""]
    # Of two clocks, that which is undecided.
    device = dataclasses.replace(races[1], clock="device")
    both = dataclasses.replace(race("t::slow", 0.0, 0.0, 0.0), device=device, seconds=device.seconds)
    assert status._seconds_to_go([both]) == pytest.approx(status._seconds_to_go([races[1]]))
    found = status.of_launch(RaceReport("b", "h", 0.001, 9), [both], 1, 7, str)
    assert [row.cells[:2] for row in found.rows] == [("t::slow, device time", "suspect")]
    told = status.of_launch(RaceReport("b", "h", 0.001, 9), races[:2], 2, 7, str)
    assert re.fullmatch(r"nothing decided, 2 undecided, launch 7, about \d+ s to go", told.text)
    assert status.of_launch(RaceReport("b", "h", 0.001, 9), [], 0, 7, str) == Status("")


def test_the_report_fits_into_the_terminal_and_is_coloured() -> None:
    names = ["漢" * 60, "x" * 150, "c"]
    raced = [dataclasses.replace(SLOWER, name=name, nodeid=name) for name in names]
    raced[2] = dataclasses.replace(SLOWER, name="c", verdict="same", failed=False)
    report = Report(race=dataclasses.replace(RACE, raced=tuple(raced), notes=()))
    for columns in (40, 80, 200):
        lines = report_terminal.coloured(report, columns)
        assert all(width(text) <= columns for text, _ in lines[:4]), columns
        assert [colour for _, colour in lines[:4]] == ["", "red", "red", ""]
        assert all("slower" in text and "+10.0 %" in text for text, _ in lines[1:3])
    assert report_terminal.render(report)[0].endswith("launches  pairs    took")
    assert report_terminal.coloured(report, quiet=True) == [
        ("2 slower, 1 same: the working tree against v1 (0123456789)", "red")
    ]


def in_terminal(project: Project, screen: Terminal, *options: str, **environment: str) -> Any:
    command = [*project.command(*QUICK, *options)]
    command.remove("--color=no")
    return screen.start(command, project.root, project.environment(TERM="xterm", **environment))


def test_a_race_in_a_terminal(plain: Project, show: Show) -> None:
    plain.commit(**{"tests/test_more.py": "import calc\ndef test_more(benchmark): benchmark(calc.count, 200)\n"})
    plain.write(**{"calc.py": SLOW_CALC})
    screen, _ = show(80, 30)
    session = in_terminal(plain, screen, "--race=HEAD", "--race-alpha=0.2")
    frames = screen.follow(session)
    assert session.wait() == 1
    shown = {line for frame in frames for line in frame if line.startswith("race: ")}
    header, *statuses = sorted(shown, key=lambda line: "builds are kept" not in line)
    assert header.startswith("race: the working tree against HEAD; builds are kept in ")
    assert any("launch 1" in line for line in statuses)
    assert any(re.search(r"about \d+ s to go", line) for line in statuses), statuses
    assert any("suspect" in line and "launches" in line for frame in frames for line in frame)
    # Once a launch, and no more: it would be painted while blocks are timed.
    painted = re.findall(r"race: [^\r\n]*launch (\d+)", screen.raw)
    assert len(painted) == len(set(painted))
    left = screen.text()
    # pytest's own line goes on where it was.
    assert any(re.match(r"tests/test_calc.py \S +\[ 50%\]$", line) for line in left), left
    assert any(re.match(r"tests/test_more.py \S +\[100%\]$", line) for line in left), left
    assert not any("undecided" in line or "suspect" in line for line in left)
    assert any(line.startswith("test_more") and "slower" in line for line in left), left
    assert all(len(line) <= 80 for line in left)


@pytest.mark.parametrize("options", [(), pytest.param(("-q", "--no-header"), marks=pytest.mark.thorough)])
def test_ctrl_c_leaves_a_clean_terminal(plain: Project, show: Show, options: tuple[str, ...]) -> None:
    screen, _ = show(80, 30)
    session = in_terminal(plain, screen, "--race=HEAD", "--race-alpha=0.0001", *options)
    screen.follow(session, until="undecided, launch")
    screen.type("\x03")
    screen.follow(session)
    assert session.wait() == pytest.ExitCode.INTERRUPTED
    text = screen.text()
    assert not any("undecided" in line for line in text), text
    assert any("KeyboardInterrupt" in line for line in text)
    assert not screen.screen.cursor.hidden
    assert screen.screen.cursor.x == 0
    assert any("builds are kept" in line for line in text) == (not options)


def test_a_quiet_race_is_one_line(plain: Project) -> None:
    plain.write(**{"calc.py": SLOW_CALC})
    run = plain.race("HEAD", "-q", "--no-header", "--tb=no", "-rN")
    lines = [line for line in run.text.splitlines() if line]
    assert [line for line in lines if "slower" in line] == [
        next(line for line in lines if line.startswith("1 slower: "))
    ]
    assert not any(line.startswith(("race: ", "benchmark ", "---")) for line in lines), run.text
