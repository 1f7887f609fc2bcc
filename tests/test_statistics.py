"""Intervals over seeds, against scipy called another way, Student's t and numbers worked out by hand."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from sleepcon.statistics import Interval, expanded_level, interval, paired_interval

TREATED, CONTROL = [0.80, 0.55, 0.70, 0.90, 0.65], [0.60, 0.50, 0.75, 0.60, 0.55]  # differences .20 .05 -.05 .30 .10


def test_the_expanded_level_makes_the_normal_reach_as_far_as_student():
    # n = 5: t(.975, 4) = 2.776, times sqrt(5 / 4) = 3.104; the normal holds 99.81% within that.
    assert expanded_level(5) == pytest.approx(0.9981, abs=5e-5)
    assert expanded_level(5) == pytest.approx(1 - 2 * stats.norm.sf(math.sqrt(5 / 4) * 2.776445), abs=1e-7)
    assert expanded_level(100_000) == pytest.approx(0.95, abs=1e-4)


def test_paired_interval_is_that_of_the_differences():
    found = paired_interval(TREATED, CONTROL, seed=3)
    assert found.n == 5
    assert found.mean == pytest.approx((0.20 + 0.05 - 0.05 + 0.30 + 0.10) / 5)
    assert found == interval([t - c for t, c in zip(TREATED, CONTROL, strict=True)], seed=3)


def test_it_is_what_scipy_makes_of_pairs():
    def mean_difference(treated, control):
        return np.mean(np.asarray(treated) - np.asarray(control))

    wanted = stats.bootstrap(
        (TREATED, CONTROL), mean_difference, paired=True, vectorized=False, method="percentile",
        confidence_level=expanded_level(5), rng=np.random.default_rng(11),
    ).confidence_interval  # fmt: skip
    found = paired_interval(TREATED, CONTROL, seed=0)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.02)  # other draws, the same method


def test_its_ends_are_those_of_every_resample_counted_out():
    values = [0.0, 0.1, 0.3, 0.8]  # 4 ** 4 = 256 resamples, all of them
    means = sorted(sum(values[int(d)] for d in np.base_repr(i, 4).zfill(4)) / 4 for i in range(256))
    tail = (1 - expanded_level(4)) / 2  # less than one resample in 256: the ends are the least and the greatest mean
    assert tail < 1 / 256
    assert (interval(values).low, interval(values).high) == (pytest.approx(means[0]), pytest.approx(means[-1]))


def test_many_values_agree_with_student():
    values = np.random.default_rng(5).normal(2, 3, 400)
    low, high = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
    found = interval(values.tolist())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)


def test_it_holds_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    held = [one.low <= 0 <= one.high for one in (interval(rng.normal(size=5).tolist()) for _ in range(300))]
    assert 0.87 <= np.mean(held) <= 0.97  # measured 91.5% of 2,000 (benchmarks/intervals.py); a plain percentile interval 83.7%


def test_the_seed_decides_the_draws():
    values = np.random.default_rng(1).normal(size=30).tolist()
    assert interval(values) == interval(values, seed=0) != interval(values, seed=1)


@pytest.mark.parametrize("same", [0.0, 0.25, -3.5])
def test_equal_differences_give_that_value_thrice_without_warnings(same):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert paired_interval([1 + same, 2 + same, 0.5 + same], [1, 2, 0.5]) == Interval(same, same, same, 3)
        assert interval([same, same]) == Interval(same, same, same, 2)
        assert interval([0.1] * 3) == Interval(0.1, 0.1, 0.1, 3)  # whose mean comes out above .1


def test_differences_equal_but_for_rounding_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = paired_interval([0.3, 0.8, 0.7], [0.2, 0.7, 0.6])  # .1 in three roundings
    assert found.low <= found.mean <= found.high
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))


def test_two_pairs_are_the_fewest():
    assert paired_interval([1, 0], [0, 0]) == Interval(0.5, 0.0, 1.0, 2)
    for treated, control in ([], []), ([1.0], [0.5]):
        with pytest.raises(ValueError, match="at least two"):
            paired_interval(treated, control)


def test_arms_of_unequal_length_and_missing_figures_are_refused():
    with pytest.raises(ValueError, match="3 values and the other 2"):
        paired_interval([1, 2, 3], [1, 2])
    for bad in math.nan, math.inf:
        with pytest.raises(ValueError, match="finite"):
            interval([1.0, bad, 2.0])
