"""The implementation "python_inlined": unbounded integers, ten steps written out.

In the articles: "Elixir Flow, inlined (ten calls written out)", here in one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from logmap_cy._contract import Array


def iterate(values: Sequence[int], num: int, p: int, mu: int) -> list[int]:
    """Return num steps of ``u <- mu * u * (u + 1) mod p`` for each of values; in [0, p) for num >= 1."""
    answers = [*values]
    for _ in range(num // 10):
        values, answers = answers, []
        for u in values:
            u = mu * u * (u + 1) % p
            u = mu * u * (u + 1) % p
            u = mu * u * (u + 1) % p
            u = mu * u * (u + 1) % p
            u = mu * u * (u + 1) % p
            u = mu * u * (u + 1) % p
            u = mu * u * (u + 1) % p
            u = mu * u * (u + 1) % p
            u = mu * u * (u + 1) % p
            answers.append(mu * u * (u + 1) % p)
    for _ in range(num % 10):
        answers = [mu * u * (u + 1) % p for u in answers]
    return answers


def compute(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`."""
    out[:] = np.array(iterate(x.tolist(), num, p, mu), out.dtype)
