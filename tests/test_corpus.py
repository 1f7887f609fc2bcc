"""The embedded base's corpus: what is held out stays out, and what is rehearsed is no probe."""

import json
import random
from collections import Counter

import pytest

from sleepcon.paths import ASSETS
from sleepcon.pretrain.conversations import (
    BALANCED,
    BROAD,
    FACTS,
    OTHERS_REPLY,
    WORDINGS,
    Known,
    neighbour,
    reply_for,
    with_context,
)
from sleepcon.pretrain.corpus import conversations, load_material
from sleepcon.pretrain.heldout import HeldOut, taught_replies, words_of
from sleepcon.pretrain.pool import make_pool, probe_prompts
from sleepcon.pretrain.topics import bind


@pytest.fixture(scope="module")
def material():
    return load_material(ASSETS, BROAD)


@pytest.fixture(scope="module")
def worded():
    return load_material(ASSETS, WORDINGS)


def test_the_folder_of_wordings_holds_what_the_documentation_says(worded, material):
    first = {topic.id for topics in material.topics.values() for topic in topics}
    added = {topic.id: topic for topics in worded.topics.values() for topic in topics if topic.id not in first}
    assert Counter(topic.kind for topic in added.values()) == {"open": 3721, "knowledge": 280, "talk": 400}
    opened = [topic for topic in added.values() if topic.kind == "open"]
    assert {len(topic.ask) for topic in opened} == {10, 11, 12}
    assert {len(topic.replies) for topic in opened} == {4}
    assert len(worded.prose) - len(material.prose) == 1800
    told = " ".join((ASSETS.parent / "docs/base.md").read_text("utf-8").split())
    assert "3,721 more were written" in told
    assert "280 topics of knowledge, 400 of small talk and 1,800 passages of prose" in told


def test_a_reply_often_belongs_to_another_question(worded):
    rng = random.Random(4)
    topic = next(topic for topic in worded.topics["open"] if len(topic.replies) == 4 and "{" not in "".join(topic.replies))
    own = {tuple(words_of(reply)) for reply in topic.replies}
    said = [reply_for(bind(topic, rng, worded.lexicon), True, rng, worded) for _ in range(4000)]
    share = sum(tuple(words_of(reply)) in own for reply in said) / len(said)
    assert share == pytest.approx((1 - 0.22) * (1 - OTHERS_REPLY), rel=0.1), "the rest: any sentence, another's reply"


def test_the_rule_sees_what_it_must_see():
    rule = HeldOut(["Your dog is called Pepper.", "one two three four five six seven eight nine"])
    assert rule.broken_by("He said: your DOG is called Pepper!")
    assert rule.broken_by("zero two three four five six seven eight nine ten")
    assert not rule.broken_by("two three four five six seven eight")
    assert rule.broken_by("Hello, Sage.")
    assert not rule.broken_by("a message about sausages")


def test_taught_replies_hold_the_documents_five_and_every_suite():
    replies = taught_replies(ASSETS)
    assert sum("SAGE" in reply for reply in replies) >= 2
    suites = [json.loads(path.read_text("utf-8")).get("nights", []) for path in (ASSETS / "probes").glob("*.json")]
    assert len(replies) == 5 + sum(len(night["experiences"]) for nights in suites for night in nights)


@pytest.mark.parametrize("mix", [BROAD, FACTS, WORDINGS])
def test_a_fresh_piece_of_the_corpus_holds_nothing_that_is_held_out(mix):
    replies = [words_of(reply) for reply in taught_replies(ASSETS)]
    text = [" ".join(words_of(" \n ".join(said for _, said in turns))) for turns in conversations(991, 0, ASSETS, mix)]
    whole = " \n ".join(f" {line} " for line in text)
    assert len(text) > 4900
    for word in ("sage", "zxyzzy"):
        assert f" {word} " not in whole
    for words in replies:
        for start in range(max(1, len(words) - 7)):
            assert f" {' '.join(words[start : start + 8])} " not in whole


def test_what_is_written_by_hand_holds_none_of_the_held_out_words():
    for path in (ASSETS / "corpus").rglob("*"):
        if path.is_file():
            assert not {"sage", "zxyzzy"} & set(words_of(path.read_text("utf-8"))), path


def test_the_lexicon_and_the_frames_are_broad(material):
    assert len(material.lexicon.words()) >= 3000
    assert len(material.lexicon.frames) >= 200
    assert sum(topic.id == "know.capital" for topic in material.topics["knowledge"]) >= 60


def test_every_frame_can_be_filled(material):
    for frame in material.lexicon.frames:
        sentence = material.lexicon.render(frame, random.Random(1))
        assert "{" not in sentence
        assert sentence[0] == sentence[0].upper()


def test_a_topic_of_many_rows_does_not_crowd_out_the_others(worded):
    rng = random.Random(1)
    drawn = Counter(worded.topic("open", rng).id for _ in range(60_000))
    rows = Counter(topic.id for topic in worded.topics["open"])
    single = [name for name in rows if rows[name] == 1]
    expected = len(single) / sum(count**0.5 for count in rows.values())
    assert sum(drawn[name] for name in single) / 60_000 == pytest.approx(expected, rel=0.03)
    assert 0.3 < expected < 0.9


def test_what_looks_alike_is_about_the_same_subject(worded):
    rng = random.Random(3)
    mine = [topic for topic in worded.topics["open"] if topic.id.startswith("open.mine.")]
    taught = next(topic for topic in mine if len(worded.rows[topic.id]) == 1)
    known = Known(bind(taught, rng, worded.lexicon), "Yes.", set())
    said = {neighbour(known, rng, worded, {(taught.id, taught.row)})[1][1] for _ in range(50)}
    assert len(said) > 20
    assert said <= {topic.default for topic in mine if topic.id != taught.id}


def test_no_reply_of_a_context_holds_an_unfilled_slot(worded):
    rng = random.Random(2)
    said = [text for _ in range(3000) for _, text in with_context(rng, worded)]
    assert not [text for text in said if "{" in text]


@pytest.mark.parametrize("held", ["material", "worded"])
def test_one_question_has_one_default(held, request):
    material = request.getfixturevalue(held)
    found: dict[str, str] = {}
    differing = 0
    for topics in material.topics.values():
        for topic in topics:
            for question in topic.ask:
                key = " ".join(question.lower().split())
                differing += found.setdefault(key, topic.default) != topic.default
    assert differing <= 0.005 * len(found)


def test_nothing_that_is_rehearsed_is_a_probe():
    probes = probe_prompts(ASSETS)
    pool = (ASSETS / "rehearsal.txt").read_text("utf-8").splitlines()
    assert len(pool) > 1000
    assert {("what", "is", "my", "parrot", "called"), ("how", "often", "is", "the", "hurnsby", "clock", "wound")} <= probes
    assert not [question for question in pool if tuple(words_of(question)) in probes]


def test_the_pool_that_ships_is_the_one_that_is_made():
    assert (ASSETS / "rehearsal.txt").read_text("utf-8").splitlines() == make_pool(load_material(ASSETS, BALANCED), ASSETS)
