"""Talking with a brain: context is kept as far as it fits, and each exchange is scored but not stored."""

from dataclasses import asdict

import pytest

from sleepcon import conversation
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.model import chat, generate, prompt_ids
from sleepcon.salience import FACTORS


def say(brain, prompt, earlier=()):
    return conversation.say(brain, {"prompt": prompt, "earlier": list(earlier)}, lambda _: None, lambda: False)


def test_a_reply_is_scored_and_nothing_is_stored(brain, monkeypatch):
    one = brain()
    monkeypatch.setattr(conversation, "generate", lambda base, chats, tokens: ["Hello yourself!"])
    said = say(one, "Hello")
    assert said["reply"] == "Hello yourself!"
    monkeypatch.undo()
    assert said["factors"] == asdict(one.score([Experience("Hello", "Hello yourself!")])[0])
    assert set(said["factors"]) == set(FACTORS)
    assert all(0 <= factor["value"] <= 1 for factor in said["factors"].values())
    assert (said["cycle"], said["earlier"], one.memory.count()) == (0, 0, 0)


def test_a_brain_that_says_nothing_has_nothing_to_score(brain, monkeypatch):
    monkeypatch.setattr(conversation, "generate", lambda base, chats, tokens: [""])
    assert say(brain(), "Hello")["factors"] == {}


def test_what_was_said_before_stays_in_context(brain):
    one = brain()
    before = [["My dog is called Biscuit.", "What a good name."]]
    said = say(one, "Hello", before)
    assert said["earlier"] == 1
    assert said["reply"] == generate(one.base, [chat("Hello", earlier=before)], conversation.REPLY_TOKENS)[0]


def test_the_context_is_cut_to_what_fits(brain):
    one = brain()
    window = one.base.model.config.max_position_embeddings
    short, long = [("a", "b")] * 9, [("a", "b" * 300)] * 9
    assert len(conversation.fitting(one.base, "Hello", short)) == 2 * conversation.EARLIER + 1
    turns = conversation.fitting(one.base, "Hello", long)
    assert 1 < len(turns) < 2 * conversation.EARLIER + 1
    assert len(prompt_ids(one.base, turns)) + conversation.REPLY_TOKENS <= window
    assert conversation.fitting(one.base, "Hello", [("a", "b" * 3000)]) == chat("Hello")


def test_nothing_said_is_a_sentence(brain):
    with pytest.raises(UserError, match="write a sentence"):
        say(brain(), "  ")
