"""How much is enough, and how much is too much? Learning rate times number of epochs."""

from itertools import product
from typing import TYPE_CHECKING

from sleepcon.studies.protocol import FIGURES, Arm, Study

if TYPE_CHECKING:
    from sleepcon.model import Base

RATES, EPOCHS = (0.25, 0.5, 1, 2), (0.5, 1, 2)
EXPERIENCES = 5


def run(base: "Base", arm: Arm, seed: int) -> dict:
    """One night on five experiences drawn by the seed, all weighted by their salience."""
    from sleepcon.studies import lab
    from sleepcon.studies.probing import drawn

    day = drawn(seed, EXPERIENCES)
    with lab.fresh(base) as brain:
        lab.remember(brain, day)
        dose = {"learning_rate": lab.rate(base, arm.settings["rate"]), "epochs": lab.epochs(base, arm.settings["epochs"])}
        night = lab.sleep(brain, seed, 0.0, **dose)
        heard = lab.listen(brain, day)
    return lab.result(heard.figures() | {"change": night["change"] if night else None}, [night])


def name(rate: float, epochs: float) -> str:
    """Of the arm with these factors."""
    return f"rate_{rate:g}_epochs_{epochs:g}"


STUDY = Study(
    "dose",
    "How much sleep is enough, and how much is too much?",
    "What comes back rises with the learning rate and with the number of epochs, what stays as it was falls, and the base's "
    "own dose is the least that brings most of it back.",
    tuple(
        Arm(name(rate, epochs), f"{rate:g} x the base's own learning rate, {epochs:g} x its number of epochs.",
            {"rate": rate, "epochs": epochs})
        for rate, epochs in product(RATES, EPOCHS)
    ),
    name(1, 1),
    FIGURES | {"change": "norm of the change over the norm of the weight, mean over the adapted matrices"},
    "One night; the probes are asked after it.",
    run,
    (name(0.25, 0.5), name(1, 1)),
)  # fmt: skip
