"""What the process keeps between calls, and the one place that lets it go.

A module that keeps something registers how to release it: threads, worker processes, OpenCL contexts, caches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Release = TypeVar("Release", bound="Callable[[], object]")

_releases: list[Callable[[], object]] = []


def on_release(function: Release) -> Release:
    """Have `release` call the function. It must not fail where nothing is kept, and a later call may begin anew."""
    _releases.append(function)
    return function


def release() -> None:
    """Release what is kept between calls: worker processes, threads of devices, OpenCL contexts, what was learned.

    Calls under way finish with what they hold, and a later call begins anew: it takes longer, and its answer is the
    same. Modules that were never used are not imported for this.

    Examples
    --------
    >>> from logmap_cy import release
    >>> release()

    """
    for function in reversed(_releases):
        function()
