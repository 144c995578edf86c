"""Files that git ignores and tests need: an error names them, and --race-files gives both sides a copy."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from pytest_benchgate.race.sides.absent import Absent
from pytest_benchgate.race.sides.files import Files
from pytest_benchgate.race.sides.sides import SidesError
from racing import PLAIN, PLUGINS, QUICK, SLOW_CALC, Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
TESTS = """\
import calc, pathlib, pytest
ROOT = pathlib.Path(__file__).parent.parent
def test_relative(benchmark):
    open('data/x.bin').close()
    benchmark(calc.count)
def test_absolute(benchmark):
    path = ROOT / "data" / "more" / "a b[1].bin"
    if not path.is_file():
        raise LookupError(f"run `make data`: no '{path}'!")
    path.write_text("changed")
    benchmark(calc.count)
def test_skipping(benchmark):
    pathlib.Path("data/x.bin").exists() or pytest.skip("data/x.bin is not here")
    benchmark(calc.count)
def test_forgotten(benchmark):
    (ROOT / "forgotten.txt").read_text()
    benchmark(calc.count)
def test_other(benchmark):
    assert not benchmark(calc.count), "data/x.bin"
    raise OSError("data/y.bin is of no use, nor is build")
"""
DATA = {"data/x.bin": "x", "data/more/a b[1].bin": "a", "data/.hidden": "h", "data/__pycache__/no.pyc": ""}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Give a repository that ignores the folder data, which has one tracked file."""
    made = Project.make(tmp_path / "p", tmp_path / "cache", {".gitignore": "data/\n*.so\n", "src/a.py": "\n"})
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    made.write(**DATA, **{"data/read.me": "1", "new.txt": "n", "built.so": ""})
    made.git("add", "--force", "data/read.me")
    made.git("commit", "--quiet", "--message", "Data")
    return made


def paths(project: Project, *patterns: str, root: str = "") -> list[str]:
    return [str(path) for path in Files.matching(patterns, project.root, Path(root)).paths]


@pytest.mark.parametrize(
    ("patterns", "root", "expected"),
    [
        ([], "", []),
        (["data"], "", ["data/.hidden", "data/more/a b[1].bin", "data/x.bin"]),
        (["data/*.bin", "data/x*", "new.txt"], "", ["data/x.bin", "new.txt"]),
        (["data/more/a b[1].bin"], "", ["data/more/a b[1].bin"]),
        (["**/*.bin"], "", ["data/more/a b[1].bin", "data/x.bin", "linked/far.bin"]),
        (["../data/x.bin"], "src", ["data/x.bin"]),
        (["linked"], "", ["linked/far.bin"]),
    ],
    ids=str,
)
def test_what_git_does_not_track_is_copied(
    project: Project, patterns: list[str], root: str, expected: list[str]
) -> None:
    """The files of a linked folder, too, once."""
    far = project.folder / "far"
    far.mkdir()
    (far / "far.bin").touch()
    (far / "circle").symlink_to(far)
    (project.root / "linked").symlink_to(far)
    assert paths(project, *patterns, root=root) == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            "nothing/*.npz",
            r"--race-files=nothing/\*\.npz matches no file in .*repository; give a file, a folder or a gl",
        ),
        ("data/__pycache__", "matches no file"),
        ("data/read.me", r"git tracks what it matches, such as data/read\.me, so that each side has that of its own"),
        (
            "../far/*",
            r"/far/\* is outside of the repository .*repository; both sides find it there by an absolute path",
        ),
        ("/etc/hosts", "/etc/hosts is outside of the repository"),
        ("", "names all of .*repository; name the files or folders"),
        ("data/../..", "is outside"),
        (".git", "matches no file"),
    ],
)
def test_what_cannot_be_copied_is_refused(project: Project, pattern: str, message: str) -> None:
    with pytest.raises(SidesError, match=message):
        paths(project, pattern)


def test_where_the_files_are(project: Project, tmp_path: Path) -> None:
    """A linked worktree has none of the main one, which race_files_root may name."""
    linked = tmp_path / "linked"
    project.git("worktree", "add", "--quiet", str(linked))
    with pytest.raises(SidesError, match=r"matches no file in .*; name the main worktree in race_files_root"):
        Files.matching(["data/x.bin"], linked, Path())
    for source in (tmp_path, tmp_path / "none"):
        with pytest.raises(SidesError, match=f"race_files_root: {source} is not a checkout of the repository"):
            Files.matching(["data/x.bin"], source, Path())


def test_a_copy_leaves_what_a_checkout_has_and_where_its_links_lead(project: Project, tmp_path: Path) -> None:
    files = Files.matching(["data"], project.root, Path())
    tree, other = tmp_path / "tree", tmp_path / "other"
    (tree / "data").mkdir(parents=True)
    (tree / "data" / "x.bin").write_text("of an older commit")
    other.mkdir()
    (tree / "data" / "more").symlink_to(other)
    assert [str(path) for path in files.copy(tree)] == ["data/more/a b[1].bin", "data/x.bin"]
    assert (tree / "data" / "x.bin").read_text() == "of an older commit"
    assert [*other.iterdir()] == []
    assert (tree / "data" / ".hidden").read_text() == "h"
    shutil.copytree(tree, tmp_path / "again", symlinks=True, ignore=lambda *inside: files.are_in(tree, *inside))
    assert {path.name for path in (tmp_path / "again" / "data").iterdir()} == {"more"}
    (tree / "data" / ".hidden").write_text("changed")
    assert (project.root / "data" / ".hidden").read_text() == "h"
    assert str(files) == "3 files (3.00 B)"


def test_a_file_that_cannot_be_copied_is_named(project: Project, tmp_path: Path) -> None:
    files = Files.matching(["data/x.bin"], project.root, Path())
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "data").touch()
    with pytest.raises(SidesError, match=r"--race-files: data/x\.bin could not be copied into the checkouts"):
        files.copy(tmp_path / "tree")


BASE_AND_HEAD = "base and head"
IGNORED = (
    "git ignores data/x.bin (see: git check-ignore -v data/x.bin), so that the checkouts of this race lack it: give"
)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("call: x\nE   FileNotFoundError: [Errno 2] No such file or directory: 'data/x.bin'\n", IGNORED),
        ("call: x\nE   FileNotFoundError: data/x.bin not found.", IGNORED),
        ("E   OSError: Unable to open file (name = 'TREE/data/x.bin', errno = 2)", IGNORED),
        ("E   cv2.error: can't open TREE/data/x.bin: check the path", IGNORED),
        ('E   AssertionError: assert PosixPath("TREE/tests/../data/x.bin").exists()', IGNORED),
        ("E   RuntimeError: cannot read file://TREE/data/x.bin:1:2", IGNORED),
        ("OSError: ../data/x.bin", IGNORED),
        ("E   LookupError: 'TREE/data/more/a b[1].bin'", "--race-files='data/more/a b[1].bin' (or its folder"),
        ("E   FileNotFoundError: 'TREE/data/more'", "git ignores data/more (see"),
        ("E   FileNotFoundError: 'new.txt'", "new.txt is not committed, so that the checkout of base lacks it: give bo"),
        ("E   FileNotFoundError: 'data/read.me'", "git tracks data/read.me, but the commit of base lacks it: keep what tests"),
        (">   open('data/x.bin')\nE   ValueError: no such row\ndata/x.bin:3", ""),
        ("E   OSError: cannot open shared object file TREE/built.so", ""),
        ("E   AssertionError: the data of src/a.py and nothing/x.bin, in /data/x.bin, TREE, TREE/../p and .git/config", ""),
        ("E   OSError: '" + "x/" * 3000 + "' '" + "x" * 900 + ".bin' 'a.b\0c' '' ~/data/x.bin " + "../" * 50 + "a", ""),
    ],
)  # fmt: skip
def test_a_hint_names_the_file(project: Project, tmp_path: Path, reason: str, expected: str) -> None:
    sides = {}
    for name in ("base", "head"):
        (tmp_path / name / "tests").mkdir(parents=True)
        (tmp_path / name / "src").mkdir()
        (tmp_path / name / "src" / "a.py").touch()
        sides[name] = (tmp_path / name, tmp_path / name)
    (tmp_path / "head" / "new.txt").touch()
    (tmp_path / "head" / "data").mkdir()
    (tmp_path / "head" / "data" / "read.me").touch()
    hint = Absent(project.root, Path(), sides).hint
    for side in (BASE_AND_HEAD, "base"):
        found = hint(side, reason.replace("TREE", str(tmp_path / "base")), "tests/test_x.py")
        assert found.startswith(expected) if not expected.startswith("--") else expected in found
        assert bool(found) == bool(expected)
        assert "\n" not in found
    assert hint("head", "E   FileNotFoundError: 'new.txt'", "tests/test_x.py") == ""


def racing(plain: Project, *options: str) -> tuple[dict[str, str], dict[str, str], str]:
    """Race; return verdicts and reasons by the names of tests, and the output."""
    run = plain.race("HEAD", "--race-max-launches=1", *options)
    return run.verdicts, {one["name"]: one["reason"] for one in run.race.get("raced", ())}, run.text


def test_a_race_with_files_that_git_ignores(plain: Project) -> None:
    """In base, test_gone is not skipped, which is seen in one more checkout."""
    gone = "def test_gone(benchmark):\n    {}open('data/x.bin').close()\n    benchmark(calc.count)\n"
    plain.commit(**{".gitignore": "data/\n", "tests/test_calc.py": TESTS + gone.format("")})
    plain.write(**DATA, **{"forgotten.txt": "", "calc.py": f"{PLAIN['calc.py']}\n"})
    plain.write(**{"tests/test_calc.py": TESTS + gone.format("pytest.skip('head')\n    ")})
    verdicts, reasons, text = racing(plain)
    assert verdicts == {
        "test_relative": "error", "test_absolute": "error", "test_skipping": "skipped", "test_forgotten": "error",
        "test_other": "error", "test_gone": "skipped",
    }  # fmt: skip
    assert reasons["test_relative"].count("Errno 2") == 1
    for name in ("test_relative", "test_skipping"):
        assert IGNORED in reasons[name].splitlines()[-1]
    assert reasons["test_absolute"].splitlines()[-1].startswith("git ignores data/more/a b[1].bin (see")
    assert reasons["test_forgotten"].splitlines()[-1].startswith("forgotten.txt is not committed, so that")
    assert "race-files" not in reasons["test_other"] + reasons["test_gone"]
    advice = re.search(r"to give both sides a copy of (.+), for test_\w+:\n +(pytest .*)", text)
    assert advice is not None, text
    assert f"--race-files={advice[1]}" in shlex.split(advice[2])

    before = plain.state()
    verdicts, reasons, text = racing(plain, "--race-files", "data", "--race-files=forgotten.txt")
    assert len(verdicts) == 6
    assert {name for name, verdict in verdicts.items() if verdict in {"error", "skipped"}} == {"test_other"}
    assert verdicts["test_gone"] == "gone", reasons
    assert "copying 4 files (" in text
    assert plain.state() == before
    repeat = next(line for line in text.splitlines() if line.startswith("repeat: "))
    assert [word for word in shlex.split(repeat) if "files" in word] == [
        "--race-files=data",
        "--race-files=forgotten.txt",
    ]


def test_a_pattern_that_matches_nothing_ends_a_race_before_it_begins(plain: Project) -> None:
    """As in the configuration; the command line takes its place."""
    plain.commit(**{"pytest.ini": f"{PLAIN['pytest.ini']}race_files = none/*.bin 'a b'\n"})
    run = plain.race("HEAD", "--race-max-launches=1")
    assert (run.returncode, run.verdicts) == (pytest.ExitCode.USAGE_ERROR, {})
    assert "--race-files=none/*.bin matches no file in" in run.text
    run = plain.race("HEAD", "--race-files=a*")
    assert "--race-files=a* matches no file in" in run.text


def test_a_bisection_takes_the_files_of_the_working_tree(plain: Project) -> None:
    plain.commit(**{".gitignore": "data/\n", "tests/test_calc.py": TESTS})
    plain.git("tag", "good")
    plain.commit(**{"calc.py": SLOW_CALC})
    plain.write(**DATA)
    command = [sys.executable, "-m", "pytest_benchgate.cli", "bisect", "--good=good", "--bad=main", f"--race-cache={plain.cache}",
               "tests/test_calc.py::test_relative", *PLUGINS, *QUICK, "--race-explain=off", "--race-files=data"]  # fmt: skip
    run = plain.run(command=command, XDG_STATE_HOME=str(plain.folder / "state"))
    assert run.returncode == 0, run.text
