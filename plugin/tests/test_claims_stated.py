"""What markers claim, and which tests they name; what makes no sense is refused before any work."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.claims.stated import Stated, of_item

if TYPE_CHECKING:
    from collections.abc import Callable

SUITE = """
    import pytest

    class TestOld:
        def test_plain(self, benchmark): pass
        @pytest.mark.benchgate({within})
        def test_within(self, gate): pass

    @pytest.mark.parametrize("size", [1, pytest.param(1000, id="big")])
    @pytest.mark.parametrize("kind", ["a-b"])
    def test_plain(benchmark, size, kind): pass

    def test_untimed(): pass

    @pytest.mark.benchgate({marker})
    @pytest.mark.parametrize("size", [1, pytest.param(1000, id="big")])
    def test_it(benchmark, size): pass
"""


@pytest.fixture
def stated(pytester: pytest.Pytester) -> Callable[..., list[Stated]]:
    """Give stated(marker, within): the claims of all tests of a suite."""

    def of(marker: str = "race_strict=True", within: str = "race_strict=True") -> list[Stated]:
        source = SUITE.replace("{marker}", marker).replace("{within}", within)
        items = pytester.getitems(source)
        collected = {item.nodeid: item for item in items}
        return [one for item in items for one in of_item(item, collected)]

    return of


def other(one: Stated) -> pytest.Item:
    assert one.other is not None
    return one.other


def test_another_test_is_named_with_the_own_parameters(stated: Callable[..., list[Stated]]) -> None:
    """As they stand in the id, whatever their values are."""
    claims = stated('faster_than="test_plain[a-b-{size}]", by=2.5')
    assert [(one.item.name, other(one).name, one.claim.text) for one in claims] == [
        ("test_it[1]", "test_plain[a-b-1]", "2.5 times as fast as test_plain[a-b-1]"),
        ("test_it[big]", "test_plain[a-b-big]", "2.5 times as fast as test_plain[a-b-big]"),
    ]
    assert {one.claim.bound for one in claims} == {-math.log(2.5)}
    assert len({one.key for one in claims}) == 2


@pytest.mark.parametrize(
    ("within", "nodeid", "text", "bound"),
    [
        ('slower_than="test_plain", within="5 %"', "::TestOld::test_plain", "at most 5 % slower than test_plain", 1.05),
        ('faster_than="test_plain[a-b-big]"', ".py::test_plain[a-b-big]", "faster than test_plain[a-b-big]", 1),
        (
            'faster_than=__name__ + ".py::test_plain[a-b-big]"',
            ".py::test_plain[a-b-big]",
            "faster than test_plain[a-b-big]",
            1,
        ),
    ],
)
def test_names_are_of_the_own_class_then_of_the_file_or_node_ids(
    stated: Callable[..., list[Stated]], within: str, nodeid: str, text: str, bound: float
) -> None:
    (one,) = stated(within=within)
    assert other(one).nodeid.endswith(nodeid)
    assert (one.claim.kind, one.claim.text) == (within.partition("=")[0], text)
    assert one.claim.bound == pytest.approx(math.log(bound))
    assert one.claim.other == other(one).nodeid


def test_what_the_command_line_left_out_of_a_file_is_found(pytester: pytest.Pytester) -> None:
    items = pytester.getitems(SUITE.replace("{marker}", 'faster_than="test_plain[a-b-1]"').replace("{within}", ""))
    (mine,) = [item for item in items if item.name == "test_it[big]"]
    (claim,) = of_item(mine, {mine.nodeid: mine})
    assert other(claim).name == "test_plain[a-b-1]"


def test_several_claims_of_one_test_are_kept_apart(stated: Callable[..., list[Stated]]) -> None:
    both = 'faster_than="test_plain[a-b-1]", by=2)\n    @pytest.mark.benchgate(faster_than="test_plain[a-b-1]", by=3'
    assert [one.claim.text.partition(" ")[0] for one in stated(both)] == ["3", "2", "3", "2"]


def test_a_claim_by_each_clock_is_one_of_its_own(stated: Callable[..., list[Stated]]) -> None:
    both = 'slower_than="test_plain", within="5 %")\n        @pytest.mark.benchgate(slower_than="test_plain", within="5 %", clock="device"'
    device, wall = stated(within=both)
    assert (device.clock, wall.clock) == ("device", "wall")
    assert device.claim == wall.claim
    assert device.key != wall.key


PLAIN = 'faster_than="test_plain[a-b-1]"'


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ('faster_than="test_plian[a-b-{size}]"', "there is no test 'test_plian[a-b-1]' in this session; similar: test_plain[a-b-1]"),
        ('faster_than="other.py::test_x"', "there is no test 'other.py::test_x' in this session. If it is in another file, name"),
        ('faster_than="test_plain[a-b-{length}]"', "{length} is not a parameter of this test, which has size"),
        ('faster_than="test_plain[a-b-{size.x}]"', "{size.x} is not a parameter"),
        ('faster_than="test_plain[{"', "write {{ and }} for braces in a name"),
        (f"{PLAIN}, by=0", "by=0 is not a factor; pass a number above 0"),
        (f"{PLAIN}, by=-2", "by=-2 is not a factor"),
        (f"{PLAIN}, by='2'", "by='2' is not a factor"),
        (f"{PLAIN}, by=True", "by=True is not a factor"),
        (f"{PLAIN}, by=float('nan')", "by=nan is not a factor"),
        (f"{PLAIN}, by=None", "by=None is not a factor"),
        (f"{PLAIN}, by=10**400", "is not a factor"),
        ('faster_than="test_plain[a-b-{size:d}]"', "write {size}, without a format; it stands for a part of the id"),
        ('faster_than="test_plain[a-b-{size!r}]"', "write {size}, without a format"),
        (f"{PLAIN}, within='5 %'", "within='5 %' belongs to slower_than=; faster_than= takes by="),
        ('slower_than="test_plain[a-b-1]", within="5 %", by=2', "by=2 belongs to faster_than=; slower_than= takes within="),
        ('slower_than="test_plain[a-b-1]"', "slower_than= needs within="),
        ('slower_than="test_plain[a-b-1]", within=5', "'5' is not a percentage above 0; write it as in 3%"),
        (f'{PLAIN}, slower_than="test_plain[a-b-1]"', "are several claims; give each a marker of its own"),
        ("by=2", "by=2 belongs to faster_than=, which is missing"),
        ("clock='device'", "clock='device' belongs to faster_than= or slower_than="),
        ("grows='n', sizes='size', clock='device'", "clock='device' belongs to faster_than= or slower_than="),
        (f"{PLAIN}, clock='gpu'", "clock='gpu' must be 'wall' or, for the time on a device, 'device'"),
        ('within="5 %"', "within='5 %' belongs to slower_than=,"),
        ('faster_than="test_untimed"', "test_untimed has no fixture `benchmark`, so that it has no time"),
        ('faster_than="test_it[{size}]"', "is the test itself; name another one"),
        ("faster_than=2", "faster_than=2 must be a string"),
    ],
)  # fmt: skip
def test_claims_that_make_no_sense_are_refused(stated: Callable[..., list[Stated]], marker: str, words: str) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        stated(marker)
    assert str(caught.value).partition(": ")[0].endswith("::test_it[1]")
    assert words in str(caught.value)


def test_a_name_of_several_tests_is_refused(pytester: pytest.Pytester) -> None:
    source = (
        "import pytest\nclass TestA:\n    def test_x(self, benchmark): pass\nclass TestB(TestA): pass\n"
        "class TestC:\n    @pytest.mark.benchgate(faster_than='test_x')\n    def test_y(self, benchmark): pass\n"
    )
    items = pytester.getitems(source)
    with pytest.raises(pytest.UsageError, match=r"may be \S+::TestA::test_x or \S+::TestB::test_x; give its node id"):
        of_item(items[-1], {item.nodeid: item for item in items})


def test_a_test_without_a_time_claims_nothing(pytester: pytest.Pytester) -> None:
    source = (
        "import pytest\n@pytest.mark.benchgate(faster_than='test_b')\ndef test_a(): pass\ndef test_b(benchmark): pass\n"
    )
    items = pytester.getitems(source)
    with pytest.raises(pytest.UsageError, match="this test has no fixture `benchmark` or `gate`"):
        of_item(items[0], {item.nodeid: item for item in items})
