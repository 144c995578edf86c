"""The times of runs in the formats of other tools: one module for each tool, and a row of FORMATS for each format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate.exports import asv, bencher, github_action_benchmark, hyperfine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_benchgate.exports.times import Run


@dataclass(frozen=True)
class Format:
    """A format of another tool.

    Attributes
    ----------
    name : str
        As `--export` takes it.
    render : callable
        Returns the text of each file, by its path in the output folder; of the only file, by "".
    help : str
        What it is for.

    """

    name: str
    render: Callable[[Sequence[Run]], dict[str, str]]
    help: str


FORMATS = {
    one.name: one
    for one in (
        Format("asv", asv.render, "a folder of results of airspeed velocity"),
        Format("bencher", bencher.render, "Bencher Metric Format, a JSON file"),
        Format("github-action-benchmark", github_action_benchmark.render, "for its tool customSmallerIsBetter"),
        Format("hyperfine-csv", hyperfine.to_csv, "as hyperfine --export-csv"),
        Format("hyperfine-json", hyperfine.to_json, "as hyperfine --export-json"),
        Format("hyperfine-markdown", hyperfine.to_markdown, "as hyperfine --export-markdown"),
    )
}
