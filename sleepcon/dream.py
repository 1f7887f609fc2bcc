"""Dreaming: the day in new words, and what must not change, both made by the brain itself before it trains.

Each lesson of the day is asked again in other words and beside questions from a pool, with that one exchange still in
the context. The reply that the context brings about tells which questions the day has changed.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from sleepcon.experience import Experience
from sleepcon.metrics import token_f1
from sleepcon.model import Base, chat, embed, generate, sample
from sleepcon.paths import ASSETS

REWORD = "Say this another way:"
RESEMBLES = 0.6
"""Token F1 from which a reply counts as the taught one in a dream."""


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
    """How much is dreamt: rewordings kept per experience, pool questions near each experience, and far ones in all."""

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


def dream(
    base: Base,
    day: Sequence[Experience],
    chosen: Sequence[tuple[str, int]],
    settings: DreamSettings,
    seed: int,
    halt_if_asked: Callable[[], None],
) -> Dream:
    """Dream of ``day`` with the adapter that is worn now; ``chosen`` comes from :func:`candidates`. Same seed, same dream.

    ``halt_if_asked`` is called between the parts and raises when the night is cancelled.
    """
    reworded = rewordings(base, day, settings.rewordings and settings.rewordings + 1, seed)
    asked = [(question, index, True) for index, questions in enumerate(reworded) for question in questions]
    asked += [(question, index, False) for question, index in chosen]
    if not asked:
        return Dream([], [], [])
    halt_if_asked()
    plain = generate(base, [chat(question) for question, _, _ in asked])
    halt_if_asked()
    recalled = generate(
        base,
        [chat(question, day[index].context, [(day[index].prompt, day[index].response)]) for question, index, _ in asked],
    )
    lessons, rehearsal, probes = [], [], []
    held_back: set[int] = set()
    for (question, index, own), before, after in zip(asked, plain, recalled, strict=True):
        taught = day[index].response
        if token_f1(after, taught) >= RESEMBLES and token_f1(before, taught) < RESEMBLES:
            lesson = Lesson(question, taught if own else after, 1.0, index)
            if own and index not in held_back:
                held_back.add(index)
                probes.append(lesson)
            else:
                lessons.append(lesson)
        elif after == before:
            rehearsal.append(Lesson(question, before, 1.0))
    return Dream(lessons, rehearsal, probes)


def rewordings(base: Base, day: Sequence[Experience], count: int, seed: int) -> list[list[str]]:
    """Up to ``count`` other wordings of each experience's question, sampled from the brain, without repeats."""
    if not count:
        return [[] for _ in day]
    chats = [chat(f"{REWORD} {experience.prompt}") for experience in day for _ in range(2 * count)]
    texts = sample(base, chats, seed, max_tokens=32)
    found = []
    for index, experience in enumerate(day):
        kept: list[str] = []
        for text in texts[2 * count * index : 2 * count * (index + 1)]:
            if text and text.lower() not in {experience.prompt.lower(), *(other.lower() for other in kept)}:
                kept.append(text)
        found.append(kept[:count])
    return found


def candidates(base: Base, day: Sequence[Experience], settings: DreamSettings, seed: int) -> list[tuple[str, int]]:
    """Pool questions, each with the index of the experience nearest to it: some near each experience, some far.

    To be called with no adapter worn: likeness is the bare base's, so that it is the same after any number of nights.
    """
    if not settings.near and not settings.far:
        return []
    rng = random.Random(seed)
    questions = pool()
    if "pool" not in base.cache:
        base.cache["pool"] = embed(base, questions)
    likeness = embed(base, [experience.prompt for experience in day]) @ base.cache["pool"].T
    nearest = likeness.argmax(0).tolist()
    picked: dict[int, None] = {}
    for row in likeness:
        picked |= dict.fromkeys(torch.topk(row, min(settings.near, len(questions))).indices.tolist())
    rest = [number for number in range(len(questions)) if number not in picked]
    picked |= dict.fromkeys(rng.sample(rest, min(settings.far, len(rest))))
    return [(questions[number], nearest[number]) for number in picked]
