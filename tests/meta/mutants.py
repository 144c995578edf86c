"""Break the compiled sources on purpose, one change at a time: the tests must fail, and no wrong row may get a time.

    tox run -e mutants              every change, about five minutes
    tox run -e mutants -- step.h    the changes of one source

A change turns a multiplication into an addition, or leaves out one step. Works on a copy of the tree, installed
editable into the environment that runs this, so that each change rebuilds what depends on it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted(ROOT.glob("logmap_cy/**/*.p[yx][xd]")), *sorted(ROOT.glob("kernels/*"))]
COMMENTS = re.compile(r'/\*.*?\*/|""".*?"""|#[^\n]*', re.DOTALL)
CHANGES = [
    (re.compile(r"(?<=[\w)]) \* (?=[\w(])"), " + "),
    (re.compile(r"(?:(?<== )|(?<=return ))step\((\w+)[^)]*\)"), r"\1"),
]


@dataclass(frozen=True)
class Mutant:
    """A source with one change."""

    path: Path
    line: int
    text: str
    was: str
    becomes: str

    def __str__(self) -> str:
        """Return where the change is and what it does."""
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.was.strip()!r} -> {self.becomes.strip()!r}"


def mutants(path: Path) -> list[Mutant]:
    """Return every single change of the source at path; comments and docstrings are left alone."""
    text = path.read_text("utf-8")
    code = COMMENTS.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)
    return [
        Mutant(
            path,
            text.count("\n", 0, at.start()) + 1,
            text[: at.start()] + at.expand(becomes) + text[at.end() :],
            at[0],
            at.expand(becomes),
        )
        for pattern, becomes in CHANGES
        for at in pattern.finditer(code)
    ]


def pytest(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on the copied tree."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(tree / "pyproject.toml"), "--rootdir", str(tree)]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, cwd=tree.parent, timeout=600
    )


def verdict(tree: Path) -> str | None:
    """Return what is wrong with the tests' answer to the change in tree, or None."""
    times = tree.parent / "times.json"
    times.unlink(missing_ok=True)
    exact = pytest(tree, str(tree / "tests/test_exact.py"), "-x", "-k", "oracle and not python and not pool")
    if exact.returncode != 1:
        return f"the correctness tests ended with {exact.returncode}, not 1:\n{exact.stdout[-2000:]}"
    race = pytest(
        tree, str(tree / "tests/test_benchmarks.py"), "--benchmark-only", "-k", "1Ki", "--benchmark-max-time=0.01",
        f"--benchmark-json={times}",
    )  # fmt: skip
    if not times.exists():
        return f"no JSON, and exit status {race.returncode}:\n{race.stdout[-2000:]}{race.stderr[-2000:]}"
    wrong = set(re.findall(r"^FAILED \S+::(\S+)", race.stdout, re.MULTILINE))
    timed = {benchmark["name"] for benchmark in json.loads(times.read_text("utf-8"))["benchmarks"]}
    if not timed:
        return f"nothing was timed at all:\n{race.stdout[-2000:]}"
    return f"wrong, and timed: {sorted(wrong & timed)}" if wrong & timed else None


def main() -> int:
    """Try the changes of the sources whose path contains one of the arguments, of all without; return the survivors."""
    wanted = [path for path in SOURCES if path.name != "opencl_article.cl"]  # wrong as it is
    wanted = [path for path in wanted if not sys.argv[1:] or any(word in str(path) for word in sys.argv[1:])]
    changes = [mutant for path in wanted for mutant in mutants(path)]
    if not changes:
        sys.exit(f"no source in Cython or OpenCL contains {' or '.join(sys.argv[1:])} in its path: nothing to break")
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "dist"))
        install = ["-m", "pip", "install", "-q", "--no-build-isolation", "-e", f"{tree}[opencl]"]
        subprocess.run([sys.executable, *install], check=True)
        for mutant in changes:
            target = tree / mutant.path.relative_to(ROOT)
            target.write_text(mutant.text, "utf-8")
            problem = verdict(tree)
            shutil.copy(mutant.path, target)
            print(f"{'SURVIVED' if problem else 'caught':9}{mutant}", *filter(None, [problem]), sep="\n", flush=True)
            survivors += bool(problem)
    print(f"{survivors} survived")
    return min(survivors, 1)


if __name__ == "__main__":
    sys.exit(main())
