"""The documentation names options, commands, fixtures and exit statuses as the code has them, and its links resolve."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_benchgate import options
from pytest_benchgate.bisection import command as bisection
from pytest_benchgate.history import command as history

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OPTIONS = (DOCS / "options.md").read_text("utf-8")
PAGES = [
    *ROOT.glob("*.md"), *(ROOT / "plugin").glob("*.md"), *(ROOT / "examples").glob("*.md"), *DOCS.glob("*.md"),
]  # fmt: skip
DECLARED = [*options.OPTIONS.values(), *options.RACE_OPTIONS.values()]


@pytest.fixture(name="reference")
def _reference(monkeypatch: pytest.MonkeyPatch) -> Any:
    """docs/reference.py, which makes the tables of docs/options.md."""
    monkeypatch.syspath_prepend(DOCS)
    monkeypatch.delitem(sys.modules, "reference", raising=False)
    return importlib.import_module("reference")


def block(name: str) -> str:
    """Return what stands between the comments that mark a generated part of docs/options.md."""
    (found,) = re.findall(rf"<!-- {name} -->\n\n(.*?)\n\n<!-- end of {name} -->", OPTIONS, re.DOTALL)
    return str(found)


@pytest.mark.parametrize("name", ["options", "commands"])
def test_the_reference_is_made_of_the_declarations(reference: Any, name: str) -> None:
    assert block(name) == getattr(reference, name)(), "run python docs/generate.py"


def test_each_command_and_argument_is_described(reference: Any) -> None:
    for name, parser in reference.subparsers().choices.items():
        assert f"### `pytest-benchgate {name}`\n" in block("commands")
        for action in parser._actions:
            assert action.help, f"{name} {action.dest}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_that_a_page_names_exist(page: Path) -> None:
    flags, keys = {option.flag for option in DECLARED}, {option.name for option in DECLARED}
    text = page.read_text("utf-8")
    named = {*re.findall(r"--(?:race|cl|benchgate)(?:-[a-z]+)*(?![\w-])", text)} - {"--race-"}
    assert named <= {*flags, "--benchgate"}
    # In pytest's JSON and in its fixtures there are other names that begin so.
    assert {*re.findall(r"`(race_\w+)`", text)} <= {*keys, "race_in_device_time"}


def test_each_keyword_of_the_marker_is_described() -> None:
    claims = (DOCS / "claims.md").read_text("utf-8")
    for keyword in options.CLAIMS:
        assert f"`{keyword}`" in OPTIONS
        assert re.search(rf"\b{keyword}=", claims), keyword
    for option in options.MARKS.values():
        assert f"Ini: `{option.name}`, and the marker." in OPTIONS


def test_each_fixture_is_described(pytester: pytest.Pytester) -> None:
    text = str(pytester.runpytest_subprocess("--fixtures", "--benchmark-disable").stdout)
    section = text.partition("fixtures defined from pytest_benchgate.plugin")[2].partition("fixtures defined from")[0]
    names = re.findall(r"^(\w+)(?: \[\w+ scope\])? --", section, re.MULTILINE)
    assert "gate" in names
    (listed,) = re.findall(r"^## Fixtures\n\n(.*?)\n\n#", OPTIONS, re.MULTILINE | re.DOTALL)
    assert {*names} == {*re.findall(r"`(\w+)`", listed)}


@pytest.mark.parametrize(
    ("command", "epilog"), [("bisect", bisection.EPILOG), ("history", history.EPILOG)], ids=["bisect", "history"]
)
def test_exit_statuses_are_those_of_help(command: str, epilog: str) -> None:
    page = (DOCS / "ci.md").read_text("utf-8")
    (table,) = re.findall(r"^## Exit statuses\n\n((?:\|.*\n)+)", page, re.MULTILINE)
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    column = header.index(f"`pytest-benchgate {command}`")
    assert [row[0] for row in rows if row[column]] == re.findall(r"^  (\d+) +\S", epilog, re.MULTILINE)


def test_the_environments_of_tox_that_pages_name_exist() -> None:
    declared = (ROOT / "tox.ini").read_text("utf-8")
    sections = {*re.findall(r"^\[testenv:([\w.-]+)\]", declared, re.MULTILINE)}
    for page in PAGES:
        for names in re.findall(r"tox run(?:-parallel)? -e ([\w,.-]+)", page.read_text("utf-8")):
            unknown = {name for name in names.split(",") if not re.fullmatch(r"(plugin-)?py3\d+", name)} - sections
            assert not unknown, page


def test_actions_in_pages_are_pinned_as_in_the_workflows() -> None:
    used = "".join(path.read_text("utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    for page in PAGES:
        for action in re.findall(r"uses: (actions/.*)", page.read_text("utf-8")):
            assert f"uses: {action}\n" in used, page


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    titles = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page if not path else page.parent / path
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target
