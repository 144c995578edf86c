"""The two source trees of a race: taken from real repositories, and nothing is changed in them."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hostile import HOSTILE
from pytest_benchgate.race.building import git, log
from racing import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Give a repository: main with two commits, a tag at the first, and a branch off from there."""
    made = Project.make(tmp_path / "p", tmp_path / "cache", {".gitignore": "*.log\n", "a.txt": "one\n", "b.txt": "b\n"})
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    made.git("tag", "v1")
    made.git("checkout", "--quiet", "-b", "side")
    made.commit(**{"side.txt": "side\n"})
    made.git("checkout", "--quiet", "main")
    made.commit(**{"a.txt": "two\n"})
    return made


def repository(project: Project) -> git.Repository:
    return git.Repository.around(project.root)


def listed(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if ".git" not in path.parts and not path.is_dir()
    }


@pytest.mark.parametrize(
    ("revision", "commit", "label"),
    [
        ("main", "main", "main (SHORT)"),
        ("v1", "v1", "v1 (SHORT)"),
        ("HEAD~1", "v1", "HEAD~1 (SHORT)"),
        ("side...", "v1", "side... (SHORT)"),
        ("main...side", "v1", "main...side (SHORT)"),
        ("...side", "v1", "...side (SHORT)"),
    ],
)
def test_revisions(project: Project, revision: str, commit: str, label: str) -> None:
    tree = repository(project).resolve(revision)
    assert tree.commit == project.git("rev-parse", commit)
    assert tree.tree == project.git("rev-parse", f"{commit}^{{tree}}")
    assert tree.label == label.replace("SHORT", tree.commit[:10])


def test_a_commit_is_labelled_by_its_first_characters(project: Project) -> None:
    commit = project.git("rev-parse", "side")
    for revision in (commit, commit[:12]):
        assert repository(project).resolve(revision) == git.Tree(
            commit, project.git("rev-parse", "side^{tree}"), commit[:10], commit
        )


def test_an_annotated_tag_is_its_commit(project: Project) -> None:
    project.git("tag", "-a", "v2", "-m", "words")
    assert repository(project).resolve("v2").commit == project.git("rev-parse", "HEAD")


@pytest.mark.parametrize("revision", ["nothing", "-x", "--all", "", "main:a.txt", "nothing..."])
def test_invalid_revisions_are_refused(project: Project, revision: str) -> None:
    with pytest.raises(git.GitError, match=r"nothing|not a revision"):
        repository(project).resolve(revision)


def test_a_folder_outside_of_any_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(git.GitError, match=r"not a git repository.*--race-base-python"):
        git.Repository.around(tmp_path)


def test_a_merge_base_that_a_shallow_clone_lacks(project: Project, tmp_path: Path) -> None:
    project.git(
        "clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{project.root}", str(tmp_path / "shallow")
    )
    with pytest.raises(git.GitError, match="fetch-depth: 0"):
        git.Repository.around(tmp_path / "shallow").resolve("origin/side...")


def test_both_trees_of_a_shallow_clone(project: Project, tmp_path: Path) -> None:
    """As a CI has them: without history, at no branch, the base fetched beside it."""
    shallow = tmp_path / "shallow"
    project.git("clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{project.root}", str(shallow))
    project.git("checkout", "--quiet", "--detach", cwd=shallow)
    (shallow / "b.txt").write_text("changed and staged\n")
    project.git("add", "--all", cwd=shallow)
    found = git.Repository.around(shallow)
    found.check_out(found.resolve("origin/side"), tmp_path / "base")
    found.check_out_working_tree(tmp_path / "head")
    assert (tmp_path / "base" / "side.txt").read_text() == "side\n"
    assert (tmp_path / "head" / "b.txt").read_text() == "changed and staged\n"


def test_a_revision_is_checked_out_as_it_was(project: Project, tmp_path: Path) -> None:
    project.write(**{"a.txt": "changed\n"})
    before = project.state()
    found = repository(project)
    found.check_out(found.resolve("v1"), tmp_path / "base")
    assert (tmp_path / "base" / "a.txt").read_text() == "one\n"
    assert listed(tmp_path / "base") == {".gitignore", "a.txt", "b.txt"}
    assert project.state() == before


def test_the_working_tree_is_taken_as_it_is(project: Project, tmp_path: Path) -> None:
    project.commit(
        **{"staged.txt": "s\n", "half.txt": "h\n", "gone.txt": "g\n", "sub/deep.txt": "d\n", "run.sh": "#!/bin/sh\n"}
    )
    project.write(**{
        "a.txt": "modified\n", "staged.txt": "staged\n", "half.txt": "staged, then\n", "new.txt": "new\n",
        "added.txt": "added\n", "sub/more.txt": "more\n", "ignored.log": "no\n", 'name with "quotes" é.txt': "odd\n",
    })  # fmt: skip
    project.git("add", "staged.txt", "half.txt", "added.txt")
    project.write(**{"half.txt": "modified again\n"})
    (project.root / "gone.txt").unlink()
    (project.root / "run.sh").chmod(0o755)
    (project.root / "link").symlink_to("a.txt")
    (project.root / ".git" / "info" / "exclude").write_text("private\n")
    project.write(private="mine\n")
    before, index = project.state(), (project.root / ".git" / "index").read_bytes()
    tree = repository(project).check_out_working_tree(tmp_path / "head")
    assert (project.root / ".git" / "index").read_bytes() == index
    head = tmp_path / "head"
    assert {name: (head / name).read_text() for name in ("a.txt", "staged.txt", "half.txt", "new.txt", "added.txt", "sub/more.txt")} == {
        "a.txt": "modified\n", "staged.txt": "staged\n", "half.txt": "modified again\n", "new.txt": "new\n",
        "added.txt": "added\n", "sub/more.txt": "more\n",
    }  # fmt: skip
    assert listed(head) == {
        ".gitignore", "a.txt", "b.txt", "staged.txt", "half.txt", "new.txt", "added.txt", "sub/deep.txt", "sub/more.txt",
        "run.sh", "link", 'name with "quotes" é.txt',
    }  # fmt: skip
    assert os.access(head / "run.sh", os.X_OK)
    assert (head / "link").readlink() == Path("a.txt")
    assert tree.label == "the working tree"
    assert tree.tree == project.git("rev-parse", f"{tree.commit}^{{tree}}", cwd=head)
    assert project.git("status", "--porcelain", cwd=head) == ""
    assert project.state() == before


def test_files_are_filtered_as_in_the_repository(project: Project, tmp_path: Path) -> None:
    """As by Git LFS where it is installed for one repository, by line ends, and by attributes that are not tracked."""
    project.commit(**{".gitattributes": "*.big filter=lfs\n", "data.big": "pointer\n"})
    project.git("config", "filter.lfs.smudge", "sed s/pointer/content/")
    project.git("config", "filter.lfs.clean", "sed s/content/pointer/")
    project.git("config", "filter.lfs.required", "true")
    project.git("config", "core.autocrlf", "true")
    (project.root / ".git" / "info" / "attributes").write_text("b.txt -text\n")
    for name in ("data.big", "a.txt", "b.txt"):
        (project.root / name).unlink()
    project.git("checkout", "--", ".")
    found = repository(project)
    found.check_out(found.resolve("HEAD"), tmp_path / "base")
    tree = found.check_out_working_tree(tmp_path / "head")
    assert tree.commit == project.git("rev-parse", "HEAD")
    for folder in (project.root, tmp_path / "base", tmp_path / "head"):
        found_there = [(folder / name).read_bytes() for name in ("data.big", "a.txt", "b.txt")]
        assert [text.endswith(b"\r\n") for text in found_there] == [True, True, False]
        assert found_there[0].startswith(b"content")


def test_new_files_that_git_cannot_add_are_named_with_a_remedy(project: Project, tmp_path: Path) -> None:
    project.write(**{"empty/new.txt": "new\n"})
    project.git("init", "--quiet", "empty")
    with pytest.raises(git.GitError, match=r"'empty/' does not have a commit[^$]*\n.* list them in \.gitignore"):
        repository(project).check_out_working_tree(tmp_path / "head")


def test_a_clean_working_tree_is_its_commit(project: Project, tmp_path: Path) -> None:
    project.write(**{"ignored.log": "not seen\n"})
    head = project.git("rev-parse", "HEAD")
    tree = repository(project).check_out_working_tree(tmp_path / "head")
    assert tree == git.Tree(head, project.git("rev-parse", "HEAD^{tree}"), f"the working tree ({head[:10]})", head)


def test_new_files_leave_a_commit_what_it_is_and_changes_do_not(project: Project, tmp_path: Path) -> None:
    """A checkout in CI has files of builds and reports; which commit was raced is known nevertheless."""
    head = project.git("rev-parse", "HEAD")
    project.write(**{"new.json": "{}\n"})
    tree = repository(project).check_out_working_tree(tmp_path / "new")
    assert (tree.label, tree.revision) == ("the working tree", head)
    project.write(**{"a.txt": "another\n"})
    assert repository(project).check_out_working_tree(tmp_path / "changed").revision == ""
    project.git("checkout", "--quiet", "--", "a.txt")
    project.git("rm", "--quiet", "--cached", "a.txt")
    (project.root / "a.txt").unlink()
    assert repository(project).check_out_working_tree(tmp_path / "removed").revision == ""


def test_what_a_build_has_left_is_older_than_its_sources(project: Project, tmp_path: Path) -> None:
    """Else a build takes object files, or C code that Cython generated, for those of the sources as they are now."""
    project.write(**{"a.txt": "changed\n", "build/a.o": "of before\n", 'odd "name" é.c': "of before\n"})
    (project.root / "link").symlink_to("a.txt")
    tree = repository(project).check_out_working_tree(tmp_path / "head")
    assert sorted(tree.new) == ["build/a.o", "link", 'odd "name" é.c']
    times_s = {path: (tmp_path / "head" / path).lstat().st_mtime for path in listed(tmp_path / "head")}
    new = {times_s.pop(path) for path in tree.new}
    edited = times_s.pop("a.txt")
    assert max(new) < min(times_s.values()) <= max(times_s.values()) < edited
    assert project.git("status", "--porcelain", cwd=tmp_path / "head") == ""
    # What git describe --dirty asks, without reading files whose times are as they were.
    project.git("diff-files", "--quiet", cwd=tmp_path / "head")
    # A copy, to be built with other flags, has the same times.
    shutil.copytree(tmp_path / "head", tmp_path / "copy", symlinks=True)
    git.clean(tmp_path / "copy")
    for path in listed(tmp_path / "head"):
        assert (tmp_path / "copy" / path).lstat().st_mtime == (tmp_path / "head" / path).lstat().st_mtime
    again = repository(project).check_out_working_tree(tmp_path / "again")
    assert {path: (tmp_path / "again" / path).lstat().st_mtime for path in times_s} == times_s
    assert again == tree


def test_new_files_are_as_old_among_each_other_as_they_are(project: Project, tmp_path: Path) -> None:
    project.write(**{"fast.pyx": "1\n", "fast.c": "1\n", "more.c": "1\n"})
    for number, path in enumerate(("fast.c", "more.c", "fast.pyx")):
        os.utime(project.root / path, (number, number))
    repository(project).check_out_working_tree(tmp_path / "head")
    times_s = [(tmp_path / "head" / path).stat().st_mtime for path in ("fast.c", "more.c", "fast.pyx", "b.txt")]
    assert times_s == sorted({*times_s})


def test_what_a_session_writes_is_no_part_of_head(project: Project, tmp_path: Path) -> None:
    """Ignored or not. A file that git tracks is a part of it nevertheless."""
    project.commit(**{".gitignore": "*.log\nsaved\n"})
    outputs = ("out/[1] *.json", "report.md", "saved", "new", "a.txt")
    written = ("out/[1] *.json", "report.md", "saved/0001.json", "new/0001.json", "tests/__pycache__/test_a.pyc")
    project.write(**dict.fromkeys(written, "1\n"))
    places = (*(project.root / output for output in outputs), tmp_path / "elsewhere.md", project.root)
    found = git.Repository(project.root, places)
    tree = found.check_out_working_tree(tmp_path / "head")
    assert tree == dataclasses.replace(found.resolve("HEAD"), label=tree.label)
    project.write(**{"out/1 1.json": "1\n", "sub/report.md": "1\n", "a.txt": "changed\n"})
    more = found.check_out_working_tree(tmp_path / "more")
    assert (more.new, more.revision) == (("out/1 1.json", "sub/report.md"), "")


def test_a_change_in_the_same_second_and_of_the_same_size_is_detected(project: Project, tmp_path: Path) -> None:
    for number in range(4):
        project.commit(**{"a.txt": f"{number}1\n"})
        project.write(**{"a.txt": f"{number}2\n"})
        repository(project).check_out_working_tree(tmp_path / str(number))
        assert (tmp_path / str(number) / "a.txt").read_text() == f"{number}2\n"


def test_the_same_changes_are_the_same_commit(project: Project, tmp_path: Path) -> None:
    project.write(**{"a.txt": "changed\n"})
    trees = [repository(project).check_out_working_tree(tmp_path / name) for name in ("one", "two")]
    assert trees[0] == trees[1]


def test_versions_can_be_derived_from_tags(project: Project, tmp_path: Path) -> None:
    found = repository(project)
    found.check_out(found.resolve("side"), tmp_path / "base")
    project.write(**{"a.txt": "changed\n"})
    found.check_out_working_tree(tmp_path / "head")
    assert project.git("describe", "--tags", cwd=tmp_path / "base").startswith("v1-1-g")
    assert project.git("describe", "--tags", cwd=tmp_path / "head").startswith("v1-2-g")


def test_from_within_a_git_hook(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(**{"new.txt": "new\n"})
    before = project.state()
    elsewhere = Project.make(tmp_path / "else", tmp_path / "cache", {"else.txt": ""})
    monkeypatch.setenv("GIT_DIR", str(elsewhere.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(elsewhere.root))
    monkeypatch.setenv("GIT_INDEX_FILE", str(elsewhere.root / ".git" / "index"))
    found = repository(project)
    assert found.root == project.root.resolve()
    found.check_out(found.resolve("v1"), tmp_path / "base")
    found.check_out_working_tree(tmp_path / "head")
    assert (tmp_path / "head" / "new.txt").is_file()
    assert not (tmp_path / "head" / "else.txt").exists()
    assert project.state() == before
    assert elsewhere.git("status", "--porcelain") == ""


def test_from_a_linked_worktree_and_a_subfolder(project: Project, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    project.git("worktree", "add", "--quiet", str(linked), "side")
    (linked / "sub").mkdir()
    (linked / "sub" / "new.txt").write_text("new\n")
    found = git.Repository.around(linked / "sub")
    assert found.root == linked.resolve()
    tree = found.check_out_working_tree(tmp_path / "head")
    assert listed(tmp_path / "head") == {".gitignore", "a.txt", "b.txt", "side.txt", "sub/new.txt"}
    assert project.git("rev-parse", f"{tree.commit}^", cwd=tmp_path / "head") == project.git("rev-parse", "side")
    assert len(project.git("worktree", "list").splitlines()) == 2


def test_a_submodule_comes_from_the_local_copy(project: Project, tmp_path: Path) -> None:
    """Its commit is not anywhere else, and its remote is gone."""
    library = Project.make(tmp_path / "library", tmp_path / "cache", {"lib.c": "one\n"})
    project.git("submodule", "--quiet", "add", str(library.root), "vendor/lib")
    base = project.commit()
    inside = project.root / "vendor" / "lib"
    (inside / "lib.c").write_text("two\n")
    project.git("commit", "--quiet", "--all", "--message", "local", cwd=inside)
    library.root.rename(tmp_path / "moved")
    found = repository(project)
    found.check_out(found.resolve(base), tmp_path / "base")
    found.check_out_working_tree(tmp_path / "head")
    assert (tmp_path / "base" / "vendor" / "lib" / "lib.c").read_text() == "one\n"
    assert (tmp_path / "head" / "vendor" / "lib" / "lib.c").read_text() == "two\n"


def test_a_submodule_may_be_named_as_the_folder_of_its_repository(project: Project, tmp_path: Path) -> None:
    """As python-rapidjson's, cloned into a folder "rapidjson"; the repository itself is no copy of it."""
    library = Project.make(tmp_path / "library", tmp_path / "cache", {"lib.c": "one\n"})
    project.git("submodule", "--quiet", "add", str(library.root), project.root.name)
    base = project.commit()
    library.root.rename(tmp_path / "moved")
    found = repository(project)
    found.check_out(found.resolve(base), tmp_path / "base")
    assert (tmp_path / "base" / project.root.name / "lib.c").read_text() == "one\n"


def test_a_repository_whose_last_submodule_was_removed(project: Project, tmp_path: Path) -> None:
    """Git leaves an empty .gitmodules, as in PyRoaringBitMap."""
    library = Project.make(tmp_path / "library", tmp_path / "cache", {"lib.c": "one\n"})
    project.git("submodule", "--quiet", "add", str(library.root), "vendor/lib")
    project.commit()
    project.git("rm", "--quiet", "vendor/lib")
    assert (project.root / ".gitmodules").read_text() == ""
    repository(project).check_out_working_tree(tmp_path / "head")
    git.clean(tmp_path / "head")
    assert not (tmp_path / "head" / "vendor").exists()


def with_library(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a repository with a submodule of its own, that is a submodule of the project's next commit."""
    # As a user would have it whose remotes are on the same machine.
    for name, value in {"COUNT": "1", "KEY_0": "protocol.file.allow", "VALUE_0": "always"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    deep = Project.make(tmp_path / "deep", tmp_path / "cache", {"deep.h": "deep\n"})
    library = Project.make(tmp_path / "library", tmp_path / "cache", {"lib.h": "lib\n"})
    library.git("submodule", "--quiet", "add", "--name", "inner", str(deep.root), "nested")
    library.commit()
    project.git("submodule", "--quiet", "add", "--name", "outer", str(library.root), "vendor/lib")
    project.commit()
    return library


def taken(project: Project, folder: Path) -> set[str]:
    """Return which files of the submodules a clone of the working tree has."""
    repository(project).check_out_working_tree(folder)
    return {path.name for path in folder.rglob("*.h")}


def test_changes_within_a_submodule_are_a_part_of_head(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Levenshtein, whose algorithms are those of its submodule rapidfuzz-cpp."""
    with_library(project, tmp_path, monkeypatch)
    project.git("submodule", "--quiet", "update", "--init", "--recursive")
    inside, found = project.root / "vendor" / "lib", repository(project)
    clean = found.check_out_working_tree(tmp_path / "clean")
    (inside / "lib.h").write_text("slower\n")
    (inside / "new.h").write_text("new\n")
    changed = found.check_out_working_tree(tmp_path / "changed")
    (inside / "nested" / "deep.h").write_text("slower, too\n")
    before = project.git("status", "--porcelain"), project.git("status", "--porcelain", cwd=inside)
    nested = found.check_out_working_tree(tmp_path / "nested")
    assert len({clean.tree, changed.tree, nested.tree}) == 3
    assert (clean.revision, changed.label, changed.revision) == (clean.commit, "the working tree", "")
    assert (tmp_path / "changed" / "vendor" / "lib" / "lib.h").read_text() == "slower\n"
    assert (tmp_path / "changed" / "vendor" / "lib" / "nested" / "deep.h").read_text() == "deep\n"
    git.clean(tmp_path / "nested")
    assert (tmp_path / "nested" / "vendor" / "lib" / "new.h").read_text() == "new\n"
    assert (tmp_path / "nested" / "vendor" / "lib" / "nested" / "deep.h").read_text() == "slower, too\n"
    assert (project.git("status", "--porcelain"), project.git("status", "--porcelain", cwd=inside)) == before
    assert found.check_out_working_tree(tmp_path / "again").tree == nested.tree


def test_submodules_that_are_not_initialised_come_from_their_remotes(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = with_library(project, tmp_path, monkeypatch)
    assert not (project.root / "vendor" / "lib" / "nested" / "deep.h").exists()  # only the outer one is initialised
    assert taken(project, tmp_path / "outer") == {"lib.h", "deep.h"}
    project.git("submodule", "--quiet", "deinit", "--force", "--all")
    shutil.rmtree(project.root / ".git" / "modules")
    assert taken(project, tmp_path / "none") == {"lib.h", "deep.h"}
    library.root.rename(tmp_path / "moved")
    assert taken(project, tmp_path / "gone") == set()  # as empty as in the user's tree


def test_nested_submodules_come_from_the_local_copies(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_library(project, tmp_path, monkeypatch)
    project.git("submodule", "--quiet", "update", "--init", "--recursive")
    for name in ("deep", "library"):
        (tmp_path / name).rename(tmp_path / f"{name}-moved")
    assert taken(project, tmp_path / "head") == {"lib.h", "deep.h"}
    (tmp_path / "head" / "vendor" / "lib" / "built.h").touch()
    git.clean(tmp_path / "head")
    assert not (tmp_path / "head" / "vendor" / "lib" / "built.h").exists()
    assert (tmp_path / "head" / "vendor" / "lib" / "nested" / "deep.h").exists()


def test_a_submodule_s_commit_that_the_local_copy_lacks_comes_from_the_remote(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = with_library(project, tmp_path, monkeypatch)
    commit = library.commit(**{"more.h": "more\n"})
    project.git("update-index", "--cacheinfo", f"160000,{commit},vendor/lib")
    project.git("commit", "--quiet", "--message", "as fetched, but the submodule is not updated")
    found = repository(project)
    found.check_out(found.resolve("HEAD"), tmp_path / "base")
    assert (tmp_path / "base" / "vendor" / "lib" / "more.h").is_file()
    library.root.rename(tmp_path / "moved")
    with pytest.raises(git.GitError, match=r"submodule vendor/lib lacks the commit .* git submodule update --init"):
        found.check_out(found.resolve("HEAD"), tmp_path / "again")


def test_without_git_the_alternative_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(git.GitError, match=r"^git is not installed; without it, .*--race-base-python=PYTHON$"):
        repository(project)


def test_one_file_of_a_tree(project: Project) -> None:
    found = repository(project)
    assert found.text(found.resolve("v1"), "a.txt") == "one"
    assert found.text(found.resolve("v1"), "side.txt") is None


def test_what_a_build_left_is_removed(project: Project, tmp_path: Path) -> None:
    repository(project).check_out_working_tree(tmp_path / "head")
    (tmp_path / "head" / "build").mkdir()
    (tmp_path / "head" / "build" / "x.log").write_text("built\n")
    (tmp_path / "head" / "a.txt").write_text("generated\n")
    git.clean(tmp_path / "head")
    assert listed(tmp_path / "head") == {".gitignore", "a.txt", "b.txt"}
    assert (tmp_path / "head" / "a.txt").read_text() == "two\n"


def test_files_and_folders_replace_others(tmp_path: Path) -> None:
    for name, files in {"source": ["t/new", "f", "d/x"], "target": ["t/old", "f/was-a-folder", "d", "kept"]}.items():
        for file in files:
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(name)
    (tmp_path / "source" / "t" / "link").symlink_to("new")
    git.replace(tmp_path / "source", tmp_path / "target", [Path("t"), Path("f"), Path("d"), Path("t/link")])
    assert listed(tmp_path / "target") == {"t/new", "t/link", "f", "d/x", "kept"}
    assert (tmp_path / "target" / "t" / "link").is_symlink()


def test_commits_are_read_whatever_their_texts_hold(project: Project) -> None:
    """One commit for each hostile text as author and subject, as far as git takes it."""
    for text in HOSTILE.values():
        message = text.encode("utf-8", "surrogatepass").replace(b"\0", b"")[:50_000] + b"\n"
        author = "".join(char for char in text if char.isprintable() and char not in "<>")[:500] or "x"
        command = [
            "git",
            "commit",
            "--quiet",
            "--allow-empty",
            "--allow-empty-message",
            "--cleanup=verbatim",
            "-F",
            "-",
        ]
        who = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env = project.environment(**{**who, "GIT_AUTHOR_NAME": f"a {author} b"})
        subprocess.run(command, cwd=project.root, env=env, input=message, check=True)
    commits = log.log(project.root, "--reverse", f"HEAD~{len(HOSTILE)}..HEAD")
    assert [one.id for one in commits] == project.git("rev-list", "--reverse", f"HEAD~{len(HOSTILE)}..HEAD").split()
    assert all(one.author.startswith("a") and len(one.parents) == 1 for one in commits)
    assert "<script>alert(1)</script>" in {one.subject for one in commits}
