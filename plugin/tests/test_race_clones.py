"""The two source trees of a race where git keeps less than all, or otherwise than usual: both are whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.building import git
from racing import Project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
BASE, HEAD = "v1", "HEAD"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Give a repository with two commits, a tag at the first."""
    made = Project.make(tmp_path / "p", tmp_path / "cache", {"src/a.c": "one\n", "data/b.txt": "b\n"})
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    made.git("tag", BASE)
    made.commit(**{"src/a.c": "two\n"})
    return made


def both(root: Path, folder: Path) -> list[dict[str, str]]:
    """Return the texts of the files of base and head, which are checked out in a folder."""
    found = git.Repository.around(root)
    found.check_out(found.resolve(BASE), folder / "base")
    found.check_out_working_tree(folder / "head")
    names = ("src/a.c", "data/b.txt")
    return [{name: (folder / side / name).read_text().strip() for name in names} for side in ("base", "head")]


def partial(project: Project, folder: Path) -> None:
    """Clone a project without the contents of its older files, as with actions/checkout's `filter: blob:none`."""
    project.git("config", "uploadpack.allowFilter", "true")
    project.git("config", "uploadpack.allowAnySHA1InWant", "true")
    project.git("clone", "--quiet", "--filter=blob:none", f"file://{project.root}", str(folder))


def test_a_partial_clone(project: Project, tmp_path: Path) -> None:
    partial(project, tmp_path / "partial")
    assert both(tmp_path / "partial", tmp_path) == [
        {"src/a.c": "one", "data/b.txt": "b"},
        {"src/a.c": "two", "data/b.txt": "b"},
    ]


@pytest.mark.parametrize("remote", ["gone", "never there"])
def test_files_whose_content_cannot_be_had(project: Project, tmp_path: Path, remote: str) -> None:
    clone = tmp_path / "partial"
    partial(project, clone)
    if remote == "gone":
        project.root.rename(tmp_path / "moved")
    else:
        project.git("config", "--remove-section", "remote.origin", cwd=clone)
    with pytest.raises(
        git.GitError, match=r"(?s)^git checkout .*\nthe repository lacks files of \w{10}: it is a partial"
    ):
        both(clone, tmp_path)


def test_a_sparse_checkout(project: Project, tmp_path: Path) -> None:
    """What it leaves out is a part of both sides; a build that lacked it would be cached as that of the whole tree."""
    project.git("sparse-checkout", "set", "src")
    assert not (project.root / "data").exists()
    project.write(**{"src/a.c": "three\n"})
    before = project.git("status", "--porcelain")
    assert both(project.root, tmp_path) == [
        {"src/a.c": "one", "data/b.txt": "b"},
        {"src/a.c": "three", "data/b.txt": "b"},
    ]
    assert project.git("status", "--porcelain") == before


@pytest.mark.parametrize("depth", [1, 0], ids=["shallow", "whole"])
@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("HEAD~9", "'HEAD~9' is not a revision of "),
        ("origin/gone...", "'origin/gone' in 'origin/gone...' is not a revision of "),
        ("origin/other...", "origin/other...: there is no merge base"),
    ],
)
def test_what_a_shallow_clone_lacks(project: Project, tmp_path: Path, depth: int, revision: str, words: str) -> None:
    """As that of actions/checkout, which has one commit unless it is told otherwise."""
    project.git("checkout", "--quiet", "--orphan", "other")
    project.commit()
    clone = tmp_path / "clone"
    project.git("checkout", "--quiet", "main")
    project.git(
        "clone", "--quiet", "--no-single-branch", *([f"--depth={depth}"] * depth), f"file://{project.root}", str(clone)
    )
    with pytest.raises(git.GitError) as caught:
        git.Repository.around(clone).resolve(revision)
    assert str(caught.value).startswith(words)
    assert ("actions/checkout: fetch-depth: 0" in str(caught.value)) == bool(depth)


def test_a_range_of_commits_is_no_revision(project: Project) -> None:
    with pytest.raises(git.GitError, match=r"'v1\.\.HEAD' is not a revision of .*; name one commit, or A\.\.\.B"):
        git.Repository.around(project.root).resolve("v1..HEAD")


def test_a_split_index(project: Project, tmp_path: Path) -> None:
    project.git("update-index", "--split-index")
    project.write(**{"src/a.c": "three\n"})
    assert [files["src/a.c"] for files in both(project.root, tmp_path)] == ["one", "three"]


def test_commits_that_are_replaced(project: Project, tmp_path: Path) -> None:
    """The trees are those that the builds are cached by."""
    project.git("replace", BASE, HEAD)
    base = git.Repository.around(project.root).resolve(BASE)
    assert both(project.root, tmp_path)[0]["src/a.c"] == "one"
    assert base.tree == project.git("rev-parse", "HEAD^{tree}", cwd=tmp_path / "base")


def test_new_files_of_a_submodule_that_git_status_hides(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Project.make(tmp_path / "library", tmp_path / "cache", {"lib.h": "lib\n"})
    for number, (key, value) in enumerate({"protocol.file.allow": "always", "status.showUntrackedFiles": "no"}.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    project.git("submodule", "--quiet", "add", str(library.root), "lib")
    project.commit()
    (project.root / "lib" / "new.h").write_text("new\n")
    git.Repository.around(project.root).check_out_working_tree(tmp_path / "head")
    assert (tmp_path / "head" / "lib" / "new.h").read_text() == "new\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files to others")
def test_a_repository_of_another_user(project: Project) -> None:
    """Git's message ends with the command to run."""
    os.chown(project.root, 12345, 12345)
    os.chown(project.root / ".git", 12345, 12345)
    with pytest.raises(git.GitError, match=rf"git config --global --add safe\.directory {project.root}$"):
        git.Repository.around(project.root)
