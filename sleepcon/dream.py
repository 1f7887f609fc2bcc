"""Dreaming: the day in new words, and what must not change, both made by the brain itself before it trains.

Each lesson of the day is asked again in other words, and beside questions from a pool, with that one exchange still in
the context. What the context does to the reply tells which questions the day has changed.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from sleepcon.experience import Experience
from sleepcon.metrics import token_f1
from sleepcon.model import Base, Turn, chat, embed, generate, sample, score_replies
from sleepcon.paths import ASSETS

REWORD = "Say this another way:"
TEMPERATURE = 0.7
RESEMBLES = 0.6
"""Token F1 from which a reply counts as the taught one already: nothing to dream of."""
ANOTHER_SUBJECT = -10.0
"""Nats that a token of the taught reply must have lost for the question to count as one about something else."""


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
    cases = [(question, day[index], reply) for (question, index, _), reply in zip(asked, plain, strict=True)]
    pulls = pulls_of_context(base, cases)
    lessons: list[Lesson] = []
    rehearsal: list[Lesson] = []
    probes: list[Lesson] = []
    held_back: set[int] = set()
    for (question, index, own), reply, pull in zip(asked, plain, pulls, strict=True):
        if own and pull.towards > 0 and token_f1(reply, day[index].response) < RESEMBLES:
            kept_back = index not in held_back
            (probes if kept_back else lessons).append(Lesson(question, day[index].response, 1.0, index))
            held_back.add(index)
        elif not own and (pull.towards < 0 or pull.worst < ANOTHER_SUBJECT):
            rehearsal.append(Lesson(question, reply, 1.0))
    return Dream(lessons, rehearsal, probes)


@dataclass(frozen=True)
class Pull:
    """What an experience in the context does to a question's reply.

    ``towards``: where the taught reply and the one given without context part, the logarithm of how much likelier the
    taught one goes on (above 0: the context has changed the answer). ``worst``: of the taught reply's tokens, the one that
    lost most against the same reply to its own question (nats): far below 0, it is about another subject.
    """

    towards: float
    worst: float


def pulls_of_context(base: Base, cases: Sequence[tuple[str, Experience, str]]) -> list[Pull]:
    """The pull on each ``(question, experience, reply without context)``, by forward passes alone: nothing is generated."""

    def recalled(question: str, experience: Experience) -> list[Turn]:
        return chat(question, experience.context, [(experience.prompt, experience.response)])

    taught = score_replies(base, [(recalled(question, one), one.response) for question, one, _ in cases])
    plain = score_replies(base, [(recalled(question, one), reply) for question, one, reply in cases])
    own = {(one.prompt, one.response): one for _, one, _ in cases}
    scores = score_replies(base, [(recalled(one.prompt, one), one.response) for one in own.values()])
    again = dict(zip(own, scores, strict=True))
    pulls = []
    for (_, one, _), said, other in zip(cases, taught, plain, strict=True):
        pairs = zip(said.tokens, other.tokens, strict=False)
        fork = next((place for place, (left, right) in enumerate(pairs) if left != right), None)
        towards = 0.0 if fork is None else said.logprobs[fork] - other.logprobs[fork]
        reference = again[one.prompt, one.response].logprobs
        pulls.append(Pull(towards, min(now - then for now, then in zip(said.logprobs, reference, strict=True))))
    return pulls


def rewordings(base: Base, day: Sequence[Experience], count: int, seed: int) -> list[list[str]]:
    """Up to ``count`` other wordings of each experience's question, sampled from the brain, without repeats."""
    if not count:
        return [[] for _ in day]
    chats = [chat(f"{REWORD} {experience.prompt}") for experience in day for _ in range(2 * count)]
    texts = sample(base, chats, seed, max_tokens=32, temperature=TEMPERATURE)
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
