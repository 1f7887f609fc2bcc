"""The sleep cycle: dream, train an adapter on the day and the dreams, and report what happened as events.

The default recipe does what people do who learn by telling themselves the day again:

1. *Dream.* The brain, with one of the day's exchanges still in its context, puts its question in other words and
   answers ordinary questions. An answer that the day has changed is the day's lesson in new words (generalise); one
   that it has not changed is rehearsed as it was (do not erase). This is context distillation (Snell, Klein and Zhong
   2022, "Learning by distilling context") with generative replay (Shin et al. 2017).
2. *Train.* A fresh LoRA adapter on salience-weighted reply losses plus rehearsal, cosine decay.

The document's recipe is kept as written: one experience a step, loss times salience, every token labelled, no dream.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice

import torch

from sleepcon import arithmetic
from sleepcon.batch import lesson_losses, places, rows_of, states_before
from sleepcon.dream import Lesson
from sleepcon.errors import UserError
from sleepcon.gradient import add_gradient
from sleepcon.model import Base

__all__ = [
    "RECIPES", "Event", "Stopped", "Trained", "Training", "check_finite", "lesson_losses", "order_of_steps", "train",
    "weighted_mean",
]  # fmt: skip

RECIPES = ("default", "document")
DOCUMENT_LEARNING_RATE, DOCUMENT_EPOCHS = 1e-5, 2
WARM_UP = 8
"""Steps over which the learning rate rises: B starts at zero, and the first steps of Adam are its largest."""
FINAL_RATE = 0.3
"""Share of the learning rate that is left at the last step of the cosine."""


BATCH, DREAMT, REHEARSED = 16, 4, 9
"""Rows of a step at most: of the day, of its dreamt rewordings, and of what is rehearsed."""
B_RATIO = 4.0
"""How much faster B learns than A."""
LEAST_WEIGHT = 1e-6
"""What a salience of 0 counts as in a weighted mean, so that a night of nothing else has one."""


class Stopped(Exception):
    """The night was cancelled; the brain is as it was."""


@dataclass(frozen=True)
class Event:
    """One thing that happened during a night. ``loss`` and ``losses`` in nats per token, ``seconds`` since its start."""

    stage: str
    message: str
    seconds: float = 0.0
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    losses: list[float] = field(default_factory=list)
    gradient_norm: float | None = None

    def as_dict(self) -> dict:
        """The event as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Training:
    """How a night trains: all that decides its dose."""

    recipe: str
    learning_rate: float
    epochs: int
    rehearsal_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise UserError(f"There is no recipe called {self.recipe}: choose one of {', '.join(RECIPES)}.")
        if not (0 <= self.learning_rate < 10 and math.isfinite(self.learning_rate)):
            raise UserError(f"A learning rate of {self.learning_rate} cannot be used: give a number from 0 to 10.")
        if not 1 <= self.epochs <= 1000:
            raise UserError(f"{self.epochs} epochs cannot be run: give a whole number from 1 to 1000.")


@dataclass(frozen=True)
class Trained:
    """What the training loop reports: loss per step (nats per token) and seconds.

    ``losses``: for each experience its own loss at the steps that took it, as (step from 1, nats per token). ``shares``: the
    norm of each one's own weighted gradient at the first step that took it, over the sum of those norms. AdamW divides a
    uniform scale away, so this, not the salience, is what an experience really weighs.
    """

    curve: list[float]
    losses: list[list[tuple[int, float]]]
    shares: list[float]
    seconds: float


def weighted_mean(losses: Sequence[float], weights: Sequence[float]) -> float:
    """sum(w l) / sum(w), each weight at least ``LEAST_WEIGHT``."""
    weights = [max(weight, LEAST_WEIGHT) for weight in weights]
    return sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights)


def shuffled(first: int, count: int, generator: torch.Generator) -> Iterator[int]:
    """The rows from ``first`` to ``first + count - 1`` in random order, again and again: each once before any twice."""
    while count:
        yield from (first + torch.randperm(count, generator=generator)).tolist()


def order_of_steps(own: int, dreamt: int, rehearsed: int, training: Training, seed: int) -> list[tuple[list[int], list[int]]]:
    """For each step the taught rows (the day's first, then the dreamt) and the rehearsed rows that it takes.

    Document: one experience a step, in the order given. Default: an epoch is one pass over the day, in batches of at most
    ``BATCH``, each beside the next few of the dreamt and the rehearsed rows; the orders are drawn from ``seed``.
    """
    if training.recipe == "document":
        return [([row], []) for _ in range(training.epochs) for row in range(own)]
    generator = torch.Generator().manual_seed(seed)
    reworded, others = shuffled(own, dreamt, generator), shuffled(0, rehearsed, generator)
    parts = -(-own // BATCH)
    steps = []
    for _ in range(training.epochs):
        rows = torch.randperm(own, generator=generator)
        for part in range(parts):
            taught = rows[part::parts].tolist() + list(islice(reworded, min(DREAMT, dreamt)))
            steps.append((taught, list(islice(others, min(REHEARSED, rehearsed)))))
    return steps


def rate_at(step: int, steps: int, training: Training) -> float:
    """Learning rate of a step: constant in the document's recipe, else up in ``WARM_UP`` steps under a cosine down."""
    if training.recipe == "document":
        return training.learning_rate
    turn = 0.5 * (1 + math.cos(math.pi * step / max(1, steps - 1)))
    return training.learning_rate * min(1.0, (step + 1) / WARM_UP) * (FINAL_RATE + (1 - FINAL_RATE) * turn)


def check_finite(*values: float) -> None:
    """Raise ``UserError`` when a loss or a gradient is no longer a number: no reply can come of that night."""
    if not all(map(math.isfinite, values)):
        raise UserError("The night's numbers overflowed, so the brain is as it was before: give a smaller learning rate.")


def optimizer_for(base: Base, training: Training) -> torch.optim.AdamW:
    """AdamW on what may learn; ``ratio`` of each group scales its learning rate.

    Default: B learns ``B_RATIO`` times as fast as A (LoRA+, Hayou, Ghosh and Yu 2024), for B starts from zero and is small.
    """
    named = [(name, parameter) for name, parameter in base.model.named_parameters() if parameter.requires_grad]
    if training.recipe == "document":
        return torch.optim.AdamW(
            [{"params": [parameter for _, parameter in named], "ratio": 1.0}], weight_decay=0.01, fused=True
        )
    groups = [
        {"params": [parameter for name, parameter in named if part in name], "ratio": ratio}
        for part, ratio in (("lora_A", 1.0), ("lora_B", B_RATIO))
    ]
    return torch.optim.AdamW(groups, weight_decay=0.0, fused=True)


def take_step(optimizer: torch.optim.Optimizer, rate: float, loss: float) -> float:
    """Take the optimizer's step along the gradient that is there, and clear it; returns the gradient's norm.

    Raises ``UserError`` when the loss or the gradient is no longer a number.
    """
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norm = float(torch.nn.utils.get_total_norm(gradients))
    check_finite(loss, norm)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["ratio"]
    optimizer.step()
    optimizer.zero_grad()
    return norm


def train(
    base: Base,
    taught: Sequence[Lesson],
    rehearsed: Sequence[Lesson],
    training: Training,
    seed: int,
    on_event: Callable[[Event], None],
    should_stop: Callable[[], bool],
    penalty: Callable[[], torch.Tensor] | None = None,
    steps: Sequence[tuple[list[int], list[int]]] | None = None,
) -> Trained:
    """Train the adapter that is worn and may learn; raise :class:`Stopped` when asked to stop.

    Of ``taught``, the day's own lessons come first, then the dreamt ones. ``penalty``: added to the loss of each step (a
    regulariser, see ``regularise.py``). ``steps``: the rows of each step, in the form of :func:`order_of_steps`, which
    draws them when none are given.

    Default loss of a step: sum(w l) / sum(w) over its taught rows, plus ``rehearsal_weight`` times the mean drift of
    the brain's last states over all tokens of its rehearsed rows (question and reply). Document: w l of one row.
    """
    began = time.perf_counter()
    whole = training.recipe == "document"
    rows, other_rows = rows_of(base, taught, whole), rows_of(base, rehearsed, True)
    owners = [index for index, lesson in enumerate(taught) if lesson.of is not None]
    optimizer = optimizer_for(base, training)
    steps = steps or order_of_steps(len(owners), len(taught) - len(owners), len(rehearsed), training, seed)
    curve: list[float] = []
    by_owner: dict[int, list[tuple[int, float]]] = {index: [] for index in owners}
    first_norm: dict[int, float] = {}
    torch.manual_seed(seed)
    with arithmetic.quick(base, max(len(ids) for ids, _ in rows + other_rows), exact=whole):
        taken = sorted({i for _, others in steps for i in others})
        before = dict(zip(taken, states_before(base, [other_rows[i] for i in taken]), strict=True))
        base.model.train()
        for number, (own, others) in enumerate(steps):
            if should_stop():
                raise Stopped()
            weights = [max(taught[i].weight, LEAST_WEIGHT) for i in own]
            parts = [taught[i].weight for i in own] if whole else [weight / sum(weights) for weight in weights]
            scales = [part / places(rows[i]) for part, i in zip(parts, own, strict=True)]
            scales += [training.rehearsal_weight / sum(places(other_rows[i]) for i in others) for _ in others]
            losses, norms = add_gradient(
                base, [rows[i] for i in own] + [other_rows[i] for i in others], scales, [before[i] for i in others],
                measured=any(i in by_owner and i not in first_norm for i in own),
            )  # fmt: skip
            if penalty:
                with torch.autocast(base.model.device.type, enabled=False):
                    penalty().backward()
            curve.append(weighted_mean(losses[: len(own)], weights))
            norm = take_step(optimizer, rate_at(number, len(steps), training), curve[-1])
            for i, loss, own_norm in zip(own, losses, norms, strict=False):
                if i in by_owner:
                    by_owner[i].append((number + 1, loss))
                    first_norm.setdefault(i, own_norm)
            message = f"Step {number + 1} of {len(steps)}: loss {curve[-1]:.3f}."
            seconds = time.perf_counter() - began
            on_event(Event("train", message, seconds, number + 1, len(steps), curve[-1], losses[: len(own)], norm))
    base.model.eval()
    total = sum(first_norm.values())
    shares = [first_norm.get(index, 0.0) / total if total else 0.0 for index in owners]
    return Trained(curve, list(by_owner.values()), shares, time.perf_counter() - began)
