"""Probe suites: nights written in advance with what must come back, what must follow and what must stay.

A suite file is JSON: ``{"nights": [{"name", "kind", "experiences": [{"prompt", "response", "key", "rewordings",
"neighbours", "salience"}]}]}``. ``key``: words that a right reply holds; ``rewordings``: the question as others would ask
it; ``neighbours``: questions that look alike and must not get the taught answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sleepcon import adapter
from sleepcon.brain import Brain
from sleepcon.experience import Experience
from sleepcon.ledger import Cycle
from sleepcon.metrics import holds, same_words, token_f1, tokens
from sleepcon.model import chat, generate
from sleepcon.wake import LEARNED_F1


@dataclass(frozen=True)
class Item:
    """One experience with its probes."""

    experience: Experience
    key: list[str]
    rewordings: list[str]
    neighbours: list[str]


@dataclass(frozen=True)
class Night:
    """Experiences that are taught together."""

    name: str
    kind: str
    items: list[Item]


@dataclass
class Tally:
    """Hits per probe, in order. ``misses`` holds what went wrong, as (measure, question, reply, taught reply)."""

    learned: list[bool] = field(default_factory=list)
    reworded: list[bool] = field(default_factory=list)
    spared: list[bool] = field(default_factory=list)
    unchanged: list[bool] = field(default_factory=list)
    misses: list[tuple[str, str, str, str]] = field(default_factory=list)

    def shares(self) -> dict[str, float | None]:
        """Share of hits of each measure, 0..1 (``None`` where nothing was asked)."""
        return {
            name: sum(hits) / len(hits) if (hits := getattr(self, name)) else None
            for name in ("learned", "reworded", "spared", "unchanged")
        }

    def add(self, measure: str, hit: bool, question: str, reply: str, taught: str) -> None:
        """Count one probe."""
        getattr(self, measure).append(hit)
        if not hit:
            self.misses.append((measure, question, reply, taught))


def load_suite(path: Path) -> list[Night]:
    """Read a suite file."""
    nights = json.loads(path.read_text(encoding="utf-8"))["nights"]
    return [
        Night(night["name"], night["kind"], [
            Item(Experience(item["prompt"], item["response"], salience=item["salience"]),
                 item["key"], item["rewordings"], item["neighbours"])
            for item in night["experiences"]])
        for night in nights
    ]  # fmt: skip


def ask_many(brain: Brain, prompts: Sequence[str], cycle: int | None = None) -> list[str]:
    """The brain's greedy replies after night ``cycle`` (none given: now), all prompts at once."""
    with adapter.worn(brain.base, brain.adapter_after(cycle)):
        return generate(brain.base, [chat(prompt) for prompt in prompts], 96)


def judge(brain: Brain, items: Sequence[Item], unrelated: Sequence[str], tally: Tally, cycle: int | None = None) -> None:
    """Count into ``tally`` what the brain says after night ``cycle``; unrelated prompts are compared with the bare base.

    Learned: token F1 >= .8 with the taught reply, and the key in it. Reworded: the key in the reply; a wording that the
    brain itself dreamt and trained on is not unseen and is left out. Spared: the key not in the reply, unless the base
    said it before any night.
    """
    dreamt = {tuple(tokens(lesson["prompt"])) for row in brain.history() for lesson in row.dreamt}
    questions = [item.experience.prompt for item in items]
    questions += [text for item in items for text in (*item.rewordings, *item.neighbours)] + list(unrelated)
    now, bare = dict(zip(questions, ask_many(brain, questions, cycle), strict=True)), {}
    bare = dict(zip(questions, ask_many(brain, questions, 0), strict=True))
    for item in items:
        prompt, taught = item.experience.prompt, item.experience.response
        said = now[prompt]
        tally.add("learned", token_f1(said, taught) >= LEARNED_F1 and holds(said, item.key), prompt, said, taught)
        for text in item.rewordings:
            if tuple(tokens(text)) not in dreamt:
                tally.add("reworded", holds(now[text], item.key), text, now[text], taught)
        for text in item.neighbours:
            tally.add("spared", not holds(now[text], item.key) or holds(bare[text], item.key), text, now[text], taught)
    for text in unrelated:
        tally.add("unchanged", same_words(now[text], bare[text]), text, now[text], bare[text])


def teach(brain: Brain, night: Night, **options: object) -> Cycle:
    """Put a night's experiences into memory and sleep on all of them."""
    brain.remember([item.experience for item in night.items])
    return brain.sleep(threshold=0.0, **options)  # type: ignore[arg-type]
