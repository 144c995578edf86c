"""What an option is: where it can be given, and how its value is read and written."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import pytest

from pytest_benchgate import parsers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Option(Generic[T]):
    """An option, and where it can be given.

    Attributes
    ----------
    name : str
        Its key in pytest's configuration, its keyword of the marker, and its flag without the hyphens.
    parse : callable, optional
        What makes a value of a text, or raises argparse.ArgumentTypeError. A switch has none.
    default : T
        The value where it is given nowhere. That of a switch is False, that of an option with several values ().
    metavar : str
        What --help writes in the place of a value.
    help : str
        What it does, for --help.
    show : callable
        What makes a text of a value.
    command_line, ini, marker : bool
        Whether it can be given on the command line, in pytest's configuration, in the marker of a test.
    from_base : bool
        Whether, in a race between revisions, the configuration of base's tree counts, not that of head's. Values then
        are strings, numbers or booleans, which survive JSON.
    for_workers : bool
        Whether the workers of a race get it.

    """

    name: str
    parse: Callable[[str], T] | None
    default: T
    metavar: str
    help: str
    _: dataclasses.KW_ONLY
    show: Callable[[Any], str] = parsers.shown
    command_line: bool = True
    ini: bool = False
    marker: bool = False
    from_base: bool = False
    for_workers: bool = False

    def field(self) -> T:
        """Return the field of a dataclass that has its value."""
        field: T = dataclasses.field(default=self.default, metadata={"option": self})
        return field

    @property
    def flag(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Whether it is given without a value."""
        return isinstance(self.default, bool)

    def declare(self, parser: pytest.Parser, group: pytest.OptionGroup) -> None:
        """Declare it to pytest, which gets no defaults: None tells that it is not given."""
        if self.ini:
            kinds: dict[type, Literal["bool", "args"]] = {bool: "bool", tuple: "args"}
            parser.addini(self.name, self.help, type=kinds.get(type(self.default), "string"), default=None)
        if not self.command_line:
            return
        has_default = self.ini and not self.is_switch and self.default not in {None, ()}
        notes = [f"default: {self.show(self.default)}"] * has_default + [f"ini: {self.name}"] * self.ini
        text = (f"{self.help} ({'; '.join(notes)})" if notes else self.help).replace("%", "%%")
        if self.is_switch:
            group.addoption(self.flag, action="store_true", default=None, help=text)
        else:
            action = "append" if self.default == () else "store"
            group.addoption(self.flag, action=action, type=self.parse, metavar=self.metavar, help=text)

    def value(self, config: pytest.Config) -> Any:
        """Return the value that the command line or else pytest's configuration gives, or the default."""
        value = config.getoption(self.name) if self.command_line else None
        if value is None and self.ini:
            try:
                value = config.getini(self.name)
            # Of pytest, which names neither the key nor what it takes; newer ones raise UsageError.
            except (TypeError, ValueError, pytest.UsageError) as error:
                text = str(error).removeprefix(f"{config.inipath}: ")
                # In the table [tool.pytest] of pyproject.toml, values have types.
                hint = "write true or false" if self.is_switch else "write it in quotes"
                raise pytest.UsageError(f"{config.inipath}: {self.name}: {text}; {hint}") from error
            # An empty key leaves open what has no default.
            if value == "" and self.default is None:
                value = None
            if isinstance(value, str) and self.parse is not None:
                try:
                    value = self.parse(value)
                except argparse.ArgumentTypeError as error:
                    raise pytest.UsageError(f"{config.inipath}: {self.name}: {error}") from error
        if value is None:
            return self.default
        return tuple(value) if isinstance(value, list) else value

    def marked(self, value: object) -> Any:
        """Return the value that a marker gives; argparse.ArgumentTypeError where it cannot be one."""
        return bool(value) if self.parse is None else self.parse(str(value))

    def arguments(self, value: Any) -> list[str]:
        """Return the arguments of the command line that give this value."""
        values = value if self.default == () else [value]
        return [self.flag if self.is_switch else f"{self.flag}={self.show(one)}" for one in values]


def options_of(configuration: type) -> dict[str, Option[Any]]:
    """Return the options of Config or RaceConfig by the names of their fields."""
    fields = dataclasses.fields(configuration)
    return {field.name: field.metadata["option"] for field in fields if "option" in field.metadata}


def given(config: pytest.Config, options: Mapping[str, Option[Any]]) -> frozenset[str]:
    """Return the options that the command line or PYTEST_ADDOPTS give, without those of `addopts` in a file."""
    files = "@" if pytest.version_tuple >= (8, 2) else None
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, fromfile_prefix_chars=files)
    for field, option in options.items():
        action = "store_true" if option.is_switch else "store"
        parser.add_argument(option.flag, dest=field, action=action, default=None)
    arguments = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(str, config.invocation_params.args)]
    found, _ = parser.parse_known_args(arguments)
    return frozenset(field for field, value in vars(found).items() if value is not None)
