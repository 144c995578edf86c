"""Does the gate cost the timed function anything? Times one function through `benchmark` and through `gate`.

    tox run -e overhead

Both in one session, in turns, so that the machine's moods fall on both. The ratio of the medians of neighbours is put
beside the same ratio of benchmark to benchmark, which is what no difference looks like here.

All three call the function once before, as the gate must: a first call that is slow to start makes pytest-benchmark
calibrate to one iteration a round, and the clock's own 0.1 us then stands in the time of a 1 us function (8 % here).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TURNS = 25
SOURCE = f"""
import numpy as np
import pytest

X = np.arange(1000)

def fast():
    return 1

def slower():
    return X.sum()

FUNCTIONS = {{"50 ns": fast, "2 us": slower}}

@pytest.mark.parametrize("turn", range({TURNS}))
@pytest.mark.parametrize("which", FUNCTIONS)
def test_it(benchmark, which, turn):
    FUNCTIONS[which]()
    benchmark(FUNCTIONS[which])

@pytest.mark.parametrize("turn", range({TURNS}))
@pytest.mark.parametrize("which", FUNCTIONS)
def test_again(benchmark, which, turn):
    FUNCTIONS[which]()
    benchmark(FUNCTIONS[which])

@pytest.mark.parametrize("turn", range({TURNS}))
@pytest.mark.parametrize("which", FUNCTIONS)
def test_gate(gate, which, turn):
    gate(FUNCTIONS[which], expect=FUNCTIONS[which]())
"""
CONFTEST = """
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: (item.callspec.params["which"], item.callspec.params["turn"]))
"""


def medians(folder: Path) -> dict[tuple[str, str], list[float]]:
    """Return the median seconds of each turn, by the way of timing and the function."""
    (folder / "test_it.py").write_text(SOURCE, "utf-8")
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    options = ["-q", "-p", "no:cacheprovider", "--benchmark-max-time=0.2", "--benchmark-json=t.json"]
    subprocess.run([sys.executable, "-m", "pytest", *options], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    found: dict[tuple[str, str], list[float]] = {}
    for bench in json.loads((folder / "t.json").read_text("utf-8"))["benchmarks"]:
        key = (bench["name"].split("[")[0], bench["params"]["which"])
        found.setdefault(key, []).append(bench["stats"]["median"])
    return found


def main() -> int:
    """Print the ratios; return 1 where the gate's lie apart from benchmark's own."""
    with tempfile.TemporaryDirectory() as folder:
        found = medians(Path(folder))
    apart = 0
    for which in ("50 ns", "2 us"):
        ratios = {}
        for way in ("test_again", "test_gate"):
            pairs = zip(found[way, which], found["test_it", which], strict=True)
            low, middle, high = statistics.quantiles([mine / other for mine, other in pairs], n=4)
            ratios[way] = (low, high)
            print(f"{which:6} {way:10} / benchmark: median {middle:.4f}, quartiles {low:.4f} to {high:.4f}")
        apart += not (
            ratios["test_gate"][0] <= ratios["test_again"][1] and ratios["test_again"][0] <= ratios["test_gate"][1]
        )
    print("the gate costs nothing that can be seen" if not apart else "the gate costs something")
    return min(apart, 1)


if __name__ == "__main__":
    sys.exit(main())
