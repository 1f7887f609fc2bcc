"""Measures of the dose, against scipy's other way and numbers worked out by hand."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from sleepcon.dose_metrics import salience_shares, share_distance, share_ratios, spearman


def test_shares_by_hand():
    saliences, shares = [0.9, 0.6, 0.5], [0.6, 0.3, 0.1]  # asked for .45, .30, .25
    assert salience_shares(saliences) == pytest.approx([0.45, 0.30, 0.25])
    assert share_ratios(shares, saliences) == pytest.approx([4 / 3, 1.0, 0.4])
    assert share_distance(shares, saliences) == pytest.approx((0.15 + 0.0 + 0.15) / 2)


def test_shares_at_their_ends():
    assert share_ratios([0.25, 0.75], [0.2, 0.6]) == pytest.approx([1, 1])
    assert share_distance([0.25, 0.75], [0.2, 0.6]) == pytest.approx(0)
    assert share_distance([0.0, 1.0], [1.0, 0.0]) == 1.0
    assert share_ratios([0.5, 0.5], [1.0, 0.0]) == [0.5, None]
    for bad in [0.0, 0.0], [-0.1, 1.0], []:
        with pytest.raises(ValueError, match="saliences"):
            salience_shares(bad)
    with pytest.raises(ValueError, match="zip"):
        share_ratios([1.0], [0.5, 0.5])


def test_spearman_by_hand_and_by_ranks():
    # ranks 1 2 3 4 against 2 1 4 3: d = 1 1 1 1, rho = 1 - 6 * 4 / (4 * 15) = .6
    assert spearman([0.1, 0.2, 0.3, 0.4], [5, 1, 90, 8]) == pytest.approx(0.6)
    rng = np.random.default_rng(0)
    left, right = rng.random(30).round(1), rng.random(30).round(1)  # with ties
    by_ranks = stats.pearsonr(stats.rankdata(left), stats.rankdata(right)).statistic
    assert spearman(left.tolist(), right.tolist()) == pytest.approx(by_ranks)
    assert spearman([1, 2, 3], [1, 20, 21]) == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


def test_spearman_is_none_where_no_order_can_be_told():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spearman([0.5] * 4, [1, 2, 3, 4]) is spearman([1, 2, 3, 4], [0.5] * 4) is None
        assert spearman([], []) is spearman([1, 2], [3, 4]) is None
        assert spearman([1, 2, 3], [1, math.nan, 2]) is None
        assert spearman([0.1, 0.2, 0.3, 0.4], [1, math.nan, 2, 3]) == pytest.approx(1)
    with pytest.raises(ValueError, match="2 saliences cannot be paired with 1"):
        spearman([1, 2], [1])
