"""One experience as its page sees it: where its measured factors, its tokens and its night come from, and why it matters."""

import hashlib
from dataclasses import dataclass

from sleepcon import documented
from sleepcon.documented import DocumentedFactors
from sleepcon.jobs import Job
from sleepcon.ledger import Cycle
from sleepcon.recorded import Recording, recording
from sleepcon.ui import brains, filtering
from sleepcon.ui.brains import Held, View
from sleepcon.ui.components import percent
from sleepcon.ui.filtering import FACTORS, Filter

NAMES = {"conflict": "contrast"}
"""What the document calls a factor, where that is not SNARC's word."""


def key_of(held: Held) -> str:
    """A short name for an experience, for the URL: nothing of its words is in it."""
    return hashlib.sha256(held.experience.id.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Reading:
    """What was measured of an experience. ``recorded``: the recording it is from, ``None`` if this brain was measured.

    ``factors``: {name: {value, evidence, estimated}}; ``tokens``: [[text, log-probability], ...], ``cycle``: nights that
    the brain had had. Each ``None`` where nobody has measured it.
    """

    factors: dict[str, dict] | None
    tokens: list | None
    cycle: int | None
    recorded: Recording | None


@dataclass(frozen=True)
class Slept:
    """The newest night that took an experience, its row there, and the recording if it is from one."""

    night: Cycle
    reply: dict
    recorded: Recording | None


def documented_factors(held: Held) -> DocumentedFactors | None:
    """What the document gives for an experience, if it is one of its own."""
    if not brains.is_documents(held.experience.id):
        return None
    return next(one for one in documented.EXCHANGES if one.prompt == held.experience.prompt)


def reading(held: Held, scored: Job | None) -> Reading:
    """The measurement to show: this brain's, else the recorded one of the document's exchanges. ``scored``: the newest job."""
    rows = scored.result["rows"] if scored and scored.result else []
    row = next((one for one in rows if one["id"] == held.experience.id), None)
    factors = held.standing.scores
    if row is not None:
        return Reading(factors or row["factors"], row["tokens"], row["cycle"], None)
    record = recording("score")
    if factors is None and record is not None and brains.is_documents(held.experience.id):
        row = next(one for one in record.result["rows"] if one["id"] == held.experience.id)
        return Reading(row["factors"], row["tokens"], row["cycle"], record)
    return Reading(factors, None, None, None)


def slept(held: Held, view: View) -> Slept | None:
    """The newest night that took it; while the brain has had none, the recorded one."""
    for night in reversed(view.nights):
        for reply in night.replies:
            if reply["id"] == held.experience.id:
                return Slept(night, reply, None)
    record = recording("night")
    if record is not None and not view.nights:
        night = Cycle(**record.result["cycle"])
        for reply in night.replies:
            if reply["id"] == held.experience.id:
                return Slept(night, reply, record)
    return None


def tokens(found: Reading, night: Slept | None) -> list | None:
    """[[text, log-probability], ...] of the reply before any night taught it; ``None`` where nobody has measured it."""
    if found.tokens:
        return found.tokens
    return [token[:2] for token in night.reply.get("tokens") or []] or None if night else None


def rows_of_factors(given: DocumentedFactors | None, found: Reading) -> list[tuple[str, float | None, float | None]]:
    """(name, documented, measured) for each of SNARC's five."""
    rows = []
    for name in FACTORS:
        theirs = getattr(given, NAMES.get(name, name), None) if given else None
        label = f"{name} ({NAMES[name]})" if given and name in NAMES else name
        rows.append((label, theirs, found.factors[name]["value"] if found.factors else None))
    return rows


def mean_note(given: DocumentedFactors) -> str:
    """That the documented total is not the mean of its factors, with both numbers."""
    mean = sum(getattr(given, name) for name in documented.FACTORS) / len(documented.FACTORS)
    same = "also" if round(mean, 3) == given.salience else "not"
    return (
        f"The document gives a total of {given.salience:.3f}; the mean of its four factors is {mean:.3f}, so the total is "
        f"{same} their mean. Both were written down by hand."
    )


def reasons(held: Held, chosen: Filter, found: Reading) -> list[str]:
    """Why it matters, in sentences computed from its numbers."""
    said = []
    salience = chosen.salience(held)
    if salience is not None:
        points = abs(round(100 * (salience - chosen.threshold)))
        end = "it is consolidated" if chosen.passes(held) else "it is skipped"
        side = "above" if salience >= chosen.threshold else "below"
        source = chosen.source(held)
        said.append(f"Its {source} salience is {points} points {side} the threshold of {percent(chosen.threshold)}: {end}.")
    given = documented_factors(held)
    if given:
        values = {name: getattr(given, name) for name in documented.FACTORS}
        said.append(f"Of its documented factors {extremes(values)}.")
        if given.prompt in documented.REASONS:
            said.append(f"The document's own reason for its score: {documented.REASONS[given.prompt]}.")
    if found.factors:
        values = {name: found.factors[name]["value"] for name in FACTORS}
        said.append(f"Of its measured factors {extremes(values)}.")
        said.append(decisive(found.factors, chosen))
    return said


def extremes(values: dict[str, float]) -> str:
    """Which factor is highest and which lowest."""
    high, low = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    return f"{high} is the highest ({percent(values[high])}) and {low} the lowest ({percent(values[low])})"


def decisive(factors: dict[str, dict], chosen: Filter) -> str:
    """The one factor whose loss would change the measured total most, and whether it would change the verdict."""
    total = filtering.total(factors, chosen.weights)
    changed = {}
    for place, name in enumerate(FACTORS):
        weights = tuple(0.0 if other == place else weight for other, weight in enumerate(chosen.weights))
        if any(weights) and chosen.weights[place]:
            changed[name] = filtering.total(factors, weights)
    if not changed:
        return f"One factor alone counts, so the measured total is its value: {percent(total)}."
    name = max(changed, key=lambda one: abs(changed[one] - total))
    passes, would = total >= chosen.threshold, changed[name] >= chosen.threshold
    verdict = "which changes nothing at this threshold" if passes == would else (
        "and it would pass" if would else "and it would be skipped"
    )  # fmt: skip
    return f"Without {name} its measured total of {percent(total)} would be {percent(changed[name])}, {verdict}."
