"""The constants of the implementations in single precision, and the bound that says for which p and mu they are exact.

For p that shares no factor with mu, u = mu * x + half (mod p) turns a step into u <- u * (u + linear) + c (mod p), with
linear = mu - 2 * half and c = half + half * half - mu * half. Two forms are used:

- The square, for odd p: half = mu / 2, so that linear is 0. Each step waits for fewer instructions of the one before.
- The product, where the bound of the square does not close, as c is large: half = 0, linear = mu, and c is 0.

u is an integer, centred (of magnitude p / 2, nearly, beside c) and held in a float, whose 24 bits are exact for
integers up to 2**24. The product is held as the exact sum of two floats, by fused multiply-add, and the quotient is
rounded to an integer by adding and subtracting M = 1.5 * 2**23:

    s = u + linear
    h = u * s      l = fma(u, s, -h)      q = fma(h, inverse, M) - M      u = fma(-q, p, h) + (l + c)

The bound. Let |u| <= U, linear and c be centred, and inverse = (1 + e) / p, where e is known exactly.

- |s| <= U + |linear| is exact up to 2**24. Of the product, N = U * (U + |linear|) at most, the float h leaves out
  |l| <= L, half a unit in the last place of N: L = 2**(bits of N - 25), or 0 below 2**24. l is exact, and |h| <= N + L.
- Where |h * inverse| < 2**22, adding M rounds it to the nearest integer: |q - h * inverse| <= 1/2.
- h - q * p is an integer of magnitude p / 2 + (N + L) * |e| at most, which the fma gives exactly up to 2**24.
- l + c is an integer of magnitude L + |c| at most, and exact up to 2**24.
- Hence the next |u| <= p / 2 + (N + L) * |e| + L + |c|. It must not exceed 2**24, nor U: the bound has to close.

U is the least bound that closes from that of the first u on. If neither form has one, the parameters are refused.

First and last. x is the sum of at most four pieces of 16 bits, the uppermost signed or not, each times a power of
2**16. With factors mu * 2**(16 * i) (mod p), centred, and ratios factor / p rounded to floats, q is the sum of
half / p and the products piece * ratio, rounded by M, and u = half + sum of piece * factor - q * p modulo 2**32, in
32-bit integers that wrap: |u| is far below 2**31. As q is taken from the bits of q + M, the sum starts from p times the
bits of M. An x below 2**direct_bits in magnitude is a single piece. The last product, (u - half) * back with
back = 1 / mu (mod p), is bounded as a step is, here by p: adding p where it is negative gives the answer.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

# Integers up to it are floats.
EXACT = 2**24
# Quotients below it are rounded to integers by adding M.
ROUNDED = 2**22
# x is taken in pieces below PIECE.
PIECES, PIECE = 4, 2**16
# Floats and fractions are counted in units of 1 / UNIT, as integers. No float here is smaller than 2**-24, which has
# bits down to 2**-47.
UNIT = 2**48
# Those of M: the bits of q + M are these plus q.
BITS = 0x4B400000


@dataclass(frozen=True)
class FloatPlan:
    """The constants for p and mu.

    Attributes
    ----------
    bound : int
        U, which no |u| exceeds.
    inverse, ratios, half_ratio : float, tuple of float, float
        1 / p, factors / p and half / p, in single precision.
    factors, half, linear, c, back : tuple of int, int, int, int, int
        Centred modulo p; the factors of the pieces, the lowest first, of which the first is mu.
    offset : int
        What the sum of the pieces starts from, modulo 2**32 and signed.
    direct_bits : int
        An x in [-2**direct_bits, 2**direct_bits) is taken as one piece; at most 31.

    """

    bound: int
    inverse: float
    factors: tuple[int, ...]
    ratios: tuple[float, ...]
    half: int
    half_ratio: float
    linear: int
    c: int
    back: int
    offset: int
    direct_bits: int


def centred(value: int, p: int) -> int:
    """Return value modulo p, in (-p / 2, p / 2]."""
    value %= p
    return value - p if value > p // 2 else value


def single(value: float) -> float:
    """Return value rounded to single precision."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def units(value: float) -> int:
    """Return value times UNIT, which is an integer."""
    return int(value * UNIT)


def float_plan(p: int, mu: int) -> FloatPlan | None:
    """Return the constants for p and mu in [0, p), or None where single precision is not exact for them."""
    if not 1 <= p <= EXACT or math.gcd(p, mu) != 1:
        return None
    square = plan_with(centred(mu * pow(2, -1, p), p), p, mu) if p % 2 else None
    return square or plan_with(0, p, mu)


def plan_with(half: int, p: int, mu: int) -> FloatPlan | None:
    """Return the constants for u = mu * x + half, or None if the bound does not close."""
    factors = tuple(centred(mu * PIECE**i, p) for i in range(PIECES))
    linear, c = centred(mu - 2 * half, p), centred(half + half * half - mu * half, p)
    back, offset = centred(pow(mu, -1, p), p), (half + BITS * p + 2**31) % 2**32 - 2**31
    ratios, half_ratio, inverse = tuple(single(factor / p) for factor in factors), single(half / p), single(1 / p)
    pieces = [(PIECE, factor, ratio) for factor, ratio in zip(factors, ratios, strict=True)]
    first = bound_of_pieces(p, [(1, half, half_ratio), *pieces])
    bound = closed_bound(p, abs(linear), abs(c), inverse, first)
    if bound is None or bound + abs(half) > EXACT:
        return None
    if bound_of_product(p, inverse, (bound + abs(half)) * abs(back)) >= p:
        return None

    def is_direct(bits: int) -> bool:
        return bound_of_pieces(p, [(1, half, half_ratio), (2**bits, factors[0], ratios[0])]) <= bound

    direct = next(filter(is_direct, range(31, 0, -1)), 0)
    return FloatPlan(bound, inverse, factors, ratios, half, half_ratio, linear, c, back, offset, direct)


def closed_bound(p: int, linear: int, c: int, inverse: float, first: float) -> int | None:
    """Return the least U from `first` on that a step keeps, for |linear| and |c|; None where there is none."""
    bound = first
    while bound + linear <= EXACT:
        after = bound_of_product(p, inverse, int(bound) * (int(bound) + linear), c)
        if after <= bound:
            return int(bound)
        bound = after
    return None


def bound_of_product(p: int, inverse: float, product: int, c: int = 0) -> float:
    """Return the bound of |h - q * p + l + c|, for a product of this magnitude; infinite where a part is not exact."""
    low = 2 ** (product.bit_length() - 25) if product >= EXACT else 0
    high = product + low
    remainder = (p * UNIT // 2 + high * abs(units(inverse) * p - UNIT)) // UNIT
    if high * units(inverse) >= ROUNDED * UNIT or max(remainder, low + c) > EXACT:
        return math.inf
    return remainder + low + c


def bound_of_pieces(p: int, pieces: list[tuple[int, int, float]]) -> float:
    """Return the bound of the first |u|, of pieces (magnitude, factor, ratio); infinite if q may not be an integer."""
    error, quotient = p * UNIT // 2, 0
    for most, factor, ratio in pieces:
        error += most * abs(units(ratio) * p - factor * UNIT)
        quotient += most * abs(units(ratio))
        # The sum so far is rounded by at most 2**-24 of itself, and so is a piece above 2**24, to a float.
        error += p * (quotient // 2 ** (22 if most > EXACT else 23))
    return error // UNIT if quotient < ROUNDED * UNIT else math.inf
