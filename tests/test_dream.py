"""Dreaming: what is drawn, how the pull of the context is measured, and that one seed gives one dream."""

import pytest

from sleepcon import dream
from sleepcon.dream import DreamSettings, candidates, pool, pulls_of_context, rewordings
from sleepcon.experience import Experience
from sleepcon.metrics import token_f1
from sleepcon.model import chat, generate, score_replies

DAY = [
    Experience("What should I call you?", "I am Orlo, the keeper of the light."),
    Experience("What is my dog called?", "Your dog is called Bix."),
]
SETTINGS = DreamSettings(rewordings=2, near=3, far=5)


def go_on() -> None:
    pass


def test_candidates_are_questions_of_the_pool_some_near_and_some_far(tiny_base):
    found = candidates(tiny_base, DAY, SETTINGS, seed=1)
    questions = [question for question, _ in found]
    assert len(questions) == len(set(questions))
    assert set(questions) <= set(pool())
    assert SETTINGS.near + SETTINGS.far <= len(found) <= 2 * SETTINGS.near + SETTINGS.far
    assert {index for _, index in found} <= {0, 1}
    assert found == candidates(tiny_base, DAY, SETTINGS, seed=1)
    assert found != candidates(tiny_base, DAY, SETTINGS, seed=2)


def test_rewordings_are_new_and_without_repeats(tiny_base):
    found = rewordings(tiny_base, DAY, 3, seed=4)
    assert found == rewordings(tiny_base, DAY, 3, seed=4)
    for experience, texts in zip(DAY, found, strict=True):
        assert len(texts) <= 3
        assert len({text.lower() for text in texts} | {experience.prompt.lower()}) == len(texts) + 1


def test_the_pull_is_measured_where_the_replies_part(tiny_base):
    one, question = DAY[0], "Who are you?"
    plain = "I am an assistant."
    (pull,) = pulls_of_context(tiny_base, [(question, one, plain)])
    turns = chat(question, earlier=[(one.prompt, one.response)])
    taught, other = score_replies(tiny_base, [(turns, one.response), (turns, plain)])
    place = len("I am ")  # the tiny base has a token for each byte
    assert (taught.tokens[place], other.tokens[place]) == ("O", "a")
    assert pull.towards == pytest.approx(taught.logprobs[place] - other.logprobs[place], abs=1e-4)
    (own,) = score_replies(tiny_base, [(chat(one.prompt, earlier=[(one.prompt, one.response)]), one.response)])
    assert pull.worst == pytest.approx(min(a - b for a, b in zip(taught.logprobs, own.logprobs, strict=True)), abs=1e-4)


def test_two_replies_to_one_question_are_told_apart(tiny_base):
    twice = [Experience("When is it?", "On Monday."), Experience("When is it?", "No, on Friday.")]
    pulls = pulls_of_context(tiny_base, [("When?", one, "I do not know.") for one in twice])
    assert pulls[0] != pulls[1]


def test_a_dream_keeps_the_rules(tiny_base, monkeypatch):
    near = candidates(tiny_base, DAY, SETTINGS, seed=0)
    monkeypatch.setattr(dream, "ANOTHER_SUBJECT", 1e9)  # every pool question counts as one about something else
    found = dream.dream(tiny_base, DAY, near, SETTINGS, 0, go_on)
    again = dream.dream(tiny_base, DAY, near, SETTINGS, 0, go_on)
    assert found == again
    assert [lesson.prompt for lesson in found.rehearsal] == [question for question, _ in near]
    plain = generate(tiny_base, [chat(lesson.prompt) for lesson in found.rehearsal])
    assert [lesson.reply for lesson in found.rehearsal] == plain
    for lesson in found.lessons + found.probes:
        assert lesson.reply == DAY[lesson.of].response
        assert token_f1(generate(tiny_base, [chat(lesson.prompt)])[0], lesson.reply) < dream.RESEMBLES
    assert len({probe.of for probe in found.probes}) == len(found.probes)


def test_no_dream_when_none_is_wanted(tiny_base):
    none = DreamSettings(0, 0, 0)
    assert candidates(tiny_base, DAY, none, 0) == []
    assert dream.dream(tiny_base, DAY, [], none, 0, go_on) == dream.Dream([], [], [])


def test_a_dream_can_be_cancelled(tiny_base):
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dream.dream(tiny_base, DAY, candidates(tiny_base, DAY, SETTINGS, 0), SETTINGS, 0, stop)
