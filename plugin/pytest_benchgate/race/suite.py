"""The benchmarks of a session, as far as a race needs to know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Benchmark:
    """A benchmark that is raced.

    Attributes
    ----------
    nodeid, name : str
        Of the test.
    function : str
        Its function's name, without parameters.
    file : Path
        Its file, relative to rootdir.
    path, line
        For reports; lines count from 1.
    marks : Mapping[str, Any]
        The settings that its markers have.

    """

    nodeid: str
    name: str
    function: str
    file: Path
    path: str
    line: int
    marks: Mapping[str, Any]


@dataclass(frozen=True)
class Suite:
    """The benchmarks of a session.

    Attributes
    ----------
    nodeids : tuple[str, ...]
        Of the whole suite, with all shards, sorted.
    benchmarks : Mapping[str, Benchmark]
        Those of this shard, by their ids.
    collected : Mapping[str, bool]
        All tests that were collected, before any selection, and whether each is a benchmark.

    """

    nodeids: tuple[str, ...]
    benchmarks: Mapping[str, Benchmark]
    collected: Mapping[str, bool]

    def files(self) -> list[Path]:
        """Return the files of the benchmarks, relative to rootdir."""
        return list(dict.fromkeys(benchmark.file for benchmark in self.benchmarks.values()))
