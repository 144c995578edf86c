"""Runs workflows and composite actions as GitHub's runner does, as far as ours go: their scripts with bash, for real.

Actions of others are not run: of those that ours use, what they would leave behind is made here.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# Not every environment of ours has it.
yaml: Any = pytest.importorskip("yaml")
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
# In an expression: strings, contexts, functions and operators.
PART = re.compile(r"'[^']*'|\b[a-z_]+(?:\.[\w-]+)+|\bcancelled\(\)|&&|\|\||!(?!=)")
OPERATORS = {"&&": " and ", "||": " or ", "!": " not ", "cancelled()": "False"}


def load(path: Path) -> Any:
    """Return what a YAML file holds; `on` is a word there, not true."""
    data = yaml.safe_load(path.read_text("utf-8"))
    if True in data:
        data["on"] = data.pop(True)
    return data


@dataclass
class Runner:
    """A machine with a workspace, and what outlives it: artifacts and caches.

    Attributes
    ----------
    ours : dict
        Our actions, by the names with which a workflow uses them.
    workspace, folder : Path
        The checked out repository, and where everything else is.
    environment : dict
        Variables of each step.
    event : dict
        The content of GITHUB_EVENT_PATH.
    log : list of str
        What each step has printed.

    """

    ours: dict[str, Path]
    workspace: Path
    folder: Path
    environment: dict[str, str]
    event: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    failed: bool = False

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def temporary(self) -> Path:
        return self.folder / "temp"

    def job(self, job: dict[str, Any], token: str = "") -> bool:
        """Run the steps of a job; return whether it has succeeded."""
        self._steps(job["steps"], {"github": {"event": self.event, "token": token}})
        return not self.failed

    def action(self, path: Path, given: dict[str, str], context: dict[str, Any]) -> dict[str, str]:
        """Run a composite action; return its outputs."""
        action = load(path / "action.yml")
        unknown = given.keys() - action["inputs"].keys()
        assert not unknown, f"{path} has no inputs {unknown}"
        inputs = {
            name: given[name] if name in given else self._text(one.get("default", ""), context)
            for name, one in action["inputs"].items()
        }
        within = {"inputs": inputs, "github": context["github"]}
        self._steps(action["runs"]["steps"], within, path)
        return {name: self._text(one["value"], within) for name, one in action.get("outputs", {}).items()}

    def _steps(self, steps: list[dict[str, Any]], context: dict[str, Any], action: Path | None = None) -> None:
        context["steps"] = outputs = {}
        context["runner"] = {"temp": str(self.temporary), "os": "Linux"}
        for step in steps:
            condition = str(step.get("if", "success()"))
            wanted = not self.failed if "cancelled()" not in condition else True
            expression = condition.removeprefix("${{").removesuffix("}}")
            if not wanted or ("if" in step and not self._value(expression, context)):
                continue
            if "run" in step:
                found = self._script(step, context, action)
            else:
                given = {name: self._text(value, context) for name, value in step.get("with", {}).items()}
                found = self._use(step["uses"], given, context)
            outputs[step.get("id", "")] = {"outputs": found}

    def _script(self, step: dict[str, Any], context: dict[str, Any], action: Path | None) -> dict[str, str]:
        assert "${{" not in step["run"], f"an input would be a part of the script: {step['run']}"
        assert action is None or step["shell"] == "bash"
        output = self.folder / "output"
        output.write_text("")
        self.temporary.mkdir(exist_ok=True)
        own = {name: self._text(value, context) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],  # noqa: S607
            cwd=self.workspace,
            env={
                **self.environment, "GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(output), "RUNNER_TEMP": str(self.temporary),
                "GITHUB_ACTION_PATH": str(action or ""), "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"), **own,
            },
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        self.log.append(f"{step['run']}\n{done.stdout}")
        self.failed |= done.returncode != 0
        return dict(
            re.findall(r"^([\w-]+)<<(?:[\w-]+)\n(.*?)\nend-of-output$", output.read_text(), re.MULTILINE | re.DOTALL)
        )

    def _use(self, name: str, given: dict[str, str], context: dict[str, Any]) -> dict[str, str]:
        if name in self.ours:
            return self.action(self.ours[name], given, context)
        assert PINNED.fullmatch(name), f"{name} is not pinned"
        what = name.partition("@")[0]
        if what == "actions/cache/restore":
            return self._restored(given)
        if what == "actions/cache/save":
            shutil.copytree(given["path"], self.folder / "caches" / given["key"], symlinks=True)
        elif what == "actions/upload-artifact":
            self._upload(given)
        elif what == "actions/download-artifact":
            for artifact in self.artifacts.iterdir():
                if fnmatch.fnmatchcase(artifact.name, given["pattern"]):
                    shutil.copytree(artifact, given["path"], dirs_exist_ok=True, symlinks=True)
        else:
            assert what in {"actions/checkout", "actions/setup-python"}
        return {}

    def _restored(self, given: dict[str, str]) -> dict[str, str]:
        caches = sorted((self.folder / "caches").glob("*"), key=lambda path: -path.stat().st_mtime)
        for key in (given["key"], *given["restore-keys"].splitlines()):
            for cache in caches:
                if cache.name == key or (key != given["key"] and cache.name.startswith(key)):
                    shutil.copytree(cache, given["path"], symlinks=True)
                    return {"cache-hit": str(cache.name == given["key"]).lower(), "cache-matched-key": cache.name}
        return {"cache-hit": ""}

    def _upload(self, given: dict[str, str]) -> None:
        folder = self.artifacts / given["name"]
        # GitHub refuses a second artifact of one name.
        folder.mkdir(parents=True)
        for path in map(Path, filter(None, given["path"].split("\n"))):
            if path.exists() or given.get("if-no-files-found") != "ignore":
                shutil.copy2(path, folder)

    def _text(self, value: Any, context: dict[str, Any]) -> str:
        return EXPRESSION.sub(lambda found: str(self._value(found[1], context)), str(value))

    def _value(self, expression: str, context: dict[str, Any]) -> Any:
        def part(found: re.Match[str]) -> str:
            text = found[0]
            return (
                OPERATORS[text]
                if text in OPERATORS
                else text
                if text.startswith("'")
                else repr(looked_up(text, context))
            )

        return eval(PART.sub(part, expression).strip(), {"__builtins__": {}})  # noqa: S307  # of our own files


def looked_up(name: str, context: dict[str, Any]) -> Any:
    """Return the value of steps.race.outputs.json and the like; empty where there is none, as on GitHub."""
    value: Any = context
    for key in name.split("."):
        value = value.get(key, "") if isinstance(value, dict) else ""
    return value


def usual_environment(**more: str) -> dict[str, str]:
    """Return the environment of this process, without what git, pytest, a CI or Python have set in it.

    pip compiles no bytecode, which takes half of an installation: most modules are never imported.
    """
    names = ("PYTEST_", "GIT_", "GITHUB_", "PYTHON", "BENCHGATE_", "VIRTUAL_ENV")
    return (
        {name: value for name, value in os.environ.items() if not name.startswith(names)} | {"PIP_COMPILE": "0"} | more
    )
