"""The page docs/five-minutes.md, as written: its files and commands, both of its workflows, and the comment that it shows."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from github_server import REPOSITORY, TOKEN, serving
from runner import Runner, load, usual_environment, yaml
from test_properties import read
from test_tutorial import FILE, blocks, missing

PLUGIN = Path(__file__).parents[1]
PAGE = PLUGIN.parent / "docs" / "five-minutes.md"
EXAMPLE = PLUGIN.parent / "examples" / "c_extension"
WORKFLOW = re.compile(r"# (\.github/workflows/\w+\.yml)\n")
ACTIONS = {"OWNER/REPO/plugin@v1": PLUGIN, "OWNER/REPO/plugin/comment@v1": PLUGIN / "comment"}
LIMIT_S = 600


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,  # noqa: S607
        text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def shown(body: str) -> str:
    """Return a comment as people see it: without tags, marks and escapes, and with one space between words."""
    return html.unescape(re.sub(r"<!--.*?-->|</?\w+>", "", body))


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
def test_the_page_s_commands_end_with_the_comment_that_it_shows(tmp_path: Path) -> None:
    """Python comes from an environment of its own, as setup-python makes it; a folder is the repository on GitHub."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "python")], check=True)
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(remote)], check=True)  # noqa: S607
    who = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = usual_environment(
        GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0=f"url.{remote}.insteadOf",
        GIT_CONFIG_VALUE_0="https://github.com/YOU/fast", PATH=f"{tmp_path}/python/bin:{os.environ['PATH']}",
        NO_PROXY="127.0.0.1", **who,
    )  # fmt: skip
    folder = tmp_path / "fast"
    folder.mkdir()
    comment: str | None = None
    for block in blocks(PAGE.read_text("utf-8")):
        if block.language == "console":
            for line in block.text.splitlines():
                run(line.removeprefix("$ "), folder, environment)
        elif name := FILE.match(block.text) or WORKFLOW.match(block.text):
            (folder / name[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / name[1]).write_text(block.text, "utf-8")
        else:
            assert block.language == "text"
            comment = on_github(remote, folder, tmp_path, environment)
            assert not missing(block.text.replace("COMMIT", "0" * 10), shown(comment)), comment
    assert comment is not None


def on_github(remote: Path, folder: Path, scratch: Path, environment: dict[str, str]) -> str:
    """Do what GitHub does once there is a pull request of the branch `check`; return the comment."""
    head = run("git rev-parse origin/check", folder, environment).strip()
    workspace = scratch / "workspace"
    # actions/checkout: the merge of the pull request, with all of the history.
    run(f"git clone --quiet {remote} {workspace}", scratch, environment)
    run("git checkout --quiet --detach origin/main && git merge --quiet --no-ff origin/check", workspace, environment)
    workflows = {name: load(folder / ".github" / "workflows" / f"{name}.yml") for name in ("race", "comment")}
    variables = {**environment, "GITHUB_BASE_REF": "main", "GITHUB_REF_NAME": "7/merge"}
    race = Runner(ACTIONS, workspace, scratch / "race", variables)
    race.folder.mkdir()
    assert workflows["race"]["on"] == "pull_request"
    assert workflows["race"]["jobs"]["race"]["permissions"] == {"contents": "read"}
    assert not race.job(workflows["race"]["jobs"]["race"]), race.log
    assert {path.name for path in race.artifacts.iterdir()} == {"race-json-1", "race-report-1"}
    assert "## Race" in (race.folder / "summary.md").read_text("utf-8")
    again(race, workflows["race"]["jobs"]["race"])
    # The job that comments has an empty workspace, and the artifacts of the run.
    event = {
        "workflow_run": {
            "id": 77, "event": "pull_request", "head_sha": head, "head_branch": "check",
            "head_repository": {"full_name": "YOU/fast", "owner": {"login": "YOU"}},
        }
    }  # fmt: skip
    (scratch / "empty").mkdir()
    (scratch / "event.json").write_text(json.dumps(event), "utf-8")
    with serving() as github:
        github.open_pull(7, head, "YOU:check")
        variables = {
            **environment, "GITHUB_EVENT_PATH": str(scratch / "event.json"), "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_API_URL": github.url,
        }  # fmt: skip
        publish = Runner(ACTIONS, scratch / "empty", scratch / "publish", variables, event)
        publish.folder.mkdir()
        race.artifacts.rename(publish.artifacts)
        assert publish.job(workflows["comment"]["jobs"]["comment"], token=TOKEN), publish.log
        assert TOKEN not in "".join(publish.log)
        (body,) = github.bodies(7)
    return body


def example(folder: Path, environment: dict[str, str]) -> None:
    """Make the example a clone of a repository whose branch `main` it is, one commit behind."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "build", "*.so", "*.egg-info"))
    for command in (
        "git init --quiet --initial-branch=main && git add --all && git commit --quiet --message=One",
        f"git clone --quiet --bare . {folder}.git && git remote add origin {folder}.git",
        "git switch --quiet --create=change",
        """sed -i.old 's/u = x.i.;/& for (volatile int wait = 0; wait < 100; wait++) {}/' logistic.c && rm logistic.c.old""",
        "git commit --quiet --all --message=Two",
    ):
        run(command, folder, environment)


def scripts() -> dict[str, tuple[dict[str, str], list[str]]]:
    """Return by CI the variables that it sets, and the commands of its job."""
    gitlab = yaml.safe_load((EXAMPLE / ".gitlab-ci.yml").read_text("utf-8"))
    jenkins = (EXAMPLE / "Jenkinsfile").read_text("utf-8")
    return {
        "gitlab": ({"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}, gitlab["race"]["script"]),
        # A command may be several strings in Groovy.
        "jenkins": ({"CHANGE_TARGET": "main"}, [
            "".join(re.findall("'([^']*)'", found)) for found in re.findall(r"\bsh ('[^']*'(?:\s*\+\s*'[^']*')*)", jenkins)
        ]),
    }  # fmt: skip


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
@pytest.mark.parametrize("name", ["gitlab", "jenkins"])
def test_the_jobs_of_other_systems_end_with_verdicts_in_junit_xml(tmp_path: Path, name: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "python")], check=True)
    who = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    variables, commands = scripts()[name]
    environment = usual_environment(
        GIT_CONFIG_GLOBAL=os.devnull, PATH=f"{tmp_path}/python/bin:{os.environ['PATH']}", PLUGIN=str(PLUGIN),
        PYTEST_ADDOPTS="-k '1000 and not 10000'", **who, **variables,
    )  # fmt: skip
    example(tmp_path / "logistic", environment)
    *before, race = commands
    assert race.count("pytest ") == 1
    for command in before:
        run(command, tmp_path / "logistic", environment)
    printed = run(f"{race} || [ $? = 1 ]", tmp_path / "logistic", environment)
    cases = read(tmp_path / "logistic" / "junit.xml")
    assert [(found["benchgate.verdict"], tags) for found, tags in cases.values()] == [("slower", {"failure"})], printed
    assert (tmp_path / "logistic" / "race.json").is_file()
    assert run("git status --porcelain", tmp_path / "logistic", environment) == ""


def test_the_example_has_the_files_of_the_pages() -> None:
    pages = "".join((PAGE.parent / name).read_text("utf-8") for name in ("five-minutes.md", "ci.md"))
    for file in (".github/workflows/race.yml", ".github/workflows/comment.yml", ".gitlab-ci.yml", "Jenkinsfile"):
        comment = "//" if file == "Jenkinsfile" else "#"
        assert f"\n{comment} {file}\n{(EXAMPLE / file).read_text('utf-8')}```\n" in pages, file


def again(race: Runner, job: dict[str, Any]) -> None:
    """Race on another machine, which finds the builds in the cache of the first."""
    assert "from the cache" not in race.log[-1]
    second = Runner(race.ours, race.workspace, race.folder.parent / "second", race.environment)
    second.folder.mkdir()
    (race.folder / "caches").rename(second.folder / "caches")
    steps = [
        *job["steps"][:-1],
        {
            **job["steps"][-1],
            "with": {"arguments": "--race-max-launches=1 --race-explain=off 'test_fast.py'", "valgrind": "false"},
        },
    ]
    assert second.job({"steps": steps}), second.log
    assert json.loads(next((second.artifacts / "race-json-1").iterdir()).read_text("utf-8"))["raced"]
