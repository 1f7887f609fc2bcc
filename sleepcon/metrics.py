"""Metrics of replies: pure functions over strings, each with its definition and source (one page: ``docs/metrics.md``).

Beside this file: ``likelihood.py`` (log-probabilities), ``variety.py``, ``retention.py`` (scores over cycles),
``dose_metrics.py`` and ``statistics.py`` (intervals). A share that nothing was counted for is ``None``, not 0.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence

TOKEN = re.compile(r"[^\W_]+", re.UNICODE)
COLLAPSE_JACCARD = 0.85
CAME_BACK_F1 = 0.8
"""Token F1 from which a reply counts as the taught one."""
REWORDINGS = 3
"""Fewest unseen rewordings of a question that say something of generalisation."""


def tokens(text: str) -> list[str]:
    """Lower-case words of ``text``; punctuation and underscores separate, apostrophes inside a word are dropped."""
    return TOKEN.findall(text.lower().replace("'", "").replace("\u2019", ""))


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    """The runs of ``n`` words of a text, in order, repeats included (none where it has fewer words)."""
    words = tokens(text)
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]


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


def key_terms(text: str, keys: Sequence[str]) -> float | None:
    """Share of the keys that occur in ``text`` as whole words, 0..1 (no keys: ``None``). Source: ours."""
    return share([holds(text, [key]) for key in keys])


def share(hits: Sequence[bool]) -> float | None:
    """Share of hits, 0..1 (nothing counted: ``None``)."""
    return sum(hits) / len(hits) if hits else None


def came_back(said: str, taught: str, keys: Sequence[str] = ()) -> bool:
    """Learned (efficacy): the free, greedy reply has a token F1 of .8 or more with the taught one, and holds its keys.

    The name is that of Meng et al. 2022 (ROME), who compare probabilities; here a reply that is more probable and still
    not said does not count. The limit .8 is ours.
    """
    return token_f1(said, taught) >= CAME_BACK_F1 and holds(said, keys)


def unseen(wordings: Sequence[str], trained: Collection[str]) -> list[str]:
    """Those of ``wordings`` that have not the same words as any prompt that was trained on."""
    seen = {tuple(tokens(prompt)) for prompt in trained}
    return [wording for wording in wordings if tuple(tokens(wording)) not in seen]


def generalised(replies: Sequence[str], keys: Sequence[str]) -> float:
    """Generalised (paraphrase): share of the replies to unseen rewordings of one question that hold the keys, 0..1.

    Source: Meng et al. 2022 (ROME), paraphrase score, here in free replies. Raises ``ValueError`` for fewer than three
    rewordings: see :func:`unseen` for which count.
    """
    if len(replies) < REWORDINGS:
        raise ValueError(f"Generalisation needs at least {REWORDINGS} unseen rewordings of a question, not {len(replies)}.")
    return sum(holds(reply, keys) for reply in replies) / len(replies)


def spared(before: Sequence[str], after: Sequence[str], keys: Sequence[str]) -> float | None:
    """Near neighbours: share of the replies to look-alike questions that have not taken the taught keys over, 0..1.

    A reply that held the keys before the night is no damage. Source: Meng et al. 2022 (ROME), neighbourhood score, here in
    free replies. No neighbours: ``None``. Raises ``ValueError`` for lists of unequal length.
    """
    return share([not holds(now, keys) or holds(then, keys) for then, now in zip(before, after, strict=True)])


def kept(before: Sequence[str], after: Sequence[str]) -> float | None:
    """Kept (locality): share of unrelated prompts with the same greedy reply, word for word (see :func:`same_words`), 0..1.

    Source: Mitchell et al. 2022 (MEND), drawdown, here counted in replies. No prompts: ``None``. Raises ``ValueError`` for
    lists of unequal length.
    """
    return share([same_words(then, now) for then, now in zip(before, after, strict=True)])


def jaccard(left: str, right: str) -> float:
    """Size of the common set of words over size of the union, 0..1 (two empty texts: 1). Source: Jaccard 1912."""
    first, second = set(tokens(left)), set(tokens(right))
    return len(first & second) / len(first | second) if first | second else 1.0


def collapse(replies: Sequence[str], prompts: Sequence[str] | None = None) -> float:
    """Share of pairs of replies, to different prompts, that are nearly the same (Jaccard >= .85). 0..1 (no pairs: 0).

    ``prompts``: what each reply answers, where several answer the same; otherwise each answers one of its own. Source: ours.
    Raises ``ValueError`` for unequal numbers.
    """
    asked: Sequence[object] = range(len(replies)) if prompts is None else prompts
    if len(asked) != len(replies):
        raise ValueError(f"{len(replies)} replies cannot answer {len(asked)} prompts.")
    pairs = [(i, j) for i in range(len(replies)) for j in range(i + 1, len(replies)) if asked[i] != asked[j]]
    if not pairs:
        return 0.0
    return sum(jaccard(replies[i], replies[j]) >= COLLAPSE_JACCARD for i, j in pairs) / len(pairs)


def repeated_4grams(text: str) -> float:
    """Share of a text's runs of four words that occurred in it before, 0..1 (short texts: 0).

    Source: Welleck et al. 2020 (unlikelihood training), seq-rep-4.
    """
    runs = ngrams(text, 4)
    return 1 - len(set(runs)) / len(runs) if runs else 0.0
