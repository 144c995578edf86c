"""The report of a failed build: its output, and a likely remedy below, where a terminal and a log of CI end."""

from __future__ import annotations

import configparser
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate.reports.quantity import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Characters of the output that are shown.
MOST = 30_000
# Lines at the end, and characters of each, that are searched: patterns take long on more.
SEARCHED, WIDTH = 3000, 500
# What a failure of the command before a build begins with.
BEFORE = "the command of race_before_build"
# Modules whose distributions have other names.
DISTRIBUTIONS = {
    "Cython": "cython", "skbuild": "scikit-build", "scikit_build_core": "scikit-build-core", "mesonpy": "meson-python",
    "pkg_resources": "setuptools<81", "distutils": "setuptools", "pybind11_tests": "pybind11", "yaml": "pyyaml",
    "mypyc": "mypy", "hatch_vcs": "hatch-vcs", "setuptools_rust": "setuptools-rust", "setuptools_scm": "setuptools-scm",
    "poetry": "poetry-core", "pdm": "pdm-backend",
}  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """A build that failed: its reason and output as one text, its source tree, and the project's folder in it."""

    text: str
    source: Path
    project: Path

    def search(self, pattern: str) -> re.Match[str] | None:
        """Return the first match of a pattern in the text, in any case."""
        return re.search(pattern, self.text, re.IGNORECASE)


def report(reason: str, output: str, source: Path, project: Path) -> str:
    """Return the report of a build that failed for a reason, with this output."""
    output = "\n".join(map(printable, output.strip("\n").splitlines()))
    lines = [line for line in output.splitlines() if line.strip()]
    searched = "\n".join(line[:WIDTH] for line in [*reason.splitlines(), *lines[-SEARCHED:]])
    parts = [reason.strip()]
    if lines:
        parts += ["the end of the output:"] * (len(output) > MOST) + [output[-MOST:]]
    parts += [f"likely remedy: {one}" for one in likely(Failure(searched, source, project))]
    return "\n".join(parts)


def likely(failure: Failure) -> Iterator[str]:
    """Yield the likeliest remedy, if any is known."""
    for remedy in REMEDIES:
        if text := remedy(failure):
            yield text
            return


def _disk(failure: Failure) -> str | None:
    if failure.search(r"no space left on device|disk quota exceeded"):
        return "free some disk space, or put the builds elsewhere by --race-cache=FOLDER and TMPDIR"
    return None


def _memory(failure: Failure) -> str | None:
    if failure.search(r"killed signal terminated program|SIGKILL|out of memory|cannot allocate memory|died with .*9\b"):
        return "the build ran out of memory: allow fewer jobs at once (MAX_JOBS, CMAKE_BUILD_PARALLEL_LEVEL, MAKEFLAGS)"
    return None


def _submodule(failure: Failure) -> str | None:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(re.sub(r"(?m)^\s+", "", (failure.source / ".gitmodules").read_text("utf-8", "replace")))
    except (OSError, configparser.Error):
        return None
    for section in parser.sections():
        path = parser[section].get("path", "")
        folder = failure.source / path
        if path and (not folder.is_dir() or not any(one.name != ".git" for one in folder.iterdir())):
            return (
                f"the submodule {path} is empty: git submodule update --init --recursive "
                "(actions/checkout: submodules: recursive)"
            )
    return None


def _shallow(failure: Failure) -> str | None:
    versions = (
        r"setuptools.scm|hatch.vcs|versioneer|versioningit|vcs_versioning|dunamai|git describe|pbr|detect version"
    )
    if (failure.source / ".git" / "shallow").is_file() and failure.search(versions):
        return (
            "the version is derived from tags, which a shallow clone lacks: git fetch --unshallow --tags "
            "(actions/checkout: fetch-depth: 0)"
        )
    return None


def _pip_missing(failure: Failure) -> str | None:
    if failure.search(r"no module named '?ensurepip|ensurepip is (not available|disabled)"):
        return f"install pip for {sys.executable}, or Python's own ensurepip (Debian, Ubuntu: apt install python3-venv)"
    return None


def _module_missing(failure: Failure) -> str | None:
    match = re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", failure.text)
    if match is None:
        return None
    name = match[1].partition(".")[0]
    project = failure.source / failure.project
    if (project / f"{name}.py").is_file() or (project / name).is_dir():
        return (
            f"{name} is beside pyproject.toml, where builds do not look: let the file that imports it (setup.py, a "
            "hook of the build) add its own folder to sys.path; for a backend of the project's own, set "
            'backend-path = ["."] in [build-system]'
        )
    distribution = DISTRIBUTIONS.get(name, name)
    if failure.search(rf"{BEFORE} failed"):
        return f"{BEFORE} runs in the environment of this session, which has no {name}: pip install {distribution!r}"
    return (
        f'the build needs {name}, which is not required: add "{distribution}" to requires in [build-system] of '
        "pyproject.toml (in base as well: race a revision that has it)"
    )


def _source_missing(failure: Failure) -> str | None:
    """Return what makes a source that is in no revision, as one that Cython generates and git ignores."""
    files = r"([\w./+-]+\.(?:c|cc|cpp|cxx|pyx|pxd|f|f90|cu|inc))"
    patterns = (rf"(?:error:|file or directory:) '?{files}'?(?:: no such|$)", rf"file '?{files}'? does not exist",
                rf"'{files}' doesn't match any files", rf"cannot find source file:\s+{files}")  # fmt: skip
    for pattern in patterns:
        match = failure.search(f"(?m){pattern}")
        if match and not (failure.source / failure.project / match[1]).exists():
            return (
                f"{match[1]} is not in the revision: if a command generates it, name that in pytest's configuration, "
                'as in race_before_build = "make cython"; or else commit it'
            )
    return None


def _header_missing(failure: Failure) -> str | None:
    match = failure.search(r"(?:fatal error:|cannot open include file:) '?([\w./+-]+\.h(?:pp|h|xx)?)\b")
    if match is None:
        return None
    if match[1] == "Python.h":
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return f"install the headers of Python: apt install {version}-dev, dnf install {version}-devel"
    return f"the compiler does not find {match[1]}: install the library's headers, or set CFLAGS=-IFOLDER"


def _no_compiler(failure: Failure) -> str | None:
    programs = r"(?:\S*/)?(?:[\w-]*gcc|[\w-]*g\+\+|[\w-]*cc|c\+\+|clang(?:\+\+)?)(?:-\d+)?"
    patterns = (
        rf"(?:command|unable to execute) '{programs}'(?: failed)?: no such file",
        rf"\[errno 2\] no such file or directory: '{programs}'",
        rf"(?<![\w-]){programs}: (?:command )?not found",
        r"unknown compiler\(s\)",
        r"no cmake_c\w*_compiler could be found|xcrun: error|no acceptable c compiler",
    )
    if any(failure.search(pattern) for pattern in patterns):
        return (
            "install a C compiler (apt install build-essential, dnf install gcc gcc-c++, xcode-select --install), "
            "or name it in CC and CXX"
        )
    if failure.search(r"can't find rust compiler|cargo, the rust package manager, is not installed|rustc.*not found"):
        return "install Rust (https://rustup.rs), with cargo on the PATH"
    return None


def _network(failure: Failure) -> str | None:
    signs = (
        r"connectionerror|newconnectionerror|name resolution|max retries exceeded|proxyerror|sslerror|readtimeouterror"
        r"|network is unreachable|connection (?:refused|reset|timed out|broken)|connecttimeout"
    )
    if failure.search(signs):
        return (
            "pip could not reach its index for the build tools: check the network, or name a proxy "
            "(PIP_PROXY), a mirror (PIP_INDEX_URL), or a folder of wheels (PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER)"
        )
    match = failure.search(r"no matching distribution found for ([^\s]+)")
    if match:
        return (
            f"pip's index has no {match[1]} for this Python: check requires in [build-system] of pyproject.toml, "
            "and pip's settings (PIP_INDEX_URL, PIP_FIND_LINKS, PIP_CONSTRAINT)"
        )
    return None


REMEDIES: tuple[Callable[[Failure], str | None], ...] = (
    _disk, _memory, _pip_missing, _submodule, _shallow, _network, _module_missing, _source_missing,
    _header_missing, _no_compiler,
)  # fmt: skip
