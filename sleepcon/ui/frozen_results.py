"""What the measured sessions say, by rule: the rules are written down here, the sentences follow from the numbers.

``result`` is what ``sleepcon.frozen.study`` returns: for each seed and arm a share of probes answered as taught in each
session.
"""

from collections.abc import Iterable
from statistics import mean

ARMS = {"none": "No sleep", "sham": "Sham sleep", "sleep": "Sleep"}
LEAST_PEAK = 0.25
"""Below this share in the first session there is nothing that could fade."""
FADED = 0.5
"""Faded: the last session has at most this share of the first."""
HELD = 0.8
"""Held: the last session has at least this share of the first."""
DIFFERENCE = 0.1
"""Sleep made a difference: this much more than the better of the two arms without it."""


def series(result: dict, arm: str, measure: str = "answered") -> dict[int, list[float]]:
    """Seed -> one number for each session."""
    return {course["seed"]: course[measure] for course in result["courses"] if course["arm"] == arm}


def means(result: dict, arm: str, measure: str = "answered") -> list[float]:
    """Mean over the seeds, one number for each session."""
    return [mean(values) for values in zip(*series(result, arm, measure).values(), strict=True)]


def percent(share: float) -> str:
    """A share as a whole percentage."""
    return f"{share:.0%}"


def with_interval(number: dict) -> str:
    """A mean share with its interval, as whole percentages."""
    return f"{percent(number['mean'])} [{percent(number['low'])}, {percent(number['high'])}]"


def points(difference: dict) -> str:
    """A mean difference of shares with its interval, in percentage points."""
    mean, low, high = (f"{100 * difference[name]:+.0f}" for name in ("mean", "low", "high"))
    return f"{mean} (95% interval {low} to {high})"


def verdict(result: dict) -> str:
    """One of ``no peak``, ``nothing faded``, ``held``, ``partly``, ``did not hold``."""
    none, sham, slept = (means(result, arm) for arm in ARMS)
    peak, without = none[0], max(none[-1], sham[-1])
    if peak < LEAST_PEAK:
        return "no peak"
    if without > FADED * peak:
        return "nothing faded"
    if slept[-1] >= HELD * peak and slept[-1] - without >= DIFFERENCE:
        return "held"
    return "partly" if slept[-1] - without >= DIFFERENCE else "did not hold"


def reading(result: dict) -> list[str]:
    """The result in sentences: the verdict first, then what limits it."""
    none, sham, slept = (means(result, arm) for arm in ARMS)
    first, last = result["numbers"][0], result["numbers"][-1]
    peak, end = percent(none[0]), percent(slept[-1])
    without = f"{percent(none[-1])} without sleep and {percent(sham[-1])} after sham sleep"
    of_all = "of the probes were answered as taught"
    start, course = f"{peak} {of_all} in session {first}", f"in session {last}, {end} after sleep, {without}"
    sentences = {
        "no peak": f"There was no peak to keep: with the whole day in its context, {start}.",
        "nothing faded": f"Nothing faded that sleep could hold: {start}, and {without} in session {last}.",
        "held": f"Sleep held: {start}; {course}.",
        "partly": f"Sleep held a part: {start}; {course}.",
        "did not hold": f"Sleep did not hold: {start}; {course}.",
    }
    return [sentences[verdict(result)], *limits(result)]


def limits(result: dict) -> Iterable[str]:
    """What a reader must know before believing the verdict."""
    seeds = len(result["seeds"])
    if seeds == 1:
        yield "This is one seed: it says what happened in this run, not what happens in general."
    else:
        pairs = zip(series(result, "sleep").values(), series(result, "none").values(), strict=True)
        gains = [slept[-1] - none[-1] for slept, none in pairs]
        intervals = result.get("intervals")
        mean_gain = f", on average {points(intervals['sleep-none'][-1])}" if intervals else ""
        yield (
            f"Over {seeds} seeds, sleep minus no sleep in the last session runs from {100 * min(gains):+.0f} to "
            f"{100 * max(gains):+.0f} points{mean_gain}. The dream, the steps and the exchanges left in session 23 change with "
            "the seed; the base and the probes do not."
        )
    if means(result, "none") == means(result, "sham"):
        yield "No sleep and sham sleep score alike in every session."
    back = sum(not course["night"]["kept"] for course in result["courses"] if course["arm"] == "sleep")
    if back:
        yield f"The wake-up check rolled the night back at {back} of {seeds} seeds: there, sleep changed nothing."
    spared, before = means(result, "sleep", "spared")[-1], means(result, "none", "spared")[-1]
    if before - spared >= DIFFERENCE:
        yield (
            f"Sleep also gave the taught reply to questions that only look alike: {percent(spared)} of these were spared, "
            f"{percent(before)} without sleep."
        )
    else:
        yield f"Of the questions that only look alike, {percent(spared)} were spared after sleep, {percent(before)} without."
    left_out = {prompt for course in result["courses"] for prompt in course["left_out"]}
    if left_out:
        yield f"{len(left_out)} of the {len(result['probes'])} probes do not count where a night dreamt of them word for word."
