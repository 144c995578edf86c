"""The two source trees of a race, from a git repository: a revision as it was, and the working tree as it is.

Each tree is checked out in a clone that shares the repository's objects: fast, with the tags and the history from which
build backends derive versions, and without a trace in the repository itself, not even objects of uncommitted changes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_benchgate.race.building import submodules
from pytest_benchgate.race.building.run_git import WITHOUT_GIT, GitError, git

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["GitError", "Repository", "Tree", "clean", "git", "replace"]
# With these, a commit of the working tree has the same hash each time.
NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "race"), ("EMAIL", "race@localhost"), ("DATE", "2000-01-01T00:00:00Z"))
}
# The times of files in a checkout, in seconds since 1970: in 2000 and 2001, as zip archives know none before 1980.
NEW_S, UNCHANGED_S = 946_684_800, 978_307_200
# Whatever the user has configured.
ALL_CHANGES = ("--untracked-files=normal", "--ignore-submodules=none")
# What a repository's own configuration says of the content of files: filters such as that of Git LFS, line ends.
CONTENT = r"^(filter\..*|core\.(autocrlf|eol|safecrlf|symlinks|filemode|attributesfile|excludesfile))$"


# What it says of the remotes from which git fetches objects that a partial clone lacks, and of access to them.
PROMISORS = (
    r"^(remote\..*\.(url|promisor|partialclonefilter)|http\..*|credential\..*|url\..*|core\.sshcommand|ssh\.variant)$"
)


@dataclass(frozen=True)
class Tree:
    """A source tree.

    Attributes
    ----------
    commit : str
        Its commit; for a working tree with changes, one that exists only in its clone.
    tree : str
        Git's hash of its content.
    label : str
        Its name in reports.
    revision : str
        The commit of the user's repository that has each of its files but for new ones; empty if there is none.
    new : tuple of str
        The paths of these.

    """

    commit: str
    tree: str
    label: str
    revision: str = ""
    new: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repository:
    """The user's repository, in which nothing is changed.

    Attributes
    ----------
    outputs : tuple of Path
        What a session writes, which is not a part of the working tree that it races.

    """

    root: Path
    outputs: tuple[Path, ...] = ()

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """Return the repository around a folder; raise GitError if there is none."""
        try:
            return cls(Path(git("rev-parse", "--show-toplevel", cwd=folder)))
        except GitError as error:
            # Git is not there, or tells what to do about the owner of the folder.
            if WITHOUT_GIT in str(error) or "safe.directory" in str(error):
                raise
            raise GitError(f"{error} (in {folder}); {WITHOUT_GIT}") from error

    def resolve(self, revision: str) -> Tree:
        """Return the tree of a revision; "A..." or "A...B" is the merge base with HEAD or B, as in git diff."""
        if revision.startswith("-"):
            raise GitError(f"{revision!r} is not a revision")
        one, dots, other = revision.partition("...")
        if dots:
            commits = [self._commit(name or "HEAD", revision) for name in (one, other)]
            try:
                commit = git("merge-base", *commits, cwd=self.root)
            except GitError as error:
                raise GitError(f"{revision}: there is no merge base{self._unshallow()}") from error
        else:
            commit = self._commit(revision, revision)
        short = commit[:10]
        label = short if commit.startswith(revision) else f"{revision} ({short})"
        return Tree(commit, self._tree(commit), label, commit)

    def _commit(self, name: str, revision: str) -> str:
        """Return the commit of a name in a revision."""
        try:
            return git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", cwd=self.root)
        except GitError:
            hint = self._unshallow() or "; see git log and git branch --all"
            if ".." in name:
                hint = "; name one commit, or A...B for the merge base of two"
            what = repr(name) if name == revision else f"{name!r} in {revision!r}"
            raise GitError(f"{what} is not a revision of {self.root}{hint}") from None

    def _unshallow(self) -> str:
        """Return what to do about a commit that is missing, if the repository is a shallow clone."""
        if git("rev-parse", "--is-shallow-repository", cwd=self.root) != "true":
            return ""
        return ", which is a shallow clone; fetch the history: git fetch --unshallow (actions/checkout: fetch-depth: 0)"

    def _tree(self, commit: str) -> str:
        return git("rev-parse", f"{commit}^{{tree}}", cwd=self.root)

    def check_out(self, tree: Tree, folder: Path) -> None:
        """Check out a tree of this repository in a new clone."""
        self._clone(folder)
        _check_out_files(folder, tree.commit)
        submodules.fill(self.root, folder)

    def check_out_working_tree(self, folder: Path) -> Tree:
        """Check out the working tree as it is, with changes and new files, but without files that git ignores."""
        self._clone(folder)
        ours = Path(git("rev-parse", "--absolute-git-dir", cwd=self.root))
        common = ours / git("rev-parse", "--git-common-dir", cwd=self.root)
        # The second is what a split index refers to.
        shared = [(ours, path.name) for path in ours.glob("sharedindex.*")]
        for source, name in ((ours, "index"), *shared, (common if common.is_dir() else ours, "info/exclude")):
            if (source / name).is_file():
                (folder / ".git" / name).parent.mkdir(exist_ok=True)
                # The index saves git from reading unchanged files; its time tells git which files it must read
                # nevertheless, because they may have been changed in the same second.
                shutil.copy2(source / name, folder / ".git" / name)
        exclude = folder / ".git" / "info" / "exclude"
        exclude.parent.mkdir(exist_ok=True)
        with exclude.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(f"\n{pattern}" for pattern in self._outputs_and_bytecode())
        # The clone's own index and objects, over the user's files.
        both = ("--git-dir", str(folder / ".git"), "--work-tree", str(self.root))
        head = git("rev-parse", "HEAD", cwd=self.root)
        try:
            git(*both, "-c", "advice.addEmbeddedRepo=false", "add", "--all", cwd=self.root)
        except GitError as error:
            raise GitError(
                f"{error}\nhead is the working tree with all new files; remove those that git cannot add, or list them "
                "in .gitignore or .git/info/exclude"
            ) from error
        self._check_out_changed_submodules(folder, both)
        content = git(*both, "write-tree", cwd=self.root)
        changed = content != self._tree(head)
        commit = (
            git("commit-tree", content, "-p", head, "-m", "working tree", cwd=folder, **NOBODY) if changed else head
        )
        # It knows the user's files, and not those that a sparse checkout leaves out.
        (folder / ".git" / "index").unlink(missing_ok=True)
        _check_out_files(folder, commit)
        submodules.fill(self.root, folder)
        new, edited = (_differing(folder, head, commit, kind) if changed else [] for kind in ("A", "a"))
        _set_times(folder, self._times_s(new), {*edited})
        label = "the working tree" if changed else f"the working tree ({head[:10]})"
        # Builds and reports leave new files in a checkout of CI.
        return Tree(commit, content, label, "" if edited else head, tuple(new))

    def _times_s(self, new: list[str]) -> dict[str, int]:
        """Return the times that new files get: old ones, in the order in which they were written."""
        written = {path: (self.root / path).lstat().st_mtime_ns for path in new}
        order = {time_ns: number for number, time_ns in enumerate(sorted({*written.values()}))}
        return {path: NEW_S + order[time_ns] for path, time_ns in written.items()}

    def _outputs_and_bytecode(self) -> list[str]:
        """Return the patterns by which git ignores the outputs, and Python's bytecode, which tests leave behind."""
        root = self.root.resolve()
        inside = [path.resolve() for path in self.outputs if path.resolve().is_relative_to(root)]
        names = [path.relative_to(root).as_posix() for path in inside if path != root]
        return ["__pycache__/", *("/" + re.sub(r"([\\*?\[\] ])", r"\\\1", name) for name in names)]

    def _check_out_changed_submodules(self, folder: Path, both: tuple[str, ...]) -> None:
        """Check out the submodules that have changes or new files, and theirs, as they are."""
        for line in git(*both, "ls-files", "--stage", "-z", cwd=self.root).split("\0"):
            entry, _, path = line.partition("\t")
            inside = self.root / path
            if not entry.startswith("160000") or not (inside / ".git").exists():
                continue
            # It takes no lock, and leaves the index of the user's submodule alone.
            if git("--no-optional-locks", "status", "--porcelain", *ALL_CHANGES, cwd=inside):
                tree = Repository(inside).check_out_working_tree(folder / path)
                git(*both, "update-index", "--cacheinfo", f"160000,{tree.commit},{path}", cwd=self.root)

    def _clone(self, folder: Path) -> None:
        """Make a repository that shares all objects; `git clone --shared` does not for shallow ones, as in CI."""
        place, _, kind = git("rev-parse", "--git-common-dir", "--show-object-format", cwd=self.root).rpartition("\n")
        common = self.root / place
        git("init", "--quiet", "--template=", f"--object-format={kind}", str(folder), cwd=self.root)
        objects = folder / ".git" / "objects" / "info"
        objects.mkdir(parents=True, exist_ok=True)
        (objects / "alternates").write_text(f"{(common / 'objects').resolve()}\n", "utf-8", "surrogateescape")
        for name in ("shallow", "info/attributes"):
            if (common / name).is_file():
                (folder / ".git" / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(common / name, folder / ".git" / name)
        self._configure(folder)
        refs = git("for-each-ref", "--format=create %(refname) %(objectname)", "refs/tags", cwd=self.root)
        if refs:
            git("update-ref", "--stdin", cwd=folder, given=f"{refs}\n")

    def _configure(self, folder: Path) -> None:
        """Give a clone what it needs of this repository's configuration."""
        promisors = self._configured(r"^remote\..*\.promisor$") and f"|{PROMISORS}"
        configured = self._configured(rf"{CONTENT}|^remote\.origin\.url${promisors}")
        found = [entry.partition("\n") for entry in configured.split("\0") if entry]
        settings = {"remote.origin.url": str(self.root), **{key: value or "true" for key, _, value in found}}
        for key, value in {**settings, "core.hooksPath": os.devnull}.items():
            git("config", key, value, cwd=folder)

    def _configured(self, pattern: str) -> str:
        try:
            return git("config", "--null", "--get-regexp", pattern, cwd=self.root)
        # None matches.
        except GitError:
            return ""

    def text(self, tree: Tree, path: str) -> str | None:
        """Return the text of the file at path, relative to the root, in a tree, or None if there is none."""
        try:
            return git("show", f"{tree.commit}:{path}", cwd=self.root)
        except GitError:
            return None


def _check_out_files(folder: Path, commit: str) -> None:
    """Check out all files of a commit in a clone."""
    try:
        # Without --force, git leaves out what it lacks, and succeeds.
        git("checkout", "--quiet", "--force", "--detach", commit, cwd=folder)
    except GitError as error:
        if re.search("unable to read|promisor", str(error)):
            raise GitError(
                f"{error}\nthe repository lacks files of {commit[:10]}: it is a partial clone whose remote cannot be "
                "reached (git fetch --refetch --no-filter gets all files), or damaged (see git fsck)"
            ) from error
        raise


def _differing(folder: Path, head: str, commit: str, kind: str) -> list[str]:
    """Return the paths that differ between two commits, by a filter of git diff."""
    found = git(
        "diff-tree", "-r", "-z", "--no-renames", "--name-only", f"--diff-filter={kind}", head, commit, cwd=folder
    )
    return [path for path in found.split("\0") if path]


def _set_times(folder: Path, new: dict[str, int], edited: set[str]) -> None:
    """Let new files be older than all others in a checkout, with these times, and edited files newer.

    What an earlier build has left in the working tree, such as object files or C code that Cython generated, would
    otherwise be as new as its sources, and used in the place of what these say now.
    """
    if not (new or edited):
        return
    for path in git("ls-files", "-z", cwd=folder).split("\0"):
        if path and path not in edited:
            # A submodule, or a link on a system that gives links no times.
            with contextlib.suppress(OSError, NotImplementedError):
                time_s = new.get(path, UNCHANGED_S)
                os.utime(folder / path, (time_s, time_s), follow_symlinks=False)
    _refresh(folder)


def _refresh(folder: Path) -> None:
    """Tell git's index the times of files, so that none whose content is the same counts as changed."""
    with contextlib.suppress(GitError):
        git("update-index", "-q", "--refresh", cwd=folder)


def clean(folder: Path) -> None:
    """Remove what a build left in a clone, or in a copy of one."""
    # What is the same keeps its time.
    _refresh(folder)
    git("reset", "--quiet", "--hard", cwd=folder)
    git("clean", "-ffdxq", cwd=folder)
    if (folder / ".gitmodules").is_file():
        both = "git reset --quiet --hard && git clean -ffdxq"
        git("submodule", "--quiet", "foreach", "--quiet", "--recursive", both, cwd=folder)


def replace(source: Path, target: Path, paths: Iterable[Path]) -> None:
    """Replace files and folders of target, by their relative paths, by those of source."""
    for path in paths:
        old, new = target / path, source / path
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)
        old.parent.mkdir(parents=True, exist_ok=True)
        if new.is_dir():
            shutil.copytree(new, old, symlinks=True)
        else:
            shutil.copy2(new, old, follow_symlinks=False)
