"""Both sides of a launch draw the same random numbers, whatever draws them, and whatever is installed."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from launching import FEW, Starts, raced
from pytest_benchgate.race.launching.results import Timed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_benchgate.race.launching.plan import Side

    Sides = Callable[..., tuple[Side, Side]]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="inherited pipes as POSIX has them")
# In the manner of pytest-randomly: a seed that is drawn when the plugin is imported, and then set in each phase.
PLUGIN = """
import random
SEED = random.Random().getrandbits(32)

def pytest_addoption(parser):
    parser.addoption("--randomly-seed", dest="randomly_seed", default="default")
    parser.addoption("--random-order-seed", dest="random_order_seed", default=f"default:{SEED}{id(parser)}")

def pytest_runtest_setup(item): random.seed(SEED)
def pytest_runtest_call(item): random.seed(SEED)
def pytest_report_header(config): open("option", "w").write(f"{config.option.randomly_seed} {config.option.random_order_seed}")
"""
CONFTEST = """
import random
import numpy as np
import pytest
OWN = random.Random()
ARRAYS = np.random.default_rng()
AT_IMPORT = random.random(), np.random.random(), OWN.random(), ARRAYS.random()

@pytest.fixture(autouse=True)
def reseed(request):
    if request.node.get_closest_marker("reseeded"):
        random.seed()
        np.random.seed()
"""
SUITE = """
import os, random, tempfile, time, uuid
from random import seed
import build
import numpy as np
import pytest
from conftest import ARRAYS, AT_IMPORT, OWN
from hypothesis import given, settings, strategies as st

FIRST = random.random(), random.Random().random(), np.random.RandomState().random_sample()
OTHER = np.random.SeedSequence().entropy, np.random.Generator(np.random.PCG64()).random()
STATE = random.getstate()[1][:3]

class Mine(random.Random):
    pass

def draw():
    return random.random(), float(np.random.random()), OWN.random(), float(ARRAYS.random()), Mine().random()

@pytest.fixture
def drawn(benchmark):
    '''Give a function that writes down what was drawn, and calls the benchmark.'''
    def write(*values):
        open(f"drawn {os.environ['PYTEST_CURRENT_TEST'].partition('::')[2].partition(' ')[0]}", "w").write(repr(values))
        benchmark(lambda: 1)
    return write

@pytest.fixture(scope="module")
def shared():
    return draw()

def test_import(drawn): drawn(*map(float, (*AT_IMPORT, *FIRST, OTHER[1])), OTHER[0], *STATE)
def test_fixture(drawn, shared): drawn(*shared)
def test_body(drawn): drawn(*draw(), *draw())

@pytest.mark.reseeded
def test_reseeded(drawn): drawn(*draw())

def test_seed(drawn):
    seed(), np.random.seed()
    drawn(*draw())

def test_child(drawn):
    values = []
    for _ in range(2):
        read, write = os.pipe()
        if not os.fork():
            os.write(write, repr(random.random()).encode())
            os._exit(0)
        os.wait()
        values.append(os.read(read, 100))
    drawn(*values)

def test_hypothesis(drawn):
    values = []
    @settings(max_examples=5, database=None)
    @given(st.integers())
    def draw(x): values.append(x)
    draw()
    drawn(*values)

def test_given(drawn):
    random.seed(7), np.random.seed(7)
    drawn(random.random(), float(np.random.random()))

def test_names(drawn):
    drawn(uuid.uuid4().hex, next(tempfile._get_candidate_names()))
"""
ALIKE = ["import", "fixture", "body", "reseeded", "seed", "child", "hypothesis"]


def drawn(side: Side, name: str) -> tuple[Any, ...]:
    """Return what a side has drawn in a test."""
    text: tuple[Any, ...] = ast.literal_eval((side.folder / f"drawn test_{name}").read_text())
    return text


def test_whatever_draws_without_a_seed_draws_alike_on_both_sides_and_anew_in_each_launch(
    sides: Sides, reaper: Starts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a plugin that seeds by itself, and a head that makes generators where base makes none.

    Seeds that a test gives count, and names that must be unique are.
    """
    (tmp_path / "reseeding.py").write_text(PLUGIN)
    installed = tmp_path / "reseeding-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: reseeding\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[pytest11]\nreseeding = reseeding\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    both = sides("import random\nimport numpy as np\nMORE = random.Random(), np.random.default_rng()", "ONE = 1", SUITE)
    for side in both:
        (side.folder / "conftest.py").write_text(CONFTEST)
        (side.folder / "pytest.ini").write_text("[pytest]\nmarkers = reseeded\n")
    both = tuple(
        dataclasses.replace(
            side, environment={}, arguments=(*side.arguments, "-p", "no:randomly", "-p", "no:random_order")
        )
        for side in both
    )  # type: ignore[assignment]
    launches = []
    for seed in (1, 2):
        found = raced(both, " ".join([*ALIKE, "given", "names"]), FEW, reaper, seed)
        for name, what in found.items():
            assert isinstance(what, Timed), (name, what)
            assert what.alike, name
        base, head = ({name: drawn(side, name) for name in ALIKE} for side in both)
        assert base == head
        assert drawn(both[0], "given") == drawn(both[1], "given") == (0.32383276483316237, 0.07630828937395717)
        for of_base, of_head in zip(drawn(both[0], "names"), drawn(both[1], "names"), strict=True):
            assert of_base != of_head
        assert (both[0].folder / "option").read_text() == (both[1].folder / "option").read_text()
        # pytest-random-order takes a seed without the word as a wish to shuffle.
        assert re.fullmatch(r"\d+ default:\d+", (both[0].folder / "option").read_text())
        launches.append(base)
    for name in ALIKE:
        for one, other in zip(launches[0][name], launches[1][name], strict=name != "hypothesis"):
            assert one != other or name == "hypothesis", name
        assert len({*launches[0][name]}) > 1, name


def test_a_seed_that_the_sides_cannot_share_is_detected(sides: Sides, reaper: Starts) -> None:
    suite = """
        import os, random, time
        import numpy as np
        import pytest

        def test_clock(benchmark): random.seed(time.time_ns()), benchmark(lambda: 1)
        def test_process(benchmark): random.Random(os.getpid()), benchmark(lambda: 1)
        def test_numpy(benchmark): np.random.seed(os.getpid()), benchmark(lambda: 1)
        def test_generator(benchmark): np.random.default_rng(time.time_ns()), benchmark(lambda: 1)

        @pytest.fixture
        def seeded(): random.seed(f"{os.getpid()}")

        def test_fixture(benchmark, seeded): benchmark(lambda: 1)
        def test_constant(benchmark): random.seed(7), np.random.default_rng(7), benchmark(lambda: 1)
    """
    found = raced(sides(suite=suite), "clock process numpy generator fixture constant", FEW, reaper)
    alike = {name: what.alike for name, what in found.items() if isinstance(what, Timed)}
    assert alike == {name: name == "constant" for name in found}
