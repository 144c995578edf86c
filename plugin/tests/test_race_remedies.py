"""What people are told to do about a build that failed, from outputs as build tools print them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pytest_benchgate.race.building import remedies


@pytest.mark.parametrize(
    ("output", "remedy"),
    [
        ("  File setup.py\nModuleNotFoundError: No module named 'numpy'", 'add "numpy" to requires in [build-system]'),
        ("ModuleNotFoundError: No module named 'Cython.Build'; 'Cython' is not a package", 'add "cython" to requires'),
        ("ModuleNotFoundError: No module named 'setuptools_scm'", 'add "setuptools-scm" to requires'),
        ("ModuleNotFoundError: No module named 'helper'", 'set backend-path = ["."]'),
        ("File hatch_build.py\nModuleNotFoundError: No module named 'helper'", "a hook of the build) add its own folder"),
        ("error: command 'gcc' failed: No such file or directory", "install a C compiler"),
        ("error: command '/usr/bin/x86_64-linux-gnu-gcc-12' failed: No such file or directory", "install a C compiler"),
        ("unable to execute 'cc': No such file or directory", "install a C compiler"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'g++'", "install a C compiler"),
        ("../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc'], ['clang']]", "install a C compiler"),
        ("CMake Error: No CMAKE_CXX_COMPILER could be found.", "install a C compiler"),
        ("sh: 1: gcc: not found", "install a C compiler"),
        ("error: can't find Rust compiler", "install Rust"),
        ("a.c:1:10: fatal error: Python.h: No such file or directory\nerror: command '/usr/bin/gcc' failed", "install the headers of Python"),
        ("a.c:1:10: fatal error: 'Python.h' file not found", "install the headers of Python"),
        ("a.c:1:10: fatal error: zlib.h: No such file or directory", "the compiler does not find zlib.h"),
        ("WARNING: Retrying ... NewConnectionError('...: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')\nERROR: No matching distribution found for setuptools", "pip could not reach its index"),
        ("ERROR: Could not find a version that satisfies the requirement setuptools>=99999\nERROR: No matching distribution found for setuptools>=99999", "pip's index has no setuptools>=99999"),
        ("OSError: [Errno 28] No space left on device", "free some disk space"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "ran out of memory"),
        ("/usr/bin/python3: No module named ensurepip", "install pip for"),
    ],
)  # fmt: skip
def test_the_likely_remedy(output: str, remedy: str, tmp_path: Path) -> None:
    (tmp_path / "helper.py").touch()
    text = remedies.report("head could not be built: the backend failed", output, tmp_path, Path())
    (line,) = (line for line in text.splitlines() if line.startswith("likely remedy: "))
    assert remedy in line


@pytest.mark.parametrize(
    "output",
    [
        "",
        "a.c:7:5: error: unknown type name 'lnog'\nerror: command '/usr/bin/gcc' failed with exit code 1",
        "gcc -c a.c\nNot found: nothing",
    ],
)
def test_no_remedy_for_an_unknown_failure(output: str, tmp_path: Path) -> None:
    assert "likely remedy" not in remedies.report("head could not be built", output, tmp_path, Path())


@pytest.mark.parametrize("filled", [False, True])
def test_an_empty_submodule(tmp_path: Path, filled: bool) -> None:  # noqa: FBT001
    (tmp_path / ".gitmodules").write_text('[submodule "lib"]\n\tpath = vendor/lib\n\turl = ../lib\n')
    (tmp_path / "vendor" / "lib").mkdir(parents=True)
    if filled:
        (tmp_path / "vendor" / "lib" / "lib.h").touch()
    text = remedies.report("head could not be built", "fatal error: lib.h: No such file", tmp_path, Path())
    assert ("git submodule update --init --recursive" in text) is not filled


@pytest.mark.parametrize("shallow", [False, True])
def test_a_version_from_tags_that_a_shallow_clone_lacks(tmp_path: Path, shallow: bool) -> None:  # noqa: FBT001
    (tmp_path / ".git").mkdir()
    if shallow:
        (tmp_path / ".git" / "shallow").touch()
    output = "LookupError: setuptools-scm was unable to detect version for /x."
    assert ("fetch-depth: 0" in remedies.report("base could not be built", output, tmp_path, Path())) is shallow


def test_the_remedy_is_below_the_output_of_which_no_more_than_the_end_is_shown(tmp_path: Path) -> None:
    output = (
        "\n".join(f"line {number}" for number in range(40))
        + "\na.c:1:10: fatal error: zlib.h: No such file or directory"
    )
    lines = remedies.report("base could not be built: why", output, tmp_path, Path()).splitlines()
    assert lines[:2] == ["base could not be built: why", "line 0"]
    assert lines[40:42] == ["line 39", "a.c:1:10: fatal error: zlib.h: No such file or directory"]
    assert lines[42].startswith("likely remedy: the compiler does not find zlib.h")
    for long in ("x" * 10**6, "x" * 200 + "\n"):
        start = time.process_time()
        text = remedies.report("why", long * 1000 if len(long) < 1000 else long, tmp_path, Path())
        assert text.startswith("why\nthe end of the output:\nx")
        assert len(text) < 31_000
        assert time.process_time() - start < 5
    few = remedies.report("why", "one\ntwo\n", tmp_path, Path())
    assert few == "why\none\ntwo"
