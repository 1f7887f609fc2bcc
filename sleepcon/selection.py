"""Who sleeps: what waits in memory and reaches the threshold, or what a control puts in its place."""

from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

from sleepcon import controls
from sleepcon.controls import Day, Evening
from sleepcon.errors import UserError
from sleepcon.model import reply_ids
from sleepcon.salience import Weights

if TYPE_CHECKING:
    from sleepcon.brain import Brain
    from sleepcon.night import Order

SCORED = 1024
"""Experiences that are measured, and then stored, at a time."""


class NothingToConsolidate(UserError):
    """Nothing in memory passes the threshold and waits for a night."""

    def __init__(self, considered: int, threshold: float):
        wait = f"None of the {considered} experiences that wait has" if considered else "No experience waits that has"
        super().__init__(f"{wait} a salience of {threshold:g} or more: lower the threshold or add some.")


def check_threshold(threshold: float) -> None:
    """Raise ``UserError`` unless ``threshold`` is a number from 0 to 1."""
    if not 0 <= threshold <= 1:
        raise UserError(f"A threshold of {threshold} cannot be used: give a number from 0 to 1.")


def select(brain: "Brain", threshold: float, weights: Weights | None, measured: bool = False) -> tuple[int, Day]:
    """How many experiences wait in memory, and those that pass with their salience; measures what has none yet.

    A file's own salience decides where it has one, the measured total otherwise; with ``measured``, the measured total always.
    """
    check_threshold(threshold)
    weights = weights or Weights()
    memory, unscored = brain.memory, brain.memory.unscored(measured)
    while some := list(islice(unscored, SCORED)):  # never all of them: there may be more than memory holds
        scores = brain.score(some)
        with memory.transaction():
            for experience, snarc in zip(some, scores, strict=True):
                memory.set_scores(experience.id, snarc, snarc.total(weights))
    memory.weigh(asdict(weights))  # what was measured before may have been weighed otherwise
    return memory.count_pending(), list(memory.pending_with_salience(threshold, measured))


def choose(brain: "Brain", order: "Order") -> tuple[int, Day]:
    """How many experiences wait, and who sleeps with what weight, as the order's control has it."""
    considered, passing = select(brain, order.threshold, order.weights, order.measured)
    evening = Evening(
        passing, lambda: list(brain.memory.pending_with_salience(0.0, order.measured)), order.threshold,
        lambda experience: len(reply_ids(brain.base, experience.response)), order.seed,
    )  # fmt: skip
    return considered, controls.find(order.control).choose(evening)


def saliences_of(brain: "Brain", chosen: Day, measured: bool) -> list[float]:
    """The salience that memory holds for each, whatever it weighs tonight; for what is not in memory, what it weighs."""
    found = []
    for experience, weight in chosen:
        held = brain.memory.standing(experience.id)
        salience = None if held is None else held.measured if measured else held.salience
        found.append(weight if salience is None else salience)
    return found
