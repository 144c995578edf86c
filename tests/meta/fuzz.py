"""Fuzz the rows on the processor: libFuzzer, by atheris, changes the inputs that reached new code.

    tox run -e fuzz                        a minute
    tox run -e fuzz -- --seconds 600       on top of what earlier runs have kept in build/sanitized/fuzz/corpus

An input says what is called with which arguments, as random_calls.py reads it. The modules of logmap-cy are compiled by
clang, with counters of the code that is reached, AddressSanitizer and UndefinedBehaviorSanitizer. An input that fails
is kept as crash-..., and `python tests/meta/random_calls.py crash-...` repeats its call.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["logmap_cy"]):
    import random_calls


def one(data: bytes) -> None:
    """Make the call of one input."""
    random_calls.call(random_calls.Bytes(data))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
