"""Does the gate cost the timed function anything? Times one function through `benchmark` and through `gate`.

    tox run -e overhead

Both in one session, in turns, so that a machine that changes its speed changes it for both. The ratio of the medians of
neighbours is put beside the same ratio of benchmark to benchmark, which is what no difference looks like here.

All three call the function once before, as the gate must: a first call that is slow to start makes pytest-benchmark
calibrate to one iteration a round, and the clock's own 0.1 us then stands in the time of a 1 us function (8 % here).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = """
import numpy as np
import pytest

X = np.arange(1000)
FUNCTIONS = {"50 ns": lambda: 1, "2 us": X.sum}

@pytest.mark.parametrize("way", ["benchmark", "benchmark again", "gate"])
@pytest.mark.parametrize("turn", range(@TURNS@))
@pytest.mark.parametrize("which", FUNCTIONS)
def test_it(way, which, turn, request):
    function = FUNCTIONS[which]
    if way == "gate":
        request.getfixturevalue("gate")(function, expect=function())
    else:
        function()
        request.getfixturevalue("benchmark")(function)
"""


def medians(folder: Path, turns: int, seconds: float) -> dict[tuple[str, str], list[float]]:
    """Return the median seconds of each turn, by the way of timing and the function."""
    (folder / "test_it.py").write_text(SOURCE.replace("@TURNS@", str(turns)), "utf-8")
    options = ["-q", "-p", "no:cacheprovider", f"--benchmark-max-time={seconds}", "--benchmark-json=t.json"]
    command = [sys.executable, "-m", "pytest", *options]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found: dict[tuple[str, str], list[float]] = {}
    for bench in json.loads((folder / "t.json").read_text("utf-8"))["benchmarks"]:
        found.setdefault((bench["params"]["way"], bench["params"]["which"]), []).append(bench["stats"]["median"])
    return found


def main() -> int:
    """Print the ratios; return 1 where the gate's lie apart from benchmark's own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--turns", type=int, default=25, help="of each, at least 2 (default 25)")
    parser.add_argument("--seconds", type=float, default=0.2, help="for each median (default 0.2)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = medians(Path(folder), options.turns, options.seconds)
    apart = 0
    for which in ("50 ns", "2 us"):
        ratios = {}
        for way in ("benchmark again", "gate"):
            pairs = zip(found[way, which], found["benchmark", which], strict=True)
            low, middle, high = statistics.quantiles([mine / other for mine, other in pairs], n=4)
            ratios[way] = low, high
            print(f"{which:6} {way:15} / benchmark: median {middle:.4f}, quartiles {low:.4f} to {high:.4f}")
        (low, high), (own_low, own_high) = ratios["gate"], ratios["benchmark again"]
        apart += not (low <= own_high and own_low <= high)
    print("the gate costs something" if apart else "the gate costs nothing that can be seen")
    return min(apart, 1)


if __name__ == "__main__":
    sys.exit(main())
