"""A night again without one of its experiences: the same night but for it, and the brain as it was."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import BIG_DOSE, BIX, DULL, ORLO, state

from sleepcon import leave_out, night
from sleepcon.adapter import file_sha256
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.jobs import store, tasks
from sleepcon.sleep import Stopped
from sleepcon.ui import brains, own
from sleepcon.ui.filtering import Filter

DOSE = {"epochs": 60, "learning_rate": 0.05}
DOSE = {"epochs": 6, "learning_rate": 0.01}
CAT = Experience("Cat?", "Mimi", salience=0.8)


@pytest.fixture
def slept(brain, open_gates):
    """A brain with two nights: the first took one experience, the second two more (and the first, which did not come back)."""
    one = brain()
    one.remember([BIX])
    one.sleep(threshold=0.6, seed=3, **DOSE)
    one.remember([CAT, ORLO, DULL])
    assert one.sleep(threshold=0.6, seed=4, **DOSE).consolidated == 3
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


def test_what_is_left_out_is_not_learned_and_the_rest_is(brain, open_gates):
    one = brain()
    one.remember([BIX, ORLO])
    row = one.sleep(threshold=0.6, seed=4, **BIG_DOSE)
    result = leave_out.again(one, 1, row.replies[0]["id"])
    out = result["left_out"]
    assert (out["prompt"], out["taught"], out["with_it"]) == (BIX.prompt, BIX.response, row.replies[0]["after"])
    assert out["learned_with_it"]
    assert not out["learned_without"]
    assert out["loss_without"] > out["loss_with_it"] + 0.3
    tokens = row.replies[0]["tokens"]
    assert out["loss_before"] == pytest.approx(-sum(token[1] for token in tokens) / len(tokens))
    (other,) = result["others"]
    assert (other["prompt"], other["learned_without"]) == (ORLO.prompt, True)
    assert result["loss_after"] == pytest.approx(other["loss_without"], rel=0.01)  # the weighted mean of one is itself
    assert (result["cycle"], result["seed"], result["base_sha256"]) == (1, 4, one.base.sha256)


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


def test_the_jobs_of_the_pages_do_what_they_say(own_home, tiny_folder, monkeypatch, open_gates):
    """A file taken in, all measured, a night by measured salience, and that night without one: as the pages ask for them."""
    monkeypatch.setenv("SLEEPCON_MODEL", str(tiny_folder))
    file = own.read_upload(b'{"prompt": "Cat?", "response": "Mimi"}', "day.jsonl", 5)

    def run(kind: str, arguments: dict) -> dict:
        job, _ = store.enter(kind, "a", arguments)
        tasks.run_job(job.id, own_home)
        ended = store.read(job.id)
        assert ended.state == "done", ended.message
        return ended.result

    assert run("take_in", {"experiences": file}) == {"new": 1, "duplicates": 0}
    assert run("take_in", {"experiences": file}) == {"new": 0, "duplicates": 1}
    rows = run("score", {})["rows"]
    assert len(rows) == 6
    view, chosen = brains.look("a"), Filter(0.0, True, (1.0, 1.0, 0.0, 1.0, 1.0))
    assert [held.experience.response for held in view.own] == ["Mimi"]
    threshold = chosen.salience(chosen.ordered(view)[3])  # all but two of the six pass
    chosen = replace(chosen, threshold=threshold)
    cycle = run("sleep", chosen.arguments(seed=1))
    slept = {reply["id"]: reply["salience"] for reply in cycle["replies"]}
    assert slept == {held.experience.id: pytest.approx(chosen.salience(held)) for held in chosen.passing(view)}
    assert len(slept) == 4
    first = cycle["replies"][0]["id"]
    assert run("without", {"cycle": 1, "id": first})["left_out"]["id"] == first
