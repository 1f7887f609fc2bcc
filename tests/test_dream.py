"""Dreaming: what is drawn, how the pull of the context is measured, and that one seed gives one dream."""

import shutil

import pytest

from sleepcon import dream
from sleepcon.dream import Candidate, DreamSettings, candidates, pool, pulls_of_context, rewordings
from sleepcon.experience import Experience
from sleepcon.model import chat, generate, load_base, score_replies

DAY = [
    Experience("What should I call you?", "I am Orlo, the keeper of the light."),
    Experience("What is my dog called?", "Your dog is called Bix."),
]
SETTINGS = DreamSettings(rewordings=2, near=3, far=5)


def test_candidates_are_questions_of_the_pool_some_near_and_some_far(tiny_base):
    found = candidates(tiny_base, DAY, SETTINGS, seed=1)
    questions = [one.question for one in found]
    assert len(questions) == len(set(questions))
    assert set(questions) <= set(pool())
    assert SETTINGS.near + SETTINGS.far <= len(found) <= 2 * SETTINGS.near + SETTINGS.far
    near = [one for one in found if one.near is not None]
    assert {one.near for one in near} == {0, 1}
    assert SETTINGS.near <= len(near) <= 2 * SETTINGS.near
    assert len(found) - len(near) == SETTINGS.far
    assert [one.reply for one in found] == generate(tiny_base, [chat(question) for question in questions])
    assert found == candidates(tiny_base, DAY, SETTINGS, seed=1)
    assert found != candidates(tiny_base, DAY, SETTINGS, seed=2)


def test_the_file_beside_a_base_says_what_the_base_says(tiny_folder, tiny_base, monkeypatch, tmp_path):
    monkeypatch.setattr(dream, "pool", lambda: ["Hello!", "What is 2 plus 2?", "Name a fruit.", "Who are you?"])
    folder = shutil.copytree(tiny_folder, tmp_path / "base")
    made_now = candidates(tiny_base, DAY, SETTINGS, seed=1)
    copy = load_base(str(folder))
    dream.write_ordinary(copy, folder)
    assert dream.ordinary_of(copy).replies == generate(tiny_base, [chat(question) for question in dream.pool()])
    assert candidates(copy, DAY, SETTINGS, seed=1) == made_now
    copy.sha256 = "of other weights"
    assert dream.read_ordinary(copy) is None


def test_rewordings_are_new_and_without_repeats(tiny_base):
    found = rewordings(tiny_base, DAY, SETTINGS, seed=4)
    assert found == rewordings(tiny_base, DAY, SETTINGS, seed=4)
    for index, experience in enumerate(DAY):
        texts = [text.lower() for text, of in found if of == index]
        assert len(texts) <= SETTINGS.rewordings + 1
        assert len({*texts, experience.prompt.lower()}) == len(texts) + 1


def test_the_pull_is_measured_where_the_replies_part(tiny_base):
    one, question = DAY[0], "Who are you?"
    plain = "I am an assistant."
    pulls = pulls_of_context(tiny_base, [(question, one, plain), ("Is it late?", DAY[1], "No."), (question, one, one.response)])
    turns = chat(question, earlier=[(one.prompt, one.response)])
    taught, other = score_replies(tiny_base, [(turns, one.response), (turns, plain)])
    place = len("I am ")  # the tiny base has a token for each byte
    assert (taught.tokens[place], other.tokens[place]) == ("O", "a")
    assert pulls[0] == pytest.approx(taught.logprobs[place] - other.logprobs[place], abs=1e-4)
    assert pulls[2] == 0.0, "the same reply is not pulled"


def test_two_replies_to_one_question_are_told_apart(tiny_base):
    twice = [Experience("When is it?", "On Monday."), Experience("When is it?", "No, on Friday.")]
    pulls = pulls_of_context(tiny_base, [("When?", one, "I do not know.") for one in twice])
    assert pulls[0] != pulls[1]


def test_a_dream_sorts_by_the_pull(tiny_base, monkeypatch):
    reworded = [("Who are you?", 0), ("Your name?", 0), ("Say your name.", 0), ("Name my dog.", 1), ("My dog?", 1)]
    replies = ["Nobody.", DAY[0].response, "An assistant.", "I do not know.", "No idea."]
    ordinary = [Candidate("Hello!", "Hello.", 0), Candidate("My cat?", "Unknown.", 1), Candidate("The sun?", "A star.", None)]
    monkeypatch.setattr(dream, "pulls_of_context", lambda base, cases: [1.0, 1.0, 1.0, 1.0, -1.0, -2.0, 3.0])
    found = dream.dream(tiny_base, DAY, reworded, replies, ordinary)
    assert [(one.prompt, one.of) for one in found.probes] == [("Who are you?", 0), ("Name my dog.", 1)]
    assert [one.prompt for one in found.lessons] == ["Say your name."], "not what is said already, nor what stays as it was"
    assert all(one.reply == DAY[one.of].response for one in found.lessons + found.probes)
    assert [(one.prompt, one.reply) for one in found.rehearsal] == [
        *[("Hello!", "Hello.")] * dream.NEAR_TIMES,
        ("The sun?", "A star."),
    ], "a look-alike that the day does not change has more rows than a far question"


def test_no_dream_when_none_is_wanted(tiny_base):
    none = DreamSettings(0, 0, 0)
    assert candidates(tiny_base, DAY, none, 0) == []
    assert rewordings(tiny_base, DAY, none, 0) == []
    assert dream.dream(tiny_base, DAY, [], [], []) == dream.Dream([], [], [])
