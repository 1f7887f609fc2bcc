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
import torch.nn.functional as F

from sleepcon.dream import Lesson
from sleepcon.errors import UserError
from sleepcon.model import Base, chat, prompt_ids, reply_ids, right_padded

RECIPES = ("default", "document")
DOCUMENT_LEARNING_RATE, DOCUMENT_EPOCHS = 1e-5, 2
IGNORED = -100
WARM_UP = 8
"""Steps over which the learning rate rises: B starts at zero, and the first steps of Adam are its largest."""
FINAL_RATE = 0.1
"""Share of the learning rate that is left at the last step of the cosine."""


BATCH, DREAMT, REHEARSED = 16, 10, 24
"""Rows of a step at most: of the day, of its dreamt rewordings, and of what is rehearsed."""
B_RATIO = 4.0
"""How much faster B learns than A."""
SHARES = 32
"""The gradient's share is measured for so many experiences at most: each costs a backward pass."""
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
    """What the training loop reports: loss per step (nats per token), each experience's share of the gradient, seconds.

    ``losses``: for each experience its own loss at the steps that took it, as (step from 1, nats per token).
    """

    curve: list[float]
    losses: list[list[tuple[int, float]]]
    shares: list[float]
    seconds: float


@dataclass(frozen=True)
class Batch:
    """Padded rows: ``ids``, ``mask`` and ``labels`` (ignored places are -100), each of shape (rows, length)."""

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor


def rows_of(base: Base, lessons: Sequence[Lesson], whole: bool) -> list[tuple[list[int], list[int]]]:
    """``(ids, labels)`` of each lesson; labels on the reply alone, or on every token when ``whole``."""
    rows = []
    for lesson in lessons:
        prompt, reply = prompt_ids(base, chat(lesson.prompt, lesson.context)), reply_ids(base, lesson.reply)
        rows.append((prompt + reply, (prompt if whole else [IGNORED] * len(prompt)) + reply))
    return rows


def padded(rows: Sequence[tuple[list[int], list[int]]], pad: int, device: torch.device) -> Batch:
    """Rows as one batch, padded on the right."""
    ids, mask = right_padded([row for row, _ in rows], pad)
    labels, _ = right_padded([label for _, label in rows], IGNORED)
    return Batch(ids.to(device), mask.to(device), labels.to(device))


def reply_logits(base: Base, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits at the labelled places of all rows, shape (places, vocabulary), and the row of each place, shape (places,).

    The vocabulary is only multiplied out where there is a label: most of a forward pass's memory is saved.
    """
    hidden = base.model.get_decoder()(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state[:, :-1]
    places = batch.labels[:, 1:] != IGNORED
    return base.model.get_output_embeddings()(hidden[places]).float(), places.nonzero()[:, 0]


def mean_by_row(values: torch.Tensor, rows: torch.Tensor, count: int) -> torch.Tensor:
    """Mean of ``values`` over the places of each row, shape (count,)."""
    sums = torch.zeros(count, device=values.device).index_add(0, rows, values)
    return sums / torch.bincount(rows, minlength=count).clamp_min(1)


def row_losses(base: Base, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy of each row's labelled tokens, in nats per token, shape (rows,)."""
    logits, rows = reply_logits(base, batch)
    wanted = batch.labels[:, 1:]
    losses = F.cross_entropy(logits, wanted[wanted != IGNORED], reduction="none")
    return mean_by_row(losses, rows, len(wanted))


@torch.inference_mode()
def lesson_losses(base: Base, lessons: Sequence[Lesson], whole: bool = False) -> list[float]:
    """Loss of each lesson under the brain as it is now, in nats per labelled token, 32 at a time."""
    rows = rows_of(base, lessons, whole)
    losses: list[float] = []
    for start in range(0, len(rows), 32):
        batch = padded(rows[start : start + 32], base.tokenizer.pad_token_id, base.model.device)
        losses += row_losses(base, batch).tolist()
    return losses


@torch.inference_mode()
def reply_logprobs(base: Base, rows: Sequence[tuple[list[int], list[int]]]) -> list[torch.Tensor]:
    """For each row the brain's log-probabilities at its labelled places, shape (places, vocabulary), in half precision."""
    found: list[torch.Tensor] = []
    for start in range(0, len(rows), 32):
        part = padded(rows[start : start + 32], base.tokenizer.pad_token_id, base.model.device)
        logits, places = reply_logits(base, part)
        sizes = torch.bincount(places, minlength=len(part.ids)).tolist()
        found += F.log_softmax(logits, -1).half().split(sizes)
    return [one.clone() for one in found]


def divergence(before: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """KL(before || now) at each place, in nats, shape (places,), from log-probabilities ``before`` and logits ``now``."""
    return F.kl_div(F.log_softmax(now, -1), before, reduction="none", log_target=True).sum(-1)


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


def gradient_shares(base: Base, rows: list, weights: Sequence[float], parameters: list[torch.nn.Parameter]) -> list[float]:
    """Each row's share of the gradient: norm of its own weighted gradient over the sum of those norms (they sum to 1).

    AdamW divides a uniform scale away, so this, not the salience, is what an experience really weighs.
    """
    norms = []
    for row, weight in zip(rows, weights, strict=True):
        batch = padded([row], base.tokenizer.pad_token_id, base.model.device)
        gradients = torch.autograd.grad(weight * row_losses(base, batch)[0], parameters)
        norms.append(math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients)))
    total = sum(norms)
    return [norm / total if total else 0.0 for norm in norms]


def optimizer_for(base: Base, training: Training) -> torch.optim.AdamW:
    """AdamW on what may learn; ``ratio`` of each group scales its learning rate.

    Default: B learns ``B_RATIO`` times as fast as A (LoRA+, Hayou, Ghosh and Yu 2024), for B starts from zero and is small.
    """
    named = [(name, parameter) for name, parameter in base.model.named_parameters() if parameter.requires_grad]
    if training.recipe == "document":
        return torch.optim.AdamW([{"params": [parameter for _, parameter in named], "ratio": 1.0}], weight_decay=0.01)
    groups = [
        {"params": [parameter for name, parameter in named if part in name], "ratio": ratio}
        for part, ratio in (("lora_A", 1.0), ("lora_B", B_RATIO))
    ]
    return torch.optim.AdamW(groups, weight_decay=0.0)


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

    Default loss of a step: sum(w l) / sum(w) over its taught rows, plus ``rehearsal_weight`` times the mean divergence
    KL(before || now) at the reply tokens of its rehearsed rows. Document: w l of one row.
    """
    began = time.perf_counter()
    whole = training.recipe == "document"
    pad, device = base.tokenizer.pad_token_id, base.model.device
    rows, other_rows = rows_of(base, taught, whole), rows_of(base, rehearsed, False)
    weights = torch.tensor([lesson.weight for lesson in taught], device=device)
    parameters = [parameter for parameter in base.model.parameters() if parameter.requires_grad]
    optimizer = optimizer_for(base, training)
    owners = [index for index, lesson in enumerate(taught) if lesson.of is not None]
    shares = gradient_shares(base, [rows[i] for i in owners[:SHARES]], [taught[i].weight for i in owners[:SHARES]], parameters)
    before = reply_logprobs(base, other_rows)
    torch.manual_seed(seed)
    base.model.train()
    curve: list[float] = []
    by_owner: dict[int, list[tuple[int, float]]] = {index: [] for index in owners}
    steps = steps or order_of_steps(len(owners), len(taught) - len(owners), len(rehearsed), training, seed)
    for number, (own, others) in enumerate(steps):
        if should_stop():
            raise Stopped()
        for group in optimizer.param_groups:
            group["lr"] = rate_at(number, len(steps), training) * group["ratio"]
        batch = padded([rows[i] for i in own] + [other_rows[i] for i in others], pad, device)
        logits, places = reply_logits(base, batch)
        first = int((places < len(own)).sum())  # the rehearsed rows' places come after those of the taught
        wanted = torch.cat([batch.labels[row, 1:][batch.labels[row, 1:] != IGNORED] for row in range(len(own))])
        mine = mean_by_row(F.cross_entropy(logits[:first], wanted, reduction="none"), places[:first], len(own))
        parts = weights[own].clamp_min(LEAST_WEIGHT)
        mean = (mine * parts).sum() / parts.sum()
        loss = mine[0] * weights[own[0]] if whole else mean
        if others:
            target = torch.cat([before[i] for i in others]).float()
            loss = loss + training.rehearsal_weight * divergence(target, logits[first:]).mean()
        if penalty:
            loss = loss + penalty()
        loss.backward()
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in parameters if p.grad is not None))
        check_finite(float(mean.detach()), norm)
        optimizer.step()
        optimizer.zero_grad()
        curve.append(float(mean.detach()))
        for row, value in zip(own, mine.tolist(), strict=True):
            if row in by_owner:
                by_owner[row].append((number + 1, value))
        message = f"Step {number + 1} of {len(steps)}: loss {curve[-1]:.3f}."
        seconds = time.perf_counter() - began
        on_event(Event("train", message, seconds, number + 1, len(steps), curve[-1], mine.detach().tolist(), norm))
    base.model.eval()
    return Trained(curve, list(by_owner.values()), shares, time.perf_counter() - began)
