"""Means over seeds with a 95% bootstrap interval, of one arm or of the difference between two."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
RESAMPLES = 9999
BATCH = 500
"""Resamples drawn at once: what bounds memory where there are thousands of values."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval, in the unit of the values. ``n``: values (or pairs) behind it; below 5 it says little."""

    mean: float
    low: float
    high: float
    n: int


def expanded_level(n: int, level: float = LEVEL) -> float:
    """The level at which a percentile interval of the mean of ``n`` values has to be taken to hold it ``level`` of the time.

    A bootstrap distribution is too narrow by sqrt((n - 1) / n), and its ends are where the normal's are, not Student's.
    Both are put right for symmetric values by z(level') = sqrt(n / (n - 1)) t(level, n - 1). Source: Hesterberg 2015, "What
    teachers should know about the bootstrap" (The American Statistician 69), the expanded percentile interval.
    """
    reach = np.sqrt(n / (n - 1)) * stats.t.ppf((1 + level) / 2, n - 1)
    return float(stats.norm.cdf(reach) - stats.norm.cdf(-reach))


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    """Mean of ``values``, shape (n,), with its 95% interval: ``scipy.stats.bootstrap``, percentile at the expanded level.

    9,999 resamples drawn from ``seed``. Values that are all equal give that value thrice: no spread was seen, which is not
    to say that there is none. The ends never lie outside the values. Raises ``ValueError`` for fewer than two values, or
    for one that is not a finite number.
    """
    found = np.asarray(values, dtype=float)
    if found.ndim != 1 or len(found) < 2:
        raise ValueError("An interval needs at least two values, one for each seed.")
    if not np.isfinite(found).all():
        raise ValueError("An interval needs finite numbers: leave a seed without a figure out, in both arms.")
    if np.ptp(found) == 0:
        return Interval(float(found[0]), float(found[0]), float(found[0]), len(found))
    drawn = stats.bootstrap(
        (found,), np.mean, n_resamples=RESAMPLES, batch=BATCH, method="percentile",
        confidence_level=expanded_level(len(found)), rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return Interval(float(found.mean()), float(drawn.low), float(drawn.high), len(found))


def paired_interval(treated: Sequence[float], control: Sequence[float], seed: int = 0) -> Interval:
    """Mean of ``treated - control``, paired place by place (one place is one seed), with its interval as in :func:`interval`.

    An interval that holds 0 shows no difference. Raises ``ValueError`` for arms of unequal length, and as :func:`interval`.
    """
    if len(treated) != len(control):
        raise ValueError(f"Arms are compared seed by seed, but one has {len(treated)} values and the other {len(control)}.")
    return interval(np.subtract(np.asarray(treated, dtype=float), np.asarray(control, dtype=float)).tolist(), seed)
