"""The state of Python's allocator in which calls are counted."""

from __future__ import annotations

import gc
import sysconfig
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.explain import heap

if TYPE_CHECKING:
    from pytest_benchgate.explain.heap import SizeClass


def _pools(size_class: SizeClass) -> list[int]:
    """Return the pools of the blocks that are allocated next, up to an eighth of a pool."""
    blocks = [size_class.allocate() for _ in range(size_class.half // 4)]
    return [id(block) >> heap.POOL_BITS for block in blocks]


@pytest.mark.skipif(bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="this Python allocates otherwise")
def test_each_size_class_takes_its_blocks_from_a_half_empty_pool() -> None:
    def of_one_pool() -> int:
        settled = heap.settle()
        found = sum(len(set(_pools(one))) == 1 for one in heap.CLASSES)
        del settled
        return found

    # Pytest's own blocks may have been released meanwhile. Unsettled, 25 to 27 of 32 have one pool.
    assert any(of_one_pool() >= len(heap.CLASSES) - 2 for _ in range(3))


def test_what_was_allocated_before_does_not_make_a_collection_fall_into_a_call() -> None:
    lists = [[] for _ in range(gc.get_threshold()[0] // 2)]  # type: ignore[var-annotated]
    assert gc.get_count()[0] >= len(lists) // 2
    heap.settle()
    assert gc.get_count()[0] < len(lists) // 2
    gc.disable()
    try:
        generation = gc.get_stats()[1]["collections"]
        heap.settle()
        assert gc.get_stats()[1]["collections"] == generation
    finally:
        gc.enable()
