"""A night again without one of its experiences: the same night but for it, and the brain as it was."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import BIX, DULL, ORLO, state

from sleepcon import leave_out, night
from sleepcon.adapter import file_sha256
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.sleep import Stopped

DOSE = {"epochs": 60, "learning_rate": 0.05}
CAT = Experience("Cat?", "Mimi", salience=0.8)


@pytest.fixture
def slept(brain, open_gates):
    """A brain with two nights: the first taught one experience, the second two more."""
    one = brain()
    one.remember([BIX])
    assert one.sleep(threshold=0.6, seed=3, **DOSE).replies[0]["learned"]
    one.remember([CAT, ORLO, DULL])
    assert one.sleep(threshold=0.6, seed=4, **DOSE).consolidated == 2
    return one


def ids(brain, cycle: int) -> list[str]:
    return [reply["id"] for reply in brain.history()[cycle - 1].replies]


def test_with_nothing_left_out_it_is_the_night_itself_bit_for_bit(slept):
    """What makes the comparison one: the copy differs from the brain before that night in nothing."""
    row = slept.history()[1]
    nobody = {**row.replies[0], "id": "nobody"}
    with leave_out.copy_before(slept, 2) as copy:
        run = leave_out.run_again(copy, row, nobody, night.Clock(None, None))
    assert run.slept.adapter_sha256 == row.adapter_sha256
    assert run.slept.trained.curve == row.curve
    assert run.slept.replies_after.taught == [reply["after"] for reply in row.replies]
    assert (run.reply, run.kept) == (row.replies[0]["after"], row.kept)


def test_what_is_left_out_is_not_learned_and_the_rest_is(slept):
    row = slept.history()[1]
    cat, orlo = ids(slept, 2)
    result = leave_out.again(slept, 2, cat)
    out = result["left_out"]
    assert (out["id"], out["prompt"], out["taught"]) == (cat, CAT.prompt, CAT.response)
    assert out["with_it"] == row.replies[0]["after"]
    assert out["learned_with_it"]
    assert not out["learned_without"]
    assert out["loss_without"] > out["loss_with_it"] + 1
    assert out["loss_before"] == pytest.approx(-sum(token[1] for token in row.replies[0]["tokens"]) / 5)
    (other,) = result["others"]
    assert other["id"] == orlo
    assert other["learned_without"]
    assert result["loss_after"] == pytest.approx(other["loss_without"], rel=0.05)  # the others' weighted mean is its own
    assert (result["cycle"], result["seed"], result["base_sha256"]) == (2, 4, slept.base.sha256)


def test_the_brain_is_only_read(slept):
    before = state(slept)
    folders = set(Path(tempfile.gettempdir()).glob("sleepcon-*"))
    leave_out.again(slept, 2, ids(slept, 2)[0])
    assert state(slept) == before
    assert set(Path(tempfile.gettempdir()).glob("sleepcon-*")) == folders


def test_the_copy_wears_what_the_brain_wore_before_that_night(slept):
    with leave_out.copy_before(slept, 2) as copy:
        assert file_sha256(copy.adapter_after(None)) == slept.history()[0].adapter_sha256
        assert copy.history() == slept.history()[:1]
        assert copy.ask("Name?").text == slept.ask("Name?", cycle=1).text
    with leave_out.copy_before(slept, 1) as copy:
        assert copy.adapter_after(None) is None


def test_a_day_of_three_taught_by_one_night(brain, open_gates):
    one = brain()
    one.remember([BIX, CAT, ORLO])
    one.sleep(threshold=0.6, **DOSE)
    result = leave_out.again(one, 1, ids(one, 1)[1])
    assert [other["prompt"] for other in result["others"]] == [BIX.prompt, ORLO.prompt]


def test_what_cannot_be_left_out_is_a_sentence(slept):
    for cycle, id, words in [
        (9, "x", "had no night 9"),
        (2, "x", "Night 2 did not have this experience"),
        (1, ids(slept, 1)[0], "the only experience of its night"),
    ]:
        with pytest.raises(UserError, match=words):
            leave_out.again(slept, cycle, id)


def test_it_reports_its_steps_and_can_be_stopped(slept):
    events = []
    leave_out.again(slept, 2, ids(slept, 2)[0], on_event=events.append)
    assert [event.stage for event in events if event.stage != "train"] == ["select", "dream", "dream", "wake", "wake", "done"]
    assert sum(event.stage == "train" for event in events) == DOSE["epochs"]
    before = state(slept)
    steps = iter(range(100))
    with pytest.raises(Stopped):
        leave_out.again(slept, 2, ids(slept, 2)[0], should_stop=lambda: next(steps) > 10)
    assert state(slept) == before


def test_a_row_of_an_old_ledger_has_no_losses(slept):
    row = slept.history()[1]
    reply = {name: value for name, value in row.replies[0].items() if name != "tokens"}
    assert leave_out.mean_loss(reply, 1) is None
    assert replace(row, replies=[reply]).replies[0]["learned"] == reply["learned"]
