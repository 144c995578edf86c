"""Where it ran, and what a comparison of unlike machines says."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pytest_benchgate import machine

if TYPE_CHECKING:
    from conftest import Suite

SOURCE = "import numpy\n\ndef test_it(benchmark): benchmark(lambda: 1)"


def test_the_json_says_where_it_ran(suite: Suite) -> None:
    run = suite(SOURCE)
    info = run.data["machine_info"]["benchgate"]
    assert info["cores"] >= info["cores_usable"] >= 1
    assert len(info["load"]) == 3
    assert info["python"]["gil"] in {True, False}
    assert info["packages"]["numpy"] == np.__version__
    assert info["cpu"]
    name = next(name for name in info["modules"] if name.startswith("numpy.") and "umath" in name)
    extension = Path(str(importlib.import_module(name).__file__))
    assert info["modules"][name] == hashlib.sha256(extension.read_bytes()).hexdigest()
    assert "opencl" not in info  # nothing used it
    assert not any(name.startswith(("_json", "math")) for name in info["modules"])


def test_differences_are_listed_except_for_what_varies_between_runs() -> None:
    now = {"cpu": "A", "load": [1.0], "python": {"version": "3.12"}, "simd": ["avx2"], "modules": {"m": "1"}}
    then = {"cpu": "B", "load": [9.0], "python": {"version": "3.11"}, "simd": ["avx2"], "governor": "powersave"}
    assert machine.differences(now, then) == [
        "cpu: A now, B then",
        "governor: unknown now, powersave then",
        "python: version 3.12 now, version 3.11 then",
    ]


def test_a_comparison_of_unlike_machines_says_so(suite: Suite) -> None:
    first = suite(SOURCE, "--benchmark-save=base")
    (saved,) = first.json_path.parent.glob(".benchmarks/*/*.json")
    alike = suite(SOURCE, "--benchmark-compare", "-W", "error")
    assert "compared with another machine" not in alike.text
    assert "machine_info is different" not in str(alike.result.stderr)  # the load does differ

    data = json.loads(saved.read_text("utf-8"))
    data["machine_info"]["benchgate"]["governor"] = "somersault"
    saved.write_text(json.dumps(data), "utf-8")
    unlike = suite(SOURCE, "--benchmark-compare")
    assert "compared with another machine: governor: " in unlike.text
    assert "somersault then" in unlike.text


def test_a_baseline_from_before_the_plugin_compares_as_ever(suite: Suite) -> None:
    suite(SOURCE, "--benchmark-save=base", "-p", "no:benchgate")
    run = suite(SOURCE, "--benchmark-compare", "--benchmark-compare-fail=min:1")
    run.result.assert_outcomes(passed=1)
    assert "machine_info is different" not in str(run.result.stderr)
    assert "compared with another machine" not in run.text
