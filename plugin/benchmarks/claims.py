"""How often is a true claim refuted, how often is a false one not found out, and how long does it take?

    tox run -e claims-trial                               96 claims about C functions, 5 % above and below their ratio
    tox run -e claims-trial -- --what growth              claims on the growth of Python functions, counted by valgrind
    tox run -e claims-trial -- --what growth --by-times --load 2    the same raced, beside 2 busy processes

Each claim of growing.py, or of a C extension whose functions take as long as they are told, is checked by
`pytest --claims`. Prints the verdicts of true and of false claims, and those that are wrong. Exits with 1 if any is.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from trial import disturb

GROWING = Path(__file__).with_name("growing.py")
KERNEL = """
#include <Python.h>

static size_t ring[2048];

static PyObject *spin(PyObject *module, PyObject *count) {
    long n = PyLong_AsLong(count);
    volatile long total = 0;
    for (long i = 0; i < n; i++) total += i;
    return PyLong_FromLong(total);
}

static PyObject *chain(PyObject *module, PyObject *count) {
    long n = PyLong_AsLong(count);
    double x = 0.3;
    for (long i = 0; i < n; i++) x = x * 0.999 + 0.001;
    return PyFloat_FromDouble(x);
}

static PyObject *walk(PyObject *module, PyObject *count) {
    long n = PyLong_AsLong(count);
    size_t at = 0;
    for (long i = 0; i < n; i++) at = ring[at];
    return PyLong_FromSize_t(at);
}

static PyMethodDef methods[] = {{"spin", spin, METH_O}, {"chain", chain, METH_O}, {"walk", walk, METH_O}, {NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "kern", NULL, -1, methods};

PyMODINIT_FUNC PyInit_kern(void) {
    for (size_t i = 0; i < 2048; i++) ring[i] = (i + 1019) % 2048;
    return PyModule_Create(&definition);
}
"""
# A claim is true where the other test's ratio is 5 % more than it says, and false where it is 5 % less.
RATIOS = """
import kern
import pytest

def add(name, function, count, *marks):
    def test(benchmark):
        benchmark(function, count)
    for mark in marks:
        test = mark(test)
    globals()[name] = test

for function, count in (kern.spin, 12000), (kern.chain, 10000), (kern.walk, 15000):
    for factor in (0.5, 1, 2, 4):
        for own in range(count, count + 800, 200):
            for truth, ratio in ("true", 1.05), ("false", 0.95):
                name = f"{truth}_{function.__name__}_{round(10 * factor)}_{own}"
                add(f"test_other_than_{name}", function, round(own * factor * ratio))
                claim = pytest.mark.benchgate(faster_than=f"test_other_than_{name}", by=factor)
                add(f"test_{name}", function, own, claim)
"""
RIGHT = {"true": "holds", "false": "refuted"}


def prepare(folder: Path, what: str) -> None:
    """Write the tests, and build what they need."""
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n", "utf-8")
    if what == "growth":
        shutil.copy(GROWING, folder / "test_claimed.py")
        return
    (folder / "test_claimed.py").write_text(RATIOS, "utf-8")
    (folder / "kern.c").write_text(KERNEL, "utf-8")
    module = folder / f"kern{sysconfig.get_config_var('EXT_SUFFIX')}"
    options = ["-O2", "-shared", "-fPIC", "-I", sysconfig.get_path("include")]
    subprocess.run(["cc", *options, str(folder / "kern.c"), "-o", str(module)], check=True)


def check(folder: Path, path: str, more: list[str]) -> dict[str, Any]:
    """Check the claims; return the JSON of the session."""
    out, pytest = folder / "claims.json", Path(sys.executable).with_name("pytest")
    command = [str(pytest), "--benchmark-only", "--claims", "-q", f"--race-json={out}", *more]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    found: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    if not found.get("complete"):
        sys.exit(f"pytest ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return found


def main() -> int:
    summary, _, more = (__doc__ or "").partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=summary, epilog=more, formatter_class=form)
    parser.add_argument("--what", choices=("ratios", "growth"), default="ratios", help="(default ratios)")
    parser.add_argument("--by-times", action="store_true", help="as if valgrind was not installed")
    parser.add_argument("--load", type=int, default=0, metavar="PROCESSES", help="busy processes beside (default none)")
    parser.add_argument("pytest", nargs="*", help="further options for pytest, after --")
    options = parser.parse_args()
    load = [multiprocessing.Process(target=disturb, args=(seed,), daemon=True) for seed in range(options.load)]
    for job in load:
        job.start()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="claims-") as name:
        folder = Path(name)
        prepare(folder, options.what)
        found = check(folder, name if options.by_times else os.environ.get("PATH", ""), options.pytest)
    for job in load:
        job.terminate()
    verdicts, wrong = collections.Counter[str](), []
    for one in found["raced"]:
        truth = one["name"].split("_")[1]
        by = "counted" if one.get("instructions") else "raced"
        verdicts[f"{truth}, {by}: {one['verdict']}"] += 1
        if one["verdict"] not in {RIGHT[truth], "unsure"}:
            wrong.append(f"{one['name']}: {one['verdict']}: {one['claim']['text']}, measured {one.get('change')}")
    for line in wrong:
        print(line)
    seconds = time.monotonic() - start
    print(f"{options.what}, load {options.load}: {dict(verdicts)}; {len(wrong)} wrong; {seconds:.0f} s")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
