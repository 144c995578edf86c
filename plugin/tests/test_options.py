"""Each option is declared once, and all else follows from that."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_benchgate
from pytest_benchgate import options
from racing import PLAIN

if TYPE_CHECKING:
    from racing import Project

ALL = [*options.OPTIONS.values(), *options.RACE_OPTIONS.values()]
FAKE = '    fake: int = Option("race_fake", parsers.count, 7, "N", "a fake", ini=True, marker=True, from_base=True).field()\n'


def test_the_flags_of_help_are_the_table(pytester: pytest.Pytester) -> None:
    text = str(pytester.runpytest_subprocess("--help").stdout)
    groups = re.findall(r"^benchgate.*:\n((?:  .*\n|\n)+)", text, re.MULTILINE)
    flags = re.findall(r"^  (--[a-z-]+)", "".join(groups), re.MULTILINE)
    assert flags == [option.flag for option in ALL if option.command_line]
    for option in ALL:
        assert len(re.findall(rf"^  {option.name} \(", text, re.MULTILINE)) == option.ini


def test_an_empty_key_of_the_configuration_says_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nrace_cache =\n")
    config = pytester.parseconfig("-p", "pytest_benchmark.plugin", "-p", "pytest_benchgate.plugin")
    assert options.RACE_OPTIONS["cache"].value(config) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--race-budget=1m"], "'1m' must be a number of seconds above 0, as in 60"),
        (["--race-alpha=abc"], "'abc' must lie between 0 and 1; 0.001 is one false alarm in 1000 suites"),
        (["--race-max-launches=many"], "'many' must be a whole number of at least 1"),
        (["--race-explain=yes"], "'yes' must be auto, all or off"),
        (["-o", "race_threshold=3"], "race_threshold: '3' is not a percentage above 0; write it as in 3%"),
        (["-o", "race_strict=perhaps"], "race_strict: invalid truth value 'perhaps'; write true or false"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_wrong_value_is_named_with_what_to_write(pytester: pytest.Pytester, given: list[str], message: str) -> None:
    run = pytester.runpytest_inprocess("--claims", *given)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert message in str(run.stderr)


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="needs pytest 9")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("race_alpha = 0.01", r"pyproject\.toml: race_alpha: [^:]*a string, got float: 0\.01; write it in quotes"),
        ("race_strict = 'yes'", r"pyproject\.toml: race_strict: .*; write true or false"),
    ],
)
def test_a_value_of_another_type_of_toml_is_named(pytester: pytest.Pytester, line: str, message: str) -> None:
    pytester.makepyprojecttoml(f"[tool.pytest]\n{line}\n")
    run = pytester.runpytest_inprocess("--claims")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert re.search(message, str(run.stderr))


def test_options_of_a_race_without_one_are_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    run = pytester.runpytest_inprocess("--race-json=race.json", "--race-strict")
    assert run.ret == pytest.ExitCode.OK
    assert "race: no effect without --race=REVISION: --race-strict, --race-json" in run.outlines
    assert "no effect" not in str(pytester.runpytest_inprocess().stdout)


@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
def test_an_option_is_one_declaration(plain: Project, tmp_path: Path) -> None:
    """The plugin, with one line more, has another option: a flag, an ini key, a keyword of the marker, a setting."""
    copy = tmp_path / "copy" / "pytest_benchgate"
    shutil.copytree(Path(pytest_benchgate.__file__).parent, copy)
    source = (copy / "options.py").read_text("utf-8")
    (copy / "options.py").write_text(source.replace("    builds: Path", f"{FAKE}    builds: Path"), "utf-8")

    marked = PLAIN["tests/test_calc.py"].replace("def ", "import pytest\n@pytest.mark.benchgate(race_fake=6)\ndef ")
    plain.commit(**{"pytest.ini": f"{PLAIN['pytest.ini']}race_fake = 8\n"})
    plain.write(**{"pytest.ini": f"{PLAIN['pytest.ini']}race_fake = 9\n", "tests/test_calc.py": marked})
    run = plain.race("HEAD", "--race-max-launches=1", PYTHONPATH=str(copy.parent))
    assert "head sets race_fake to 9; base's 8 counts until it is merged" in run.text
    assert "head's marker of tests/test_calc.py::test_count sets race_fake to 6; base's 8 counts" in run.text
    assert run.race["settings"]["race_fake"] == 8
    assert "--race-fake=8" in run.raced("test_count")["repeat"]

    given = plain.race("HEAD", "--race-fake", "5", "--race-max-launches=1", PYTHONPATH=str(copy.parent))
    assert "race_fake" not in given.text.replace("--race-fake", "")
    assert "--race-fake=5" in given.raced("test_count")["repeat"]
    assert "'0' must be a whole number" in plain.race("HEAD", "--race-fake=0", PYTHONPATH=str(copy.parent)).text
