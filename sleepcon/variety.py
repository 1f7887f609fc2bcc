"""Variety of what a brain says: how many different things, how alike its replies are, how much of it is new.

Beside these: ``metrics.collapse`` and ``metrics.repeated_4grams``, which the wake-up check reads every morning.
"""

from collections.abc import Collection, Iterable, Sequence

from sacrebleu.metrics import BLEU

from sleepcon.metrics import collapse, ngrams, tokens

COLLAPSED = 0.5
"""Share of pairs of replies that are nearly the same, past which a brain has collapsed."""
Run = tuple[str, ...]


def words_in(replies: Iterable[str]) -> int:
    """Number of words in all replies: the least of it over the arms is a token budget that all of them can fill."""
    return sum(len(tokens(reply)) for reply in replies)


def distinct_n(replies: Sequence[str], n: int, budget: int) -> float | None:
    """Different runs of ``n`` words over all runs of ``n`` words, within the first ``budget`` words of the replies; 0..1.

    The share falls as texts grow longer, so arms are compared at one budget: the replies in the order given, the last cut
    off. Runs do not reach over from one reply into the next; no run at all: ``None``. Source: Li et al. 2016, "A
    diversity-promoting objective function", who divide by the number of words; the budget is ours. Raises ``ValueError``
    where the replies hold fewer words than the budget (see :func:`words_in`).
    """
    if n < 1 or budget < 1:
        raise ValueError("Distinct-n needs runs of at least one word and a budget of at least one.")
    if (found := words_in(replies)) < budget:
        raise ValueError(
            f"The replies hold {found} words, fewer than the budget of {budget}: give all arms the least of theirs."
        )
    runs: list[Run] = []
    left = budget
    for reply in replies:
        words = tokens(reply)[:left]
        left -= len(words)
        runs += ngrams(" ".join(words), n)
    return len(set(runs)) / len(runs) if runs else None


def self_bleu_4(replies: Sequence[str]) -> float | None:
    """Mean BLEU-4 of each reply against all the others as its references, 0..1; 1 is every reply said twice.

    By sacrebleu: sentence BLEU, lower case, its 13a tokens and exponential smoothing, and for a reply of fewer than four
    tokens only the orders that it has; an empty reply scores 0. Source: Zhu et al. 2018 (Texygen). It rises with the number
    of replies, so arms are compared on equal numbers. Fewer than two replies: ``None``.
    """
    if len(replies) < 2:
        return None
    bleu = BLEU(lowercase=True, effective_order=True)
    scores = [bleu.sentence_score(said, [*replies[:i], *replies[i + 1 :]]).score for i, said in enumerate(replies)]
    return min(1.0, sum(scores) / len(scores) / 100)


def collapsed(replies: Sequence[str], prompts: Sequence[str] | None = None) -> bool:
    """Whether over half of the pairs of replies to different prompts are nearly the same (see ``metrics.collapse``)."""
    return collapse(replies, prompts) > COLLAPSED


def known_4grams(texts: Iterable[str]) -> frozenset[Run]:
    """All runs of four words in a set of reference texts, for :func:`new_4grams`."""
    return frozenset(run for text in texts for run in ngrams(text, 4))


def new_4grams(replies: Sequence[str], known: Collection[Run]) -> float | None:
    """Share of the replies' runs of four words, repeats counted, that occur nowhere in the reference texts; 0..1.

    ``known``: :func:`known_4grams` of the texts. Source: McCoy et al. 2023 (RAVEN), n-gram novelty. Replies without a run of
    four words: ``None``.
    """
    runs = [run for reply in replies for run in ngrams(reply, 4)]
    return sum(run not in known for run in runs) / len(runs) if runs else None
