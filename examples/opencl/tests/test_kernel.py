import numpy as np
import pytest
from logistic import Logistic


def expected(x):
    for _ in range(10):
        x = 22 * x * (x + 1) % 6700417
    return x


@pytest.mark.parametrize("n", [1_000, 1_000_000])
def test_logistic(gate, cl_queue, n):
    x, out = np.arange(n), np.zeros(n, np.int64)
    gate.work(items=n, bytes=x.nbytes + out.nbytes, unit="elements")
    gate(Logistic(cl_queue), x, out, expect=lambda _: np.array_equal(out, expected(x)))
