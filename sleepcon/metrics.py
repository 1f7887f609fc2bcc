"""Metrics: pure functions over strings and numbers, each with its definition and source."""

import re
from collections import Counter
from collections.abc import Sequence

TOKEN = re.compile(r"[^\W_]+", re.UNICODE)
COLLAPSE_JACCARD = 0.85


def tokens(text: str) -> list[str]:
    """Lower-case words of ``text``; punctuation and underscores separate, apostrophes inside a word are dropped."""
    return TOKEN.findall(text.lower().replace("'", "").replace("\u2019", ""))


def token_f1(said: str, wanted: str) -> float:
    """Token F1 of two texts, 0..1: harmonic mean of precision and recall over the multiset of words.

    Source: Rajpurkar et al. 2016 (SQuAD), without its removal of articles.
    """
    left, right = Counter(tokens(said)), Counter(tokens(wanted))
    common = sum((left & right).values())
    if not common:
        return float(not left and not right)
    precision, recall = common / sum(left.values()), common / sum(right.values())
    return 2 * precision * recall / (precision + recall)


def same_words(left: str, right: str) -> bool:
    """Whether two texts have the same words in the same order."""
    return tokens(left) == tokens(right)


def holds(text: str, keys: Sequence[str]) -> bool:
    """Whether every key occurs in ``text`` as whole words, in any case."""
    words = f" {' '.join(tokens(text))} "
    return all(f" {' '.join(tokens(key))} " in words for key in keys)


def jaccard(left: str, right: str) -> float:
    """Size of the common set of words over size of the union, 0..1 (two empty texts: 1)."""
    first, second = set(tokens(left)), set(tokens(right))
    return len(first & second) / len(first | second) if first | second else 1.0


def collapse(replies: Sequence[str]) -> float:
    """Share of pairs of replies, to different prompts, that are nearly the same (Jaccard >= .85). 0..1."""
    pairs = [(i, j) for i in range(len(replies)) for j in range(i + 1, len(replies))]
    if not pairs:
        return 0.0
    return sum(jaccard(replies[i], replies[j]) >= COLLAPSE_JACCARD for i, j in pairs) / len(pairs)


def repeated_4grams(text: str) -> float:
    """Share of a text's runs of four words that occurred in it before, 0..1 (short texts: 0)."""
    words = tokens(text)
    runs = [tuple(words[start : start + 4]) for start in range(len(words) - 3)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0
