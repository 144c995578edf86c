"""The results folder of airspeed velocity (asv), for `asv show`, `asv compare` and `asv publish`.

A benchmark of asv is a test function, by the path of its file: `tests/test_speed.py::test_sum[10]` is the parameter 10
of `tests.test_speed.test_sum`. Its value is the median in seconds. Each run becomes the results of its commit.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from pytest_benchgate.reports.quantity import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.exports.times import CommitInfo, File, Run, Stats, Timed

# Of the files of results and of benchmarks, and of the description of a machine.
SCHEMA, MACHINE_SCHEMA = 2, 1
COLUMNS = (
    *("result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b", "stats_q_25"),
    *("stats_q_75", "stats_number", "stats_repeat"),
)
# So that asv does not take results of other formats for the same benchmark.
VERSION = "pytest-benchgate 1"
MOST = 160


def render(runs: Sequence[Run]) -> dict[str, str]:
    """Return the files of the folder; ValueError where a run does not say of which commit it is."""
    files: dict[str, Any] = {}
    benchmarks: dict[str, Any] = {}
    for run in runs:
        info = _commit(run)
        commit, machine, environment = str(info.id), _name(run.file.machine_info.node), _environment(run.file)
        grouped = _grouped(run.file.benchmarks)
        for name, by_param in grouped.items():
            benchmarks.setdefault(name, {}).update(dict.fromkeys(by_param))
        path = f"{machine}/{commit[:8]}-{environment}.json"
        if path in files:
            raise ValueError(
                f"{run.path} is of the same commit, machine and Python as an earlier file; export one of them"
            )
        description = _machine(run.file, machine)
        files[f"{machine}/machine.json"] = {**description, "version": MACHINE_SCHEMA}
        files[path] = {
            "commit_hash": commit,
            "env_name": environment,
            "date": _milliseconds(info.time),
            "params": {**description, "python": _python(run.file)},
            "python": _python(run.file),
            "requirements": {},
            "env_vars": {},
            "result_columns": COLUMNS,
            "results": {name: _row(by_param, run.file) for name, by_param in grouped.items()},
            "durations": {},
            "version": SCHEMA,
        }
    described = {name: _benchmark(name, [*params]) for name, params in benchmarks.items()}
    files["benchmarks.json"] = {**described, "version": SCHEMA}
    return {path: json.dumps(data, indent=1) + "\n" for path, data in files.items()}


def _commit(run: Run) -> CommitInfo:
    """Return what the run says of its commit, whose id it must have."""
    info = run.file.commit_info
    if info is None or info.id is None or not re.fullmatch(r"[0-9a-f]{40,64}", info.id):
        raise ValueError(f"{run.path} does not say of which commit it is; run the benchmarks in a git repository")
    if info.dirty:
        raise ValueError(f"{run.path} is of uncommitted changes to {info.id[:10]}; commit them and run again")
    return info


def _grouped(timed: Sequence[Timed]) -> dict[str, dict[str, Stats]]:
    """Return the benchmarks by the names of their functions, then by their parameters; "" without any."""
    found: dict[str, dict[str, Stats]] = {}
    for one in timed:
        name, param = one.fullname, ""
        if one.param is not None and name.endswith(f"[{one.param}]"):
            name, param = name.removesuffix(f"[{one.param}]"), shortened(one.param, MOST)
        path, _, function = name.partition("::")
        dotted = f"{path.removesuffix('.py').replace('/', '.')}.{function.replace('::', '.')}"
        # asv names files by it.
        by_param = found.setdefault(re.sub(r"[^\w.-]+", "_", shortened(dotted, MOST)), {})
        by_param[param if param not in by_param else f"{param} ({len(by_param) + 1})"] = one.stats
    return found


def _row(by_param: dict[str, Stats], file: File) -> list[Any]:
    stats = [*by_param.values()]
    return [
        [one.median for one in stats],
        _params([*by_param]),
        VERSION,
        _milliseconds(file.datetime),
        None,
        [_interval(one)[0] for one in stats],
        [_interval(one)[1] for one in stats],
        [one.q1 for one in stats],
        [one.q3 for one in stats],
        [one.iterations for one in stats],
        [one.rounds for one in stats],
    ]


def _interval(stats: Stats) -> tuple[float | None, float | None]:
    """Return an interval for the median with 99 % confidence, by the ranks of the rounds."""
    ordered, count = sorted(stats.data), len(stats.data)
    half = NormalDist().inv_cdf(0.995) * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - half), math.ceil(count / 2 + half)
    return (ordered[low], ordered[high]) if low >= 0 and high < count else (None, None)


def _params(params: list[str]) -> list[list[str]]:
    """Return the values of each parameter: one parameter, or none."""
    return [] if params == [""] else [params]


def _benchmark(name: str, params: list[str]) -> dict[str, Any]:
    return {
        "code": name,
        "name": name,
        "param_names": ["param"] * len(_params(params)),
        "params": _params(params),
        "pretty_name": name,
        "type": "time",
        "unit": "seconds",
        "version": VERSION,
        "number": 0,
        "repeat": 0,
        "rounds": 1,
        "sample_time": 0.01,
        "warmup_time": -1,
        "min_run_count": 1,
        "timeout": 60.0,
    }


def _machine(file: File, machine: str) -> dict[str, str]:
    info = file.machine_info
    return {
        "machine": machine,
        "arch": printable(info.machine),
        "cpu": printable(info.cpu.brand_raw or "") if info.cpu else "",
        "num_cpu": str(info.cpu.count or "") if info.cpu else "",
        "os": printable(f"{info.system} {info.release}"),
        "ram": "",
    }


def _environment(file: File) -> str:
    return f"pytest-benchmark-py{_python(file)}"


def _python(file: File) -> str:
    """Return "3.11"; what a file says is part of a path."""
    return ".".join(re.findall(r"\d{1,3}", file.machine_info.python_version)[:2]) or "unknown"


def _name(text: str) -> str:
    """Return a machine's name without what could lead out of a folder."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:60] or "machine"


def _milliseconds(time: str | None) -> int | None:
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000) if time else None
    except (ValueError, OverflowError, OSError):
        return None
