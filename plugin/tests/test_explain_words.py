"""What people read of a benchmark's instructions, and the names in it."""

from __future__ import annotations

import doctest

import pytest
from pytest_benchgate.explain import sources
from pytest_benchgate.explained import Calls, Explanation, Growth
from pytest_benchgate.reports.explanation import render

# As pybind11 names a function of C++ that it calls from Python.
BOUND = (
    "bind::function::initialize<init_kern(bind::module&)::{lambda(int, int)#1}, std::pair<int, char [96]>, bind::name>"
    "(init_kern(bind::module&)::{lambda(int, int)#1}&&, int (*)(int, int), bind::name const&)::"
    "{lambda(bind::call&)#3}::operator()(bind::call&) const"
)


@pytest.mark.parametrize(
    ("explanation", "text"),
    [
        (
            Explanation(1115008, 1171494, functions=(Growth("step", "src/kern.c", 41, 111500, 167820),)),
            "+5.1 % instructions a call (1,115,008 -> 1,171,494); most of it: 56,320 in step (src/kern.c:41)",
        ),
        (
            Explanation(1000, 2500, functions=(Growth("a", "x.c", 1, 0, 1000), Growth("b", "libc.so.6", 0, 1, 501))),
            "+150.0 % instructions a call (1,000 -> 2,500); most of it: 1,000 in a (x.c:1), 500 in b (libc.so.6)",
        ),
        (
            Explanation(1_000_000, 1_000_150),
            (
                "the same instructions a call within 0.02 % (1,000,000 -> 1,000,150): placement, cache, memory or the "
                "kernel, not more work"
            ),
        ),
        (
            Explanation(1_000_000, 1_010_000, spread=0.02),
            (
                "the same instructions a call within 2 % (1,000,000 -> 1,010,000): placement, cache, memory or the "
                "kernel, not more work"
            ),
        ),
        (
            Explanation(1_000_000, 900_000),
            (
                "-10.0 % instructions a call (1,000,000 -> 900,000): a slowdown is due to placement, cache, memory or the "
                "kernel, not to more work"
            ),
        ),
        (
            Explanation(
                reason="valgrind is not installed; install it: sudo apt-get install valgrind",
                python=(Calls("work (calc.py)", 300, 1200), Calls("helper (calc.py)", 0, 1)),
            ),
            (
                "instructions cannot be counted: valgrind is not installed; install it: sudo apt-get install valgrind\n"
                "Python calls: work (calc.py) 300 -> 1,200, helper (calc.py) 0 -> 1"
            ),
        ),
        (
            Explanation(100, 110, allocations=(Calls("malloc", 653, 1253),)),
            "+10.0 % instructions a call (100 -> 110)\nallocations: malloc 653 -> 1,253",
        ),
        (Explanation(1_000_000, 1_000_310), "+0.031 % instructions a call (1,000,000 -> 1,000,310)"),
        (
            Explanation(
                100,
                110,
                functions=(Growth("_PyEval_EvalFrameDefault", "python3.11", 0, 1, 9),),
                bytecode=(Growth("URL.build", "yarl/_url.py", 551, 20, 28, "if path:"),),
            ),
            (
                "+10.0 % instructions a call (100 -> 110)\n"
                "more bytecode instructions of Python: 8 in URL.build (yarl/_url.py:551: if path:)"
            ),
        ),
        (
            Explanation(
                100,
                110,
                functions=(Growth("kern.step", "kern.pyx", 7, 1, 9, "x" * 60 + "y" * 60),),
                bytecode=(Growth("URL.build", "yarl/_url.py", 551, 20, 28),),
            ),
            (
                f"+10.0 % instructions a call (100 -> 110); most of it: 8 in kern.step (kern.pyx:7: {'x' * 38}...{'y' * 39})\n"
                "more bytecode instructions of Python: 8 in URL.build (yarl/_url.py:551)"
            ),
        ),
        (
            Explanation(
                100,
                110,
                functions=(Growth("pop_item", "hashtable.h", 9, 0, 30), Growth("add", "hashtable.h", 4, 1, 3)),
                gone=(Growth("pop", "pair_list.h", 7, 22, 0),),
            ),
            (
                "+10.0 % instructions a call (100 -> 110); most of it: 30 in pop_item (hashtable.h:9), "
                "2 in add (hashtable.h:4); only in base: 22 in pop (pair_list.h:7)"
            ),
        ),
        (
            Explanation(100, 110, functions=(Growth(BOUND, "src/main.cpp", 33, 1, 9),)),
            (
                "+10.0 % instructions a call (100 -> 110); most of it: 8 in "
                "bind::function::initialize<...>(...)::{lambda(...)#3}::operator()(...) const (src/main.cpp:33)"
            ),
        ),
        (Explanation(0, 7), "instructions a call (0 -> 7)"),
    ],
)
def test_an_explanation_reads(explanation: Explanation, text: str) -> None:
    assert render(explanation) == text


def test_the_examples_of_names_hold() -> None:
    assert doctest.testmod(sources) == (0, 4)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("step'2", "step"),
        ("step.part.0.isra.1", "step"),
        ("__pyx_f_4kern_step3", "kern.step3"),
        ("__pyx_pw_3pkg_4kern_5Klass_11run_2", "pkg.kern.Klass.run_2"),
        ("__pyx_fuse_1__pyx_f_4kern_step", "__pyx_fuse_1__pyx_f_4kern_step"),
        ("__pyx_f_9", "__pyx_f_9"),
        ("kern::step(double const*, long)", "kern::step(double const*, long)"),
        ("0x0000000000001234", "0x0000000000001234"),
    ],
)
def test_a_symbol_reads_as_its_source_names_it(symbol: str, name: str) -> None:
    assert sources.readable(symbol) == name


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("/tmp/race-ab1/base/kern/kern.c", "kern/kern.c"),  # noqa: S108
        ("/scratch/race-ab1/head/.mesonpy-1/../kern.c", "kern.c"),
        ("/usr/include/c++/12/vector", "/usr/include/c++/12/vector"),
        ("???", "???"),
        ("", "???"),
    ],
)
def test_a_file_of_a_build_is_named_by_its_place_in_the_project(file: str, shown: str) -> None:
    assert sources.relative(file) == shown
