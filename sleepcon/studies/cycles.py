"""How many nights until behaviour that was given in context is the brain's own?"""

from typing import TYPE_CHECKING

from sleepcon.documented import QUESTIONS
from sleepcon.studies.protocol import FIGURES, Arm, Study

if TYPE_CHECKING:
    from sleepcon.model import Base

NIGHTS = 4
GROUP = "identity"


def run(base: "Base", arm: Arm, seed: int) -> dict:
    """The same four exchanges of identity, night after night. ``unprompted``: the score without context, base first."""
    from sleepcon.retention import cycles_to_baseline
    from sleepcon.studies import lab
    from sleepcon.studies.probing import groups, hear

    group, nights = groups()[GROUP], []
    options = {"control": arm.settings.get("control", ""), "epochs": lab.epochs(base, arm.settings.get("longer", 1))}
    with lab.fresh(base) as brain:
        heard = [lab.listen(brain, group)]
        for _ in range(arm.settings["nights"]):
            lab.remember(brain, group)
            nights.append(lab.sleep(brain, seed, 0.0, **options))
            lab.forget(brain)
            heard.append(lab.listen(brain, group))
        trained, table = lab.dreamt(brain), lab.scores(brain, heard, [group])
    said = [(item.experience.prompt, item.experience.response) for item in group]
    ceiling = hear(base, None, group, trained, said).score()
    unprompted = [score for (score,) in table]
    reached = cycles_to_baseline(unprompted, ceiling)
    found = {
        "cycles": NIGHTS + 1 if reached is None else reached, "reached": float(reached is not None),
        "unprompted": unprompted[-1], "in_context": ceiling,
    } | heard[-1].figures()  # fmt: skip
    return lab.result(found, nights, unprompted=unprompted)


STUDY = Study(
    "cycles",
    dict(QUESTIONS)["cycles"],
    "Within four nights on the same exchanges the brain answers unseen questions about them without context at least 90% as "
    "often as the base does with them in its context, and stays there; one long night with as many steps does not do as well.",
    (
        Arm("nights", f"{NIGHTS} nights, each on the same four exchanges of identity.", {"nights": NIGHTS}),
        Arm("one_long", f"One night with as many steps as the {NIGHTS}.", {"nights": 1, "longer": NIGHTS}),
        Arm("unrelated", f"{NIGHTS} nights on as many exchanges about other things.",
            {"nights": NIGHTS, "control": "unrelated"}),
        Arm("sham", f"{NIGHTS} nights with a learning rate of 0.", {"nights": NIGHTS, "control": "sham"}),
    ),
    "nights",
    {
        "cycles": f"first night from which on the score stays at 90% of that in context; never counts as {NIGHTS + 1}",
        "reached": "whether that was reached, 0 or 1",
        "unprompted": "share of questions and unseen rewordings answered right without context after the last night, 0 to 1",
        "in_context": "the same questions asked of the base with the exchanges in its context, 0 to 1",
    } | FIGURES,
    f"{NIGHTS} nights; the probes are asked before the first and after each.",
    run,
    ("nights", "sham"),
)  # fmt: skip
