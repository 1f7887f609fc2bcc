"""One night, from the threshold to the ledger: select, dream, train, wake, keep or roll back."""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sleepcon import adapter, dream, sleep, wake
from sleepcon.dream import DreamSettings, Lesson
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.ledger import Cycle
from sleepcon.model import weights_sha256
from sleepcon.salience import Weights
from sleepcon.sleep import Event, Training

if TYPE_CHECKING:
    from sleepcon.brain import Brain

REMEMBERED = 64
"""Lessons of earlier nights that are rehearsed in one night, at most."""


class NothingToConsolidate(UserError):
    """Nothing in memory passes the threshold and waits for a night."""

    def __init__(self, considered: int, threshold: float):
        wait = f"None of the {considered} experiences that wait has" if considered else "No experience waits that has"
        super().__init__(f"{wait} a salience of {threshold:g} or more: lower the threshold or add some.")


def check_threshold(threshold: float) -> None:
    """Raise ``UserError`` unless ``threshold`` is a number from 0 to 1."""
    if not 0 <= threshold <= 1:
        raise UserError(f"A threshold of {threshold} cannot be used: give a number from 0 to 1.")


def select(brain: "Brain", threshold: float, weights: Weights | None) -> tuple[int, list[tuple[Experience, float]]]:
    """How many experiences wait in memory, and those that pass with their salience; measures what has none yet.

    A file's own salience decides where it has one, the measured total otherwise.
    """
    check_threshold(threshold)
    weights = weights or Weights()
    memory, unscored = brain.memory, list(brain.memory.unscored())
    if unscored:
        scores = brain.score(unscored)
        with memory.transaction():
            for experience, measured in zip(unscored, scores, strict=True):
                memory.set_scores(experience.id, measured, measured.total(weights))
    memory.weigh(asdict(weights))  # what was measured before may have been weighed otherwise
    return memory.count_pending(), list(memory.pending_with_salience(threshold))


def past_lessons(brain: "Brain", seed: int) -> list[Lesson]:
    """What earlier nights taught, in the words of the day and of the dream: a sample of it is rehearsed."""
    lessons = []
    for row in brain.history():
        if row.kept:
            lessons += [Lesson(r["prompt"], r["taught"], 1.0, None, r["context"]) for r in row.replies if r["learned"]]
            lessons += [Lesson(item["prompt"], item["reply"], 1.0) for item in row.dreamt]
    order = torch.randperm(len(lessons), generator=torch.Generator().manual_seed(seed)).tolist()
    return [lessons[index] for index in order[:REMEMBERED]]


def training_for(brain: "Brain", recipe: str, epochs: int | None, learning_rate: float | None) -> Training:
    """The dose: what was asked for, else the document's or the base's own."""
    dose = brain.base.card["dose"]
    if recipe == "document":
        dose = {"learning_rate": sleep.DOCUMENT_LEARNING_RATE, "epochs": sleep.DOCUMENT_EPOCHS}
    rate = dose["learning_rate"] if learning_rate is None else learning_rate
    return Training(recipe, rate, dose["epochs"] if epochs is None else epochs, brain.base.card.get("rehearsal_weight", 1.0))


def predicted_seconds(brain: "Brain", selected: list[Experience], training: Training) -> float:
    """How long a night would take here: one forward pass over the day is timed, and a step counted as four of them."""
    if not selected:
        return 0.0
    lessons = [Lesson(experience.prompt, experience.response, 1.0) for experience in selected]
    began = time.perf_counter()
    sleep.lesson_losses(brain.base, lessons, training.recipe == "document")
    forward = time.perf_counter() - began
    began = time.perf_counter()
    wake.ask_all(brain.base, selected, [])
    asking = time.perf_counter() - began
    rows = 1 if training.recipe == "document" else 1 + (sleep.DREAMT + sleep.REHEARSED) / len(selected)
    return 4 * forward * rows * training.epochs + (2 if training.recipe == "document" else 4) * asking


def run(
    brain: "Brain",
    threshold: float,
    seed: int,
    recipe: str,
    epochs: int | None,
    learning_rate: float | None,
    weights: Weights | None,
    on_event: Callable[[Event], None] | None,
    should_stop: Callable[[], bool] | None,
) -> Cycle:
    """Run one night of ``brain``, which holds its lock; arguments as in ``Brain.sleep``."""
    base = brain.base
    began, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")

    def halt_if_asked() -> None:
        if should_stop and should_stop():
            raise sleep.Stopped()

    def say(stage: str, message: str) -> None:
        halt_if_asked()
        if on_event:
            on_event(Event(stage, message, time.perf_counter() - began))

    training = training_for(brain, recipe, epochs, learning_rate)
    considered, chosen = select(brain, threshold, weights)
    if not chosen:
        raise NothingToConsolidate(considered, threshold)
    day, saliences = [experience for experience, _ in chosen], [value for _, value in chosen]
    number = len(brain.history()) + 1
    say("select", f"{len(day)} of {considered} experiences pass the threshold of {threshold:g}.")
    hash_before = weights_sha256(base)
    whole = recipe == "document"
    settings = DreamSettings(0, 0, 0) if whole else DreamSettings(**base.card.get("dream", {}))
    near = dream.candidates(base, day, settings, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with adapter.worn_for_training(base, brain.adapter_after(None), adapter.LoraSettings()) as peft:
            say("dream", "Dreaming: asking the day's questions in other words, and ordinary ones beside them.")
            dreamt = dream.dream(base, day, near, settings, seed, halt_if_asked)
            say("dream", f"Dreamt {len(dreamt.lessons)} lessons in other words and {len(dreamt.rehearsal)} ordinary exchanges.")
            taught = [Lesson(e.prompt, e.response, w, i, e.context) for i, (e, w) in enumerate(chosen)]
            lessons = taught + [Lesson(x.prompt, x.reply, saliences[x.of or 0], None) for x in dreamt.lessons]
            rehearsed = [] if whole else dreamt.rehearsal + past_lessons(brain, seed)
            replies_before = wake.ask_all(base, day, dreamt.probes)
            loss_before = sleep.weighted_mean(sleep.lesson_losses(base, taught, whole), saliences)
            trained = sleep.train(
                base, lessons, rehearsed, training, seed, on_event or (lambda _: None), should_stop or (lambda: False)
            )
            loss_after = sleep.weighted_mean(sleep.lesson_losses(base, taught, whole), saliences)
            sleep.check_finite(loss_after)
            say("wake", "Waking up: asking what was taught and what must not have changed.")
            replies_after = wake.ask_all(base, day, dreamt.probes)
            checks = wake.check(day, dreamt.probes, replies_before, replies_after, wake.Gates())
            kept = all(one.passed for one in checks)
            halt_if_asked()
            part = brain.folder / "cycles" / f"{number:04d}.part"
            shutil.rmtree(part, ignore_errors=True)
            adapter_sha256 = adapter.save(peft, adapter.join(peft), part)
    hash_after = weights_sha256(base)
    if hash_after != hash_before:
        kept = False
    reasons = [one.sentence for one in checks if not one.passed]
    if hash_after != hash_before:
        reasons.append("The base's weights changed, which must never happen.")
    came_back = wake.learned(day, replies_after.taught)
    if kept and not any(came_back):
        reasons.append("No taught reply came back: the dose was too small. The experiences wait for another night.")
    folder = brain.folder / "cycles" / f"{number:04d}"
    cycle = Cycle(
        cycle=number, considered=considered, consolidated=len(day), average_salience=sum(saliences) / len(saliences),
        loss_before=loss_before, loss_after=loss_after, base_sha256_before=hash_before, base_sha256_after=hash_after,
        adapter_sha256=adapter_sha256, kept=kept, reasons=reasons, training_seconds=trained.seconds,
        seconds=time.perf_counter() - began, adapter_path=str(folder) if kept else None, threshold=threshold, seed=seed,
        recipe=recipe, learning_rate=training.learning_rate, epochs=training.epochs, started=started, model=brain.model,
        replies=[
            {"id": e.id, "prompt": e.prompt, "context": e.context, "taught": e.response, "before": old, "after": new,
             "learned": back, "salience": value, "share": share}
            for e, old, new, back, value, share in zip(
                day, replies_before.taught, replies_after.taught, came_back, saliences,
                trained.shares + [0.0] * (len(day) - len(trained.shares)), strict=True)
        ],
        checks=[one.as_dict() for one in checks], curve=trained.curve,
        dreamt=[{"prompt": x.prompt, "reply": x.reply} for x in dreamt.lessons],
    )  # fmt: skip
    keep_or_roll_back(brain, cycle, part, folder, [e.id for e, back in zip(day, came_back, strict=True) if back])
    if on_event:
        on_event(Event("done", "Kept." if kept else f"Rolled back: {' '.join(reasons)}", cycle.seconds))
    return cycle


def keep_or_roll_back(brain: "Brain", cycle: Cycle, part: Path, folder: Path, learned: list[str]) -> None:
    """Make the night final: the adapter in its place (or gone), then the ledger's row and the memory's marks at once."""
    if cycle.kept:
        part.rename(folder)
        adapter.flush(folder.parent)
    else:
        shutil.rmtree(part)
    with brain.memory.transaction():
        brain.ledger.enter(cycle)
        if cycle.kept:
            brain.memory.mark_consolidated(learned, cycle.cycle)
