"""Sleep at once, after each session, or later?"""

from math import ceil
from typing import TYPE_CHECKING

from sleepcon.documented import QUESTIONS
from sleepcon.studies.protocol import FIGURES, Arm, Study

if TYPE_CHECKING:
    from sleepcon.model import Base

SESSIONS, SIZE = 4, 3
LIVED = SESSIONS * SIZE


def run(base: "Base", arm: Arm, seed: int) -> dict:
    """Twelve experiences in four sessions; a night after every ``every`` of them, with the steps of all nights alike in sum.

    ``table``: R after each session (the base first), a column for each session's experiences.
    """
    from sleepcon.retention import backward_transfer, plasticity, retention
    from sleepcon.studies import lab
    from sleepcon.studies.probing import drawn

    lived = drawn(seed, LIVED)[:: -1 if arm.settings.get("turned") else 1]
    sessions = [lived[start : start + SIZE] for start in range(0, LIVED, SIZE)]
    every, nights = arm.settings["every"], []
    with lab.fresh(base) as brain:
        heard = [lab.listen(brain, lived)]
        for count, item in enumerate(lived, 1):
            lab.remember(brain, [item])
            if count % every == 0:
                nights.append(lab.sleep(brain, seed, 0.0, epochs=lab.epochs(base, every / SIZE)))
                lab.forget(brain)
            if count % SIZE == 0:
                heard.append(lab.listen(brain, lived))
        table = lab.scores(brain, heard, sessions)
    so_far = [sum(row[:number]) / number for number, row in enumerate(table[1:], 1)]
    found = heard[-1].figures() | {
        "answered": sum(table[-1]) / SESSIONS, "meanwhile": sum(so_far) / SESSIONS,
        "first": table[-1][0], "last": table[-1][-1],
    }  # fmt: skip
    # The session after whose night a session's experiences had been slept on.
    taught = [ceil((place + 1) * SIZE / every) * every // SIZE for place in range(SESSIONS)]
    found |= {"backward": backward_transfer(table, taught), "plasticity": plasticity(table, taught)}
    found["retention"] = retention(table, taught)
    return lab.result(found, nights, table=table)


STUDY = Study(
    "timing",
    dict(QUESTIONS)["timing"],
    "With the same number of steps in all, a night after each experience teaches as much as a night after each session and "
    "damages more; one night after four sessions teaches as much as four.",
    (
        Arm("session", f"A night after each session of {SIZE} experiences.", {"every": SIZE}),
        Arm("at_once", "A night after each experience.", {"every": 1}),
        Arm("second", "A night after every second session.", {"every": 2 * SIZE}),
        Arm("end", f"One night after all {SESSIONS} sessions.", {"every": LIVED}),
        Arm("turned", "A night after each session, the experiences in the opposite order.", {"every": SIZE, "turned": True}),
    ),
    "session",
    {
        "answered": "share of questions and unseen rewordings answered right after the last night, 0 to 1",
        "meanwhile": "mean over the sessions of the share answered right of what was lived until then, 0 to 1",
        "first": "share answered right of the first session's experiences after the last night, 0 to 1",
        "last": "share answered right of the last session's experiences after the last night, 0 to 1",
        "plasticity": "mean share for a session's experiences right after the night that took them, 0 to 1",
        "backward": "change of a session's share by the nights after its own (backward transfer), -1 to 1",
        "retention": "share for a session's experiences after the last night over the share right after its own, 1 is all",
    } | FIGURES,
    "Four sessions; the probes are asked before the first and after each.",
    run,
    ("session", "end"),
)  # fmt: skip
