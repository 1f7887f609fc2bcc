"""Consistency over sessions: its definition on cases that can be worked out by hand, and the whole run on the tiny base."""

import json

import pytest

from sleepcon import consistency
from sleepcon.metrics import token_f1
from sleepcon.paths import ASSETS, DOCUMENT
from sleepcon.pretrain.heldout import words_of
from sleepcon.sleep import Stopped


def test_pairwise_f1_by_hand():
    assert consistency.pairwise_f1(["I am Orlo."] * 3) == 1
    assert consistency.pairwise_f1(["one two", "one three", "four five"]) == pytest.approx(0.5 / 3)
    assert consistency.pairwise_f1(["alone"]) == 1
    assert consistency.pairwise_f1(["", ""]) == 1


def test_the_protocol_is_whole():
    asked = consistency.protocol()
    assert list(asked.groups) == ["identity", "clarify", "ordinary"]
    assert len({question for _, question in asked.questions}) == sum(map(len, asked.groups.values()))
    assert [session.earlier is None for session in asked.sessions] == [True, False, False, False, False]
    assert [] in [session.earlier for session in asked.sessions]


def test_no_question_of_it_is_rehearsed_by_a_night():
    pool = {tuple(words_of(line)) for line in (ASSETS / "rehearsal.txt").read_text("utf-8").splitlines()}
    assert not pool & {tuple(words_of(question)) for _, question in consistency.protocol().questions}


@pytest.fixture
def result(brain, short_wake, monkeypatch):
    monkeypatch.setattr(consistency, "REPLY_TOKENS", 12)
    events = []
    one = brain()
    found = consistency.run(one, {"seed": 3}, events.append, lambda: False)
    assert (one.memory.count(), one.history()) == (0, [])  # the visitor's brain is not touched
    return found, events


def test_each_number_follows_from_the_replies(result):
    found, events = result
    asked = consistency.protocol()
    assert json.loads(json.dumps(found)) == found
    assert [(row["group"], row["question"]) for row in found["questions"]] == asked.questions
    for row in found["questions"]:
        for arm in ("without", "with"):
            replies = row[arm]["replies"]
            assert len(replies) == len(asked.sessions) == len(found["sessions"])
            pairs = [token_f1(a, b) for place, a in enumerate(replies) for b in replies[place + 1 :]]
            assert row[arm]["consistency"] == pytest.approx(sum(pairs) / len(pairs))
    for mean in found["groups"]:
        own = [row for row in found["questions"] if row["group"] == mean["group"]]
        assert mean["questions"] == len(own)
        assert mean["with"] == pytest.approx(sum(row["with"]["consistency"] for row in own) / len(own))
    assert found["night"]["seed"] == 3
    assert found["night"]["consolidated"] == sum(
        json.loads(line)["salience"] >= consistency.THRESHOLD for line in DOCUMENT.read_text("utf-8").splitlines()
    )
    stages = [event.stage for event in events]
    assert stages.count("ask") == 2 * len(asked.sessions)
    assert "train" in stages


def test_the_first_session_alone_has_the_day_in_its_context(brain, monkeypatch):
    one, seen = brain(), []
    monkeypatch.setattr(consistency, "generate", lambda base, chats, tokens: seen.append(chats) or [""] * len(chats))
    day = [consistency.Experience("Name?", "Bix")]
    clock = consistency.Clock(None, None)
    consistency.ask_sessions(one, 0, consistency.protocol(), day, clock)
    assert ["Bix" in str(chats[0]) for chats in seen] == [True, False, False, False, False]
    assert [len(chats[0]) for chats in seen] == [3, 1, 5, 5, 5]


def test_it_can_be_cancelled(brain):
    with pytest.raises(Stopped):
        consistency.run(brain(), {"seed": 0}, lambda _: None, lambda: True)
