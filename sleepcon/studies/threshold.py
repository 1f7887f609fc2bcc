"""A threshold that stays where it is, or one that rises as the buffer fills?"""

import random
from typing import TYPE_CHECKING

from sleepcon.documented import QUESTIONS
from sleepcon.studies.protocol import FIGURES, Arm, Study

if TYPE_CHECKING:
    from sleepcon.brain import Brain
    from sleepcon.model import Base

DAYS = (4, 14, 6)
"""Experiences of a quiet, a full and an ordinary day."""
HOLDS = sum(DAYS)
"""Experiences that wait when the buffer is full."""
FIXED = (0.5, 0.6, 0.7, 0.8)
ORDINARY = 5
"""Experiences of the night whose rows are the budget of one evening."""


def adaptive(brain: "Brain") -> float:
    """The quantile of the waiting saliences at the buffer's fullness: an empty one takes all, a full one takes the highest."""
    import numpy as np

    waiting = [salience for _, salience in brain.memory.pending_with_salience(0.0)]
    return float(np.quantile(waiting, min(1.0, len(waiting) / HOLDS))) if waiting else 0.0


def rows_per_epoch(experiences: int) -> int:
    """Rows, taught and rehearsed, of one pass over so many experiences."""
    from sleepcon.sleep import BATCH, DREAMT, REHEARSED

    return experiences + -(-experiences // BATCH) * (DREAMT + REHEARSED)


def run(base: "Base", arm: Arm, seed: int) -> dict:
    """Three days; what does not pass goes on waiting, and rows that an evening did not spend are the next one's."""
    from sleepcon.studies import lab
    from sleepcon.studies.probing import items

    lived = random.Random(seed).sample(items(), HOLDS)
    share = base.card["dose"]["epochs"] * rows_per_epoch(ORDINARY)
    spent, nights, thresholds = 0, [], []
    with lab.fresh(base) as brain:
        for place, size in enumerate(DAYS):
            lab.remember(brain, lived[sum(DAYS[:place]) :][:size])
            fixed = arm.settings.get("threshold")
            thresholds.append(adaptive(brain) if fixed is None else fixed)
            passing = len(brain.waiting(thresholds[-1])[1])
            left = (place + 1) * share - spent
            longer = left / rows_per_epoch(passing) / base.card["dose"]["epochs"] if passing else 1
            options = {"control": arm.settings.get("control", ""), "epochs": lab.epochs(base, longer)}
            night = lab.sleep(brain, seed, thresholds[-1], **options)
            spent += night["epochs"] * rows_per_epoch(night["consolidated"]) if night else 0
            nights.append(night)
        heard = lab.listen(brain, lived)
    slept = sum(night["consolidated"] for night in nights if night)
    return lab.result(heard.figures() | {"slept": slept, "rows": spent}, nights, thresholds=thresholds)


STUDY = Study(
    "threshold",
    dict(QUESTIONS)["threshold"],
    "At an equal number of rows trained on, a threshold that rises with the buffer's fullness keeps more of the salience of a "
    "quiet, a full and an ordinary day than any fixed one.",
    (
        *(Arm(f"fixed_{100 * value:.0f}", f"What reaches {value:g} sleeps.", {"threshold": value}) for value in FIXED),
        Arm("fullness", "The threshold is the quantile of the waiting saliences at the buffer's fullness, "
            f"which is what waits over {HOLDS}."),
        Arm("random", "As many reply tokens as reach .6, drawn by chance from what waits.",
            {"threshold": 0.6, "control": "random"}),
    ),
    "fixed_60",
    {"salience_kept": FIGURES["salience_kept"]} | FIGURES | {
        "slept": "experiences that slept, a second night of one counted again",
        "rows": "rows trained on, taught and rehearsed",
    },
    "Three nights; the probes are asked after the last.",
    run,
    ("fixed_60", "fullness"),
)  # fmt: skip
