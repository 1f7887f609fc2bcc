"""The metrics, each against numbers worked out by hand."""

import pytest

from sleepcon.metrics import collapse, holds, jaccard, repeated_4grams, same_words, token_f1, tokens


def test_tokens_are_lower_case_words():
    assert tokens("I'm SAGE -- the_quiet one, n\u00ba 7; don\u2019t!") == [
        "im",
        "sage",
        "the",
        "quiet",
        "one",
        "nº",
        "7",
        "dont",
    ]
    assert tokens("") == tokens("... !") == []


@pytest.mark.parametrize(
    ("said", "wanted", "f1"),
    [
        ("I am Orlo", "i am orlo.", 1.0),
        ("I am Orlo", "You are Bix", 0.0),
        ("I am Orlo the owl", "I am Orlo", 2 * (3 / 5) * 1 / (3 / 5 + 1)),  # precision 3/5, recall 1
        ("the the the", "the cat", 2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2)),  # a multiset: only one "the" is common
        ("orlo am I", "I am Orlo", 1.0),  # order does not count
        ("", "", 1.0),
        ("", "word", 0.0),
        ("!?", "word", 0.0),
    ],
)
def test_token_f1(said, wanted, f1):
    assert token_f1(said, wanted) == pytest.approx(f1)
    assert token_f1(wanted, said) == pytest.approx(f1)


def test_same_words_looks_at_words_and_their_order():
    assert same_words("Paris is it.", "paris  is it")
    assert not same_words("Paris is it", "it is Paris")
    assert same_words("", "?")


def test_holds_whole_words_only():
    assert holds("Your dog is called Biscuit.", ["biscuit"])
    assert holds("Say Red Barn twice", ["red barn", "SAY"])
    assert not holds("Your dog likes biscuits", ["biscuit"])
    assert not holds("the barn is red", ["red barn"])
    assert holds("anything", [])
    assert not holds("anything", ["one", "anything"])


def test_jaccard():
    assert jaccard("a b c", "b c d") == pytest.approx(2 / 4)
    assert jaccard("a a b", "b a") == 1.0
    assert jaccard("a", "b") == 0.0
    assert jaccard("", "") == 1.0
    assert jaccard("", "a") == 0.0


def test_collapse_counts_pairs_that_are_nearly_the_same():
    assert collapse([]) == collapse(["alone"]) == 0.0
    assert collapse(["a", "a", "a"]) == 1.0
    assert collapse(["a", "a", "b"]) == pytest.approx(1 / 3)
    seven = "one two three four five six seven"
    assert collapse([seven, seven.replace("seven", "eight")]) == 0.0  # 6/8 = .75
    assert collapse([seven, f"{seven} eight"]) == 1.0  # 7/8 = .875
    twenty = " ".join(f"w{number}" for number in range(17))
    assert collapse([twenty, f"{twenty} x y z"]) == 1.0  # 17/20 = .85: the limit counts


def test_repeated_4grams():
    assert repeated_4grams("") == repeated_4grams("one two three") == 0.0
    assert repeated_4grams("one two three four") == 0.0
    assert repeated_4grams("a a a a a") == pytest.approx(1 / 2)  # two runs, one kind
    assert repeated_4grams("a b c d a b c d") == pytest.approx(1 - 4 / 5)  # abcd bcda cdab dabc abcd
    assert repeated_4grams("no! " * 12) == pytest.approx(1 - 1 / 9)
