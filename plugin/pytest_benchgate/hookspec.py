"""The hooks that this plugin calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.limits import Limit


@pytest.hookspec
def pytest_benchgate_limits(config: pytest.Config) -> Sequence[Limit]:  # type: ignore[empty-body]
    """Return further limits of the machine, such as a multiply-add peak, beside the copy of the same bytes.

    Parameters
    ----------
    config : pytest.Config
        The session's configuration.

    Returns
    -------
    sequence of Limit
        Each with a name of its own; none for no further limits.

    """
