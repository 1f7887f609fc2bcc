"""What a study's result says, by rule: the sentences follow from the intervals. ``found`` is a ``studies.results.summary``."""

from sleepcon.ui.arm_names import titles

NAMES = {"distinct_1": "distinct-1", "distinct_2": "distinct-2", "self_bleu": "self-BLEU", "kl": "KL divergence"}
"""Figures that have another name than theirs with a blank in place of the underscore."""
BEYOND = 1e-9
"""A difference smaller than this at both ends is none: it comes of rounding."""


def main_figure(found: dict) -> str:
    """The figure that the study's hypothesis is about."""
    return next(iter(found["study"]["figures"]))


def spoken(figure: str) -> str:
    """A figure's name as it is read."""
    return NAMES.get(figure, figure.replace("_", " "))


def meaning(found: dict, figure: str) -> str:
    """A figure's name and what it is."""
    name = spoken(figure)
    return f"{name[0].upper()}{name[1:]}: {found['study']['figures'][figure]}"


def at_seeds(n: int) -> str:
    """How many seeds."""
    return "1 seed" if n == 1 else f"{n} seeds"


def value(number: dict) -> str:
    """A mean with its interval, where it has one."""
    if number["mean"] is None:
        return "none"
    if number["low"] is None:
        return f"{number['mean']:.3f}"
    return f"{number['mean']:.3f} [{number['low']:.3f}, {number['high']:.3f}]"


def compared(arm: str, difference: dict, other: str) -> str:
    """An arm against the control arm ``other``, both by title, in a sentence.

    ``difference``: mean and 95% interval of the arm less the control.
    """
    name, n = f"**{arm}**", at_seeds(difference["n"])
    mean, low, high = difference["mean"], difference["low"], difference["high"]
    if mean is None:
        return f"{name}: no seed has a figure of both, so it cannot be compared with {other}."
    if low is None:
        return f"{name}: {mean:+.3f} against {other}, {n}, so without an interval."
    ends = f"95% interval {low:+.3f} to {high:+.3f}, {n}"
    if max(abs(low), abs(high)) <= BEYOND:
        return f"{name}: the same as {other} at each of {n}."
    if low > 0:
        return f"{name}: higher than {other} by {mean:.3f} ({ends})."
    if high < 0:
        return f"{name}: lower than {other} by {-mean:.3f} ({ends})."
    return f"{name}: no difference from {other} seen beyond its interval of {low:+.3f} to {high:+.3f} (mean {mean:+.3f}, {n})."


def reading(found: dict) -> tuple[str, list[str]]:
    """The main figure in a sentence on all arms, then one on each arm but the control."""
    figure, control, called = main_figure(found), found["study"]["control"], titles(found["study"])
    differences = {arm: figures[figure]["difference"] for arm, figures in found["arms"].items() if arm != control}
    known = {arm: one for arm, one in differences.items() if one["low"] is not None}
    sentences = [compared(called[arm], one, called[control]) for arm, one in differences.items()]
    its = value(found["arms"][control][figure]) if control in found["arms"] else "none"
    start = f"The control, **{called[control]}**: {its}."
    if not known:
        return f"{start} No difference has an interval.", sentences
    sides: dict[str, list[str]] = {"Higher": [], "Lower": [], "No difference seen": []}
    for arm, one in known.items():
        side = "Higher" if one["low"] > BEYOND else "Lower" if one["high"] < -BEYOND else "No difference seen"
        sides[side].append(called[arm])
    return " ".join([start, *(f"{side}: {'; '.join(arms)}." for side, arms in sides.items() if arms)]), sentences


def caveats(found: dict) -> list[str]:
    """What this result in particular lacks."""
    seeds, planned = len(found["seeds"]), len(found["study"]["seeds"])
    few = (
        [f"{at_seeds(seeds)} of the {planned} that the study plans: an observation, not an answer."] if seeds < planned else []
    )
    failed = f"{found['failed']} of {sum_of_runs(found)} runs did not come to their end and have no figures."
    return few + ([failed] if found["failed"] else [])


def sum_of_runs(found: dict) -> int:
    """Number of runs: each arm at each seed."""
    return len(found["arms"]) * len(found["seeds"])


def numbers(found: dict) -> list[dict[str, str]]:
    """A row for each arm: every figure with its interval."""
    called = titles(found["study"])
    return [
        {"arm": called[arm]} | {spoken(name): value(number) for name, number in figures.items()}
        for arm, figures in found["arms"].items()
    ]
