"""The constants of the implementations in single precision, and the bound that says for which p and mu they are exact.

For p that shares no factor with mu, w = mu * x (mod p) turns a step into w <- w * (w + mu) (mod p). w is an integer,
centred (of magnitude p / 2, nearly) and held in a float, whose 24 bits are exact for integers up to 2**24. The product
is held as the exact sum of two floats, by fused multiply-add, and the quotient is rounded to an integer by adding and
subtracting M = 1.5 * 2**23:

    s = w + mu      h = w * s      l = fma(w, s, -h)      q = fma(h, inverse, M) - M      w = fma(-q, p, h) + l

The bound. Let |w| <= U, mu be centred, and inverse = (1 + e) / p, where e is known exactly.

- |s| <= U + |mu| is exact up to 2**24. Of the product, N = U * (U + |mu|) at most, the float h leaves out |l| <= L,
  half a unit in the last place of N: L = 2**(bits of N - 25), or 0 below 2**24. l is exact, and |h| <= N + L.
- Where |h * inverse| < 2**22, adding M rounds it to the nearest integer: |q - h * inverse| <= 1/2.
- h - q * p is an integer of magnitude p / 2 + (N + L) * |e| at most, which the fma gives exactly up to 2**24.
- Hence the next |w| <= p / 2 + (N + L) * |e| + L. It must not exceed 2**24, nor U: the bound has to close.

U is the least bound that closes from that of the first w on. If there is none, the parameters are refused.

First and last. x is the sum of at most four pieces of 16 bits, the uppermost signed or not, each times a power of
2**16. With factors mu * 2**(16 * i) (mod p), centred, and ratios factor / p rounded to floats, q is the sum of the
products piece * ratio, rounded by M, and w = sum of piece * factor - q * p modulo 2**32, in 32-bit integers that wrap:
|w| is far below 2**31. An x below 2**direct_bits in magnitude is a single piece. The last product, w * back with
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


@dataclass(frozen=True)
class FloatPlan:
    """The constants for p and mu.

    Attributes
    ----------
    bound : int
        U, which no |w| exceeds.
    inverse, ratios : float, tuple of float
        1 / p and factors / p, in single precision.
    factors, back : tuple of int, int
        Centred modulo p; the factors of the pieces, the lowest first, of which the first is mu.
    direct_bits : int
        An x in [-2**direct_bits, 2**direct_bits) is taken as one piece; at most 31.

    """

    bound: int
    inverse: float
    factors: tuple[int, ...]
    ratios: tuple[float, ...]
    back: int
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
    factors = tuple(centred(mu * PIECE**i, p) for i in range(PIECES))
    ratios = tuple(single(factor / p) for factor in factors)
    back, inverse = centred(pow(mu, -1, p), p), single(1 / p)
    bound = closed_bound(p, abs(factors[0]), inverse, bound_of_pieces(p, factors, ratios))
    if bound is None or bound_of_product(p, inverse, bound * abs(back)) >= p:
        return None
    direct = (bits for bits in range(31, 0, -1) if bound_of_piece(p, factors[0], ratios[0], 2**bits) <= bound)
    return FloatPlan(bound, inverse, factors, ratios, back, next(direct, 0))


def closed_bound(p: int, mu: int, inverse: float, first: int) -> int | None:
    """Return the least U from `first` on that a step keeps, for |mu|; None where there is none."""
    bound: float = first
    while bound + mu <= EXACT:
        after = bound_of_product(p, inverse, int(bound) * (int(bound) + mu))
        if after <= bound:
            return int(bound)
        bound = after
    return None


def bound_of_product(p: int, inverse: float, product: int) -> float:
    """Return the bound of |h - q * p + l|, for a product of this magnitude; infinite where a part is not exact."""
    low = 2 ** (product.bit_length() - 25) if product >= EXACT else 0
    high = product + low
    remainder = (p * UNIT // 2 + high * abs(units(inverse) * p - UNIT)) // UNIT
    if high * units(inverse) >= ROUNDED * UNIT or remainder > EXACT:
        return math.inf
    return remainder + low


def bound_of_pieces(p: int, factors: tuple[int, ...], ratios: tuple[float, ...]) -> int:
    """Return the bound of the first |w| where x is taken in pieces."""
    error, quotient = p * UNIT // 2, 0
    for factor, ratio in zip(factors, ratios, strict=True):
        error += PIECE * abs(units(ratio) * p - factor * UNIT)
        # The sum so far is rounded, by at most 2**-24 of itself.
        quotient += PIECE * abs(units(ratio))
        error += p * (quotient // 2**23)
    return error // UNIT


def bound_of_piece(p: int, factor: int, ratio: float, most: int) -> float:
    """Return the bound of |value * factor - q * p| for |value| <= most; infinite where q may not be an integer."""
    quotient = most * abs(units(ratio))
    # A value above 2**24 is rounded to a float.
    rounding = quotient // 2**24 + 1 if most > EXACT else 0
    if quotient + rounding >= ROUNDED * UNIT:
        return math.inf
    return (p * UNIT // 2 + most * abs(units(ratio) * p - factor * UNIT) + p * rounding) // UNIT
