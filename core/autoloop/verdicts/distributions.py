"""The distributions that verdicts need, from standard formulas; tests/verdicts compares them with reference values.

Accurate to ten digits in the range used: degrees of freedom up to a million, probabilities from 1e-12 to 1 - 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300
_LARGEST_DOF = 1e6
"""From here on, Student's t equals the normal distribution to seven digits."""


def normal_cdf(z: float) -> float:
    """P(Z <= z) of the standard normal distribution, exact in the lower tail too."""
    return math.erfc(-z / math.sqrt(2)) / 2


def normal_quantile(p: float) -> float:
    """The z with P(Z <= z) = p, for 0 < p < 1."""
    return _NORMAL.inv_cdf(p)


def student_cdf(t: float, dof: float) -> float:
    """P(T <= t) of Student's t with `dof` > 0 degrees of freedom."""
    tail = _incomplete_beta(dof / 2, 0.5, dof / (dof + t * t)) / 2
    return tail if t < 0 else 1 - tail


@lru_cache(4096)
def student_quantile(p: float, dof: float) -> float:
    """The t with P(T <= t) = p, for 0 < p < 1."""
    if p > 0.5:
        return -student_quantile(1 - p, dof)
    if p == 0.5:
        return 0.0
    if dof >= _LARGEST_DOF:
        return normal_quantile(p)
    # Newton's method on the logarithm, which is nearly linear in the tail: a dozen verdicts need hundreds of quantiles.
    density = math.exp(math.lgamma((dof + 1) / 2) - math.lgamma(dof / 2)) / math.sqrt(dof * math.pi)
    t = normal_quantile(p)
    for _ in range(100):
        tail = student_cdf(t, dof)
        slope = density * (1 + t * t / dof) ** (-(dof + 1) / 2) / tail
        step = math.log(tail / p) / slope
        t = min(t - step, 0.0)
        if abs(step) <= 1e-13 * abs(t):
            break
    return t


def chi_square_cdf(x: float, dof: float) -> float:
    """P(X <= x) of the chi-square distribution with `dof` > 0 degrees of freedom."""
    return _incomplete_gamma(dof / 2, x / 2) if x > 0 else 0.0


@lru_cache(1024)
def chi_square_quantile(p: float, dof: float) -> float:
    """The x with P(X <= x) = p, for 0 < p < 1."""
    low, high = 0.0, max(1.0, dof)
    while chi_square_cdf(high, dof) < p:
        low, high = high, high * 2
    return _halved(lambda x: chi_square_cdf(x, dof) - p, low, high)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson interval for the rate of `successes` in `trials`; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    z = normal_quantile(0.5 + confidence / 2)
    rate, share = successes / trials, z * z / trials
    middle = (rate + share / 2) / (1 + share)
    half = z * math.sqrt(rate * (1 - rate) / trials + share / (4 * trials)) / (1 + share)
    return max(0.0, middle - half), min(1.0, middle + half)


def _halved(f: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (modified Lentz)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * value / a


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _incomplete_gamma(a: float, x: float) -> float:
    """The regularised lower incomplete gamma function: a series for x < a + 1, a continued fraction above."""
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while abs(term) > abs(total) * 1e-16:
            n += 1
            term *= x / n
            total += term
        return total * front
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    value = d
    for i in range(1, 10_000):
        b += 2
        d = 1 / _away(-i * (i - a) * d + b)
        c = _away(b - i * (i - a) / c)
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return 1 - front * value
