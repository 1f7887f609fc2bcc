"""Salience that is measured, not typed: the five SNARC detectors and their weighted mean.

    scores = score(base, experiences, held)
    scores[0].surprise.value, scores[0].surprise.evidence, scores[0].total(Weights(novelty=2))

Each detector takes one raw number from an exchange and *places* it among ordinary exchanges of like length: 0.9 reads
"more than 90% of them". The ordinary ones are ``assets/reference/ordinary.jsonl``, measured on the base in use, so one
scale serves a base of three million parameters and one of half a billion. Only given feedback is not placed.

    surprise   mean negative log-likelihood of the reply's tokens, in nats, under the brain as it is now
    novelty    largest cosine similarity of the reply to those held before it, turned round: the more alike, the less new
    arousal    emotional share of the wording, and exclamation
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
LIKE = 0.35  # in ln tokens: replies up to about 1.4 times longer or shorter count as of like length
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


@dataclass(frozen=True)
class Wording:
    """What the wording of an exchange shows: the emotional share of it, its words, its exclamation marks, its warmth."""

    share: float
    words: int
    marks: int
    warmth: float

    @property
    def arousal(self) -> float:
        """Raw arousal: ``share + ln(1 + marks) / sqrt(words) / 4``.

        VADER's own compound is not used: it is 0.92 or more in half of all long replies. Exclamation also speaks in
        languages that the lexicon does not know.
        """
        return self.share + math.log1p(self.marks) / math.sqrt(self.words) / 4


def score(
    base: Base,
    experiences: Iterable[Experience],
    held: Iterable[Experience] = (),
    similarity: np.ndarray | None = None,
) -> list[Scores]:
    """Score ``experiences``, in order, against the brain as it is now.

    ``held``: what memory holds, in order of arrival. It may hold the scored ones too (told by their ``id``): each is
    compared only with what came before it. Those not held count as arriving after, one by one, so a reply said twice in
    one call is new once. ``similarity``: each item's largest to what came before, shape (items,), where it is known already
    (see ``likeness.py``, which holds no memory whole). The documented salience and the context are not looked at: what
    counts is what the brain knows without a note.
    """
    items = list(experiences)
    if not items:
        return []
    reference = reference_of(base)
    raw, tokens = doubts(base, items)
    said = [wording(item) for item in items]
    raw |= of_wording(said)
    raw["similarity"] = similarities(base, items, list(held)) if similarity is None else similarity
    placed = {name: place(name, values, np.array(tokens), reference).tolist() for name, values in raw.items()}
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
        value,
        f"More surprising than {among(value)}: {nll:.2f} nats per token over {tokens} tokens.",
    )


def novelty_factor(similarity: float, value: float) -> Factor:
    """Novelty from the similarity to the nearest held; -inf means that nothing is held."""
    if similarity == -math.inf:
        return Factor(1.0, "Nothing is held yet, so there is nothing like it: similarity 0.00.")
    return Factor(
        value,
        f"Newer than {among(value)}: its similarity to the nearest one held is {similarity:.2f}, where 1.00 is the same.",
    )


def arousal_factor(said: Wording, value: float) -> Factor:
    """Arousal, with the parts that it was made of."""
    exclaimed = f" and {said.marks} exclamation mark{'s' if said.marks > 1 else ''}" if said.marks else ""
    return Factor(
        value,
        f"More emotional than {among(value)}: {100 * said.share:.0f}% of the wording of {said.words} "
        f"words is emotional{exclaimed}.",
    )


def reward_factor(item: Experience, warmth: float, value: float) -> Factor:
    """Reward: given feedback as it is, else the placed estimate."""
    if item.feedback is not None:
        return Factor((item.feedback + 1) / 2, f"Feedback of {item.feedback:+.2f} was given, on a scale from -1 to 1.")
    return Factor(
        value,
        f"An estimate, no feedback was given: warmer in tone than {among(value)} ({warmth:+.2f}).",
        estimated=True,
    )


def conflict_factor(gap: float, value: float) -> Factor:
    """Conflict from the mean gap in probability."""
    return Factor(
        value,
        f"More in conflict than {among(value)}: the brain's first choice was likelier than what was "
        f"said by {gap:.2f} on average.",
    )


def among(value: float) -> str:
    """A share of the ordinary exchanges in words; it never claims all or none of them."""
    share = "over 99%" if value >= 0.995 else "under 1%" if value < 0.005 else f"{100 * value:.0f}%"
    return f"{share} of ordinary exchanges of like length"


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


def vectors(base: Base, experiences: Sequence[Experience]) -> torch.Tensor:
    """Unit vectors of the replies, shape (n, hidden). Each text is embedded once.

    The prompt is left out: a reply said again to another question is a repeat. Of the last layer's states: by the middle's,
    a third of the replies of one real buffer had a novelty of .01, by these a quarter.
    """
    texts = list(dict.fromkeys(item.response for item in experiences))
    known: dict[str, torch.Tensor] = {}
    for start in range(0, len(texts), CHUNK):
        part = texts[start : start + CHUNK]
        known.update(zip(part, embed(base, [clip(base, text, 2) for text in part], last=True), strict=True))
    return torch.stack([known[item.response] for item in experiences])


def similarities(base: Base, items: Sequence[Experience], held: Sequence[Experience]) -> np.ndarray:
    """The largest cosine similarity of each item to what came before it, shape (items,); -inf where nothing did."""
    arrived = {item.id: at for at, item in enumerate(held) if item.id}
    sequence, rows = list(held), []
    for item in items:
        rows.append(arrived.get(item.id, len(sequence)))
        if rows[-1] == len(sequence):
            sequence.append(item)
    return largest_before(vectors(base, sequence), torch.tensor(rows)).double().numpy()


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
    return text if len(ids) <= limit else str(base.tokenizer.decode(ids[:limit]))


# Ordinary exchanges


def ordinary() -> list[Experience]:
    """The 400 everyday exchanges that everything is placed among."""
    with ORDINARY.open(encoding="utf-8") as lines:
        return [Experience(row["prompt"], row["response"]) for row in map(json.loads, lines)]


def measure_reference(base: Base, pairs: Sequence[Experience]) -> dict[str, list[float]]:
    """What a base's card keeps: the raw numbers of each ordinary exchange, and under ``tokens`` the length of its reply.

    ``similarity`` is that of each to the most alike of all the others. Measure on the bare base, without an adapter.
    """
    found, tokens = doubts(base, pairs)
    found |= of_wording([wording(pair) for pair in pairs])
    own = vectors(base, pairs)
    found["similarity"] = (own @ own.T).fill_diagonal_(-1.0).amax(1).double().numpy()
    found["tokens"] = np.array(tokens)
    return {name: [float(f"{number:.5g}") for number in numbers] for name, numbers in found.items()}


def reference_of(base: Base) -> dict[str, list[float]]:
    """The base's reference from its card; a card that has none gets one measured now, once for each loaded base."""
    if "reference" not in base.card:
        base.card["reference"] = measure_reference(base, ordinary())
    return base.card["reference"]


def place(name: str, values: np.ndarray, tokens: np.ndarray, reference: dict[str, list[float]]) -> np.ndarray:
    """The share of ordinary exchanges of like length that lie below each value, smoothed, shape of ``values``.

    A kernel estimate of the conditional distribution (Nadaraya-Watson). An ordinary exchange counts by a Gaussian of the
    difference in ln tokens, so that a long reply is not called strange for being long; lengths beyond the ordinary ones
    count as the longest. Each then adds ``1/2 + arctan((x - r) / h) / pi``, the distribution of a Cauchy kernel, whose
    tails are so long that values far beyond all ordinary ones still differ and none reaches 0 or 1; ``h`` is a twentieth
    of the local standard deviation. Similarity is placed as -ln(1 - s), as 0.98 is as far from 0.96 as 0.96 from 0.92.
    """
    points, x = np.asarray(reference[name], float), np.asarray(values, float)
    if name == "similarity":
        points, x = nearness(points), nearness(x)
    lengths = np.log(reference["tokens"])
    wanted = np.log(tokens).clip(lengths.min(), lengths.max())
    placed = np.empty(len(x))
    for start in range(0, len(x), BLOCK):
        part = slice(start, start + BLOCK)
        weights = np.exp(-(((wanted[part, None] - lengths) / LIKE) ** 2) / 2)
        weights /= weights.sum(1, keepdims=True)
        mean = weights @ points
        spread = np.sqrt((weights * (points - mean[:, None]) ** 2).sum(1, keepdims=True))
        width = np.maximum(0.05 * spread, 1e-6 * (1 + np.abs(mean[:, None])))
        placed[part] = (weights * (0.5 + np.arctan((x[part, None] - points) / width) / math.pi)).sum(1)
    return placed


def nearness(similarity: np.ndarray) -> np.ndarray:
    """-ln(1 - similarity), finite for the same (1) and for nothing held (-inf)."""
    return -np.log(1.001 - similarity.clip(-1, 1))
