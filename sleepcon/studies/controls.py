"""Is it sleep, and is it the salience? Every control beside the night as it is."""

import random
from typing import TYPE_CHECKING

from sleepcon.controls import CONTROLS
from sleepcon.studies.protocol import FIGURES, Arm, Study

if TYPE_CHECKING:
    from sleepcon.model import Base
    from sleepcon.suite import Item

THRESHOLD = 0.6


def dealt(seed: int) -> list[list["Item"]]:
    """The experiences as two days of twelve, alike in salience: of each two neighbours in salience one on either day."""
    from sleepcon.studies.probing import items

    rng = random.Random(seed)
    days: list[list[Item]] = [[], []]
    ranked = sorted(items(), key=lambda item: item.experience.salience or 0.0)
    for pair in zip(ranked[::2], ranked[1::2], strict=True):
        for day, item in zip(days, rng.sample(pair, 2), strict=True):
            day.append(item)
    return [rng.sample(day, len(day)) for day in days]


def run(base: "Base", arm: Arm, seed: int) -> dict:
    """Two days with a night after each; what a night does not take is gone by the next. ``table``: R by night and day."""
    from sleepcon.retention import backward_transfer
    from sleepcon.studies import lab

    days = dealt(seed)
    lived = [item for day in days for item in day]
    evenings = {"each": days, "last": [lived], "none": []}[arm.settings.get("nights", "each")]
    options = {"control": arm.settings.get("control", ""), "epochs": lab.epochs(base, len(days) / max(1, len(evenings)))}
    said = [(one.experience.prompt, one.experience.response) for one in lived if (one.experience.salience or 0) >= THRESHOLD]
    nights = []
    with lab.fresh(base) as brain:
        heard = [lab.listen(brain, lived)]
        if arm.settings.get("context"):
            heard.append(lab.listen(brain, lived, said))
        for evening in evenings:
            lab.remember(brain, evening)
            nights.append(lab.sleep(brain, seed, THRESHOLD, **options))
            lab.forget(brain)
            heard.append(lab.listen(brain, lived))
        table = lab.scores(brain, heard, days)
    found = heard[-1].figures()
    found["lift"] = (found["salience_kept"] or 0.0) - (found["learned"] or 0.0)
    found["backward"] = backward_transfer(table) if len(evenings) == len(days) else None
    return lab.result(found, nights, table=table)


STUDY = Study(
    "controls",
    "Is it sleep that does it, and is it the salience?",
    "A night on what is salient keeps more of the day's salience than a night on as much chosen by chance, and no control that "
    "takes learning or salience away keeps as much.",
    (
        Arm("sleep", "A night after each day: what reaches a salience of .6 sleeps, weighted by it, with rehearsal."),
        Arm("none", "No sleep.", {"nights": "none"}),
        *(Arm(name, control.sentence, {"control": name}) for name, control in CONTROLS.items()),
        Arm("in_context", "No sleep; what passes stands in the context while the probes are asked. It fades with the context.",
            {"nights": "none", "context": True}),
        Arm("all_at_once", "One night on both days together, as long as the two nights: an upper bound.", {"nights": "last"}),
    ),
    "sleep",
    {"salience_kept": FIGURES["salience_kept"]} | FIGURES | {
        "lift": "share of the salience kept less share of the experiences kept: above 0 where salient ones are kept, -1 to 1",
        "backward": "change of the first day's score over the second night (backward transfer), -1 to 1",
    },
    "Two nights; the probes are asked before the first and after each.",
    run,
    ("sleep", "sham", "random"),
)  # fmt: skip
