"""Dreaming: the day in new words, and what must not change, both made by the brain itself before it trains.

Each lesson of the day is asked again in other words, and beside questions from a pool, with that one exchange still in
the context. What the context does to the reply tells which questions the day has changed.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sleepcon.experience import Experience
from sleepcon.metrics import token_f1
from sleepcon.model import (
    Base,
    chat,
    embed,
    generate,
    groups_by_tokens,
    head_logits,
    prompt_ids,
    reply_ids,
    right_padded,
    sample,
)
from sleepcon.paths import ASSETS, EMBEDDED

REWORD = "Say this another way:"
TEMPERATURE = 0.7
ORDINARY_FILE = "ordinary.safetensors"
RESEMBLES = 0.6
"""Token F1 from which a reply counts as the taught one already: nothing to dream of."""
BETWEEN = 80
"""Pool questions nearest to an experience that are not far from it."""
NEAR_TIMES = 2
"""Rows among the rehearsed ones of each look-alike that the day does not change; a far question has one."""


@dataclass(frozen=True)
class Lesson:
    """One row to train on. ``of``: the index of the experience it teaches, ``None`` for a rehearsed one."""

    prompt: str
    reply: str
    weight: float
    of: int | None = None
    context: str = ""


@dataclass(frozen=True)
class DreamSettings:
    """How much is dreamt: rewordings kept per experience, pool questions near each experience, and far ones in all.

    The near ones are tested for what the day does to them; the far ones are taken from beyond the ``BETWEEN`` nearest, where
    no test is needed.
    """

    rewordings: int = 4
    near: int = 6
    far: int = 32


@dataclass(frozen=True)
class Dream:
    """What was dreamt: the day in other words, ordinary exchanges to rehearse, and rewordings kept back as probes."""

    lessons: list[Lesson]
    rehearsal: list[Lesson]
    probes: list[Lesson]


def pool() -> list[str]:
    """The ordinary questions that ship with the project; no probe set holds any of them (a test compares)."""
    return (ASSETS / "rehearsal.txt").read_text(encoding="utf-8").splitlines()


@dataclass(frozen=True)
class Candidate:
    """An ordinary question, what the bare base says to it, and the index of the experience that it is near to, if any."""

    question: str
    reply: str
    near: int | None


def dream(
    base: Base,
    day: Sequence[Experience],
    reworded: Sequence[tuple[str, int]],
    replies: Sequence[str],
    ordinary: Sequence[Candidate],
) -> Dream:
    """Sort the questions by what the day does to them, with the adapter that is worn now.

    ``reworded``: the day's questions in other words, each with its experience's index, and ``replies`` what the brain says to
    them with nothing in the context; ``ordinary``: questions of the pool. A rewording whose answer the experience changes is a
    lesson (the first of each experience is kept back as a probe). Ordinary questions are rehearsed, but for those near to an
    experience whose answer it changes; the other near ones have ``NEAR_TIMES`` rows.
    """
    cases = [(question, day[index], reply) for (question, index), reply in zip(reworded, replies, strict=True)]
    near = [(one, day[one.near]) for one in ordinary if one.near is not None]
    pulls = pulls_of_context(base, cases + [(one.question, experience, one.reply) for one, experience in near])
    found = Dream([], [], [])
    held_back: set[int] = set()
    for (question, index), reply, pull in zip(reworded, replies, pulls, strict=False):
        if pull > 0 and token_f1(reply, day[index].response) < RESEMBLES:
            (found.lessons if index in held_back else found.probes).append(Lesson(question, day[index].response, 1.0, index))
            held_back.add(index)
    changed = {one.question for (one, _), pull in zip(near, pulls[len(reworded) :], strict=True) if pull >= 0}
    for one in ordinary:
        if one.question not in changed:
            found.rehearsal.extend([Lesson(one.question, one.reply, 1.0)] * (1 if one.near is None else NEAR_TIMES))
    return found


@torch.inference_mode()
def pulls_of_context(base: Base, cases: Sequence[tuple[str, Experience, str]]) -> list[float]:
    """How an experience in the context pulls on each ``(question, experience, reply without context)``.

    Where the taught reply and the one given without context part: the logarithm of how much likelier the taught one goes on,
    in nats. Above 0 the context has changed the answer, below 0 it has not; 0 when the replies are the same.
    """
    rows, forks = [], []
    for question, one, plain in cases:
        taught, other = reply_ids(base, one.response), reply_ids(base, plain)
        place = next((k for k, (left, right) in enumerate(zip(taught, other, strict=False)) if left != right), None)
        forks.append(None if place is None else (taught[place], other[place]))
        rows.append(prompt_ids(base, chat(question, one.context, [(one.prompt, one.response)])) + taught[: place or 0])
    pulls = [0.0] * len(cases)
    for group in groups_by_tokens([len(row) for row in rows]):
        ids, mask = right_padded([rows[index] for index in group], base.tokenizer.pad_token_id)
        ids, mask = ids.to(base.model.device), mask.to(base.model.device)
        hidden = base.model.get_decoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        logits = head_logits(base, hidden[torch.arange(len(group)), mask.sum(1) - 1])
        for row, index in enumerate(group):
            fork = forks[index]
            pulls[index] = float(logits[row, fork[0]] - logits[row, fork[1]]) if fork else 0.0
    return pulls


def rewordings(base: Base, day: Sequence[Experience], settings: DreamSettings, seed: int) -> list[tuple[str, int]]:
    """Other wordings of the day's questions, sampled from the brain, none twice, each with its experience's index.

    One more for each experience than is learned from: it is kept back as a probe.
    """
    if not settings.rewordings:
        return []
    count = settings.rewordings + 1
    chats = [chat(f"{REWORD} {experience.prompt}") for experience in day for _ in range(2 * count)]
    texts = sample(base, chats, seed, max_tokens=32, temperature=TEMPERATURE)
    found = []
    for index, experience in enumerate(day):
        kept: list[str] = []
        for text in texts[2 * count * index : 2 * count * (index + 1)]:
            if text and text.lower() not in {experience.prompt.lower(), *(other.lower() for other in kept)}:
                kept.append(text)
        found += [(text, index) for text in kept[:count]]
    return found


@dataclass(frozen=True)
class Ordinary:
    """The pool's questions, the bare base's replies (none: not made in advance), and unit vectors (questions, hidden)."""

    questions: list[str]
    replies: list[str] | None
    vectors: torch.Tensor


def ordinary_of(base: Base) -> Ordinary:
    """The pool as the base sees it: from the file beside its weights when it has one, else made once and kept in memory."""
    if "ordinary" not in base.cache:
        base.cache["ordinary"] = read_ordinary(base) or Ordinary(pool(), None, embed(base, pool()))
    return base.cache["ordinary"]


def read_ordinary(base: Base) -> Ordinary | None:
    """What ``write_ordinary`` left for these very weights and this very pool, else ``None``."""
    path = (EMBEDDED if base.name == "embedded" else Path(base.name)) / ORDINARY_FILE
    if not path.is_file():
        return None
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        if metadata["base_sha256"] != base.sha256 or json.loads(metadata["questions"]) != pool():
            return None
        return Ordinary(pool(), json.loads(metadata["replies"]), file.get_tensor("vectors").float())


def write_ordinary(base: Base, folder: Path) -> None:
    """Ask the bare base every question of the pool and keep its replies and the questions' vectors in ``folder``.

    Every night of every brain on the base needs them, and they are the same each time.
    """
    questions = pool()
    replies = generate(base, [chat(question) for question in questions])
    metadata = {"base_sha256": base.sha256, "questions": json.dumps(questions), "replies": json.dumps(replies)}
    save_file({"vectors": embed(base, questions).half()}, folder / ORDINARY_FILE, metadata)


def candidates(base: Base, day: Sequence[Experience], settings: DreamSettings, seed: int) -> list[Candidate]:
    """Ordinary questions for one night: some near each experience, some far.

    To be called with no adapter worn: likeness and replies are the bare base's, the same after any number of nights.
    """
    if not settings.near and not settings.far:
        return []
    ordinary = ordinary_of(base)
    count = len(ordinary.questions)
    likeness = embed(base, [experience.prompt for experience in day]) @ ordinary.vectors.T
    near: dict[int, int] = {}
    not_far: set[int] = set()
    for row in likeness:
        ranked = torch.topk(row, min(max(settings.near, BETWEEN), count)).indices.tolist()
        not_far.update(ranked)
        near |= {number: int(likeness[:, number].argmax()) for number in ranked[: settings.near]}
    rest = [number for number in range(count) if number not in not_far]
    far = random.Random(seed).sample(rest, min(settings.far, len(rest)))
    picked = [*near, *far]
    questions = [ordinary.questions[number] for number in picked]
    known = ordinary.replies
    replies = [known[number] for number in picked] if known else generate(base, [chat(question) for question in questions])
    return [Candidate(question, reply, near.get(n)) for n, question, reply in zip(picked, questions, replies, strict=True)]
