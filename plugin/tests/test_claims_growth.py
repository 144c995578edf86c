"""Claims on growth: by counted instructions where valgrind is, else by times."""

from __future__ import annotations

import math
import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.claims.growth import _function
from pytest_benchgate.claims.stated import of_item
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from racing import PLAIN, Project, Run

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """
import time
import pytest

SIZES = pytest.mark.parametrize("size", [100, 200, 400, 800])

def grows(order):
    return pytest.mark.benchgate(grows=order, sizes="size")

@grows("n log n")
@SIZES
def test_sorted(gate, size):
    data = [(i * 7919) % size for i in range(size)]
    gate(sorted, data, expect=list(range(size)))

@grows("n")
@SIZES
def test_quadratic(benchmark, size):
    # Sixteen times the work, well above the bound of ten.
    def pairs(data):
        for one in data:
            for other in data:
                pass
    benchmark(pairs, list(range(size)))

@grows("n")
@pytest.mark.parametrize("size", [2000, 8000])
def test_pairs(benchmark, size):
    # More tuples than Python keeps to use again.
    data = list(range(size))
    benchmark(lambda: list(zip(data, data[1:])))

@grows("1")
@SIZES
def test_waiting(benchmark, size):
    # The same few instructions, whatever the time.
    benchmark(time.sleep, size / 100_000)

@grows("1")
@SIZES
def test_lookup(benchmark, size):
    table = dict.fromkeys(range(size))
    benchmark(lambda: [table[key] for key in (1, 2, 3)])
"""


def of(suite: str, pytester: pytest.Pytester) -> list[tuple[str, str, str, float]]:
    items = pytester.getitems(suite)
    claims = [one for item in items for one in of_item(item, {item.nodeid: item for item in items})]
    return [(one.item.name, one.other.name, one.claim.text, one.claim.bound) for one in claims if one.other]


def test_the_largest_size_is_compared_with_one_of_the_last_doublings(pytester: pytest.Pytester) -> None:
    found = of(SUITE, pytester)
    assert [(own, other) for own, other, _, _ in found] == [
        ("test_sorted[800]", "test_sorted[200]"),
        ("test_quadratic[800]", "test_quadratic[200]"),
        ("test_pairs[8000]", "test_pairs[2000]"),
        ("test_waiting[800]", "test_waiting[200]"),
        ("test_lookup[800]", "test_lookup[200]"),
    ]
    assert found[1][2] == "grows as n from 200 to 800: at most 9.85 x the time"
    assert [bound for *_, bound in found] == pytest.approx(
        [math.log(room * grown) for room in [4**0.65] for grown in (4 * math.log(800) / math.log(200), 4, 4, 1, 1)]
    )


def test_of_two_sizes_the_smaller_one_is_the_other(pytester: pytest.Pytester) -> None:
    found = of(SUITE.replace("[100, 200, 400, 800]", "[20, 10]"), pytester)
    assert found[0][:2] == ("test_sorted[20]", "test_sorted[10]")


@pytest.mark.parametrize(
    ("order", "value"),
    [
        ("1", 1),
        ("log n", math.log(8)),
        ("n", 8),
        ("n log n", 8 * math.log(8)),
        ("n * log(n)", 8 * math.log(8)),
        ("n^2", 64),
        ("n^1.5 log n", 8**1.5 * math.log(8)),
        ("1 ", 1),
    ],
)
def test_orders_are_read(order: str, value: float) -> None:
    assert _function(order)(8) == pytest.approx(value)


@pytest.mark.parametrize("order", ["", "m", "n n", "n^", "n^-1", "2^n", "n log", 2, None])
def test_what_is_no_order_is_refused(order: object) -> None:
    with pytest.raises(ValueError, match="is not an order of growth; write one as in 'n', 'n log n'"):
        _function(order)


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ('grows="n", sizes="length"', "sizes='length' is not a parameter of this test, which has kind, size"),
        ('grows="n"', "sizes=None is not a parameter"),
        ('grows="n", sizes="kind"', "sizes='kind': 'a' is not a size; give the parameter numbers above 1"),
        ('grows="m", sizes="size"', "grows='m' is not an order of growth"),
        ('grows="n", sizes="size", by=2', "by=2 belongs to faster_than=; grows= takes sizes="),
        ('sizes="size"', "sizes='size' belongs to grows=, which is missing"),
        ('grows="n^9999", sizes="size"', "grows='n^9999': from 2 to 4, that is more than any number"),
    ],
)
def test_claims_that_make_no_sense_are_refused(marker: str, words: str, pytester: pytest.Pytester) -> None:
    suite = (
        f"import pytest\n@pytest.mark.benchgate({marker})\n@pytest.mark.parametrize('size', [2, 4])\n"
        "@pytest.mark.parametrize('kind', ['a'])\ndef test_it(benchmark, size, kind): pass\n"
    )
    with pytest.raises(pytest.UsageError) as caught:
        of(suite, pytester)
    assert words in str(caught.value)


def test_one_size_does_not_grow(pytester: pytest.Pytester) -> None:
    with pytest.raises(pytest.UsageError, match="100 is the only size; growth needs at least two"):
        of(SUITE.replace("[100, 200, 400, 800]", "[100]"), pytester)


@pytest.mark.parametrize(
    ("parameters", "compared"),
    [
        ("'size, expected', [(10, 45), (20, 190), (80, 3160)]", [("80-3160", "20-190")]),
        ("argnames=['expected', 'size'], argvalues=[('a', 10), ('b', 80)]", [("b-80", "a-10")]),
        # Two kinds, each of which grows for itself.
        (
            "('size', 'expected'), [(10, 'a'), (80, 'a'), (10, 'b'), (80, 'b'), (90, 'b')]",
            [("80-a", "10-a"), ("90-b", "10-b")],
        ),
    ],
)
def test_what_is_given_with_a_size_may_differ_from_size_to_size(
    parameters: str, compared: list[tuple[str, str]], pytester: pytest.Pytester
) -> None:
    suite = (
        "import pytest\n@pytest.mark.benchgate(grows='n', sizes='size')\n@pytest.mark.parametrize('kind', ['x', 'y'])\n"
        f"@pytest.mark.parametrize({parameters})\ndef test_it(benchmark, size, expected, kind): pass\n"
    )
    found = {(own, other) for own, other, _, _ in of(suite, pytester)}
    assert found == {(f"test_it[{a}-{kind}]", f"test_it[{b}-{kind}]") for a, b in compared for kind in "xy"}


def test_sizes_of_different_kinds_are_not_compared(pytester: pytest.Pytester) -> None:
    suite = SUITE.replace('"size", [2000, 8000]', '"size, kind", [(10, "a"), (80, "b"), (80, "c")]')
    with pytest.raises(pytest.UsageError, match="is the only size; growth needs at least two"):
        of(suite.replace("def test_pairs(benchmark, size)", "def test_pairs(benchmark, size, kind)"), pytester)


@pytest.mark.parametrize("sizes", ["numpy.array([10, 40])", "[Fraction(10), 40]"])
def test_sizes_are_numbers_of_any_kind(sizes: str, pytester: pytest.Pytester) -> None:
    suite = f"import numpy\nfrom fractions import Fraction\n{SUITE.replace('[100, 200, 400, 800]', sizes)}"
    assert of(suite, pytester)[0][2] == "grows as n log n from 10 to 40: at most 15.8 x the time"


@pytest.mark.parametrize("size", ["10**400", "0", "True", "numpy.nan", "2j", "'4'"])
def test_what_is_no_size_is_refused(size: str, pytester: pytest.Pytester) -> None:
    suite = f"import numpy\n{SUITE.replace('[100, 200, 400, 800]', f'[10, {size}]')}"
    with pytest.raises(pytest.UsageError, match="is not a size; give the parameter numbers above 1"):
        of(suite, pytester)


EXPECTED = {
    "test_pairs[8000]": "holds",
    "test_sorted[800]": "holds",
    "test_quadratic[800]": "refuted",
    "test_waiting[800]": "refuted",
}


def checked(tmp_path: Path, race_cache: Path, path: str | None = None) -> Run:
    project = Project.make(tmp_path / "p", race_cache, {**PLAIN, "tests/test_growth.py": SUITE})
    run = project.run("--claims", "--race-alpha=0.9", "-k", "not lookup", PATH=path or os.environ["PATH"])
    assert project.left_behind() == []
    assert run.returncode == ExitStatus.SLOWER, run.text
    return run


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_instructions_are_counted_where_they_can_be(tmp_path: Path, race_cache: Path) -> None:
    run = checked(tmp_path, race_cache)
    assert run.verdicts == EXPECTED
    quadratic = run.raced("test_quadratic[800]")
    few, many = quadratic["instructions"]
    assert many > 8 * few
    assert quadratic["claim"]["text"] == "grows as n from 200 to 800: at most 8 x the instructions"
    assert (
        f"refuted: grows as n from 200 to 800: at most 8 x the instructions: measured {many / few:.3g} x (" in run.text
    )
    assert f"{few:,} -> {many:,} instructions a call" in run.text
    waiting = run.raced("test_waiting[800]")
    assert waiting["claim"]["text"] == "grows as 1 from 200 to 800: at most 2.46 x the time"
    assert re.search(
        r"note: the growth of test_waiting\[800\] is raced, as test_waiting\[[28]00\] cannot be counted: it waits, and",
        run.text,
    )
    assert "check smaller sizes:\n" in run.text


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
def test_times_are_compared_elsewhere(tmp_path: Path, race_cache: Path) -> None:
    run = checked(tmp_path, race_cache, str(tmp_path))
    assert run.verdicts == EXPECTED
    assert "note: growth is raced, as instructions cannot be counted: valgrind is not installed" in run.text
    assert run.raced("test_quadratic[800]")["head_s"] > 8 * run.raced("test_quadratic[800]")["base_s"]
    assert "times also jump where data no longer fit a cache: check smaller sizes, or install valgrind" in run.text
