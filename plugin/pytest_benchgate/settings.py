"""The settings of a race: from the command line, pytest's configuration and markers, as options of the same names."""

from __future__ import annotations

import argparse
import math
import os
import shlex
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_benchgate.config import RaceConfig

MARK = "benchgate"  # the marker that overrides a race's options for a test


def percentage(text: str) -> float:
    """Return "3 %" as 0.03."""
    number = text.strip().removesuffix("%")
    try:
        value = float(number) / 100
    except ValueError:
        value = math.nan
    if not text.strip().endswith("%") or not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no threshold; write it in percent, as in 3%")
    return value


def probability(text: str) -> float:
    """Return "0.001" as a number between 0 and 1."""
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must lie between 0 and 1; 0.001 is one false alarm in 1000 suites")
    return value


def seconds(text: str) -> float:
    """Return "60" as a number above 0."""
    value = _number(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds above 0")
    return value


def count(text: str) -> int:
    """Return "60" as an integer of 1 or more."""
    value = _number(text)
    if not (math.isfinite(value) and value == int(value) and value >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} must be 1, 2, 3 ...")
    return int(value)


def whose(text: str) -> str:
    """Return "head" or "own"."""
    if text not in {"head", "own"}:
        raise argparse.ArgumentTypeError(f"{text!r} must be head (head's tests on both sides) or own (each side's own)")
    return text


def what_if_gone(text: str) -> str:
    """Return "list" or "fail"."""
    if text not in {"list", "fail"}:
        raise argparse.ArgumentTypeError(f"{text!r} must be list or fail")
    return text


def shard(text: str) -> tuple[int, int]:
    """Return "2/4" as (2, 4)."""
    one, slash, many = text.partition("/")
    if not (slash and one.isdecimal() and many.isdecimal() and 1 <= int(one) <= int(many)):
        raise argparse.ArgumentTypeError(f"{text!r} must be K/N with K from 1 to N, as in 2/4")
    return int(one), int(many)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


# Name, what parses it, its default, and its help; each is an option, an ini key and a keyword of the marker.
SETTINGS: dict[str, tuple[Callable[[str], Any], str, str, str]] = {
    "race_threshold": (percentage, "3%", "PERCENT", "the slowdown that matters"),
    "race_alpha": (probability, "0.001", "ALPHA", "the chance of a false alarm, in the whole suite together"),
    "race_budget": (seconds, "60", "SECONDS", "how long each benchmark may be raced before it is `unsure`"),
    "race_max_launches": (count, "60", "N", "how often both sides may be started before a benchmark is `unsure`"),
}


# The settings of a session, and what they are called in a RaceConfig.
FIELDS = {
    "race_threshold": "threshold",
    "race_alpha": "alpha",
    "race_budget": "budget_s",
    "race_max_launches": "max_launches",
    "race_strict": "strict",
    "race_tests": "tests",
    "race_gone": "gone",
}
OF_TESTS = (*SETTINGS, "race_strict")  # those that a test's marker may change


def option(name: str) -> str:
    """Return the option of the command line that a setting has."""
    return "--" + name.replace("_", "-")


def of_config(config: pytest.Config) -> dict[str, Any]:
    """Return the settings of a session as its options, or else its ini file, have them."""
    strict = config.getoption("race_strict")
    return {
        **{name: _setting(config, name, parse) for name, (parse, *_) in SETTINGS.items()},
        "race_strict": config.getini("race_strict") if strict is None else strict,
        "race_tests": _setting(config, "race_tests", whose),
        "race_gone": _setting(config, "race_gone", what_if_gone),
    }


def _setting(config: pytest.Config, name: str, parse: Callable[[str], Any]) -> Any:
    """Return an option as given, or as the ini file has it."""
    value = config.getoption(name)
    if value is not None:
        return value
    try:
        return parse(str(config.getini(name)))
    except argparse.ArgumentTypeError as error:
        raise pytest.UsageError(f"{config.inipath}: {name}: {error}") from error


def given(config: pytest.Config) -> frozenset[str]:
    """Return the settings that the command line or PYTEST_ADDOPTS give, without those of `addopts` in a file."""
    files = "@" if pytest.version_tuple >= (8, 2) else None
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, fromfile_prefix_chars=files)
    for name in FIELDS:
        if name == "race_strict":
            parser.add_argument(option(name), dest=name, action="store_const", const="")
        else:
            parser.add_argument(option(name), dest=name)
    arguments = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(str, config.invocation_params.args)]
    found, _ = parser.parse_known_args(arguments)
    return frozenset(name for name, value in vars(found).items() if value is not None)


def of_session(race: RaceConfig) -> dict[str, Any]:
    """Return the session's settings by their names."""
    return {name: getattr(race, field) for name, field in FIELDS.items()}


def of_tests(race: RaceConfig) -> dict[str, Any]:
    """Return the settings that a test's marker may change."""
    return {name: getattr(race, FIELDS[name]) for name in OF_TESTS}


def marks(item: pytest.Item) -> dict[str, Any]:
    """Return the settings that a test's markers have; UsageError where they are none.

    @pytest.mark.benchgate(race_threshold="10 %", race_strict=True)
    """
    found: dict[str, Any] = {}
    for mark in reversed([*item.iter_markers(MARK)]):  # the closest last
        if mark.args or not mark.kwargs.keys() <= {*OF_TESTS}:
            raise pytest.UsageError(f"{item.nodeid}: the marker {MARK} takes the keywords {', '.join(OF_TESTS)}")
        for name, value in mark.kwargs.items():
            try:
                found[name] = bool(value) if name == "race_strict" else SETTINGS[name][0](str(value))
            except argparse.ArgumentTypeError as error:
                raise pytest.UsageError(f"{item.nodeid}: {name}: {error}") from error
    return found


def marked(race: RaceConfig, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of one test's race: the command line's, its markers', or else the session's."""
    return {**of_tests(race), **{name: value for name, value in found.items() if name not in race.given}}


def shown(name: str, value: Any) -> str:
    """Return a setting as one writes it."""
    if name == "race_threshold":
        return f"{100 * value:.6g}%"
    return str(value).lower() if isinstance(value, bool) else f"{value:.6g}" if isinstance(value, float) else str(value)


def defaults() -> dict[str, Any]:
    """Return the settings of a session that says nothing."""
    known = {name: parse(default) for name, (parse, default, *_) in SETTINGS.items()}
    return {**known, "race_strict": False, "race_tests": "head", "race_gone": "list"}
