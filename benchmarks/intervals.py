"""How often does a 95% interval of ``sleepcon.statistics`` hold the true mean? Counted over values whose mean is known.

    python benchmarks/intervals.py [DRAWS]

Prints, for 5, 10 and 20 seeds and three shapes of values, the share of intervals that hold it: ours, the percentile
interval at a plain 95%, and Student's.
"""

import sys

import numpy as np
from scipy import stats

from sleepcon.statistics import interval

SHAPES = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    "skewed (exponential)": (lambda rng, n: rng.exponential(size=n), 1.0),
    "differences of shares of 10": (lambda rng, n: (rng.binomial(10, 0.75, n) - rng.binomial(10, 0.6, n)) / 10, 0.15),
}


def holds(values: np.ndarray, true: float) -> list[bool]:
    """Whether our interval, the plain percentile one and Student's hold the true mean."""
    if np.ptp(values) == 0:
        return [abs(values[0] - true) < 1e-9] * 3
    ours = interval(values.tolist())
    plain = stats.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    student = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    ends = [(ours.low, ours.high), (plain.low, plain.high), student]
    return [bool(low - 1e-9 <= true <= high + 1e-9) for low, high in ends]


def main() -> None:
    """Count, and print a table."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print("| values | seeds | ours | percentile | Student |\n|---|---|---|---|---|")
    for name, (draw, true) in SHAPES.items():
        for n in (5, 10, 20):
            rng = np.random.default_rng(0)
            shares = np.mean([holds(draw(rng, n), true) for _ in range(draws)], axis=0)
            print(f"| {name} | {n} | " + " | ".join(f"{share:.1%}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    main()
