"""Controls: a night with one thing taken away or put in its place, so that what sleep does can be told from what else it does.

Each is a night like any other but for what its sentence says. Their effect is on three things alone: who sleeps and how much
each weighs (``choose``), whether anything is learned at all (``learns``), and what guards the rest of the brain (``guard``).
"""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle, islice

from sleepcon.errors import UserError
from sleepcon.experience import Experience, with_ids
from sleepcon.paths import PROBES

Day = list[tuple[Experience, float]]
"""Who sleeps, each with what it weighs in the loss: in a plain night its salience."""


@dataclass(frozen=True)
class Evening:
    """What a control chooses from. ``waiting`` and ``passing``: all that wait and those above the threshold, with salience.

    ``waiting`` is a function, for memory may hold a million. ``tokens``: how many tokens the reply of an experience has.
    """

    passing: Day
    waiting: Callable[[], Day]
    threshold: float
    tokens: Callable[[Experience], int]
    seed: int

    @property
    def budget(self) -> int:
        """Reply tokens of those that pass: what a choice of another kind may spend too."""
        return sum(self.tokens(experience) for experience, _ in self.passing)


def those_that_pass(evening: Evening) -> Day:
    """The night as it is."""
    return evening.passing


def alike(evening: Evening) -> Day:
    """Those that pass, each with weight 1."""
    return [(experience, 1.0) for experience, _ in evening.passing]


def dealt_anew(evening: Evening) -> Day:
    """Those whose salience passes once the saliences of all that wait were dealt out anew by chance."""
    waiting = evening.waiting()
    dealt = random.Random(evening.seed).sample([salience for _, salience in waiting], len(waiting))
    pairs = zip(waiting, dealt, strict=True)
    return [(experience, salience) for (experience, _), salience in pairs if salience >= evening.threshold]


def within_budget(candidates: Iterable[tuple[Experience, float]], evening: Evening) -> Day:
    """Candidates in turn, each that still fits into the reply tokens of those that pass."""
    left, taken = evening.budget, []
    for experience, salience in candidates:
        if (size := evening.tokens(experience)) <= left:
            taken.append((experience, salience))
            left -= size
    return taken


def by_chance(evening: Evening) -> Day:
    """A random draw from all that wait, at the same number of reply tokens."""
    waiting = evening.waiting()
    return within_budget(random.Random(evening.seed).sample(waiting, len(waiting)), evening)


def least_salient(evening: Evening) -> Day:
    """The least salient of all that wait, at the same number of reply tokens."""
    return within_budget(sorted(evening.waiting(), key=lambda pair: pair[1]), evening)


def all_that_wait(evening: Evening) -> Day:
    """Whatever waits, whatever its salience."""
    return evening.waiting()


def other_text(evening: Evening) -> Day:
    """As many exchanges as pass, of other content, each with the weight of the one whose place it takes."""
    texts = unrelated_text()
    drawn = with_ids(islice(cycle(random.Random(evening.seed).sample(texts, len(texts))), len(evening.passing)))
    return [(text, salience) for text, (_, salience) in zip(drawn, evening.passing, strict=True)]


def unrelated_text() -> list[Experience]:
    """Exchanges about things that no experience of a probe set asks about; the base has not read them either."""
    nights = json.loads((PROBES / "unrelated_text.json").read_text(encoding="utf-8"))["nights"]
    return [Experience(one["prompt"], one["response"]) for night in nights for one in night["experiences"]]


@dataclass(frozen=True)
class Control:
    """One control. ``guard``: what keeps the rest from changing: ``rehearsal``, ``ewc`` (see ``regularise.py``) or ``none``.

    ``learns``: false for a learning rate of 0. ``samples``: salience decides how often a row is taken, not what it weighs.
    """

    title: str
    sentence: str
    choose: Callable[[Evening], Day] = those_that_pass
    learns: bool = True
    samples: bool = False
    guard: str = "rehearsal"


NONE = Control("A night as it is", "What passes the threshold sleeps, weighted by its salience, with rehearsal.")
CONTROLS = {
    "sham": Control(
        "Sham sleep",
        "The whole night with a learning rate of 0: the same dream, steps and check, and nothing can change.",
        learns=False,
    ),
    "unweighted": Control(
        "Unweighted", "The same experiences sleep, and all count alike in the loss.", alike
    ),
    "shuffled": Control(
        "Shuffled salience",
        "The saliences of all that wait are dealt out anew by chance; who passes and what each weighs follows the dealt ones.",
        dealt_anew,
    ),
    "random": Control(
        "Random choice", "Who sleeps is drawn by chance from all that wait, at the same number of reply tokens.", by_chance
    ),
    "bottom": Control(
        "Bottom choice", "The least salient of all that wait sleep, at the same number of reply tokens.", least_salient
    ),
    "everything": Control("Everything", "All that waits sleeps, whatever its salience.", all_that_wait),
    "unrelated": Control(
        "Unrelated text", "As many exchanges about other things sleep in place of those that pass.", other_text
    ),
    "no_rehearsal": Control(
        "No rehearsal", "Nothing is rehearsed: neither ordinary questions nor what earlier nights taught.", guard="none"
    ),
    "sampling": Control(
        "Sampling",
        "Salience decides how often an experience is taken in a step, not what it weighs there.",
        samples=True,
    ),
    "ewc": Control(
        "Elastic weights",
        "In place of rehearsal, a penalty on changing weights that ordinary replies depend on (elastic weight consolidation).",
        guard="ewc",
    ),
}  # fmt: skip
"""By name: what ``control=`` of a night takes. ``""`` is no control."""


def find(name: str) -> Control:
    """The control of this name, ``NONE`` for an empty one; ``UserError`` when there is no such control."""
    if name and name not in CONTROLS:
        raise UserError(f"There is no control called {name}: choose one of {', '.join(CONTROLS)}.")
    return CONTROLS.get(name, NONE)


def sampled_steps(
    steps: list[tuple[list[int], list[int]]], own: int, weights: list[float], seed: int
) -> list[tuple[list[int], list[int]]]:
    """Steps with their taught rows drawn anew: as many, with replacement, each in proportion to its weight.

    The first ``own`` rows are the day's, the others dreamt; both keep their number. The mean loss of such a step is on average
    the weighted mean sum(w l) / sum(w) of a plain step over all rows. Source: proportional prioritisation, Schaul et al. 2016.
    """
    rng = random.Random(seed)

    def draw(rows: range, count: int) -> list[int]:
        chances = [weights[row] for row in rows]
        return rng.choices(rows, chances if sum(chances) else None, k=count) if count else []

    found = []
    for taught, rehearsed in steps:
        of_the_day = sum(row < own for row in taught)
        drawn = draw(range(own), of_the_day) + draw(range(own, len(weights)), len(taught) - of_the_day)
        found.append((drawn, rehearsed))
    return found
