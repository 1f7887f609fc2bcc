"""One night, from the threshold to the ledger: select, dream, train, wake, keep or roll back."""

import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sleepcon import adapter, controls, dream, regularise, sleep, wake
from sleepcon.controls import Control, Day
from sleepcon.dream import DreamSettings, Lesson
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.ledger import Cycle
from sleepcon.model import Base, ReplyScore, chat, fast_products, score_replies, weights_sha256
from sleepcon.salience import Weights
from sleepcon.selection import NothingToConsolidate, choose, saliences_of
from sleepcon.sleep import Event, Trained, Training
from sleepcon.wake import Check, Replies

if TYPE_CHECKING:
    from sleepcon.brain import Brain
    from sleepcon.wake import Gates

REMEMBERED = 64
"""Lessons of earlier nights that are rehearsed in one night, at most."""


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


@dataclass(frozen=True)
class Order:
    """What a night was asked to do; see ``Brain.sleep``."""

    threshold: float
    seed: int = 0
    recipe: str = "default"
    epochs: int | None = None
    learning_rate: float | None = None
    weights: Weights | None = None
    measured: bool = False
    control: str = ""
    gates: "Gates | None" = None

    def __post_init__(self) -> None:
        if self.recipe == "document" and controls.find(self.control).guard != controls.NONE.guard:
            raise UserError(
                f"The control {self.control} is about rehearsal, and the document's recipe has none: choose another."
            )


@dataclass(frozen=True)
class Slept:
    """What happened between falling asleep and waking up; lists are in the order of the day.

    ``weights``: what each experience counted for in the loss.
    """

    day: list[Experience]
    weights: list[float]
    loss_before: float
    loss_after: float
    scores_before: list[ReplyScore]
    scores_after: list[ReplyScore]
    replies_before: Replies
    replies_after: Replies
    checks: list[Check]
    trained: Trained
    dreamt: list[Lesson]
    change: dict[str, float]
    adapter_sha256: str


class Clock:
    """Seconds since the night began; passes events on, and stops the night when somebody asked for it."""

    def __init__(self, on_event: Callable[[Event], None] | None, should_stop: Callable[[], bool] | None):
        self.began, self.started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
        self.on_event = on_event or (lambda _: None)
        self.should_stop = should_stop or (lambda: False)

    @property
    def seconds(self) -> float:
        """Since the night began."""
        return time.perf_counter() - self.began

    def halt_if_asked(self) -> None:
        """Raise ``Stopped`` when somebody cancelled the night."""
        if self.should_stop():
            raise sleep.Stopped()

    def say(self, stage: str, message: str) -> None:
        """Tell what happens next."""
        self.halt_if_asked()
        self.on_event(Event(stage, message, self.seconds))


def run(
    brain: "Brain", order: Order, on_event: Callable[[Event], None] | None, should_stop: Callable[[], bool] | None
) -> Cycle:
    """Run one night of ``brain``, which holds its lock."""
    clock = Clock(on_event, should_stop)
    control = controls.find(order.control)
    rate = order.learning_rate if control.learns else 0.0
    training = training_for(brain, order.recipe, order.epochs, rate)
    considered, chosen = choose(brain, order)
    if not chosen:
        raise NothingToConsolidate(considered, order.threshold)
    passed = f"{len(chosen)} of {considered} experiences pass the threshold of {order.threshold:g}."
    clock.say("select", f"{control.title}: {len(chosen)} exchanges sleep. {control.sentence}" if order.control else passed)
    number = len(brain.history()) + 1
    folder = brain.folder / "cycles" / f"{number:04d}"
    part = folder.with_suffix(".part")
    hash_before = weights_sha256(brain.base)
    saliences = saliences_of(brain, chosen, order.measured)
    slept = fall_asleep(brain, chosen, training, order.seed, part, clock, control, order.gates)
    hash_after = weights_sha256(brain.base)
    came_back = wake.learned(slept.day, slept.replies_after.taught)
    kept, reasons = verdict(slept.checks, came_back, hash_after == hash_before, training.learning_rate > 0)
    cycle = Cycle(
        cycle=number, considered=considered, consolidated=len(chosen), average_salience=sum(saliences) / len(chosen),
        loss_before=slept.loss_before, loss_after=slept.loss_after,
        base_sha256_before=hash_before, base_sha256_after=hash_after, adapter_sha256=slept.adapter_sha256,
        kept=kept, reasons=reasons, training_seconds=slept.trained.seconds, seconds=clock.seconds,
        adapter_path=str(folder) if kept else None, threshold=order.threshold, seed=order.seed, recipe=order.recipe,
        learning_rate=training.learning_rate, epochs=training.epochs, started=clock.started, model=brain.model,
        replies=reply_rows(slept, saliences, came_back), checks=[one.as_dict() for one in slept.checks],
        curve=slept.trained.curve,
        dreamt=[{"prompt": lesson.prompt, "reply": lesson.reply} for lesson in slept.dreamt],
        losses=[[list(point) for point in points] for points in slept.trained.losses], change=slept.change,
        measured=order.measured, weights=asdict(order.weights or Weights()), control=order.control,
    )  # fmt: skip
    # What a control brought in from elsewhere is not memory's to mark.
    learned = [e.id for e, back in zip(slept.day, came_back, strict=True) if back and brain.memory.get(e.id)]
    keep_or_roll_back(brain, cycle, part, folder, learned)
    clock.on_event(Event("done", "Kept." if kept else f"Rolled back: {' '.join(reasons)}", cycle.seconds))
    return cycle


def fall_asleep(
    brain: "Brain",
    chosen: Day,
    training: Training,
    seed: int,
    part: Path,
    clock: Clock,
    control: Control = controls.NONE,
    gates: "Gates | None" = None,
) -> Slept:
    """Dream, train a fresh adapter, wake up and ask; the adapter is left in the folder ``part``, neither kept nor not.

    ``control``: what it does to sampling and rehearsal counts here; ``chosen`` is what it chose.
    """
    base, day, weights = brain.base, [experience for experience, _ in chosen], [weight for _, weight in chosen]
    whole = training.recipe == "document"
    settings = DreamSettings(0, 0, 0) if whole else DreamSettings(**base.card.get("dream", {}))
    ordinary = dream.candidates(base, day, settings, seed)
    taught = [Lesson(e.prompt, e.response, w, i, e.context) for i, (e, w) in enumerate(chosen)]
    asked = [(chat(e.prompt, e.context), e.response) for e in day]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with adapter.worn_for_training(base, brain.adapter_after(None), adapter.LoraSettings()) as peft:
            clock.say("dream", "Dreaming: asking the day's questions in other words, and ordinary ones beside them.")
            reworded = dream.rewordings(base, day, settings, seed)
            clock.halt_if_asked()
            replies_before = wake.ask_all(base, day, [question for question, _ in reworded])
            clock.halt_if_asked()
            with fast_products():
                dreamt = dream.dream(base, day, reworded, replies_before.dreamt, ordinary)
            amount = f"{len(dreamt.lessons)} lessons in other words and {len(set(dreamt.rehearsal))} ordinary exchanges"
            clock.say("dream", f"Dreamt {amount}.")
            lessons = taught + [Lesson(x.prompt, x.reply, weights[x.of or 0], None) for x in dreamt.lessons]
            guarded = [] if whole else dreamt.rehearsal + past_lessons(brain, seed)
            scores_before = score_replies(base, asked)
            loss_before = sleep.weighted_mean(sleep.lesson_losses(base, taught, whole), weights)
            with nullcontext() if whole else fast_products():
                trained = train(base, lessons, guarded, training, seed, clock, control)
            loss_after = sleep.weighted_mean(sleep.lesson_losses(base, taught, whole), weights)
            sleep.check_finite(loss_after)
            scores_after = score_replies(base, asked)
            clock.say("wake", "Waking up: asking what was taught and what must not have changed.")
            replies_after = wake.ask_all(base, day, [probe.prompt for probe in dreamt.probes])
            checks = wake.check(day, dreamt.probes, replies_before, replies_after, gates or wake.Gates())
            change = adapter.change_norms(base)
            clock.halt_if_asked()
            shutil.rmtree(part, ignore_errors=True)
            adapter_sha256 = adapter.save(peft, adapter.join(peft), part)
    return Slept(
        day, weights, loss_before, loss_after, scores_before, scores_after, replies_before, replies_after, checks, trained,
        dreamt.lessons, change, adapter_sha256,
    )  # fmt: skip


def train(
    base: Base, lessons: list[Lesson], guarded: list[Lesson], training: Training, seed: int, clock: Clock, control: Control
) -> Trained:
    """Train as the control has it. ``guarded``: what a plain night rehearses."""
    rehearsed = guarded if control.guard == "rehearsal" else []
    penalty = regularise.elastic(base, guarded, training.rehearsal_weight, seed) if control.guard == "ewc" else None
    steps = None
    if control.samples:
        own = sum(lesson.of is not None for lesson in lessons)
        plain = sleep.order_of_steps(own, len(lessons) - own, len(rehearsed), training, seed)
        steps = controls.sampled_steps(plain, own, [lesson.weight for lesson in lessons], seed)
        lessons = [replace(lesson, weight=1.0) for lesson in lessons]
    return sleep.train(base, lessons, rehearsed, training, seed, clock.on_event, clock.should_stop, penalty, steps)


def verdict(checks: list[Check], came_back: list[bool], frozen: bool, learned: bool) -> tuple[bool, list[str]]:
    """Whether the night is kept, and what there is to say about it. ``learned``: whether its learning rate was above 0."""
    reasons = [one.sentence for one in checks if not one.passed]
    if not frozen:
        reasons.append("The base's weights changed, which must never happen.")
    kept = not reasons
    if kept and not any(came_back):
        why = "the dose was too small" if learned else "at a learning rate of 0 nothing is learned"
        reasons.append(f"No taught reply came back: {why}. The experiences wait for another night.")
    return kept, reasons


def reply_rows(slept: Slept, saliences: list[float], came_back: list[bool]) -> list[dict]:
    """The ledger's ``replies``: one dict for each experience."""
    shares = slept.trained.shares + [0.0] * (len(slept.day) - len(slept.trained.shares))
    rows = []
    for i, experience in enumerate(slept.day):
        before, after = slept.scores_before[i], slept.scores_after[i]
        rows.append({
            "id": experience.id, "prompt": experience.prompt, "context": experience.context, "taught": experience.response,
            "before": slept.replies_before.taught[i], "after": slept.replies_after.taught[i], "learned": came_back[i],
            "salience": saliences[i], "weight": slept.weights[i], "share": shares[i],
            "tokens": [list(each) for each in zip(before.tokens, before.logprobs, after.logprobs, strict=True)],
        })  # fmt: skip
    return rows


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
