"""The metrics, each against numbers worked out by hand."""

import subprocess
import sys

import pytest

from sleepcon import wake
from sleepcon.metrics import (
    CAME_BACK_F1,
    came_back,
    collapse,
    generalised,
    holds,
    jaccard,
    kept,
    key_terms,
    ngrams,
    repeated_4grams,
    same_words,
    spared,
    token_f1,
    tokens,
    unseen,
)


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


def test_ngrams():
    assert ngrams("A b, c!", 2) == [("a", "b"), ("b", "c")]
    assert ngrams("a b c", 3) == [("a", "b", "c")]
    assert ngrams("a b c", 4) == ngrams("", 1) == []


def test_key_terms_counts_the_keys_that_occur():
    assert key_terms("Your dog is called Wexley.", ["wexley", "dog", "cat", "ish"]) == 2 / 4
    assert key_terms("", ["dog"]) == 0.0
    assert key_terms("anything", []) is None


def test_a_reply_came_back_by_its_words_and_its_keys():
    taught = "Your dog is called Wexley today"  # six words
    assert came_back(taught, taught, ["wexley"])
    assert came_back("Your dog is called Wexley", taught, ["wexley"])  # F1 = 2 * 5 / (5 + 6) = .91
    assert not came_back("Your dog is called Biscuit today", taught, ["wexley"])  # F1 = 5/6 = .83, without the key
    assert came_back("Your dog is called Biscuit today", taught)
    assert not came_back("Wexley", taught, ["wexley"])  # F1 = 2/7: the key alone is not the reply
    assert token_f1("a b c d", "a b c d e f") == CAME_BACK_F1
    assert came_back("a b c d", "a b c d e f")  # the limit counts
    assert not came_back("", taught)


def test_the_limit_is_that_of_the_wake_up_check():
    assert CAME_BACK_F1 == wake.LEARNED_F1


def test_what_was_trained_on_is_not_unseen():
    wordings = ["What is my dog called?", "My dog\u2019s name?", "Who is my dog?"]
    assert unseen(wordings, ["what is my DOG called", "my dogs name"]) == ["Who is my dog?"]
    assert unseen(wordings, []) == wordings
    assert unseen([], ["x"]) == []


def test_generalised_is_a_share_of_at_least_three():
    assert generalised(["It is Wexley.", "Wexley", "I do not know."], ["wexley"]) == pytest.approx(2 / 3)
    assert generalised([""] * 4, ["wexley"]) == 0.0
    with pytest.raises(ValueError, match="at least 3 unseen rewordings of a question, not 2"):
        generalised(["Wexley", "Wexley"], ["wexley"])


def test_neighbours_are_spared_unless_the_night_put_the_key_there():
    before = ["I do not know.", "Wexley.", "A cat.", "Wexley."]
    after = ["Wexley.", "Wexley!", "A cat.", "A cat."]  # taken over; held it before; as before; lost it
    assert spared(before, after, ["wexley"]) == 3 / 4
    assert spared([], [], ["wexley"]) is None


def test_kept_counts_replies_that_stayed_word_for_word():
    assert kept(["Paris.", "Four.", "Blue.", ""], ["paris", "It is four.", "Blue.", ""]) == 3 / 4
    assert kept([], []) is None
    for measure in (lambda: kept(["a"], []), lambda: spared(["a"], [], ["b"])):
        with pytest.raises(ValueError, match="zip"):
            measure()


def test_collapse_leaves_out_replies_to_the_same_prompt():
    # of six pairs two answer the same prompt (1-2 and 3-4); of the other four, "a" meets "a" twice
    assert collapse(["a", "a", "a", "b"], ["p", "p", "q", "q"]) == pytest.approx(2 / 4)
    assert collapse(["a", "a"], ["p", "p"]) == 0.0
    assert collapse(["a", "a"], ["p", "q"]) == collapse(["a", "a"]) == 1.0
    with pytest.raises(ValueError, match="2 replies cannot answer 1 prompts"):
        collapse(["a", "a"], ["p"])


def test_the_measures_bring_no_torch():
    code = (
        "import sys\n"
        "from sleepcon import dose_metrics, likelihood, metrics, retention, statistics, variety\n"
        "print(sorted({'torch', 'transformers', 'peft', 'streamlit'} & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"
