"""Fixtures of a wider scope whose teardown failed, and the tests that used them.

pytest reports such an error for the last of these tests only. What is used here goes beyond its documentation:
`FixtureDef.finish`, by name in a traceback, its `request`, and a test's `_fixtureinfo` and `callspec`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest


class TornDown(NamedTuple):
    """What a fixture was for one node of its scope, such as a module, and one of its parameters."""

    fixture: pytest.FixtureDef[Any]
    node: pytest.Collector | None
    parameter: int


def torn_down(error: BaseException | None) -> list[TornDown]:
    """Return the fixtures of a wider scope than one test in whose teardown error was raised."""
    if isinstance(error, BaseExceptionGroup):
        return [fixture for part in error.exceptions for fixture in torn_down(part)]
    found, entry = [], error.__traceback__ if error else None
    while entry:
        owner, request = (entry.tb_frame.f_locals.get(name) for name in ("self", "request"))
        if isinstance(owner, pytest.FixtureDef) and entry.tb_frame.f_code.co_name == "finish":
            found.append(TornDown(owner, getattr(request, "node", None), getattr(request, "param_index", 0)))
        entry = entry.tb_next
    return [one for one in found if one.fixture.scope != "function"]


def uses(item: pytest.Item, torn: TornDown) -> bool:
    """Return whether a test used a fixture, directly or through another, before it was torn down."""
    info, callspec = getattr(item, "_fixtureinfo", None), getattr(item, "callspec", None)
    index = callspec.indices.get(torn.fixture.argname, torn.parameter) if callspec else torn.parameter
    if info is None or index != torn.parameter or not (torn.node is None or torn.node in item.listchain()):
        return False
    return any(torn.fixture in known for known in info.name2fixturedefs.values())
