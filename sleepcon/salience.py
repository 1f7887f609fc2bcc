"""Salience that is measured, not typed: the five SNARC detectors and their weighted mean.

    scores = score(base, experiences, held=memory.all())
    scores[0].surprise.value, scores[0].surprise.evidence, scores[0].total(Weights(novelty=2))

Each detector takes one raw number from an exchange and *places* it among ordinary exchanges: 0.9 reads "more than 90% of
ordinary exchanges". The ordinary ones are ``assets/reference/ordinary.jsonl``, measured on the base in use, so one scale
serves a base of three million parameters and one of half a billion. Only given feedback is not placed.

    surprise   mean negative log-likelihood of the reply's tokens, in nats, under the brain as it is now
    novelty    largest cosine similarity to what is held already, turned round: the more alike, the less new
    arousal    emotional share of the wording times the square root of its length in words, plus exclamation
    reward     feedback from -1..1 as 0..1; without any, an estimate from tone and courtesy, marked as an estimate
    conflict   mean over the reply's tokens of the brain's top probability minus the probability of what was said
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import torch
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.model import Base, chat, embed, score_replies
from sleepcon.paths import ASSETS

ORDINARY = ASSETS / "reference" / "ordinary.jsonl"
CHUNK = 256  # experiences scored at a time: bounds memory, costs nothing measurable
BLOCK = 2048  # rows of a block in the similarity product: 16 MB of float32
LONGEST = 6000  # characters of a text that are read; tokens are limited by the base's window as well
REPLY_SHARE = 0.75  # of an experience's vector; the prompt has the rest
COURTESY = re.compile(r"\b(you|your|yours|we|us|our|together|please|thanks?|sorry|glad|welcome|let's)\b", re.IGNORECASE)
EXCLAMATION = re.compile("[!\uff01]")
PIECE = re.compile(r"\S.{0,299}(?!\S)|\S.{0,299}", re.DOTALL)  # up to 300 characters, cut between words where it can be


@dataclass(frozen=True)
class Weights:
    """What each detector counts for in the total. Raises :class:`UserError` unless finite, none negative, not all 0."""

    surprise: float = 1.0
    novelty: float = 1.0
    arousal: float = 1.0
    reward: float = 1.0
    conflict: float = 1.0

    def __post_init__(self) -> None:
        """Check the weights."""
        for name, weight in vars(self).items():
            if not (math.isfinite(weight) and weight >= 0):
                raise UserError(f"The weight of {name} is {weight}: give a number of 0 or more.")
        if not any(vars(self).values()):
            raise UserError("All five weights are 0: give at least one of them a number above 0.")


FACTORS = tuple(field.name for field in fields(Weights))


@dataclass(frozen=True)
class Factor:
    """One detector's finding: ``value`` in 0..1, a sentence of ``evidence``, and whether it is only ``estimated``."""

    value: float
    evidence: str
    estimated: bool = False


@dataclass(frozen=True)
class Scores:
    """What the five detectors found in one experience."""

    surprise: Factor
    novelty: Factor
    arousal: Factor
    reward: Factor
    conflict: Factor

    def total(self, weights: Weights = Weights()) -> float:
        """Salience: the weighted mean of the five values, in 0..1."""
        parts = [(getattr(weights, name), getattr(self, name).value) for name in FACTORS]
        # Divided by the largest first: weights near the largest float would otherwise sum to infinity.
        top = max(weight for weight, _ in parts)
        return sum(weight / top * value for weight, value in parts) / sum(weight / top for weight, _ in parts)


def score(
    base: Base,
    experiences: Iterable[Experience],
    held: Iterable[Experience] = (),
    known: dict[str, torch.Tensor] | None = None,
) -> list[Scores]:
    """Score ``experiences``, in order, against the brain as it is now.

    ``held``: what memory holds, in order of arrival. It may hold the scored ones too (told by their ``id``): each is
    compared only with what came before it. Those not held count as arriving after, one by one, so a reply said twice in
    one call is new once. ``known``: vectors of texts from earlier calls, to which this one adds; without it everything
    held is embedded again. The documented salience and the context are not looked at: what counts is what the brain
    knows without a note.
    """
    items = list(experiences)
    if not items:
        return []
    reference = reference_of(base)
    raw, tokens = doubts(base, items)
    said = [wording(item) for item in items]
    raw |= of_wording(said)
    raw["similarity"] = similarities(base, items, list(held), known)
    placed = {name: place(values, reference[name]).tolist() for name, values in raw.items()}
    return [
        Scores(
            surprise_factor(raw["nll"][i], placed["nll"][i], tokens[i]),
            novelty_factor(raw["similarity"][i], 1 - placed["similarity"][i]),
            arousal_factor(said[i], placed["arousal"][i]),
            reward_factor(item, raw["reward"][i], placed["reward"][i]),
            conflict_factor(raw["conflict"][i], placed["conflict"][i]),
        )
        for i, item in enumerate(items)
    ]


def surprise_factor(nll: float, value: float, tokens: int) -> Factor:
    """Surprise from nats per token."""
    return Factor(
        value, f"More surprising than {percent(value)} of ordinary exchanges: {nll:.2f} nats per token over {tokens} tokens."
    )


def novelty_factor(similarity: float, value: float) -> Factor:
    """Novelty from the similarity to the nearest held; -inf means that nothing is held."""
    if similarity == -math.inf:
        return Factor(1.0, "Nothing is held yet, so there is nothing like it: similarity 0.00.")
    return Factor(
        value,
        f"Newer than {percent(value)} of ordinary exchanges: its similarity to the nearest one held is {similarity:.2f}, "
        "where 1.00 is the same.",
    )


def arousal_factor(said: Wording, value: float) -> Factor:
    """Arousal, with the parts that it was made of."""
    exclaimed = f" and {said.marks} exclamation mark{'s' if said.marks > 1 else ''}" if said.marks else ""
    return Factor(
        value,
        f"More emotional than {percent(value)} of ordinary exchanges: {100 * said.share:.0f}% of the wording of {said.words} "
        f"words is emotional{exclaimed}.",
    )


def reward_factor(item: Experience, warmth: float, value: float) -> Factor:
    """Reward: given feedback as it is, else the placed estimate."""
    if item.feedback is not None:
        return Factor((item.feedback + 1) / 2, f"Feedback of {item.feedback:+.2f} was given, on a scale from -1 to 1.")
    return Factor(
        value,
        f"An estimate, no feedback was given: warmer in tone than {percent(value)} of ordinary exchanges ({warmth:+.2f}).",
        estimated=True,
    )


def conflict_factor(gap: float, value: float) -> Factor:
    """Conflict from the mean gap in probability."""
    return Factor(
        value,
        f"More in conflict than {percent(value)} of ordinary exchanges: the brain's first choice was likelier than what was "
        f"said by {gap:.2f} on average.",
    )


def percent(value: float) -> str:
    """A share in words that never claims all or nothing."""
    if value >= 0.995:
        return "over 99%"
    return "under 1%" if value < 0.005 else f"{100 * value:.0f}%"


# Raw numbers


def of_wording(said: Sequence[Wording]) -> dict[str, np.ndarray]:
    """The raw numbers that come from the wording alone, by name."""
    return {"arousal": np.array([it.arousal for it in said]), "reward": np.array([it.warmth for it in said])}


def doubts(base: Base, items: Sequence[Experience]) -> tuple[dict[str, np.ndarray], list[int]]:
    """What the brain made of the replies: ``({"nll": (items,), "conflict": (items,)}, tokens of each reply)``."""
    found: dict[str, list[float]] = {"nll": [], "conflict": []}
    tokens: list[int] = []
    for start in range(0, len(items), CHUNK):
        pairs = [(chat(clip(base, it.prompt, 4)), clip(base, it.response, 2)) for it in items[start : start + CHUNK]]
        for reply in score_replies(base, pairs):
            found["nll"].append(reply.nll)
            found["conflict"].append(conflict(reply.logprobs, reply.top))
            tokens.append(len(reply.logprobs))
    return {name: np.array(numbers) for name, numbers in found.items()}, tokens


def conflict(logprobs: Sequence[float], top: Sequence[float]) -> float:
    """Mean of (top probability - probability of what was said) over a reply's tokens, in 0..1."""
    return sum(best - math.exp(said) for said, best in zip(logprobs, top, strict=True)) / len(top)


@cache
def lexicon() -> SentimentIntensityAnalyzer:
    """VADER (Hutto and Gilbert 2014), read once: English words, emoticons and emoji with a rated valence."""
    return SentimentIntensityAnalyzer()


@dataclass(frozen=True)
class Wording:
    """What the wording of an exchange shows: the emotional share of it, its words, its exclamation marks, its warmth."""

    share: float
    words: int
    marks: int
    warmth: float

    @property
    def arousal(self) -> float:
        """Raw arousal: ``share * sqrt(words) + ln(1 + marks) / 4``.

        The share alone is extreme for one-word replies and the sum for long ones; the square root stands between, as in
        a test of whether emotional words are more than chance. VADER's own compound is not used: it is 0.92 or more in
        half of all long replies. Exclamation also speaks in languages that the lexicon does not know.
        """
        return self.share * math.sqrt(self.words) + math.log1p(self.marks) / 4


def wording(item: Experience) -> Wording:
    """Read prompt and reply. Love and hate count alike for the share; warmth is the raw estimate of reward.

    Warmth is the tone of the user's words, plus the tone of the reply, plus half its courtesy. Tone is (positive -
    negative share) * sqrt(words); courtesy is the words that address, thank or welcome somebody, per sqrt(words).
    """
    asked, said = item.prompt[:LONGEST], item.response[:LONGEST]
    (kind, unkind, before), (warm, cold, words) = tone(asked), tone(said)
    courtesy = len(COURTESY.findall(said)) / math.sqrt(words)
    return Wording(
        share=((kind + unkind) * before + (warm + cold) * words) / (before + words),
        words=before + words,
        marks=len(EXCLAMATION.findall(asked + said)),
        warmth=(kind - unkind) * math.sqrt(before) + (warm - cold) * math.sqrt(words) + 0.5 * courtesy,
    )


def tone(text: str) -> tuple[float, float, int]:
    """VADER's ``(positive share, negative share, words)``; the shares grow with emphasis, 0 where no word is rated.

    Rated piece by piece, since VADER is made for sentences and its time grows with the square of the length.
    """
    positive = negative = words = 0.0
    for piece in PIECE.findall(text):
        rated, size = lexicon().polarity_scores(piece), len(piece.split())
        positive, negative, words = positive + size * rated["pos"], negative + size * rated["neg"], words + size
    return positive / max(words, 1), negative / max(words, 1), max(int(words), 1)


# Likeness


def vectors(base: Base, experiences: Sequence[Experience], known: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
    """Unit vectors of experiences, shape (n, 2 * hidden): reply and prompt side by side.

    Their cosine similarity is 0.75 times that of the replies plus 0.25 times that of the prompts, so a reply said again
    to another question is much alike, whatever the lengths. Each text is embedded once and kept in ``known``.
    """
    known = {} if known is None else known
    texts = dict.fromkeys(text for item in experiences for text in (item.prompt, item.response))
    missing = [text for text in texts if text not in known]
    for start in range(0, len(missing), CHUNK):
        part = missing[start : start + CHUNK]
        known.update(zip(part, embed(base, [clip(base, text, 2) for text in part]), strict=True))
    replies = torch.stack([known[item.response] for item in experiences])
    prompts = torch.stack([known[item.prompt] for item in experiences])
    return torch.cat([REPLY_SHARE**0.5 * replies, (1 - REPLY_SHARE) ** 0.5 * prompts], dim=1)


def similarities(
    base: Base, items: Sequence[Experience], held: Sequence[Experience], known: dict[str, torch.Tensor] | None = None
) -> np.ndarray:
    """The largest cosine similarity of each item to what came before it, shape (items,); -inf where nothing did."""
    arrived = {item.id: at for at, item in enumerate(held) if item.id}
    sequence, rows = list(held), []
    for item in items:
        rows.append(arrived.get(item.id, len(sequence)))
        if rows[-1] == len(sequence):
            sequence.append(item)
    return largest_before(vectors(base, sequence, known), torch.tensor(rows)).double().numpy()


def largest_before(all_rows: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """For each index in ``rows`` (n,), the largest product of that row of ``all_rows`` (m, width) with any row before it.

    Shape (n,), -inf for the first row of all. One matrix product a block, so memory stays flat.
    """
    best = torch.full((len(rows),), -torch.inf)
    for start in range(0, len(rows), BLOCK):
        index = rows[start : start + BLOCK]
        wanted, found = all_rows[index], best[start : start + BLOCK]
        for at in range(0, int(index.max()), BLOCK):
            pool = all_rows[at : at + BLOCK]
            later = torch.arange(at, at + len(pool)) >= index.unsqueeze(1)
            torch.maximum(found, (wanted @ pool.T).masked_fill_(later, -torch.inf).amax(1), out=found)
    return best


def clip(base: Base, text: str, part: int) -> str:
    """``text`` cut to one ``part``-th of the base's window (1,024 tokens at most), so that no text is too long."""
    text = text[:LONGEST]
    limit = min(1024, base.model.config.max_position_embeddings) // part - 32
    if len(text.encode("utf-8", "replace")) <= limit:  # a token is one byte at least
        return text
    ids = base.tokenizer.encode(text, add_special_tokens=False)
    return text if len(ids) <= limit else base.tokenizer.decode(ids[:limit])


# Ordinary exchanges


def ordinary() -> list[Experience]:
    """The 400 everyday exchanges that everything is placed among."""
    with ORDINARY.open(encoding="utf-8") as lines:
        return [Experience(row["prompt"], row["response"]) for row in map(json.loads, lines)]


def measure_reference(base: Base, pairs: Sequence[Experience]) -> dict[str, list[float]]:
    """The 101 quantiles (0%, 1% .. 100%) of each raw number over ordinary exchanges: what a base's card keeps.

    ``similarity`` is that of each to the most alike of all the others. Measure on the bare base, without an adapter.
    """
    found, _ = doubts(base, pairs)
    found |= of_wording([wording(pair) for pair in pairs])
    own = vectors(base, pairs)
    found["similarity"] = (own @ own.T).fill_diagonal_(-1.0).amax(1).double().numpy()
    return {name: [float(f"{q:.5g}") for q in np.quantile(numbers, np.linspace(0, 1, 101))] for name, numbers in found.items()}


def reference_of(base: Base) -> dict[str, list[float]]:
    """The base's reference from its card; a card that has none gets one measured now, once for each loaded base."""
    if "reference" not in base.card:
        base.card["reference"] = measure_reference(base, ordinary())
    return base.card["reference"]


def place(values: np.ndarray, quantiles: Sequence[float]) -> np.ndarray:
    """The share of ordinary exchanges below each value, smoothed, shape of ``values``: a kernel estimate of the distribution.

    Each quantile counts ``1/2 + arctan((x - q) / h) / pi``, the distribution of a Cauchy kernel. Its tails are so long
    that values far beyond the last quantile still differ, and it never reaches 0 or 1. ``h`` is a
    twentieth of the middle half's width: narrow, so that 0.9 stays within about three points of a true 90%.
    """
    points = np.asarray(quantiles, float)
    quarter, median, three = np.quantile(points, [0.25, 0.5, 0.75])
    width = max(0.05 * (three - quarter), 1e-6 * (1 + abs(median)))
    finite = np.nan_to_num(np.asarray(values, float), neginf=-1.0)
    return 0.5 + np.arctan((finite[:, None] - points) / width).mean(1) / math.pi
