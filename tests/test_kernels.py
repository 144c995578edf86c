"""Each kernel, in work-groups and shapes beside today's: right answers, and with --cl-check no faults.

tox run -e clcheck
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import pytest

from logmap_cy import implementations
from logmap_cy.opencl import program
from logmap_cy.opencl.device import discover
from logmap_cy.opencl.job import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_benchgate.devices import Device

    from conftest import Case, Oracle
    from logmap_cy import Implementation

ROWS = [row for row in implementations() if row.kind == "opencl" and not row.known_wrong]
pytestmark = pytest.mark.thorough

# Short and general forms, with one remainder and two, and products that are no doubles.
PARAMETERS = [(6700417, 22), (6700416, 22), (2**31 - 1, 5), (2**32 - 5, 2**31), (2**45 - 229, 22), (2**45 - 2, 4)]
# Around the blocks of 2, 4, 48 and 128 elements, and the groups.
LENGTHS = (1, 2, 5, 47, 48, 49, 128, 257)
# The elements, the work-items of a group, and the kind of device whose shape a work-item has.
SETTINGS = [
    ("i4", 1, "cpu"),
    ("u4", 7, "gpu"),
    ("i8", 64, "gpu"),
    ("u8", 100, "cpu"),
    ("i8", 256, "cpu"),
]
every_setting = pytest.mark.parametrize(("dtype", "group", "kind"), SETTINGS)


@contextmanager
def kernel(name: str, cl_id: str, group: int, kind: str) -> Iterator[Kernel]:
    """Give the kernel on the device as if it were of this kind, in work-groups of this size.

    Arrays are moved there: Oclgrind takes what lies in the host's memory for uninitialised.
    """
    device = next(device for device in discover().devices if str(device) == cl_id)
    device = dataclasses.replace(device, index=1000, kind=kind, shares_memory=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "GROUP", group)
        # In several pieces.
        patch.setattr(program, "PIECE", 1600)
        assert program.open_session(device).group == group
    yield Kernel(name, device)
    program._sessions.pop(device)


def values(length: int, dtype: str) -> np.ndarray[tuple[int], np.dtype[np.integer]]:
    """Return all of 0, 1 ... and the ends of the dtype."""
    x = np.arange(length).astype(dtype)
    x[::5] = np.iinfo(dtype).max - x[::5]
    x[1::5] += np.iinfo(dtype).min
    return x


@every_setting
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_kernel_is_right(
    cl_device: Device, row: Implementation, dtype: str, group: int, kind: str, oracle: Oracle
) -> None:
    if str(cl_device) not in map(str, row.devices):
        pytest.skip(f"{row} does not run on {cl_device.name}")
    with kernel(row.name, str(cl_device), group, kind) as compute:
        for p, mu in PARAMETERS:
            if p > np.iinfo(dtype).max or not row.domain.contains(p, mu):
                continue
            for length in LENGTHS:
                x = values(length, dtype)
                out = np.full_like(x, 7)
                compute(x, out, 11, p, mu, 1)
                np.testing.assert_array_equal(out, oracle(x, 11, p, mu))
                compute(x, x, 11, p, mu, 1)
                np.testing.assert_array_equal(x, out)


@every_setting
def test_the_kernels_that_are_no_implementations(
    cl_device: Device, dtype: str, group: int, kind: str, oracle: Oracle
) -> None:
    """The copy; and the article's, whose answers are right until it overflows."""
    x = np.arange(257).astype(dtype)
    out = np.zeros_like(x)
    for name, expected in (("opencl_copy", x), ("opencl_article", oracle(x, 1, 6700417, 22))):
        with kernel(name, str(cl_device), group, kind) as compute:
            compute(x, out, 1, 6700417, 22, 1)
            np.testing.assert_array_equal(out, expected)


def test_large_arrays(opencl_case: Case, cl_small: Callable[[int], int], oracle: Oracle) -> None:
    x = np.arange(cl_small(2**18) - 1)
    np.testing.assert_array_equal(opencl_case(x, 3), oracle(x, 3, 6700417, 22))


def test_every_kernel_is_run() -> None:
    files = {path.name for path in (resources.files("logmap_cy") / "kernels").iterdir()}
    rows = {f"{row}.cl" for row in implementations() if row.kind == "opencl"}
    assert {file for file in files if file.endswith(".cl")} == rows | {"opencl_copy.cl"}
