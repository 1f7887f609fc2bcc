"""Brains that are thrown away, and nights whose check decides nothing: what the studies are made of."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sleepcon import adapter
from sleepcon.brain import DEFAULT_THRESHOLD, Brain
from sleepcon.dose_metrics import share_distance
from sleepcon.ledger import Cycle
from sleepcon.model import Base
from sleepcon.selection import NothingToConsolidate
from sleepcon.studies.probing import Heard, Pairs, hear
from sleepcon.suite import Item
from sleepcon.wake import Gates

OPEN = Gates(kept=0.0, collapse=1.0, repeated=1.0)
"""Gates that let every night pass: what the usual ones would have said is a figure, see :func:`facts`."""


@contextmanager
def fresh(base: Base) -> Iterator[Brain]:
    """A brain that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sleepcon-") as home:
        brain = Brain.open("study", home=home, base=base)
        try:
            yield brain
        finally:
            brain.close()


def remember(brain: Brain, day: Sequence[Item]) -> None:
    """Put a day into memory; the same item on another day is another experience."""
    brain.remember([replace(item.experience, session=len(brain.history()) + 1) for item in day])


def sleep(brain: Brain, seed: int, threshold: float = DEFAULT_THRESHOLD, **options: object) -> dict | None:
    """One night on what waits, kept whatever its check says: its :func:`facts`, ``None`` when nothing passes.

    The nights of a brain have seeds of their own, all from ``seed``.
    """
    number = len(brain.history())
    try:
        return facts(brain.sleep(threshold, 1000 * seed + number, gates=OPEN, **options))  # type: ignore[arg-type]
    except NothingToConsolidate:
        return None


def forget(brain: Brain) -> None:
    """Take what still waits out of the next night, so that each night has its own day and no more."""
    waiting = [experience.id for experience in brain.memory.pending(0.0)]
    brain.memory.mark_consolidated(waiting, len(brain.history()))


def facts(cycle: Cycle) -> dict:
    """What a night did, in short, as JSON types.

    ``passed``: whether the usual gates would have kept it. ``off_salience``: the part of the gradient that went elsewhere than
    salience says (``dose_metrics.share_distance``). ``change``: norm of the change over norm of the weight, mean over
    the adapted matrices.
    """
    usual, found = Gates(), {check["name"]: check["value"] for check in cycle.checks}
    passed = found["kept"] >= usual.kept and found["collapse"] <= usual.collapse and found["repeated"] <= usual.repeated
    shares = [reply["share"] for reply in cycle.replies]
    return {
        "consolidated": cycle.consolidated, "learned": sum(reply["learned"] for reply in cycle.replies), "passed": passed,
        "learning_rate": cycle.learning_rate, "epochs": cycle.epochs, "steps": len(cycle.curve), "dreamt": len(cycle.dreamt),
        "loss_before": cycle.loss_before, "loss_after": cycle.loss_after,
        "change": sum(cycle.change.values()) / len(cycle.change),
        "off_salience": share_distance(shares, [reply["salience"] for reply in cycle.replies]),
        "seconds": cycle.seconds, "base_same": cycle.base_sha256_before == cycle.base_sha256_after,
        "adapter_sha256": cycle.adapter_sha256,
    }  # fmt: skip


def rate(base: Base, factor: float) -> float:
    """The learning rate of the base's card times ``factor``."""
    return base.card["dose"]["learning_rate"] * factor


def epochs(base: Base, factor: float) -> int:
    """The epochs of the base's card times ``factor``, within what a night takes."""
    return min(1000, max(1, round(base.card["dose"]["epochs"] * factor)))


def dreamt(brain: Brain) -> list[str]:
    """Questions that its nights dreamt of and trained on."""
    return [lesson["prompt"] for row in brain.history() for lesson in row.dreamt]


def listen(brain: Brain, asked: Sequence[Item], earlier: Pairs = ()) -> Heard:
    """What the brain says now, see ``probing.hear``."""
    folder = brain.adapter_after(None)
    return hear(brain.base, adapter.worn(brain.base, folder) if folder else None, asked, dreamt(brain), earlier)


def scores(brain: Brain, heard: Sequence[Heard], sets: Sequence[Sequence[Item]]) -> list[list[float]]:
    """R: a row for each time that the brain was listened to, a column for each set of items.

    What any of its nights dreamt of counts in no row, so that all rows are over the same questions.
    """
    trained = dreamt(brain)
    return [[replace(one, trained=trained).score(items) for items in sets] for one in heard]


def result(figures: dict[str, float | None], nights: Sequence[dict | None], **more: object) -> dict:
    """A run's result in the form of ``protocol.Run``; ``None`` among the nights: nothing passed that evening."""
    slept = [night for night in nights if night]
    passed = sum(night["passed"] for night in slept) / len(slept) if slept else None
    return {"figures": figures | {"passed": passed}, "nights": list(nights), **more}
