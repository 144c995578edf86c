import logistic
import numpy as np
import pytest


def expected(x):
    for _ in range(10):
        x = 22 * x * (x + 1) % 6700417
    return x


@pytest.mark.parametrize("n", [64, 1_000, 10_000, 100_000, 400_000])
def test_steps(gate, n):
    x, out = np.arange(n), np.zeros(n, np.int64)
    gate.work(items=n, bytes=x.nbytes + out.nbytes, unit="elements")
    gate(logistic.steps, x, out, expect=expected(x), written=1)
