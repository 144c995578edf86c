"""The search for the first bad commit, against brute force over histories with branches, merges and skipped commits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_benchgate.bisection import words
from pytest_benchgate.bisection.bisecting import Ending, Result
from pytest_benchgate.bisection.search import Alpha, Outcome, Search
from pytest_benchgate.bisection.trial import Trial
from pytest_benchgate.commit import Commit

if TYPE_CHECKING:
    from collections.abc import Mapping

Parents = dict[str, tuple[str, ...]]


def line(count: int) -> Parents:
    return {str(index): (str(index - 1),) for index in range(count)}


def ancestors(parents: Mapping[str, tuple[str, ...]], commit: str) -> set[str]:
    """Return a commit with all of its ancestors among the keys."""
    found: set[str] = set()
    waiting = [commit]
    while waiting:
        name = waiting.pop()
        if name in parents and name not in found:
            found.add(name)
            waiting.extend(parents[name])
    return found


def searched(parents: Parents, culprit: str, skipped: set[str]) -> tuple[Search, list[str]]:
    """Search for a culprit; return the search when it has ended, and what was tried."""
    search, tried = Search(parents), []
    while (candidate := search.candidate()) is not None:
        tried.append(candidate)
        bad = culprit in ancestors(parents, candidate)
        search.record(candidate, Outcome.SKIPPED if candidate in skipped else Outcome.BAD if bad else Outcome.GOOD)
    return search, tried


@st.composite
def histories(draw: st.DrawFn) -> Parents:
    """Draw a history of which the last commit has all others as ancestors."""
    count = draw(st.integers(1, 14))
    parents: Parents = {}
    childless: set[str] = set()
    for index in range(count):
        names = draw(st.sets(st.integers(-1, index - 1), min_size=1, max_size=2))
        if index == count - 1:
            names |= {int(name) for name in childless}
        parents[str(index)] = tuple(map(str, sorted(names)))
        childless = (childless - {*parents[str(index)]}) | {str(index)}
    return parents


@settings(max_examples=300)
@given(st.data())
def test_what_is_left_is_what_the_trials_allow(data: st.DataObject) -> None:
    parents = data.draw(histories())
    culprit = data.draw(st.sampled_from([*parents]))
    bad = [*parents][-1]
    skipped = data.draw(st.sets(st.sampled_from([*parents]))) - {bad}
    search, tried = searched(parents, culprit, skipped)
    assert len(tried) == len({*tried})
    # By brute force: the commits that agree with each trial, were they the culprit.
    possible = {
        name
        for name in parents
        if all((name in ancestors(parents, one)) == (culprit in ancestors(parents, one))
               for one in tried if one not in skipped)
    }  # fmt: skip
    lowest = {name for name in possible if name in ancestors(parents, search.bad)}
    assert culprit in search.suspects
    assert {*search.suspects} == lowest == possible
    # No further trial could tell more.
    assert {*search.suspects} - {search.bad} <= skipped
    assert search.suspects[-1] == search.bad


@given(st.integers(1, 300), st.data())
def test_a_line_is_halved(count: int, data: st.DataObject) -> None:
    culprit = str(data.draw(st.integers(0, count - 1)))
    search = Search(line(count))
    expected = search.trials_left()
    found, tried = searched(line(count), culprit, set())
    assert found.suspects == [culprit]
    assert len(tried) <= expected == math.ceil(math.log2(count))


def test_two_branches_are_halved_together() -> None:
    left = {f"a{index}": (f"a{index - 1}",) for index in range(8)}
    right = {f"b{index}": (f"b{index - 1}",) for index in range(8)}
    parents = {**left, **right, "merge": ("a7", "b7")}
    _, tried = searched(parents, "b5", set())
    assert tried[0] in {"a7", "b7"}
    assert len(tried) <= 5
    found, _ = searched(parents, "merge", set())
    assert found.suspects == ["merge"]


@given(st.integers(1, 40))
def test_a_row_of_broken_commits_is_left_in_steps_that_double(broken: int) -> None:
    count = 2 * broken + 100
    middle = count // 2
    skipped = {str(middle - broken // 2 + index) for index in range(broken)}
    found, tried = searched(line(count), str(count - 3), skipped)
    assert found.suspects == [str(count - 3)]
    assert sum(name in skipped for name in tried) <= 2 * math.log2(broken) + 2


@given(st.floats(1e-6, 0.9), histories(), st.data())
def test_the_shares_never_exceed_alpha(whole: float, parents: Parents, data: st.DataObject) -> None:
    search, alpha, used = Search(parents), Alpha(whole), list[float]()
    races = math.ceil(math.log2(len(parents))) + 1
    candidate: str | None = search.bad
    while candidate is not None:
        share = alpha.share(races)
        assert share > 0
        outcome = data.draw(st.sampled_from(Outcome)) if used else Outcome.BAD
        if outcome is not Outcome.SKIPPED or data.draw(st.booleans()):
            alpha.use(share)
            used.append(share)
        search.record(candidate, outcome)
        candidate, races = search.candidate(), search.trials_left()
    assert sum(used) <= whole * (1 + 1e-9)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 31, 32, 33])
def test_on_a_line_without_skips_all_shares_are_equal_or_larger(count: int) -> None:
    search, alpha, looks = Search(line(count)), Alpha(0.001), math.ceil(math.log2(count)) + 1
    races, shares = looks, list[float]()
    candidate: str | None = search.bad
    while candidate is not None:
        shares.append(alpha.share(races))
        alpha.use(shares[-1])
        search.record(candidate, Outcome.BAD)
        candidate, races = search.candidate(), search.trials_left()
    assert shares[0] == pytest.approx(0.001 / looks)
    assert min(shares) >= 0.999 * shares[0]


@pytest.mark.parametrize(("reason", "has_advice"), [("unsure", True), ("it does not have the test", False)])
def test_a_range_says_how_to_decide_what_is_unsure(reason: str, *, has_advice: bool) -> None:
    suspects = tuple(Commit(letter * 40, (), "A", "2026-01-01", letter) for letter in "bc")
    trials = (
        Trial("b" * 40, "a" * 40, Outcome.SKIPPED, 0.001, 1.0, reason),
        Trial("c" * 40, "a" * 40, Outcome.BAD, 0.001, 1.0),
    )
    text = words.to_text(Result(Ending.RANGE, suspects, trials), "test_x.py::test_it", "a" * 40)
    assert text.startswith("test_x.py::test_it became slower in one of these 2 commits, as some races have no verdict")
    assert ("--race-budget=240 after TEST" in text) == has_advice
