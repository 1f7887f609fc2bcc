"""Measures of a night's dose: did an experience weigh what its salience says, and was it learned accordingly?

The third one, the norm of the change over the norm of the weight in each layer, reads the network: ``adapter.change_norms``.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def salience_shares(saliences: Sequence[float]) -> list[float]:
    """Each salience over their sum: the share of the night that was asked for; 0..1, they sum to 1.

    Raises ``ValueError`` for negative ones, or where their sum is 0.
    """
    found = np.asarray(saliences, dtype=float)
    if not (found >= 0).all() or not found.sum() > 0:
        raise ValueError("Shares need saliences of 0 or more, not all of them 0.")
    return (found / found.sum()).tolist()


def share_ratios(shares: Sequence[float], saliences: Sequence[float]) -> list[float | None]:
    """Each experience's realised share of the gradient over its share of the salience; 1 is as asked, 0 or more.

    ``shares``: norm of its weighted gradient over the sum of those norms (``sleep.Trained``). A salience of 0 asked for
    nothing: ``None``. Source: ours. Raises ``ValueError`` for unequal numbers, and as :func:`salience_shares`.
    """
    return [got / asked if asked else None for got, asked in zip(shares, salience_shares(saliences), strict=True)]


def share_distance(shares: Sequence[float], saliences: Sequence[float]) -> float:
    """Half the sum of |realised share - share of the salience|: the part of the gradient that went elsewhere; 0..1.

    Source: total variation distance. Raises ``ValueError`` as :func:`share_ratios`.
    """
    asked = salience_shares(saliences)
    return sum(abs(got - wanted) for got, wanted in zip(shares, asked, strict=True)) / 2


def spearman(salience: Sequence[float], learned: Sequence[float]) -> float | None:
    """Spearman's rank correlation of salience with what was learned (such as the log-probability change), -1..1.

    By ``scipy.stats.spearmanr``, ties at their mean rank; pairs with a value that is no number are left out. ``None`` where no
    order can be told: fewer than three pairs (two always give 1 or -1), or one side all equal. Source: Spearman 1904. Raises
    ``ValueError`` for unequal numbers.
    """
    if len(salience) != len(learned):
        raise ValueError(f"{len(salience)} saliences cannot be paired with {len(learned)} results.")
    left, right = np.asarray(salience, dtype=float), np.asarray(learned, dtype=float)
    there = ~(np.isnan(left) | np.isnan(right))
    left, right = left[there], right[there]
    if len(left) < 3 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(stats.spearmanr(left, right).statistic)
