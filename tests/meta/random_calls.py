"""Call the rows on the processor with random arguments, and compare each answer with that of Python's integers.

    python tests/meta/random_calls.py --seconds 60
    python tests/meta/random_calls.py --rows 'vector_*' --seed 7
    python tests/meta/random_calls.py crash-2f1d    the call of an input that fuzz.py has found

Calls that the documentation allows have to be answered, and all others refused with the exceptions that it names. What
is called with which arguments is decided by `choose`: random numbers here, the input of a fuzzer in fuzz.py.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import random
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from logmap_cy import implementations, logmap, logmap_buffer, logmap_list, logmap_scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from logmap_cy import Implementation
    from logmap_cy._contract import Array

    # Returns an integer from the first to the second.
    Choose: TypeAlias = Callable[[int, int], int]

DTYPES = (np.int32, np.int64, np.uint32, np.uint64)
KINDS = ("python", "objects", "numpy", "cython")
EDGES = (20, 21, 24, 25, 27, 31, 32, 45, 63, 64)
MODULI = (1, 2, 3, 61, 6700416, 6700417, *(2**bits + more for bits in EDGES for more in (-1, 0, 1)))
NOT_INTEGERS: tuple[Any, ...] = (1.0, "1", None, True, np.bool_(1), [1], 1j)
WRONG: tuple[dict[str, Any], ...] = (
    {"num": -1}, {"num": 2**63}, {"p": 0}, {"p": -7}, {"threads": 0}, {"threads": 1.5},
    *({key: value} for key in ("num", "p", "mu") for value in NOT_INTEGERS),
)  # fmt: skip
# Elements of an array that differ: more take long in Python's integers.
DISTINCT = 997
# Elements times steps in Python's integers, as many as take a millisecond.
STEPS = 4000
# An out of 4 MiB and more is written past the caches.
LARGE = 2**20
# The bytes around an array.
GUARD = 77


class Bytes:
    """Chooses by the bytes of an input, and where they end at random: of zeros, most calls would be of no element."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place, self.rest = data, 0, random.Random(data)

    def __call__(self, least: int, most: int) -> int:
        """Return an integer from least to most."""
        count = ((most - least).bit_length() + 7) // 8
        part = self.data[self.place : self.place + count]
        self.place += count
        if len(part) < count:
            return self.rest.randint(least, most)
        return least + int.from_bytes(part, "little") % (most - least + 1)


@functools.cache
def rows(pattern: str = "*") -> tuple[Implementation, ...]:
    """Return the rows that are called: those on the processor that this project's code computes in this process."""
    found = (row for row in implementations() if row.kind in KINDS and fnmatch.fnmatchcase(row.name, pattern))
    return tuple(row for row in found if not row.known_wrong and not row.unavailable)


def call(choose: Choose, pattern: str = "*") -> int:
    """Make one call, and return how many elements were computed; AssertionError for a wrong answer."""
    row = pick(choose, rows(pattern))
    direct = {"objects": call_with_objects, "cython": call_directly}.get(row.kind, call_with_arrays)
    if row.name == "buffer":
        direct = call_with_buffer
    function = direct if choose(0, 3) == 1 else call_with_arrays
    return function(choose, row)


def answered(function: Callable[[], Any], refusals: Any, what: Callable[[], str], *, valid: bool) -> Any:
    """Return the answer of a valid call, or None where another one is refused with one of these exceptions."""
    try:
        answer = function()
    except refusals as error:
        if valid:
            raise AssertionError(f"{what()} was refused: {error}") from error
        return None
    assert valid, f"{what()} was not refused"
    return answer


def pick(choose: Choose, among: Sequence[Any]) -> Any:
    """Return one of them."""
    return among[choose(0, len(among) - 1)]


def rarely(choose: Choose) -> bool:
    """Return True once in 32 times."""
    return choose(0, 31) == 1


def any_size(choose: Choose, most_bits: int) -> int:
    """Return an integer of either sign and at most so many bits, each number of bits as likely as another."""
    limit = 2 ** choose(0, most_bits)
    return choose(-limit, limit)


def parameters(choose: Choose, count: int) -> tuple[int, int, int]:
    """Return num, p and mu for so many elements."""
    num = choose(0, min(35, STEPS // max(min(count, DISTINCT), 1)))
    p = pick(choose, MODULI) if choose(0, 1) else max(abs(any_size(choose, 64)), 1)
    mu = pick(choose, (22, -1, 0, 1, p - 1, p // 2, -p, 2 * p + 1)) if choose(0, 1) else any_size(choose, 70)
    return num, p, mu


def integers(choose: Choose, least: int, most: int, count: int, p: int) -> list[int]:
    """Return so many integers, but DISTINCT at most, which `repeated` repeats."""
    edges = [value for value in (0, 1, -1, least, most, p - 1, p, -p, 9880) if least <= value <= most]
    chosen = [pick(choose, edges) if choose(0, 3) else choose(least, most) for _ in range(min(count, 8))]
    if count <= len(chosen):
        return chosen
    # To choose each would take longer than the call.
    generator, limit = random.Random(choose(0, 2**16)), 2 ** choose(0, 64)
    low, high = max(least, -limit), min(most, limit)
    return chosen + [generator.randint(low, high) for _ in range(min(count, DISTINCT) - len(chosen))]


def repeated(values: list[int], dtype: Any, count: int) -> Array:
    """Return an array of so many elements."""
    return np.resize(np.array(values, dtype), count)


def expected(values: list[int], num: int, p: int, mu: int) -> list[int]:
    """Return the answers, in Python's integers."""
    for _ in range(num):
        values = [mu * value * (value + 1) % p for value in values]
    return values


def length(choose: Choose, row: Implementation) -> int:
    """Return a number of elements."""
    if row.kind in {"python", "objects"}:
        return choose(0, 99)
    if choose(0, 499) == 1:
        return LARGE + choose(0, 300)
    return choose(*pick(choose, ((0, 20), (0, 20), (0, 700), (0, 700), (0, 20_000))))


def laid_out(choose: Choose, content: Array) -> tuple[Array, Callable[[], bool]]:
    """Return an array equal to content, in some layout, and a function: whether what is around it is as it was."""
    if content.ndim == 1 and content.size % 3 == 0 and choose(0, 1):
        content = content.reshape(3, -1)
    layout = pick(choose, (np.asfortranarray, reversed_copy, swapped, None, None))
    if layout:
        return layout(content), lambda: True
    # Any address, and elements with gaps between them or none.
    size, step = content.itemsize, content.itemsize * choose(1, 2)
    memory = np.full(content.size * step + 2 * size, GUARD, np.uint8)
    strides = tuple(step * int(np.prod(content.shape[axis + 1 :])) for axis in range(content.ndim))
    start = size if choose(0, 1) else choose(0, size)

    def place(data: Array) -> Array:
        return np.ndarray(content.shape, content.dtype, data.data, start, strides)

    def untouched() -> bool:
        rest = memory.copy()
        place(rest)[...] = np.frombuffer(bytes([GUARD] * size), content.dtype)
        return bool(np.all(rest == GUARD))

    array = place(memory)
    array[...] = content
    return array, untouched


def reversed_copy(content: Array) -> Array:
    """Return an equal array with a negative stride."""
    return content[::-1].copy()[::-1]


def swapped(content: Array) -> Array:
    """Return an equal array of the other byte order."""
    return content.astype(content.dtype.newbyteorder())


def output(choose: Choose, x: Array) -> tuple[Any, Callable[[], bool], bool]:
    """Return an out for x or None, a function as `laid_out` does, and whether it is valid."""
    if rarely(choose):
        wrong = pick(choose, ("dtype", "shape", "read-only", "overlap", "type"))
        out: Any = np.zeros_like(x)
        if wrong == "dtype":
            out = out.astype(np.int16)
        elif wrong == "shape":
            out = np.zeros((*x.shape, 2), x.dtype)
        elif wrong == "read-only":
            out.flags.writeable = False
        elif wrong == "type":
            out = out.tolist()
        elif x.ndim == 1 and x.size > 1:
            out = x[::-1]
        return out, lambda: True, wrong == "overlap" and (x.ndim != 1 or x.size <= 1)
    kind = choose(0, 2)
    if kind == 0:
        return None, lambda: True, True
    if kind == 1:
        return x, lambda: True, True
    out, untouched = laid_out(choose, np.zeros(x.shape, x.dtype))
    return out, untouched, out.shape == x.shape and out.dtype == x.dtype


def call_with_arrays(choose: Choose, row: Implementation) -> int:
    """Call `logmap`."""
    dtype, count = pick(choose, DTYPES), length(choose, row)
    num, p, mu = parameters(choose, count)
    info = np.iinfo(dtype)
    values = integers(choose, info.min, info.max, count, p)
    x, x_untouched = laid_out(choose, repeated(values, dtype, count))
    out, untouched, valid = output(choose, x)
    name = row.name if choose(0, 3) else "auto"
    valid = valid and p - 1 <= info.max and (name == "auto" or row.domain.contains(p, mu % p))
    options = {"num": num, "p": p, "mu": mu, "threads": pick(choose, (None, 1, 2, 3))}
    if rarely(choose):
        options |= pick(choose, WRONG)
        valid = False

    def what() -> str:
        return f"logmap({x!r}, out={out!r}, implementation={name!r}, **{options})"

    def function() -> Array:
        return logmap(x, **options, out=out, implementation=name)

    answer = answered(function, (TypeError, ValueError), what, valid=valid)
    if answer is None:
        return 0
    assert out is None or answer is out, what()
    assert answer.dtype == x.dtype, what()
    assert np.array_equal(answer.ravel(), repeated(expected(values, num, p, mu), dtype, count)), what()
    assert untouched(), f"{what()} wrote around out"
    assert x_untouched(), f"{what()} wrote around x"
    return count


def call_directly(choose: Choose, row: Implementation) -> int:
    """Call the compiled function, whose own checks have to keep it from crashing."""
    dtype, count = pick(choose, DTYPES), choose(0, 700)
    info = np.iinfo(dtype)
    num, p, mu = parameters(choose, count)
    # What does not fit the elements is refused before.
    p = min(p, info.max + 1)
    num, p, mu = pick(choose, ((num, p, mu % p),) * 7 + ((-num, p - 2, mu),))
    threads = choose(1, 3) if choose(0, 7) else choose(-1, 1)
    values = integers(choose, info.min, info.max, count, p)
    x = repeated(values, dtype, count)
    out = x if choose(0, 1) else np.zeros(count + rarely(choose), dtype)
    valid = len(out) == count and num >= 0 and p >= 1 and 0 <= mu < p and row.domain.contains(p, mu)
    valid = valid and (threads >= 1 or not row.steps_per_thread)

    def what() -> str:
        return f"{row}.compute({x!r}, {out!r}, {num}, {p}, {mu}, {threads})"

    def function() -> Array:
        row.load()(x, out, num, p, mu, threads)
        return out

    if answered(function, (OverflowError, ValueError), what, valid=valid) is None:
        return 0
    # Without a step the remainder.
    answers = expected(values, num, p, mu) if num else [value % p for value in values]
    assert np.array_equal(out, np.array(answers, dtype)), what()
    return count


def call_with_objects(choose: Choose, row: Implementation) -> int:
    """Call `logmap_list` or `logmap_scalar`."""
    count = choose(0, 40)
    num, p, mu = parameters(choose, count)
    # Without a step a list is copied, whatever is in it.
    num = max(num, 1)
    least, most = pick(choose, ((-(2**63), 2**64 - 1),) * 7 + ((-(2**64), 2**65),))
    values: list[Any] = integers(choose, least, most, count, p)
    valid = p <= 2**32 and all(-(2**63) <= value < 2**64 for value in values)
    if rarely(choose):
        values.append(pick(choose, NOT_INTEGERS[:3]))
        valid = False

    def what() -> str:
        return f"{row}: logmap_list({values}, {num}, {p}, {mu})"

    def function() -> list[int]:
        if len(values) == 1:
            return [logmap_scalar(values[0], num, p, mu)]
        return logmap_list(values, num, p, mu)

    answers = answered(function, (OverflowError, TypeError, ValueError), what, valid=valid)
    if answers is None:
        return 0
    assert answers == expected(values, num, p, mu), f"{what()} is {answers}"
    return count


def call_with_buffer(choose: Choose, row: Implementation) -> int:
    """Call `logmap_buffer`, with bytes at any address."""
    count, signed = choose(0, 99), choose(0, 1)
    num, p, mu = parameters(choose, count)
    least = -(2**63) if signed else 0
    values = integers(choose, least, least + 2**64 - 1, count, p)
    dtype = np.int64 if signed else np.uint64
    start, more = choose(0, 8), pick(choose, (0,) * 7 + (1,))
    memory = bytes(start) + np.array(values, dtype).tobytes() + bytes(more)
    view = memoryview(memory)[start:]
    # Plain bytes are signed.
    source: Any = view if signed else np.frombuffer(view[: 8 * count], dtype)
    valid = p <= 2**32 and not (signed and more)

    def what() -> str:
        return f"{row}: logmap_buffer({source!r} of {values}, {num}, {p}, {mu})"

    def function() -> bytes:
        return logmap_buffer(source, num, p, mu)

    answers = answered(function, (BufferError, TypeError, ValueError), what, valid=valid)
    if answers is None:
        return 0
    assert np.frombuffer(answers, dtype).tolist() == expected(values, num, p, mu), what()
    return count


def main() -> None:
    """Make the calls that the command line asks for."""
    summary, _, more = (__doc__ or "").partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=summary, epilog=more, formatter_class=form)
    parser.add_argument("inputs", type=Path, nargs="*", help="make the calls of these files instead of random ones")
    parser.add_argument("--seconds", type=float, default=10, help="how long random calls are made (default 10)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of the first call; the next adds 1")
    parser.add_argument("--rows", default="*", help="a pattern of the rows that are called (default all)")
    options = parser.parse_args()
    for path in options.inputs:
        call(Bytes(path.read_bytes()), options.rows)
        print(f"{path}: nothing found")
    if options.inputs:
        return
    begin = told = time.monotonic()
    calls = elements = 0
    print(f"the first call has --seed {options.seed}", flush=True)
    while (now := time.monotonic()) < begin + options.seconds or not calls:
        if now > told + 10:
            told = now
            print(f"{calls:,} calls of {elements:,} elements; the next has --seed {options.seed + calls}", flush=True)
        elements += call(random.Random(options.seed + calls).randint, options.rows)
        calls += 1
    print(f"{calls:,} calls of {elements:,} elements in {now - begin:.0f} s: nothing found")


if __name__ == "__main__":
    main()
