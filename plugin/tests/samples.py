"""Results as sessions leave them, for the tests of reports: all verdicts, claims, groups with limits, and many."""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any

from pytest_benchgate.distribution import Distribution
from pytest_benchgate.explained import Calls, Explanation, Growth
from pytest_benchgate.results import Advice, Claim, Raced, RaceReport, Report, Result, Share, Withheld, Work

MACHINE: dict[str, Any] = {
    "cpu": "AMD EPYC 9B45", "cores": 8, "cores_usable": 2, "simd": ["avx2", "fma", "avx512f"], "governor": None,
    "load": [0.4, 0.3, 0.2],
    "python": {"version": "3.13.1", "implementation": "CPython", "compiler": "GCC 14.2.0", "gil": True},
    "packages": {"pytest": "9.0.1", "pytest-benchmark": "5.2.3", "numpy": "2.4.0"},
    "modules": {"logistic": "1f" * 32, "logistic._step": "2e" * 32},
    "opencl": [{"id": "cl0", "kind": "CPU", "name": "AMD EPYC 9B45", "platform": "PoCL", "driver": "7.0"}],
}  # fmt: skip
EXPLAINED = Explanation(
    base=155_346,
    head=170_770,
    functions=(
        Growth("compute", "logistic.c", 10, 140_000, 155_409, "u = 22 * u * (u + 1) % 6700417;"),
        Growth("check", "logistic.c", 31, 800, 815, "if (u >= p) return -1;"),
    ),
    gone=(Growth("compute_unrolled", "logistic.c", 44, 9_000, 0, "for (; i < n - 3; i += 4) {"),),
    allocations=(Calls("malloc", 2, 5),),
    python=(Calls("as_array", 1, 2),),
    bytecode=(Growth("as_array", "logistic/api.py", 12, 40, 95, "return [float(value) for value in values]"),),
)
ADVICE = (
    Advice(
        "bisect",
        "to find the commit",
        "pytest-benchgate bisect --good 1bf4f78 --bad HEAD 'tests/test_speed.py::test_steps[1000]'",
    ),
    Advice(
        "accept",
        "to accept it, in benchgate-accepted.toml",
        '[[accept]]\ntest = "tests/test_speed.py::test_steps[1000]"\nlimit = "15%"\nreason = "say here why it is worth its price"',
    ),
)


def raced(
    name: str, verdict: str, change: float | None = None, *, launches: int = 14, seed: int = 0, **more: Any
) -> Raced:
    """Return a race whose launches scatter around a change, as ln(ratio)."""
    rng = random.Random(f"{name}{seed}")
    values: dict[str, Any] = {}
    if change is not None:
        numbers = sorted(rng.gauss(change, 0.008) for _ in range(launches))
        seconds = 1e-6 * 10 ** rng.uniform(0, 4)
        values = {
            "numbers": tuple(rng.sample(numbers, len(numbers))), "change": change, "low": change - 0.006,
            "high": change + 0.007, "coverage": 0.95, "pairs": 40 * launches, "base_s": seconds,
            "head_s": seconds * math.exp(change), "evidence": 5221.0,
        }  # fmt: skip
    values = {
        "seconds": 7.8,
        "repeat": f"pytest --benchmark-only --race=1bf4f78 'tests/test_speed.py::{name}'",
        **values,
        **more,
    }
    failed = values.pop("failed", verdict in {"slower", "error", "refuted", "withheld"})
    return Raced(
        f"tests/test_speed.py::{name}", name, "tests/test_speed.py", 12, verdict, failed, 0.03, 14_000.0, **values
    )


def race(*more: Raced) -> RaceReport:
    """Return a race in which each verdict occurs."""
    sizes = [raced(f"test_sum[{size}]", "same", 0.002 * index, base_s=2e-9 * size, head_s=2.01e-9 * size)
             for index, size in enumerate((64, 1000, 32_000, 400_000))]  # fmt: skip
    races = (
        raced("test_steps[1000]", "slower", 0.097, explanation=EXPLAINED, advice=ADVICE),
        raced("test_steps[64]", "slower", math.log(11), explanation=Explanation(reason="valgrind is not installed")),
        raced(
            "test_parse",
            "error",
            side="head",
            reason="E   ValueError: not a number: '1,5'\ntests/test_speed.py:40: ValueError",
        ),
        raced("test_noisy", "unsure", 0.02, launches=60),
        raced("test_loop", "placement", 0.05, placements=(0.01, -0.02, 0.03, 0.0, 0.01, 0.002)),
        raced("test_exact", "accepted", 0.11, limit=0.15, accepted="exact rounding is worth it"),
        raced("test_vector", "faster", -0.35),
        raced("test_old", "gone", side="head", reason="head deleted it"),
        raced("test_new", "new", side="base", reason="base has no such test"),
        raced("test_gpu", "skipped", side="head", reason="no OpenCL device"),
        *sizes,
        *more,
    )
    return RaceReport(
        base="origin/main (1bf4f7840)", head="the working tree (50b226c05)", alpha=0.001, races=len(races), launches=60,
        seconds=131.4, raced=races, complete=True, notes=("head sets race_threshold to 9%; base's 3% counts until it is merged",),
        suite=tuple(sorted(one.nodeid for one in races)), settings={"race_threshold": 0.03},
    )  # fmt: skip


def claims() -> RaceReport:
    """Return a session of claims."""

    def claim(name: str, verdict: str, claimed: Claim, ratio: float, **more: Any) -> Raced:
        return raced(name, verdict, math.log(ratio), claim=claimed, **more)

    twice = Claim("faster_than", "2 times as fast as test_loop[1000]", "test_loop[1000]", -math.log(2))
    most = Claim("slower_than", "at most 5 % slower than test_plain", "test_plain", math.log(1.05))
    copy = Claim("reaches", "80 % of copy", "copy", -math.log(0.8))
    races = (
        claim("test_comprehension[1000]", "refuted", twice, 1 / 1.07),
        claim("test_vector", "holds", twice, 1 / 9.3),
        claim("test_checked", "unsure", most, 1.049),
        claim("test_stream", "holds", copy, 1.11),
        raced("test_wrong", "withheld", claim=twice, side="test_wrong", reason="E   WrongAnswer: 3 of 10 differ"),
    )
    return RaceReport("", "this environment", 0.001, len(races), 42, 55.0, races, complete=True, claims=True)


def results(groups: int = 2, rows: int = 7, seed: int = 0) -> tuple[Result, ...]:
    """Return gated benchmarks in groups, each of a size."""
    rng, found = random.Random(seed), []
    names = ("python", "numpy", "numba", "cython_plain", "cython_prange", "vector_avx2", "vector_avx512", "opencl@cl0")
    for power in [10, 16, 20, 22, 24][:groups]:
        size, copy_s = 2**power, 1e-7 + 2**power * 1.6e-9
        for index, name in enumerate(names[:rows]):
            median = copy_s * 400 / 4.2**index * rng.uniform(0.8, 1.25) + copy_s * 1.1
            times = [
                median * (1 + 0.02 * abs(rng.gauss(0, 1)) + (0.3 if rng.random() < 0.02 else 0)) for _ in range(200)
            ]
            peak_s = 40 * size / 9e10
            found.append(
                Result(
                    f"tests/test_benchmarks.py::test_logmap[{size}-{name}]", f"test_logmap[{size}-{name}]",
                    f"2^{power} elements, 10 steps", median, median * 0.02, 200, verified=True,
                    work=Work(10 * size, 16 * size, 40 * size, "steps"),
                    shares=(Share("copy", copy_s, copy_s / median, "bytes"), Share("multiply-add", peak_s, peak_s / median, "operations")),
                    device_ns=median * 7e8 if "cl0" in name else None, device="PoCL" if "cl0" in name else None,
                    times=Distribution.of(times),
                    suspicious="1.4 times as fast as the limit 'copy' at its best: does it do all of its work?" if (power, index) == (16, 2) else None,
                )
            )  # fmt: skip
    return tuple(found)


WITHHELD = Withheld(
    "tests/test_benchmarks.py::test_squares", "test_squares", "call", False,  # noqa: FBT003
    "WrongAnswer: 953659 of 1000000 differ, the first at [46341]", "WrongAnswer: all of it\nline two", "tests/test_benchmarks.py", 40,
)  # fmt: skip


def run(**options: Any) -> Report:
    """Return a session of gated benchmarks."""
    return Report(results(**options), (WITHHELD,))


def many(count: int) -> RaceReport:
    """Return a race of many benchmarks."""
    races = [raced(f"test_kernel[{index}-float64-contiguous]", "same", random.Random(index).gauss(0, 0.004), launches=4)
             for index in range(count - 20)]  # fmt: skip
    races += [
        raced(f"test_slow[{index}-float64]", "slower", 0.05 + index / 50, explanation=EXPLAINED, advice=ADVICE)
        for index in range(20)
    ]
    return RaceReport("main (1bf4f7840)", "the working tree", 0.001, count, 300, 4000.0, tuple(races), complete=True)


def extreme_results(time_s: float, amount: float) -> tuple[Result, ...]:
    """Return benchmarks with such numbers, as a file may have them."""
    return tuple(
        Result(
            f"t.py::test_a[{size}-x]", "test_a", None, median, time_s, 10**12, work=Work(amount, amount, amount),
            shares=(Share("copy", limit_s, limit_s, "bytes"), Share("peak", limit_s, median, "operations")),
            times=Distribution(time_s, amount, limit_s, 1.0, time_s, (10**12, 0, 5)), device_ns=amount,
        )
        for limit_s in (0.0, 5e-324, 1e100)
        for median, size in ((time_s, "1"), (2 * time_s, "1e308"), (time_s, "1e999"), (time_s, "5e-324"), (1.0, "100"))
    )  # fmt: skip


def extreme_races(time_s: float, amount: float) -> tuple[RaceReport, ...]:
    """Return races, of times and of places, and claims, with such numbers."""
    explained = Explanation(10**99, 0, "", amount, (Growth("f", "g", 0, 10**99, -(10**99)),))
    races = tuple(
        dataclasses.replace(
            raced(f"test_a[{size}]", "slower", 0.1), threshold=amount - 1, limit=time_s, change=change, low=-100.0,
            high=100.0, numbers=(change, -100.0, 100.0), placements=(change,), base_s=time_s, head_s=time_s, coverage=0.0,
            visible=change, failed=True, evidence=amount, seconds=amount, explanation=explained,
        )
        for change in (-100.0, 0.0, 100.0)
        for size in (1, 10, 100)
    )  # fmt: skip
    whole = RaceReport("a", "b", 0.5, 9, 1, amount, races, settings={"race_threshold": "x"})
    kinds = ("faster_than", "slower_than", "reaches", "grows", "of another version")
    claimed = [dataclasses.replace(one, verdict="refuted", claim=Claim(kind, "t", "o", one.change or 0.0))
               for one in races for kind in kinds]  # fmt: skip
    return (
        whole,
        dataclasses.replace(whole, relinked=True),
        dataclasses.replace(whole, raced=tuple(claimed), claims=True),
    )
