"""The pool of ordinary questions that a sleeping brain rehearses: one wording of many topics, no probe among them."""

import json
import random
from pathlib import Path

from sleepcon.pretrain.conversations import SUMS, Material
from sleepcon.pretrain.heldout import words_of
from sleepcon.pretrain.topics import bind

SIZES = {"persona": 150, "user": 300, "world": 150, "knowledge": 500, "talk": 450, "rule": 80, "correction": 100, "open": 300}
SUM_COUNT = 60


def probe_prompts(assets: Path) -> set[tuple[str, ...]]:
    """Every prompt of every probe set, as words: trained ones, rewordings, neighbours, unrelated ones."""
    found: list[str] = (assets / "probes/wake.txt").read_text(encoding="utf-8").splitlines()

    def collect(value: object) -> None:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            for item in value:
                collect(item)
        elif isinstance(value, dict):
            for item in value.values():
                collect(item)

    for path in (assets / "probes").glob("*.json"):
        collect(json.loads(path.read_text(encoding="utf-8")))
    for line in (assets / "document/experiences.jsonl").read_text(encoding="utf-8").splitlines():
        collect(json.loads(line))
    return {tuple(words_of(text)) for text in found}


def make_pool(material: Material, assets: Path, seed: int = 7) -> list[str]:
    """Questions for ``assets/rehearsal.txt``, in random order, none twice and none that a probe set asks."""
    rng = random.Random(seed)
    taken = probe_prompts(assets)
    questions: list[str] = []

    def offer(question: str) -> bool:
        words = tuple(words_of(question))
        if words in taken:
            return False
        taken.add(words)
        questions.append(question)
        return True

    for kind, size in SIZES.items():
        topics = material.topics[kind]
        picked = rng.sample(topics, size) if size <= len(topics) else [*topics, *rng.choices(topics, k=size - len(topics))]
        for topic in picked:
            fact = bind(topic, rng, material.lexicon)
            offer(fact.fill(rng.choice(topic.ask)))
    for _ in range(SUM_COUNT):
        offer(rng.choice(SUMS).format(q=f"{rng.randint(0, 15)} {rng.choice(('plus', 'plus', 'minus'))} {rng.randint(0, 9)}"))
    rng.shuffle(questions)
    return questions
