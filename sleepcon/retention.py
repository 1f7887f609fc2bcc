"""What stays over cycles: measures of a table of scores R[k, i].

R[k, i] is the score (0..1, more is better) on probe set i after cycle k, and row 0 is the base before any night: shape
(cycles + 1, sets). ``taught[i]`` is the cycle that taught set i, from 1; where it is not given, set i was taught in cycle
i + 1. T is the last cycle. A mean over no sets is ``None``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

BASELINE = 0.9
"""Share of the in-context score from which behaviour counts as the brain's own."""
ROUNDING = 1e-9


def scores(table: ArrayLike, taught: Sequence[int] | None = None) -> tuple[np.ndarray, list[int]]:
    """R as an array with the cycle that taught each set; raises ``ValueError`` where they do not fit."""
    found = np.asarray(table, dtype=float)
    if found.ndim != 2 or len(found) < 2 or not found.shape[1]:
        raise ValueError("R needs a row for the base, one for each cycle, and a column for each probe set.")
    if not np.isfinite(found).all():
        raise ValueError("R needs a score in every place: ask every probe set before the first night and after each.")
    cycles = list(range(1, found.shape[1] + 1)) if taught is None else list(taught)
    if len(cycles) != found.shape[1] or any(not 1 <= cycle < len(found) for cycle in cycles):
        raise ValueError(f"Each of the {found.shape[1]} probe sets needs the cycle, 1 to {len(found) - 1}, that taught it.")
    return found, cycles


def mean(values: Sequence[float]) -> float | None:
    """Arithmetic mean (of none: ``None``)."""
    return float(np.mean(values)) if len(values) else None


def backward_transfer(table: ArrayLike, taught: Sequence[int] | None = None) -> float | None:
    """Mean of R[T, i] - R[taught[i], i] over the sets taught before the last cycle; -1..1, below 0 is forgetting.

    Source: Lopez-Paz and Ranzato 2017 (GEM), BWT.
    """
    found, cycles = scores(table, taught)
    return mean([found[-1, i] - found[k, i] for i, k in enumerate(cycles) if k < len(found) - 1])


def forward_transfer(table: ArrayLike, taught: Sequence[int] | None = None) -> float | None:
    """Mean of R[taught[i] - 1, i] - R[0, i] over the sets taught after the first cycle; -1..1.

    What earlier nights did for a set before its own. Source: Lopez-Paz and Ranzato 2017 (GEM), FWT; they subtract the score
    of random weights, we that of the base, for it is the base that sleeps.
    """
    found, cycles = scores(table, taught)
    return mean([found[k - 1, i] - found[0, i] for i, k in enumerate(cycles) if k > 1])


def forgetting(table: ArrayLike, taught: Sequence[int] | None = None) -> float | None:
    """Mean of max(R[1, i], ..., R[T - 1, i]) - R[T, i] over the sets taught before the last cycle; -1..1, more is worse.

    Source: Chaudhry et al. 2018 (Riemannian walk), F. It is the fall from the best score ever had after a night, where
    backward transfer looks from the score right after the set's own night; a maximum over noisy scores leans high.
    """
    found, cycles = scores(table, taught)
    return mean([found[1:-1, i].max() - found[-1, i] for i, k in enumerate(cycles) if k < len(found) - 1])


def plasticity(table: ArrayLike, taught: Sequence[int] | None = None) -> float:
    """Mean of R[taught[i], i] over all sets: the score on a set right after the night that taught it; 0..1.

    Source: Riemer et al. 2019 (MER), learning accuracy. What the base could do before counts in it: the gain is what it
    exceeds the mean of R[0, i] by.
    """
    found, cycles = scores(table, taught)
    return float(np.mean([found[k, i] for i, k in enumerate(cycles)]))


def retention(table: ArrayLike, taught: Sequence[int] | None = None) -> float | None:
    """Sum of R[T, i] over sum of R[taught[i], i], over the sets taught before the last cycle; 0 or more, 1 is all kept.

    Source: Kemker et al. 2018, Omega-base, with a set's own score after its night in the place of an ideal learner's, and a
    ratio of sums, so that a set that was never learned weighs nothing. None of them learned: ``None``.
    """
    found, cycles = scores(table, taught)
    earlier = [(i, k) for i, k in enumerate(cycles) if k < len(found) - 1]
    had = sum(found[k, i] for i, k in earlier)
    return float(sum(found[-1, i] for i, _ in earlier) / had) if had else None


def cycles_to_baseline(unprompted: Sequence[float], in_context: float | Sequence[float]) -> int | None:
    """First cycle from which on every score without context is at least 90% of the score in context; never: ``None``.

    ``unprompted``: the score after each cycle, the base (cycle 0) first; ``in_context``: the score of the same probes with
    what was taught in the context, one for all cycles or one for each. 0 means that the base needed no night. A cycle that
    is the last has stayed for one measurement only. Where the context itself scores 0 there is no baseline to reach
    (``None``). Source: ours. Raises ``ValueError`` for no scores or unequal numbers.
    """
    found = np.asarray(unprompted, dtype=float)
    ceiling = np.asarray(in_context, dtype=float)
    if found.ndim != 1 or not found.size or (ceiling.ndim and ceiling.shape != found.shape):
        raise ValueError("Give a score for the base and each cycle, and one score in context, or one for each of them.")
    reached = (found >= BASELINE * ceiling - ROUNDING) & (ceiling > 0)
    short = np.flatnonzero(~reached)
    first = int(short[-1]) + 1 if short.size else 0
    return first if first < len(found) else None
