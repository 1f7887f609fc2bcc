"""What a brain says to the studies' probes, and the measures that every study reports of it."""

import json
import random
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache

import torch

from sleepcon import metrics
from sleepcon.batch import batches, reply_logits, rows_of
from sleepcon.dose_metrics import spearman
from sleepcon.dream import Lesson
from sleepcon.likelihood import logprob_change, mean_token_kl
from sleepcon.model import Base, chat, generate, score_replies
from sleepcon.paths import PROBES
from sleepcon.suite import Item, load_suite

REPLY_TOKENS = 48
"""Of every reply in a study, at most: the longest taught one has half as many."""
TOGETHER = 64
"""Questions asked at once: a batch runs until its longest reply ends."""
Pairs = Sequence[tuple[str, str]]


@cache
def groups() -> dict[str, list[Item]]:
    """The studies' experiences with their probes, by group."""
    return {night.name: night.items for night in load_suite(PROBES / "study.json")}


def items() -> list[Item]:
    """All of them, in the file's order."""
    return [item for group in groups().values() for item in group]


def drawn(seed: int, count: int) -> list[Item]:
    """``count`` of them, drawn by the seed."""
    return random.Random(seed).sample(items(), count)


@cache
def prompts(kind: str) -> list[str]:
    """The file's ``unrelated`` or ``open`` prompts."""
    return json.loads((PROBES / "study.json").read_text(encoding="utf-8"))[kind]


@dataclass(frozen=True)
class Heard:
    """What one brain said.

    ``replies``: to each question; ``bare``: what the base says to it; ``gains``: for each item the change of the taught reply's
    log-probability, in nats per token; ``kl``: mean KL(bare || now) in nats per token at the base's replies to the unrelated
    prompts (``None``: not measured); ``trained``: questions that do not count as unseen.
    """

    items: list[Item]
    replies: dict[str, str]
    bare: dict[str, str]
    gains: list[float]
    kl: float | None
    trained: list[str]

    def learned(self, item: Item) -> bool:
        """Whether the taught reply comes back (``metrics.came_back``)."""
        return metrics.came_back(self.replies[item.experience.prompt], item.experience.response, item.key)

    def reworded(self, item: Item) -> float | None:
        """Share of unseen rewordings answered right (``metrics.generalised``); fewer than three are left: ``None``."""
        unseen = metrics.unseen(item.rewordings, self.trained)
        if len(unseen) < metrics.REWORDINGS:
            return None
        return metrics.generalised([self.replies[text] for text in unseen], item.key)

    def spared(self, item: Item) -> float | None:
        """Share of its neighbours that did not take the taught answer over (``metrics.spared``)."""
        before, now = ([said[text] for text in item.neighbours] for said in (self.bare, self.replies))
        return metrics.spared(before, now, item.key)

    def score(self, some: Sequence[Item] | None = None) -> float:
        """Mean over items (none given: all) of the share of question and unseen rewordings answered right: one cell of R."""
        shares = []
        for item in self.items if some is None else some:
            asked = [item.experience.prompt, *metrics.unseen(item.rewordings, self.trained)]
            shares.append(sum(metrics.holds(self.replies[text], item.key) for text in asked) / len(asked))
        return sum(shares) / len(shares)

    def figures(self) -> dict[str, float | None]:
        """The measures that every study reports (``protocol.FIGURES``)."""
        hits = [self.learned(item) for item in self.items]
        salience = [item.experience.salience or 0.0 for item in self.items]
        before, now = ([said[text] for text in prompts("unrelated")] for said in (self.bare, self.replies))
        return {
            "learned": sum(hits) / len(hits),
            "salience_kept": sum(value for value, hit in zip(salience, hits, strict=True) if hit) / sum(salience),
            "reworded": mean([self.reworded(item) for item in self.items]),
            "spared": mean([self.spared(item) for item in self.items]),
            "unchanged": metrics.kept(before, now),
            "gain": mean(self.gains), "kl": self.kl, "order": spearman(salience, self.gains),
        }  # fmt: skip


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of those that are numbers (of none: ``None``)."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def questions_of(asked: Sequence[Item]) -> list[str]:
    """All that is asked about some items, and the unrelated prompts."""
    own = [text for item in asked for text in (item.experience.prompt, *item.rewordings, *item.neighbours)]
    return own + prompts("unrelated")


def ask(base: Base, questions: Collection[str], earlier: Pairs = ()) -> dict[str, str]:
    """The greedy reply of what is worn now to each question, each in a chat of its own after the ``earlier`` pairs."""
    wanted, said = list(dict.fromkeys(questions)), []
    for start in range(0, len(wanted), TOGETHER):
        chats = [chat(question, earlier=earlier) for question in wanted[start : start + TOGETHER]]
        said += generate(base, chats, REPLY_TOKENS)
    return dict(zip(wanted, said, strict=True))


def taught_logprobs(base: Base, asked: Sequence[Item], earlier: Pairs = ()) -> list[list[float]]:
    """For each item the log-probability of each token of its taught reply, under what is worn now."""
    pairs = [(chat(item.experience.prompt, earlier=earlier), item.experience.response) for item in asked]
    return [score.logprobs for score in score_replies(base, pairs)]


@torch.inference_mode()
def at_replies(base: Base, replies: dict[str, str]) -> torch.Tensor:
    """Log-probabilities of what is worn now at the tokens of some replies, shape (places, vocabulary)."""
    rows = rows_of(base, [Lesson(prompt, reply, 1.0) for prompt, reply in replies.items()], False)
    return torch.cat([reply_logits(base, batch)[0].log_softmax(-1).cpu() for _, batch in batches(base, rows)])


@dataclass(frozen=True)
class Bare:
    """What the base says and expects with nothing worn: what all brains on it are compared with, gathered as it is needed.

    ``replies`` by question, ``taught`` (log-probabilities of a taught reply's tokens) by question, ``unrelated`` at the base's
    replies to the unrelated prompts, shape (places, vocabulary).
    """

    replies: dict[str, str]
    taught: dict[str, list[float]]
    unrelated: torch.Tensor


def bare(base: Base, asked: Sequence[Item]) -> Bare:
    """What is known of the base about some items; each question is asked once in a process. Nothing may be worn."""
    if "studies" not in base.cache:
        replies = ask(base, prompts("unrelated"))
        base.cache["studies"] = Bare(replies, {}, at_replies(base, replies))
    known: Bare = base.cache["studies"]
    known.replies.update(ask(base, [text for text in questions_of(asked) if text not in known.replies]))
    new = [item for item in asked if item.experience.prompt not in known.taught]
    known.taught.update(zip([item.experience.prompt for item in new], taught_logprobs(base, new), strict=True))
    return known


def hear(
    base: Base,
    wearing: AbstractContextManager | None,
    asked: Sequence[Item],
    trained: Sequence[str] = (),
    earlier: Pairs = (),
) -> Heard:
    """Ask all that there is to ask about some items, and the unrelated prompts, within the context ``wearing``.

    ``wearing``: ``None`` for the base with nothing on, of which all is known already if nothing stands before the questions.
    ``trained``: see :class:`Heard`; ``earlier``: (prompt, reply) pairs that stand before each question.
    """
    known = bare(base, asked)
    if wearing is None and not earlier:
        replies = {text: known.replies[text] for text in questions_of(asked)}
        return Heard(list(asked), replies, replies, [0.0] * len(asked), 0.0, list(trained))
    spoken = {prompt: known.replies[prompt] for prompt in prompts("unrelated")}
    with wearing or nullcontext():
        replies = ask(base, questions_of(asked), earlier)
        now = taught_logprobs(base, asked, earlier)
        kl = None if earlier else mean_token_kl(known.unrelated.numpy(), at_replies(base, spoken).numpy())
    gains = [logprob_change(known.taught[item.experience.prompt], after) for item, after in zip(asked, now, strict=True)]
    return Heard(list(asked), replies, {text: known.replies[text] for text in replies}, gains, kl, list(trained))
