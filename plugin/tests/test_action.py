"""The GitHub actions: what their files say, and the steps of them that are commands."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchgate.publishing import action
from racing import PLAIN, PLUGINS, QUICK, SLOW_CALC
from runner import PINNED, load

if TYPE_CHECKING:
    from racing import Project

PLUGIN = Path(__file__).parents[1]
ROOT = PLUGIN.parent
ACTIONS = [PLUGIN / "action.yml", PLUGIN / "comment" / "action.yml"]
WORKFLOWS = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/*/.github/workflows/*.yml")])
files = pytest.mark.parametrize("path", [*ACTIONS, *WORKFLOWS], ids=lambda path: path.relative_to(ROOT).as_posix())


def steps(path: Path) -> list[dict[str, Any]]:
    data = load(path)
    jobs = data["jobs"].values() if "jobs" in data else [data["runs"]]
    return [step for job in jobs for step in job["steps"]]


@files
def test_actions_of_others_are_pinned_by_their_commit_and_name_its_version(path: Path) -> None:
    lines = [line.strip(" -") for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    for line in lines:
        used = line.removeprefix("uses: ")
        assert used.startswith(("$/", "OWNER/REPO/")) or re.fullmatch(rf"{PINNED.pattern} # v[\d.]+", used), line


@files
def test_no_script_has_an_expression_in_it(path: Path) -> None:
    """What an input or an event holds would be run by the shell."""
    assert not [step["run"] for step in steps(path) if "${{" in step.get("run", "")]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_job_that_can_write_runs_no_code_of_the_repository(path: Path) -> None:
    """Where a token can write, only actions run, and the plugin of the default branch, which comments."""
    workflow = load(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        writes = [what for what, access in job["permissions"].items() if access != "read"]
        scripts = [step for step in job["steps"] if "run" in step or step["uses"].startswith(("./", "$/"))]
        if writes and (name, writes) != ("comment", ["pull-requests"]):
            # git is not of the repository, and runs nothing of it.
            others = [
                step
                for step in scripts
                if not all(re.match("git ", line) for line in step.get("run", "-").splitlines())
            ]
            assert not others, f"{path}: {name} has {writes} and runs {others}"


def test_each_input_is_used_and_documented() -> None:
    page = (ROOT / "docs" / "ci.md").read_text("utf-8")
    for path in ACTIONS:
        text = path.read_text("utf-8")
        for name in load(path)["inputs"]:
            assert f"inputs.{name} " in text, name
            assert re.search(rf"^\| [^|]*`{name}`", page, re.MULTILINE), name
        for name in load(path).get("outputs", {}):
            assert f"`{name}`" in page, name


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
def test_the_workflow_of_the_history_adds_each_commit_on_main(plain: Project, tmp_path: Path) -> None:
    """Its scripts, in a clone for each job, as actions/checkout makes it."""
    jobs = load(ROOT / ".github" / "workflows" / "history.yml")["jobs"]
    (added,) = (step["run"] for step in jobs["add"]["steps"] if step.get("id") == "add")
    (published,) = (step["run"] for step in jobs["publish"]["steps"] if "run" in step)
    base = next(
        line for step in jobs["race"]["steps"] for line in step.get("run", "").splitlines() if line.startswith("base=")
    )
    plain.git("clone", "--quiet", "--bare", str(plain.root), str(tmp_path / "remote"))
    plain.git("remote", "add", "origin", str(tmp_path / "remote"))
    environment = plain.environment(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def job(name: str, script: str, *files: Path) -> Path:
        folder = tmp_path / name
        plain.git("clone", "--quiet", str(tmp_path / "remote"), str(folder))
        for file in files:
            shutil.copy2(file, folder)
        paths = {one: str(folder / one.lower()) for one in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        who = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["bash", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=folder, env={**environment, **paths, **who}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return folder

    for number in (1, 2):
        before = plain.git("rev-parse", "HEAD")
        plain.commit(**{"calc.py": f"{PLAIN['calc.py']}# {number}\n"})
        plain.git("push", "--quiet", "origin", "main")
        folder = job(f"base {number}", f"{base}\necho $base > base.txt")
        assert (folder / "base.txt").read_text().strip() == before
        plain.race(before, "--race-max-launches=1")
        shutil.copy2(plain.json, tmp_path / "race-1.json")
        folder = job(f"add {number}", added, tmp_path / "race-1.json")
        assert "0 drifted of 1 benchmark&#58; " in (folder / "github_step_summary").read_text("utf-8")
        assert "<!doctype html>" in (folder / "site" / "index.html").read_text("utf-8").lower()
        job(f"publish {number}", published, folder / "history.bundle")
        kept = plain.git("--git-dir", str(tmp_path / "remote"), "rev-list", "--count", "benchmarks")
        assert kept == str(number)


def outputs(file: Path) -> dict[str, str]:
    found = re.findall(r"^([\w-]+)<<(end-of-output)\n(.*?)\n\2$", file.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    file.write_text("")
    return {name: value for name, _, value in found}


@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
def test_its_steps_prepare_and_race(
    plain: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    first = plain.git("rev-parse", "HEAD")
    plain.git("update-ref", "refs/remotes/origin/main", first)
    plain.commit(**{"calc.py": SLOW_CALC})
    for name, value in plain.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(plain.root)
    given = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_BASE_REF": "main"}

    def step(name: str, **more: str) -> tuple[int, dict[str, str]]:
        (tmp_path / "output").touch()
        status = action.run(argparse.Namespace(step=name), {**given, **more})
        return status, outputs(tmp_path / "output")

    status, prepared = step("prepare")
    trees = [plain.git("rev-parse", f"{revision}^{{tree}}") for revision in (first, "HEAD")]
    assert (status, prepared["base"]) == (0, "origin/main...")
    assert prepared["key"].endswith("-" + "-".join(trees))
    assert prepared["restore-keys"].splitlines()[0] == prepared["key"].removesuffix(trees[1])
    assert all(prepared["key"].startswith(one) for one in prepared["restore-keys"].splitlines())
    assert step("prepare", GITHUB_BASE_REF="")[1]["base"] == "HEAD~1"
    assert step("prepare", BENCHGATE_BASE="no-such") == (2, {})
    assert "::error title=pytest-benchgate::'no-such' is not a revision" in capfd.readouterr().out

    options = [QUICK[0], QUICK[2], *PLUGINS, "-p", "no:cacheprovider", "--race-explain=off", "-k 'count or nothing'"]
    race = {
        "BENCHGATE_BASE": prepared["base"], "BENCHGATE_CACHE": str(plain.cache), "BENCHGATE_RESULTS": str(tmp_path / "results"),
        "BENCHGATE_ARGUMENTS": " ".join(options), "BENCHGATE_THRESHOLD": "40%",
    }  # fmt: skip
    status, raced = step("race", **race)
    printed = capfd.readouterr().out
    assert (status, raced["verdict"]) == (1, "slower"), printed
    assert [Path(raced[name]).name for name in ("json", "markdown", "html")] == [
        "race-1.json",
        "race-1.md",
        "race-1.html",
    ]
    assert "<!doctype html>" in Path(raced["html"]).read_text("utf-8").lower()
    assert "## Race" in Path(raced["markdown"]).read_text("utf-8")
    assert '"race_threshold": 0.4' in Path(raced["json"]).read_text("utf-8")
    status, raced = step("race", **race, BENCHGATE_SHARD="2", BENCHGATE_SHARDS="2")
    assert (status, raced["verdict"]) == (0, "passed"), capfd.readouterr().out
    assert Path(raced["json"]).name == "race-2.json"
    with pytest.raises(ValueError, match="would end it"):
        action._put(given, base="a\nend-of-output\nkey=b")
    assert step("race", **race, BENCHGATE_SHARD="1; rm")[0] == 2
