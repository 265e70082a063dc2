"""Quantiles and intervals compared with published tables (and with R 4, to ten digits)."""

from __future__ import annotations

import pytest
from autoloop.verdicts.distributions import (
    chi_square_cdf,
    chi_square_quantile,
    normal_cdf,
    normal_quantile,
    student_cdf,
    student_quantile,
    wilson,
)


@pytest.mark.parametrize(
    ("p", "dof", "t"),
    [
        (0.975, 1, 12.706204736),
        (0.975, 2, 4.302652730),
        (0.95, 3, 2.353363435),
        (0.995, 5, 4.032142984),
        (0.975, 9, 2.262157163),
        (0.975, 30, 2.042272456),
        (0.975, 1000, 1.962339081),
    ],
)
def test_student_t(p: float, dof: int, t: float) -> None:
    assert student_quantile(p, dof) == pytest.approx(t, rel=1e-8)
    assert student_quantile(1 - p, dof) == pytest.approx(-t, rel=1e-8)
    assert student_cdf(t, dof) == pytest.approx(p, rel=1e-9)


def test_student_t_far_out_and_with_many_degrees_of_freedom() -> None:
    assert student_cdf(student_quantile(1e-9, 3), 3) == pytest.approx(1e-9, rel=1e-6)
    assert student_quantile(0.975, 10**7) == pytest.approx(normal_quantile(0.975))
    assert student_quantile(0.5, 4) == 0


@pytest.mark.parametrize(
    ("p", "dof", "x"),
    [
        (0.025, 1, 0.000982069117),
        (0.975, 1, 5.023886187),
        (0.025, 4, 0.4844185571),
        (0.975, 4, 11.14328678),
        (0.025, 9, 2.700389500),
        (0.975, 9, 19.02276780),
        (0.95, 100, 124.3421134),
    ],
)
def test_chi_square(p: float, dof: int, x: float) -> None:
    assert chi_square_quantile(p, dof) == pytest.approx(x, rel=1e-8)
    assert chi_square_cdf(x, dof) == pytest.approx(p, rel=1e-8)


def test_normal() -> None:
    assert normal_quantile(0.975) == pytest.approx(1.959963984540054)
    assert normal_cdf(1.959963984540054) == pytest.approx(0.975)
    assert normal_cdf(-10) == pytest.approx(7.619853e-24, rel=1e-6)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(31, 50, 0.4815, 0.7414), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0), (1, 1, 0.2065, 1.0)],
)
def test_wilson(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_a_rate_without_trials_is_anything() -> None:
    assert wilson(0, 0) == (0, 1)
