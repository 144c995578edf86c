"""The map over integers, lists and buffers: the oracle's answers for all of 64 bits, or an error."""

from __future__ import annotations

import _thread
import array
import mmap
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmap_cy import logmap_buffer, logmap_list, logmap_scalar
from logmap_cy.rows import objects
from logmap_cy.rows.python import iterate

if TYPE_CHECKING:
    from collections.abc import Callable

INT64 = st.integers(-(2**63), 2**63 - 1)
ANY_64_BITS = st.integers(-(2**63), 2**64 - 1)
NUM, P, MU = st.integers(0, 30), st.integers(1, 2**32), st.integers()


@given(
    values=st.lists(ANY_64_BITS | st.sampled_from([-(2**63), 2**63 - 1, 2**63, 2**64 - 1, -1, 0])), num=NUM, p=P, mu=MU
)
def test_lists_and_scalars_have_the_oracle_s_answers(values: list[int], num: int, p: int, mu: int) -> None:
    before = [*values]
    answers = logmap_list(values, num, p, mu)
    assert answers == [iterate(value, num, p, mu) for value in values]
    assert answers == [logmap_scalar(value, num, p, mu) for value in values]
    assert values == before
    assert answers is not values


@given(values=st.lists(INT64), num=NUM, p=P, mu=MU)
def test_buffers_have_the_oracle_s_answers(values: list[int], num: int, p: int, mu: int) -> None:
    expected = array.array("q", [iterate(value, num, p, mu) for value in values]).tobytes()
    source = array.array("q", values)
    plain = source.tobytes()
    # At an address that is no multiple of 8, too.
    shifted = memoryview(b"-" + plain)[1:]
    for given_as in (
        source,
        plain,
        bytearray(plain),
        memoryview(source),
        memoryview(plain),
        shifted,
        np.array(values, np.int64),
    ):
        answers = logmap_buffer(given_as, num, p, mu)
        assert isinstance(answers, bytes)
        assert answers == expected


@given(values=st.lists(st.integers(0, 2**64 - 1)), num=NUM, p=P, mu=MU)
def test_unsigned_buffers_are_unsigned(values: list[int], num: int, p: int, mu: int) -> None:
    answers = logmap_buffer(array.array("Q", values), num, p, mu)
    assert [*array.array("Q", answers)] == [iterate(value, num, p, mu) for value in values]


def test_a_file_s_pages_are_a_buffer(tmp_path: Any) -> None:
    path = tmp_path / "integers"
    path.write_bytes(array.array("q", range(1000)).tobytes())
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        assert array.array("q", logmap_buffer(pages)).tolist() == logmap_list([*range(1000)])


def test_the_article_s_answers() -> None:
    assert logmap_scalar(1, 1, 61, 22) == 44
    assert logmap_list([1, 2, 3], 10, 61, 22) == [28, 25, 37]
    assert array.array("q", logmap_buffer(array.array("q", [1, 2, 10000, 33554431]))).tolist() == [
        5756693, 3714507, 3819240, 151347,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "call",
    [
        lambda num: logmap_scalar(3, num),
        lambda num: logmap_list([3, 4], num),
        lambda num: logmap_buffer(bytes(64), num),
    ],
    ids=["scalar", "list", "buffer"],
)
@pytest.mark.parametrize("num", [10**15, 2**63 - 1])
def test_ctrl_c_is_answered_and_other_threads_run(call: Callable[[int], object], num: int) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call(num)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


class Index:
    """An integer for operator.index, as NumPy's are."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.act = act

    def __index__(self) -> int:
        self.act()
        return 3


def test_what_stands_for_an_integer_is_one() -> None:
    expected = iterate(3, 10, 61, 22)
    assert logmap_scalar(Index(), p=61) == logmap_scalar(np.uint8(3), p=61) == expected
    values: list[Any] = [np.int32(3), Index()]
    assert logmap_list(values, p=61) == [expected, expected]


def test_a_list_that_changes_meanwhile_is_taken_as_it_was() -> None:
    values: list[Any] = [1, 2, 3, 4]
    values[1] = Index(values.clear)
    assert logmap_list(values, 1, 61, 22) == [iterate(value, 1, 61, 22) for value in (1, 3, 3, 4)]
    assert values == []


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([1, 2**64], OverflowError, r"18446744073709551616 is outside \[-2\*\*63, 2\*\*64\); take it modulo p first"),
        ([-(2**63) - 1], OverflowError, "is outside"),
        ([1.5], TypeError, "integer"),
        (["1"], TypeError, "integer"),
        ([None], TypeError, "integer"),
        ((1, 2), TypeError, r"tuple, not a list; pass list\(values\)"),
        (np.arange(3), TypeError, "ndarray, not a list"),
    ],
)
def test_lists_that_are_refused(values: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        logmap_list(values)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (b"1234567", ValueError, "7 bytes, not a whole number of 64-bit integers; pass a multiple of 8"),
        (array.array("i", [1, 2]), TypeError, r"format 'i' \(4 bytes each\).*array.array\('q', source\)"),
        (array.array("d", [1.0]), TypeError, "format 'd'"),
        (np.zeros(2, ">i8"), TypeError, "native byte order")
        if sys.byteorder == "little"
        else (b"1", ValueError, "1 bytes"),
        (np.zeros(4, np.int64)[::2], BufferError, "not contiguous"),
        ([1, 2], TypeError, r"\[1, 2\] has no buffer"),
        ("12345678", TypeError, "has no buffer"),
    ],
)
def test_buffers_that_are_refused(source: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        logmap_buffer(source)


@pytest.mark.parametrize(
    "call", [lambda **more: logmap_scalar(3, **more), lambda **more: logmap_list([3], **more),
             lambda **more: logmap_buffer(bytes(8), **more)]
)  # fmt: skip
@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"num": -1}, ValueError, "num=-1 is below 0"),
        ({"num": 2**63}, ValueError, "num=9223372036854775808 is above 9223372036854775807; pass"),
        ({"p": 0}, ValueError, "p=0 is below 1"),
        ({"p": 2**32 + 1}, ValueError, r"p=4294967297 is above 2\*\*32.*array to logmap"),
        ({"mu": 1.5}, TypeError, "mu=1.5 is not an integer"),
        ({"num": True}, TypeError, "is a bool"),
    ],
)
def test_parameters_that_are_refused(
    call: Callable[..., Any], more: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(**more)


@pytest.mark.parametrize(("num", "p", "mu"), [(-1, 61, 22), (1, 0, 0), (1, 2**32 + 1, 3), (1, 61, 61)])
def test_the_compiled_functions_refuse_what_would_wrap(num: int, p: int, mu: int) -> None:
    with pytest.raises(ValueError, match="is"):
        objects.calc(1, num, p, mu)
    with pytest.raises(ValueError, match="is"):
        objects.map_list([1], num, p, mu)
