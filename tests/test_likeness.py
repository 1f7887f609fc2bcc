"""Likeness to what memory holds: the same as with all of it at hand, with no vector made twice."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sleepcon import likeness as module
from sleepcon import salience
from sleepcon.experience import Experience, with_ids
from sleepcon.likeness import LOOK_BACK, Vectors, likeness
from sleepcon.memory import Memory
from sleepcon.model import load_base

WORDS = "owl hat box river salt door lamp table green seven letter morning".split()
SAID = list(with_ids(
    Experience(f"{number}?", " ".join(WORDS[(number * step) % 12] for step in range(1, 4 + number % 3)), session=number)
    for number in range(30)
))  # fmt: skip


@pytest.fixture
def memory(tmp_path):
    with Memory(tmp_path / "memory.sqlite") as opened:
        opened.add(SAID)
        yield opened


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "STORED", 4)
    monkeypatch.setattr(module, "TOGETHER", 3)


@pytest.fixture
def embedded(monkeypatch):
    """The texts that were embedded, in order."""
    texts, real = [], salience.embed
    monkeypatch.setattr(salience, "embed", lambda base, some, **layer: texts.extend(some) or real(base, some, **layer))
    return texts


def plain(base, held, items, look_back=LOOK_BACK) -> list[float]:
    """By the definition, one pair at a time."""
    order = held + [item for item in items if item not in held]
    vector = dict(zip((one.id for one in order), salience.vectors(base, order), strict=True))
    found = []
    for item in items:
        at = order.index(item)
        before = order[max(0, at - look_back) : at]
        found.append(max((float(vector[item.id] @ vector[one.id]) for one in before), default=-np.inf))
    return found


NEW = [replace(SAID[3], id="new-1"), Experience("Else?", "Something else entirely.", id="new-2"), replace(SAID[8], id="new-3")]


@pytest.mark.parametrize(
    "items", [SAID, SAID[::-1], SAID[:1], SAID[7:9], [SAID[4], *NEW[:2], SAID[29], NEW[2]], NEW, [SAID[20], SAID[0]]]
)
@pytest.mark.parametrize("look_back", [LOOK_BACK, 5, 1])
def test_it_is_the_largest_similarity_to_what_came_before(tiny_base, memory, monkeypatch, items, look_back):
    monkeypatch.setattr(module, "LOOK_BACK", look_back)
    found = likeness(tiny_base, memory, items)
    assert found == pytest.approx(plain(tiny_base, SAID, items, look_back), abs=1e-5)
    if look_back == LOOK_BACK:
        assert found == pytest.approx(salience.similarities(tiny_base, items, SAID), abs=1e-5)


def test_nothing_held_and_nothing_asked(tiny_base, tmp_path):
    with Memory(tmp_path / "empty.sqlite") as empty:
        assert likeness(tiny_base, empty, []).tolist() == []
        first, again = likeness(tiny_base, empty, [NEW[0], replace(NEW[0], id="other")])
    assert first == -np.inf
    assert again == pytest.approx(1, abs=1e-5)


def test_each_reply_is_embedded_once(tiny_base, memory, embedded):
    first = likeness(tiny_base, memory, SAID[:10])
    assert embedded == [one.response for one in SAID[:10]]
    assert likeness(tiny_base, memory, SAID[:10]).tolist() == first.tolist()
    likeness(tiny_base, memory, SAID[13:14])
    assert embedded == [one.response for one in SAID[:14]]
    memory.add(with_ids([Experience("Then?", "And then it rained.")]))
    likeness(tiny_base, memory, [NEW[1]])
    assert embedded[14:] == [one.response for one in SAID[14:]] + ["And then it rained.", NEW[1].response]
    with Memory(memory.path) as again:  # and after a restart
        likeness(tiny_base, again, SAID)
    assert len(embedded) == 32


def test_what_lies_too_far_back_is_not_even_read(tiny_base, memory, embedded, monkeypatch):
    monkeypatch.setattr(module, "LOOK_BACK", 6)
    likeness(tiny_base, memory, [NEW[1]])
    assert len(embedded) == 1 + 30 - 24 + 1  # from the block in which the sixth last lies
    assert memory.rows("SELECT min(block), max(block) FROM vectors") == [(6, 7)]


def test_another_base_makes_its_own(tiny_base, memory, embedded, tiny_folder):
    likeness(tiny_base, memory, SAID[:6])
    other = load_base(str(tiny_folder))
    with torch.no_grad():
        other.model.get_input_embeddings().weight.mul_(-1)
    other.sha256 = "other"
    assert likeness(other, memory, SAID[:6]) == pytest.approx(plain(other, SAID[:6], SAID[:6]), abs=1e-5)
    assert len(embedded) == 6 + 6 + 6  # the third for the plain ones


def test_a_block_that_was_cut_short_goes_on(tiny_base, memory):
    vectors = Vectors(tiny_base, memory)
    vectors.fill(1, 9)
    whole = salience.vectors(tiny_base, SAID[:9])
    assert np.concatenate([part for _, part in vectors.blocks(1, 9)]) == pytest.approx(whole.numpy(), abs=1e-6)
    assert [(first, len(part)) for first, part in vectors.blocks(3, 8)] == [(3, 1), (4, 4), (8, 1)]
    assert list(vectors.blocks(1, 0)) == []
    vectors.fill(10, 10)
    assert [len(vectors.block(number)) for number in range(4)] == [4, 4, 3, 0]


def test_a_place_without_an_experience_is_like_nothing(tiny_base, memory):
    memory.connection.execute("DELETE FROM experiences WHERE position = 6")
    rest = [one for at, one in enumerate(SAID, 1) if at != 6]
    assert likeness(tiny_base, memory, rest) == pytest.approx(plain(tiny_base, rest, rest), abs=1e-5)


def test_a_night_changes_no_vector(brain, open_gates, embedded):
    """Likeness is the bare base's: scoring after a night makes no vector of what is held again."""
    one = brain()
    one.remember(SAID[:5])
    before = one.score(SAID[:5])
    one.remember([Experience("Name?", "Bix", salience=0.9)])
    one.sleep(threshold=0.8, learning_rate=0.03, epochs=5)
    embedded.clear()
    after = one.score(SAID[:5])
    assert embedded == []
    assert [scores.novelty for scores in after] == [scores.novelty for scores in before]
    assert [scores.surprise for scores in after] != [scores.surprise for scores in before]


def test_what_waits_is_measured_a_part_at_a_time(brain, monkeypatch):
    from sleepcon import selection

    whole, parts = brain("whole"), brain("parts")
    for one in (whole, parts):
        one.remember(SAID[:11])
    whole.waiting(0.0)
    monkeypatch.setattr(selection, "SCORED", 3)
    sizes, score = [], parts.score
    monkeypatch.setattr(parts, "score", lambda some: sizes.append(len(some)) or score(some))
    monkeypatch.setattr(parts.memory, "all", lambda: pytest.fail("all of memory was read"))
    parts.waiting(0.0)
    assert sizes == [3, 3, 3, 2]
    for one in SAID[:11]:
        assert parts.memory.standing(one.id).measured == pytest.approx(whole.memory.standing(one.id).measured, abs=1e-4)
