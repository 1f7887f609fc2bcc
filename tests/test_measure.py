"""Measuring what memory holds: under the right brain, stored where it should be, and with tokens that add up."""

import pytest
from conftest import BIG_DOSE, BIX, DULL, ORLO, state

from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.measure import measure
from sleepcon.salience import FACTORS
from sleepcon.sleep import Stopped


@pytest.fixture
def taught(brain, open_gates):
    """A brain that has learned one short reply; the other experience was not in that night."""
    one = brain()
    one.remember([BIX, DULL])
    cycle = one.sleep(threshold=0.6, **BIG_DOSE)
    assert cycle.replies[0]["learned"]
    return one


def test_a_measurement_is_snarc_with_its_evidence_and_tokens_that_add_up(brain):
    one = brain()
    one.remember([ORLO, BIX, DULL])
    rows = measure(one)
    held = list(one.memory.all())
    assert [row["id"] for row in rows] == [item.id for item in held]
    for row, scores in zip(rows, one.score(held), strict=True):
        assert row["cycle"] == 0
        assert row["salience"] == pytest.approx(scores.total())
        for name in FACTORS:
            assert row["factors"][name]["value"] == pytest.approx(getattr(scores, name).value)
            assert row["factors"][name]["evidence"] == getattr(scores, name).evidence
        mean = -sum(logprob for _, logprob in row["tokens"]) / len(row["tokens"])
        assert f"{mean:.2f} nats per token over {len(row['tokens'])} tokens" in row["factors"]["surprise"]["evidence"]
        standing = one.memory.standing(row["id"])
        assert standing.measured == pytest.approx(row["salience"])
        assert standing.scores == row["factors"]


def test_what_was_learned_is_measured_as_it_was_before_its_night(brain, taught):
    fresh = brain("fresh")
    fresh.remember([BIX, DULL])
    before = {row["id"]: row for row in measure(fresh)}
    now = {row["id"]: row for row in measure(taught)}
    bix, dull = (item.id for item in taught.memory.all())
    assert now[bix] == before[bix]
    assert now[dull]["cycle"] == 1
    assert now[dull]["tokens"] != before[dull]["tokens"]  # this one waits, so it is measured under the brain as it is now


def test_a_new_measurement_replaces_what_waits_and_spares_what_was_learned(taught):
    measure(taught)
    bix, dull = (item.id for item in taught.memory.all())
    with taught.memory.transaction():
        taught.memory.connection.execute("UPDATE experiences SET scores = '{\"surprise\": 1}'")
    measure(taught)
    assert taught.memory.standing(bix).scores == {"surprise": 1}
    assert set(taught.memory.standing(dull).scores) == set(FACTORS)


def test_only_what_was_asked_for_is_measured(brain):
    one = brain()
    one.remember([ORLO, BIX, DULL])
    wanted = [item.id for item in one.memory.all()][2:0:-1]
    assert [row["id"] for row in measure(one, wanted)] == wanted
    with pytest.raises(UserError, match="not in the brain's memory"):
        measure(one, ["nobody"])


def test_it_is_bounded_and_can_be_stopped(brain, monkeypatch):
    from sleepcon import measure as module

    one = brain()
    one.remember([ORLO, BIX, DULL])
    monkeypatch.setattr(module, "MOST", 2)
    assert len(measure(one)) == 2
    before = state(one)

    def halt():
        raise Stopped()

    with pytest.raises(Stopped):
        measure(one, halt_if_asked=halt)
    assert state(one) == before


def test_a_night_can_go_by_measured_salience_alone(brain, open_gates):
    one = brain()
    one.remember([ORLO, BIX, DULL, Experience("Where?", "Here.")])
    measured = {row["id"]: row["salience"] for row in measure(one)}
    mark = sorted(measured.values())[2]
    cycle = one.sleep(threshold=mark, measured=True, epochs=1, learning_rate=1e-3)
    slept = {reply["id"]: reply["salience"] for reply in cycle.replies}
    assert slept == {id: pytest.approx(value) for id, value in measured.items() if value >= mark}
    assert (cycle.measured, cycle.weights) == (True, dict.fromkeys(FACTORS, 1.0))


def test_a_night_by_measured_salience_measures_what_has_none_and_weighs_it(brain, open_gates):
    from sleepcon.salience import Weights

    one = brain()
    one.remember([ORLO, BIX])
    weights = Weights(surprise=0, novelty=0, arousal=0, reward=0, conflict=2)
    scores = one.score(list(one.memory.all()))
    cycle = one.sleep(threshold=0.0, measured=True, weights=weights, epochs=1, learning_rate=1e-3)
    assert [reply["salience"] for reply in cycle.replies] == [pytest.approx(score.conflict.value) for score in scores]
    assert cycle.weights["conflict"] == 2
