"""The options, once parsed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Config:
    """What the command line and the environment ask for.

    Attributes
    ----------
    cl_device: a device's name, or a part of it; None for all.
    cl_require: whether a missing device is a failure.
    cl_list: whether to list the devices, and do nothing else.
    markdown: the file that gets the report in Markdown, or None.
    summary: the job summary of the CI, to which the same report is appended, or None.
    annotate: whether to print annotations for GitHub Actions.

    """

    cl_device: str | None
    cl_require: bool
    cl_list: bool
    markdown: Path | None
    summary: Path | None
    annotate: bool


def add_options(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("benchgate", "benchgate: verified benchmarks, OpenCL devices")
    group.addoption(
        "--cl-device",
        metavar="NAME",
        help="run the tests that use an OpenCL device on this one only: cl0, or a part of its or its platform's name",
    )
    group.addoption(
        "--cl-require", action="store_true", help="fail, instead of skip, the tests for which there is no OpenCL device"
    )
    group.addoption("--cl-list", action="store_true", help="list the OpenCL devices, or why there are none, and exit")
    group.addoption(
        "--benchgate-markdown", metavar="FILE", type=Path, help="write the report as Markdown to FILE as well"
    )


def read(config: pytest.Config) -> Config:
    """Return the options as given; the CI's job summary and annotations are found by its environment variables."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    return Config(
        cl_device=config.getoption("cl_device"),
        cl_require=config.getoption("cl_require"),
        cl_list=config.getoption("cl_list"),
        markdown=config.getoption("benchgate_markdown"),
        summary=Path(summary) if summary else None,
        annotate=os.environ.get("GITHUB_ACTIONS") == "true",
    )
