"""What a study is: plain data that a page can show before anything was run, and one function that makes a run.

Nothing here, and nothing at the top of a study's file, imports torch: a page reads them at its start.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sleepcon.model import Base

SEEDS = 5
"""Seeds of a study unless it is told otherwise: fewer say little (``statistics.Interval``)."""
PROBES = (
    "The 24 experiences of assets/probes/study.json (six kinds of four), each with four rewordings and two look-alike "
    "questions, and thirty unrelated prompts, all written before the first run; replies are greedy. A rewording that a night "
    "dreamt of word for word does not count. Nights are kept whatever their wake-up check says, so that arms differ in nothing "
    "else."
)
FIGURES = {
    "learned": "share of the experiences whose taught reply comes back when their question is asked, 0 to 1",
    "salience_kept": "share of the experiences whose taught reply comes back, each counting as much as its salience, 0 to 1",
    "reworded": "mean share of unseen rewordings answered right, 0 to 1",
    "spared": "share of look-alike questions that did not get the taught answer, 0 to 1",
    "unchanged": "share of unrelated prompts answered word for word as by the base, 0 to 1",
    "gain": "change of the taught replies' log-probability, nats per token",
    "kl": "divergence from the base at its own replies to unrelated prompts, nats per token",
    "order": "rank correlation of salience with the change of the taught replies' log-probability, -1 to 1",
    "passed": "share of the nights that the usual wake-up check would have kept, 0 to 1",
}
"""What every study reports (``probing.Heard.figures``, ``lab.result``), in words."""


@dataclass(frozen=True)
class Arm:
    """One way to do it. ``settings``: JSON types, all that sets the arm apart from the others."""

    name: str
    sentence: str
    settings: dict = field(default_factory=dict)


Run = Callable[["Base", Arm, int], dict]
"""``run(base, arm, seed)`` -> JSON types: ``figures`` (a number or ``None`` for each name of the study's), ``nights`` (what
each night did, see ``lab.facts``) and whatever else is to be shown of it. It stands alone, on brains in temporary folders."""


@dataclass(frozen=True)
class Study:
    """A research protocol.

    ``control``: the arm that the others are compared with, seed by seed. ``figures``: by name what each figure of a run is, in
    words; the first is the one that the hypothesis is about. ``settle``: puts right what needs the other runs of a seed.
    ``small``: the arms of the version that a page's button runs, at one seed.
    """

    name: str
    question: str
    hypothesis: str
    arms: tuple[Arm, ...]
    control: str
    figures: dict[str, str]
    stop_rule: str
    run: Run
    small: tuple[str, ...]
    probes: str = PROBES
    seeds: tuple[int, ...] = tuple(range(SEEDS))
    settle: Callable[[list[dict]], list[dict]] = list

    def describe(self) -> dict:
        """All that it states in advance, as JSON types."""
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("run", "settle")}
        return told | {"arms": [asdict(arm) for arm in self.arms], "seeds": list(self.seeds), "small": list(self.small)}

    def arm(self, name: str) -> Arm:
        """The arm of this name."""
        return next(arm for arm in self.arms if arm.name == name)
