"""Scales and drawings: where values are placed, and what is written beside them."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_benchgate.distribution import Distribution
from pytest_benchgate.page.figures import bars, forest, scale, svg
from pytest_benchgate.page.naming import distinct

TIMES = st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=20)
CHANGES = st.lists(st.floats(-100, 100), max_size=20)


@given(TIMES)
def test_a_logarithmic_scale_has_room_for_all_values(values: list[float]) -> None:
    axis = scale.logarithmic(values, "s")
    assert all(0 < axis.at(value) < 1 for value in values)
    assert axis.at(min(values)) <= axis.at(max(values))
    places = [axis.at(value) for value, _ in axis.ticks]
    assert len(places) <= scale.MOST_TICKS
    assert all(0 <= place <= 1 for place in places)


@given(CHANGES, st.floats(1e-4, 10))
def test_a_scale_of_changes_has_the_threshold_and_no_change(values: list[float], threshold: float) -> None:
    axis = scale.changes(values, threshold)
    places = [axis.at(value) for value in (*values, 0.0, math.log1p(threshold))]
    assert all(0 <= place <= 1 for place in places)
    assert axis.at(0.0) < axis.at(math.log1p(threshold))
    labels = sorted(axis.at(value) for value, _ in axis.ticks)
    assert all(second - first >= scale.APART - 1e-9 for first, second in itertools.pairwise(labels))


@given(st.lists(st.floats(allow_nan=False), max_size=9), st.floats(allow_nan=False))
def test_scales_survive_any_number(values: list[float], threshold: float) -> None:
    for axis in (scale.logarithmic(values, "s"), scale.changes([max(min(v, 100), -100) for v in values], threshold)):
        assert all(0 <= axis.at(value) <= 1 for value in values)


def test_ticks_are_round() -> None:
    assert [label for _, label in scale.logarithmic([1e-6, 1e-3], "s").ticks] == ["1 us", "10 us", "100 us", "1 ms"]
    assert [label for _, label in scale.logarithmic([1, 3], "").ticks] == ["1", "2"]
    assert [label for _, label in scale.logarithmic([64, 1e6], "").ticks] == ["100", "1 k", "10 k", "100 k", "1 M"]
    assert [label for _, label in scale.changes([0.1, -0.1], 0.03).ticks] == ["-3 %", "0", "+3 %"]
    assert [label for _, label in scale.changes([2.4, -0.2], 0.03).ticks] == ["-10 %", "0", "+10 %", "+100 %"]


def test_a_change_is_right_of_the_threshold_if_it_is_slower() -> None:
    axis = scale.changes([0.1, -0.05], 0.03)
    drawn = forest.row([0.1, 0.09], (0.08, 0.11), 0.1, [math.log(1.03)], axis)
    zero, edge, left, right, middle = (
        float(number)
        for number in re.search(
            r'zero" d="M([\d.]+) .*edge" d="M([\d.]+) .*interval" d="M([\d.]+) 15H([\d.]+)".*middle" d="M([\d.]+) ',
            drawn,
        ).groups()  # type: ignore[union-attr]
    )
    assert zero < edge < left < middle < right
    assert drawn.count("h0") == 2


@pytest.mark.parametrize(
    ("places", "expected"), [([10, 11, 12], [10, 15, 20]), ([95, 99], [95, 100]), ([98, 99], [95, 100]), ([], [])]
)
def test_labels_are_moved_apart(places: list[float], expected: list[float]) -> None:
    assert svg.spread(places, 5, 100) == expected


def test_a_plot_is_described_and_its_words_are_text() -> None:
    plot = svg.Plot(
        "times of <b>", scale.logarithmic([1, 100], ""), scale.logarithmic([1e-6, 1e-3], "s"), "<b>size", "<i>"
    )
    plot.curve("k0", [(1, 1e-6), (100, 1e-3)])
    plot.label(100, 1e-3, "<b>\x1b" + "x" * 100, "k0")
    drawn = plot.render()
    assert 'role="img" aria-label="times of &lt;b&gt;"' in drawn
    assert "&lt;b&gt;\\x1bxx" in drawn
    assert "x" * 30 not in drawn
    assert "&lt;i&gt;" in drawn
    assert "&lt;b&gt;size" in drawn


def test_bars_and_histograms_show_amounts() -> None:
    assert re.findall(r"H(\d+)", bars.share([("k0", 0.5), ("k1", 2.0)])) == ["400", "1000"]
    steps = bars.histogram([0, 4, 2], 0.5)
    assert 'd="M0 30V30h1V1h1V16h1V30z"' in steps
    assert bars.histogram([0, 0], 0.5) == ""


def test_a_distribution_in_few_numbers() -> None:
    times = Distribution.of([1.0] * 50 + [2.0] * 50 + [100.0])
    assert times is not None
    assert (times.low_s, times.q1_s, times.q3_s, times.high_s, times.top_s) == (1, 1, 2, 100, 6)
    assert sum(times.counts) == 100, "what is far away is not in the histogram"
    assert times.counts[0] == 50
    assert Distribution.of([]) is None
    assert Distribution.of([3.0]) == Distribution(3, 3, 3, 3)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["test_a[64-x]", "test_a[64-y]"], ["x", "y"]),
        (["test_a[x-64]", "test_a[xy-64]"], ["x-64", "xy-64"]),
        (["test_a", "test_b"], ["test_a", "test_b"]),
        (["test_a[1]", "test_b[1]"], ["test_a[1]", "test_b[1]"]),
        (["test_a[1]", "test_a[1]"], ["test_a[1]", "test_a[1]"]),
        (["test_a[1]", "test_a"], ["test_a[1]", "test_a"]),
        ([""], [""]),
    ],
)
def test_names_are_as_short_as_they_can_be(names: list[str], expected: list[str]) -> None:
    assert distinct(names) == expected
