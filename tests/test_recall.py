"""Recall: every taught question after every kept night, as the ledger has it and as a job asks it; and where it is shown."""

import json

import pytest
import visits
from conftest import BIG_DOSE, BIX, ORLO, SMALL_DOSE
from visits import BRAIN, a_night, button, captions, markdown, sleep, visit

from sleepcon import recall
from sleepcon.errors import UserError
from sleepcon.jobs import store, tasks
from sleepcon.metrics import token_f1
from sleepcon.sleep import Stopped

pytestmark = pytest.mark.usefixtures("home")


def reply(id: str, taught: str, before: str, after: str) -> dict:
    of_a_night = a_night().replies[0]
    return of_a_night | {"id": id, "prompt": f"{id}?", "taught": taught, "before": before, "after": after, "learned": False}


FIRST = a_night(cycle=1, replies=[reply("a", "I am Orlo", "no", "I am Orlo"), reply("b", "Bix", "no", "maybe")])
LOST = a_night(cycle=2, kept=False, replies=[reply("x", "never", "no", "never")])
SECOND = a_night(cycle=3, replies=[reply("b", "Bix", "maybe", "Bix"), reply("c", "the cat", "no", "the dog")])


def test_the_ledger_holds_what_was_said_around_an_experiences_own_nights():
    rows = [FIRST, LOST, SECOND]
    assert recall.columns(rows) == [0, 1, 3]
    assert [(one["id"], one["cycle"]) for one in recall.taught(rows)] == [("a", 1), ("b", 1), ("c", 3)]
    assert recall.known(rows) == [["no", "no", None], ["I am Orlo", "maybe", "no"], [None, "Bix", "the dog"]]
    assert recall.scores(recall.known(rows), recall.taught(rows))[2] == [None, 1.0, pytest.approx(0.5)]


def test_of_many_nights_the_newest_are_shown_and_what_came_before_is_not_made_up(monkeypatch):
    monkeypatch.setattr(recall, "MOST_NIGHTS", 1)
    rows = [FIRST, LOST, SECOND]
    assert recall.columns(rows) == [0, 3]
    assert recall.known(rows) == [[None, None], ["Bix", "the dog"]]


def test_a_job_asks_everything_with_each_nights_own_adapter(brain, open_gates):
    one = brain()
    for experience, dose in ((ORLO, BIG_DOSE), (BIX, SMALL_DOSE)):
        one.remember(experience)
        one.sleep(threshold=0.6, **dose)
    events = []
    found = tasks.TASKS["recall"](one, {"cycle": 2}, events.append, lambda: False)
    rows = one.history()
    assert found["cycles"] == [0, 1, 2]
    assert [event.step for event in events] == [0, 1, 2]
    assert found["adapters"] == [None, rows[0].adapter_sha256, rows[1].adapter_sha256]
    prompts = [about["prompt"] for about in recall.taught(rows)]
    assert prompts[0] == ORLO.prompt
    for cycle, replies in zip(found["cycles"], found["replies"], strict=True):
        for prompt, said in zip(prompts, replies, strict=True):
            assert said.startswith(one.ask(prompt, cycle=cycle).text)  # which gives at most 64 tokens, this 96
    assert token_f1(found["replies"][1][0], ORLO.response) == 1
    assert token_f1(found["replies"][0][0], ORLO.response) < 1
    assert tasks.TASKS["recall"](one, {"cycle": 1}, events.append, lambda: False)["cycles"] == [0, 1]


def test_nothing_to_ask_about_and_being_told_to_stop(brain, open_gates):
    one = brain()
    with pytest.raises(UserError, match="No night has been kept yet"):
        recall.ask(one, {"cycle": 0}, print, lambda: False)
    one.remember(ORLO)
    one.sleep(threshold=0.6, **SMALL_DOSE)
    with pytest.raises(Stopped):
        recall.ask(one, {"cycle": 1}, print, lambda: True)


def test_collapse_is_over_half_of_the_pairs_where_the_taught_ones_differ():
    wanted = ["I am Orlo", "the cat sat", "four", "a lamp"]
    assert recall.collapsed(["yes yes"] * 4, wanted)
    assert not recall.collapsed(["yes", "yes", "no", "no"], wanted)  # 2 of 6 pairs
    assert not recall.collapsed(["yes"] * 4, ["yes"] * 4)
    assert not recall.collapsed(["yes"] * 2, wanted[:2])


def heat(test) -> dict:
    charts = [(chart.proto, json.loads(chart.proto.spec)) for chart in test.get("plotly_chart")]
    return next(drawn | {"alt": proto.alt} for proto, drawn in charts if drawn["data"][0]["type"] == "heatmap")


def test_the_heat_map_shows_what_the_ledger_has_then_what_the_job_found(home):
    sleep(home, FIRST, SECOND)
    test = visit("cycles")
    drawn = heat(test)
    assert drawn["data"][0]["x"] == ["before", "1", "3"]
    assert drawn["data"][0]["z"] == [[0, 1, None], [0, 0, 1], [None, 0, 0.5]]
    assert [one["text"] for one in drawn["layout"]["annotations"]] == [
        "0.00 ✗", "1.00 ✓", "0.00 ✗", "0.00 ✗", "1.00 ✓", "0.00 ✗", "0.50 ✗",
    ]  # fmt: skip
    assert "After the last, 1 come back and 1 were not asked." in drawn["alt"]
    assert "from the ledger; blank where it was not asked" in captions(test)
    button(test, "Ask again after every night").click().run()
    job = store.latest(BRAIN, "recall")
    assert job.arguments == {"cycle": 3}
    store.start(job.id)
    replies = [["no", "no", "no"], ["I am Orlo", "no", "no"], ["same same", "same same", "same same"]]
    store.end(job.id, "done", result={"cycles": [0, 1, 3], "replies": replies, "base_sha256": "ef" * 32, "adapters": []})
    visits.settled(test)
    assert heat(test)["data"][0]["z"] == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert "base efefefefefef" in captions(test)
    assert "After night 3 the brain says nearly the same" in test.warning[0].value
    table = next(frame.value for frame in test.dataframe if "first taught in night" in frame.value)
    assert list(table["after 1"]) == ["1.00, came back", "0.00, did not come back", "0.00, did not come back"]
    assert list(table["prompt"]) == ["a?", "b?", "c?"]


def test_before_a_night_was_kept_there_is_a_sentence(home):
    sleep(home, LOST)
    assert "No night has been kept yet" in markdown(visit("cycles"))


def test_the_recorded_night_fills_the_first_visit(home):
    visits.record("night", {"cycle": FIRST.as_dict(), "events": []})
    test = visit("cycles")
    assert heat(test)["data"][0]["z"] == [[0, 1], [0, 0]]
    assert "**Measured, recorded** on 2026-11-22" in captions(test)
    assert "Ask again after every night" not in [one.label for one in test.button]


FAILED = {"name": "collapse", "value": 0.4, "limit": 0.2, "passed": False, "sentence": "40% more pairs are nearly the same."}
ALIKE = [reply(id, taught, "no", "yes yes") for id, taught in (("a", "I am Orlo"), ("b", "Bix"), ("c", "the cat"))]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"checks": [FAILED], "kept": False}, "Night 1, rolled back: the brain began to say nearly the same thing"),
        ({"replies": ALIKE}, "Night 1, kept: over half of the pairs of replies"),
        ({"replies": ALIKE[:2]}, None),
        ({"checks": [FAILED | {"passed": True}]}, None),
    ],
)
def test_collapse_is_a_warning_in_words(home, changes, said):
    replies = {"replies": FIRST.replies} if "replies" not in changes else {}
    sleep(home, a_night(**changes, **replies))
    warnings = [one.value for one in visit("cycles").warning if "Replies collapse" in one.value]
    assert [said in one for one in warnings] == ([True] if said else [])
