"""The flags that a race adds to both builds, with real compilers."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.building.flags import ALIGN, are_known, wrap_compilers
from racing import KERNEL

if TYPE_CHECKING:
    from pathlib import Path

    from racing import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
# An extension that tells where its functions lie, with one that the tests move the others by.
MOVED = KERNEL.replace(
    "static PyObject *\nspin",
    "#include <stdint.h>\n"
    "__attribute__((used, noinline)) static int first(int x) { volatile int y = x; return y; }\n"
    "__attribute__((used, noinline)) static int second(int x) { volatile int y = x * 3; return y + 1; }\n"
    "static PyObject *\nspin",
).replace(
    "    return PyModule_Create(&definition);",
    "    PyObject *module = PyModule_Create(&definition);\n"
    '    PyModule_AddIntConstant(module, "offset", (long)(((uintptr_t)first | (uintptr_t)second) % 64));\n'
    "#ifdef __OPTIMIZE__\n"
    '    PyModule_AddIntConstant(module, "optimised", 1);\n'
    "#endif\n"
    "    return module;",
)
TEST = "def test_spin(benchmark):\n    import kern._kern\n    benchmark(kern._kern.spin, 2000)\n"


@pytest.fixture
def moved(kern: Project) -> Project:
    kern.commit(
        **{
            "kern/_kern.c": MOVED,
            "tests/test_kern.py": f"{TEST}    assert kern._kern.offset == 0 and kern._kern.optimised\n",
        }
    )
    return kern


def test_both_builds_align_each_function_and_keep_their_own_flags(moved: Project) -> None:
    assert moved.race("HEAD").verdicts == {"test_spin": "same"}


def test_what_a_user_says_of_alignment_counts_more(moved: Project) -> None:
    run = moved.race("HEAD", CFLAGS="-O0 -falign-functions=1")
    assert run.verdicts == {"test_spin": "error"}
    assert "offset" in run.raced("test_spin")["reason"]


def script_of(folder: Path, name: str) -> str:
    return (folder / name).read_text("utf-8") if (folder / name).exists() else ""


def test_arguments_stay_as_they_are(tmp_path: Path) -> None:
    wrap_compilers(tmp_path / "compilers", (ALIGN,))
    (tmp_path / "a b.c").write_text("const char *text = TEXT;\n", "utf-8")
    command = [str(tmp_path / "compilers" / "cc"), '-DTEXT="it\'s  so"', "-E", "a b.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 'const char *text = "it\'s  so";' in done.stdout


def test_a_compiler_that_refuses_them_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "bin" / "oldcc"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\ncase "$*" in *-falign*) exit 1;; esac\nexec cc "$@"\n', "utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent), prepend=os.pathsep)
    monkeypatch.setenv("CC", "oldcc -pthread")
    monkeypatch.setenv("CXX", "no-such-compiler")
    wrap_compilers(tmp_path / "aligned", (ALIGN,))
    wrap_compilers(tmp_path / "with lines", ("-g1",))
    assert script_of(tmp_path / "aligned", "oldcc") == ""
    assert script_of(tmp_path / "with lines", "oldcc").endswith(f'{old} -g1 "$@"\n')
    assert script_of(tmp_path / "aligned", "cc").endswith(f' {ALIGN} "$@"\n')
    assert not are_known(("-fno-such-flag",))
