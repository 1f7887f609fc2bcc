"""Variety, against sacrebleu called another way, BLEU worked out anew, and numbers worked out by hand."""

import math
from collections import Counter

import pytest
import sacrebleu

from sleepcon.variety import collapsed, distinct_n, known_4grams, new_4grams, self_bleu_4, words_in

REPLIES = [
    "The dog sleeps in the red barn tonight.",
    "The dog sleeps in the blue house tonight.",
    "A cat looks at the moon and waits.",
]


def test_distinct_n_by_hand():
    # a b a b c: words a b c of 5; pairs ab ba bc of ab ba ab bc
    assert distinct_n(["a b a", "b c"], 1, 5) == pytest.approx(3 / 5)
    assert distinct_n(["a b a b c"], 2, 5) == pytest.approx(3 / 4)
    assert distinct_n(["a b a", "b c"], 2, 5) == pytest.approx(3 / 3)  # ab ba | bc: no pair reaches over
    assert distinct_n(["same"] * 8, 1, 8) == pytest.approx(1 / 8)
    assert distinct_n(["a", "b"], 2, 2) is None


def test_distinct_n_looks_at_the_budget_and_no_further():
    assert distinct_n(["a b", "c a a a a"], 1, 3) == 1.0  # a b c
    assert distinct_n(["a b", "c a a a a"], 1, 4) == pytest.approx(3 / 4)
    assert distinct_n(["a b c d"], 1, 2) == distinct_n(["a b", ""], 1, 2) == 1.0
    long, short = ["a b c d e f a b c d e f"], ["a b c d e f"]
    budget = min(words_in(long), words_in(short))
    assert budget == 6
    assert distinct_n(long, 1, budget) == distinct_n(short, 1, budget) == 1.0  # the longer one does not lose by its length


def test_distinct_n_refuses_a_budget_that_cannot_be_filled():
    with pytest.raises(ValueError, match="3 words, fewer than the budget of 4"):
        distinct_n(["a b c"], 1, 4)
    for n, budget in (0, 1), (1, 0):
        with pytest.raises(ValueError, match="at least one"):
            distinct_n(["a"], n, budget)


def bleu_4(said, references):
    """Sentence BLEU of lower-case words and full stops, from its definition (Papineni et al. 2002); all orders must match."""
    said, *references = [text.lower().replace(".", " .").split() for text in (said, *references)]
    logs = []
    for n in range(1, 5):
        grams = Counter(zip(*(said[i:] for i in range(n)), strict=False))
        most = Counter()
        for reference in references:
            most |= Counter(zip(*(reference[i:] for i in range(n)), strict=False))
        logs.append(math.log(sum((grams & most).values()) / sum(grams.values())))
    closest = min((abs(len(reference) - len(said)), len(reference)) for reference in references)[1]
    return min(1.0, math.exp(1 - closest / len(said))) * math.exp(sum(logs) / 4)


def test_self_bleu_is_bleu_from_its_definition():
    two = REPLIES[:2]
    assert self_bleu_4(two) == pytest.approx((bleu_4(two[0], two[1:]) + bleu_4(two[1], two[:1])) / 2)
    three = [*two, "The dog sleeps in the red barn all day."]
    wanted = sum(bleu_4(said, [other for other in three if other != said]) for said in three) / 3
    assert self_bleu_4(three) == pytest.approx(wanted)


def test_self_bleu_is_sacrebleus_sentence_bleu():
    lower = [reply.lower() for reply in REPLIES]
    scores = [sacrebleu.sentence_bleu(said, [text for text in lower if text != said]).score for said in lower]
    assert self_bleu_4(REPLIES) == pytest.approx(sum(scores) / 3 / 100)


def test_self_bleu_at_its_ends():
    assert self_bleu_4([REPLIES[0]] * 3) == 1.0
    assert self_bleu_4(["Yes.", "yes."]) == 1.0  # two tokens have no run of four, and are the same
    assert self_bleu_4(["one two three four", "five six seven eight"]) == 0.0
    assert self_bleu_4(["", ""]) == self_bleu_4(["", "words"]) == 0.0
    assert self_bleu_4([]) is self_bleu_4(["alone"]) is None


def test_collapsed_is_more_than_half_of_the_pairs():
    assert collapsed(["a", "a", "a", "b"]) is False  # 3 of 6 pairs: not over half
    assert collapsed(["a", "a", "a", "a", "b"]) is True  # 6 of 10
    assert collapsed(["a", "a"], ["p", "p"]) is False  # the same prompt may have the same reply
    assert collapsed([]) is collapsed(["a"]) is False


def test_new_4grams_by_hand():
    known = known_4grams(["A b c d e.", "x y"])
    assert known == {("a", "b", "c", "d"), ("b", "c", "d", "e")}
    assert new_4grams(["a b c d e f"], known) == pytest.approx(1 / 3)  # abcd bcde are known, cdef is not
    assert new_4grams(["a b c d", "c d e f", "c d e f"], known) == pytest.approx(2 / 3)  # repeats count
    assert new_4grams(["a b c d"], known_4grams([])) == 1.0
    assert new_4grams(["a b c", ""], known) is new_4grams([], known) is None
