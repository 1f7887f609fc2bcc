"""The live demo as Streamlit's own test harness sees it."""

import json
import time

import pytest
import visits
from visits import BRAIN, SCRIPT, a_night, button, captions, in_url, markdown, metrics, settled, sleep, texts, visit

from sleepcon.experience import Experience, with_ids
from sleepcon.jobs import store
from sleepcon.memory import Memory
from sleepcon.ui import brains, demo, filtering

FACTORS = {
    name: {"value": value, "evidence": "because", "estimated": False}
    for name, value in zip(filtering.FACTORS, (0.9, 0.8, 0.5, 0.7, 0.6), strict=True)
}


pytestmark = pytest.mark.usefixtures("home")


def said(prompt: str = "Who are you?", reply: str = "I am an assistant.") -> None:
    """An exchange that has been answered and scored."""
    result = {"prompt": prompt, "reply": reply, "factors": FACTORS if reply else {}, "earlier": 0, "cycle": 0}
    visits.finished_job("say", {"prompt": prompt, "earlier": []}, result)
    time.sleep(0.01)  # the order of jobs is that of their times


def test_a_first_visit_has_three_steps_and_a_link_for_presenters():
    test = visit("demo")
    assert [one.value for one in test.header] == ["1. Wake", "2. Sleep", "3. Wake again"]
    link = test.code[0].value
    assert "present=1" in link
    assert "threshold=0.60" in link
    assert "brain" not in link
    assert "3 exchanges wait for a night" in markdown(test)
    assert not button(test, "Sleep").disabled


def test_what_is_said_goes_to_the_worker_with_the_talk_so_far():
    for place in range(6):
        said(f"Number {place}?", f"Yes, {place}.")
    test = visit("demo")
    test.text_input(key="say").set_value("  And you? ")
    button(test, "Say").click().run()
    job = store.latest(BRAIN, "say")
    assert job.arguments["prompt"] == "And you?"
    assert job.arguments["earlier"] == [[f"Number {place}?", f"Yes, {place}."] for place in (2, 3, 4, 5)]
    assert "And you?" in texts(test)
    assert test.text_input(key="say").value == ""


@pytest.mark.parametrize(("prompt", "error"), [(" ", "nothing to say"), ("x" * 501, "shorten")])
def test_what_cannot_be_said_is_a_sentence(prompt, error):
    test = visit("demo")
    test.text_input(key="say").set_value(prompt)
    button(test, "Say").click().run()
    assert error in test.error[0].value
    assert store.latest(BRAIN, "say") is None


def test_an_exchange_shows_its_salience_against_the_threshold():
    said(SCRIPT, SCRIPT)
    test = visit("demo", threshold="0.7")
    assert "Salience **70%** (measured)" in markdown(test)
    assert markdown(test).count("consolidate") == 1
    assert texts(test).count(SCRIPT) == 2
    weighed = visit("demo", threshold="0.7", weights="0_0_1_0_0")
    assert "Salience **50%** (measured)" in markdown(weighed)
    assert "<script>" not in markdown(test) + captions(test)


def test_an_exchange_is_remembered_as_it_was_or_as_it_should_have_been():
    said()
    test = visit("demo")
    button(test, "Remember this exchange").click().run()
    assert store.latest(BRAIN, "remember").arguments == {"prompt": "Who are you?", "response": "I am an assistant."}
    test.text_area[0].set_value(" I am Orlo. ")
    button(test, "Remember this reply").click().run()
    wanted = {"prompt": "Who are you?", "response": "I am Orlo.", "feedback": 1.0}
    assert store.latest(BRAIN, "remember").arguments == wanted
    test.text_area[0].set_value(" I am Bix. ")
    test.checkbox[0].set_value(False)
    button(test, "Remember this reply").click().run()
    assert "feedback" not in store.latest(BRAIN, "remember").arguments


def test_no_reply_to_teach_is_a_sentence():
    said()
    test = visit("demo")
    button(test, "Remember this reply").click().run()
    assert "response is empty" in test.error[0].value
    assert store.latest(BRAIN, "remember") is None
    test.text_area[0].set_value("I am Orlo.")
    button(test, "Remember this reply").click().run()
    assert not test.error


def test_a_brain_that_is_full_says_so(home):
    said()
    (home / BRAIN).mkdir(parents=True)
    with Memory(home / BRAIN / "memory.sqlite") as memory:
        memory.add(with_ids(Experience(f"Number {place}?", "Yes.", salience=0.1) for place in range(brains.SHOWN)))
    test = visit("demo")
    button(test, "Remember this exchange").click().run()
    assert "start over for more" in test.error[0].value
    assert store.latest(BRAIN, "remember") is None


def test_what_is_in_memory_is_shown_under_its_question(home):
    said("What is my dog called?")
    (home / BRAIN).mkdir(parents=True)
    with Memory(home / BRAIN / "memory.sqlite") as memory:
        memory.add(with_ids([Experience("What is my dog called?", "Biscuit.", salience=0.7)]))
    test = visit("demo")
    assert "Biscuit." in texts(test)
    assert "In memory" in captions(test)
    assert "Salience **70%** (stated in your file)" in markdown(test)
    assert "4 exchanges wait" in markdown(test)


def test_a_brain_that_said_nothing_is_shown_and_cannot_be_remembered():
    said(reply="")
    test = visit("demo")
    assert "(no words)" in texts(test)
    assert button(test, "Remember this exchange").disabled


def test_after_the_night_the_context_is_fresh_and_both_replies_stand_side_by_side(home):
    said("Before the night?")
    sleep(home, a_night())
    test = visit("demo")
    assert "Night 1 was **kept**" in test.success[0].value
    assert "What was said before the night" in [one.label for one in test.expander]
    assert {"I have no name.", SCRIPT} <= set(texts(test))
    test.text_input(key="say").set_value("Hello")
    button(test, "Say").click().run()
    assert store.latest(BRAIN, "say").arguments["earlier"] == []
    test.text_input(key="question").set_value("Who are you?")
    button(test, "Ask").click().run()
    job = store.latest(BRAIN, "ask")
    store.start(job.id)
    answer = {"prompt": "Who are you?", "before": "An assistant.", "now": "I am SAGE.", "cycle": 1, "adapter_sha256": "cd"}
    store.end(job.id, "done", result=answer)
    settled(test)
    assert {"An assistant.", "I am SAGE."} <= set(texts(test))


def test_sleep_queues_one_night_of_what_passes():
    test = visit("demo", threshold="0.8", seed="9")
    button(test, "Sleep").click().run()
    job = store.latest(BRAIN, "sleep")
    assert (job.arguments["threshold"], job.arguments["seed"]) == (0.8, 9)
    assert button(test, "Sleep").disabled
    assert button(test, "Say").disabled
    again = visit("demo", threshold="0.8", seed="9")
    button(again, "Cancel").click().run()
    assert store.read(job.id).state == "cancelled"
    assert "did not come to its end" in again.warning[0].value
    assert "recorded" not in markdown(again)  # cancelled on purpose: nothing plays


def test_a_recorded_night_plays_when_a_live_one_failed(monkeypatch):
    events = [
        {"stage": "select", "message": "3 of 5 pass.", "step": None, "steps": None, "loss": None},
        {"stage": "train", "message": "Step 1 of 2.", "step": 1, "steps": 2, "loss": 3.0},
        {"stage": "train", "message": "Step 2 of 2.", "step": 2, "steps": 2, "loss": 1.0},
        {"stage": "done", "message": "Kept.", "step": None, "steps": None, "loss": None},
    ]
    visits.record("night", {"cycle": a_night().as_dict(), "events": events})
    visits.finished_job("sleep", {}, None, "failed", "The worker process cannot start.")
    test = visit("demo")
    assert "The worker process cannot start." in texts(test)
    assert "recorded" in markdown(test)
    assert "**Measured, recorded** on 2026-11-22" in captions(test)
    assert "The recorded brain sleeps." in markdown(test)
    monkeypatch.setattr(demo, "PLAY_SECONDS", 0.001)
    settled(test)
    assert "What the recorded brain said" in markdown(test)
    assert "I have no name." in texts(test)
    monkeypatch.setattr(demo, "PLAY_SECONDS", 60.0)
    button(test, "Play it again").click().run()
    assert "The recorded brain sleeps." in markdown(test)


def test_a_night_that_a_crash_ended_is_told_above_the_last_finished_one(home):
    sleep(home, a_night())
    (home / BRAIN / "asleep.json").write_text(json.dumps({"cycle": 2}))
    test = visit("demo", present="1")
    assert test.warning[0].value == "The last night did not come to its end."
    assert "Night 2 did not end. The brain is as it was after night 1." in texts(test)
    assert "Night 1 was **kept**" in test.success[0].value


def test_a_failed_night_without_a_recording_is_a_sentence():
    visits.finished_job("sleep", {}, None, "failed", "The worker process cannot start.")
    test = visit("demo")
    assert "The worker process cannot start." in texts(test)
    assert "recorded" not in markdown(test)


@pytest.mark.parametrize("kind", ["say", "remember", "ask"])
def test_a_job_that_failed_says_why(home, kind):
    sleep(home, a_night())
    visits.finished_job(kind, {"prompt": "Hm"}, None, "failed", "It broke.")
    assert "It broke." in texts(visit("demo"))


@pytest.mark.parametrize(("given", "kept"), [("1", "1"), ("7", "1"), ("-1", "0"), ("x", "0")])
def test_the_presenters_view_hides_all_but_the_demo(given, kept):
    test = visit("demo", present=given)
    assert in_url(test, "present") == kept
    presenting = kept == "1"
    assert (not test.code) == presenting
    assert (not test.slider) == presenting
    assert [one.value for one in test.header] == ["1. Wake", "2. Sleep", "3. Wake again"]
    assert {one.label for one in test.button} >= {"Say", "Sleep", "Start over"}


def test_present_now_keeps_the_brain_and_start_over_does_not(home):
    test = visit("demo")
    button(test, "Present now").click().run()
    assert (in_url(test, "present"), in_url(test, "brain")) == ("1", BRAIN)
    assert metrics(test) == {}
    button(test, "Start over").click().run()
    assert in_url(test, "brain") != BRAIN
    assert in_url(test, "present") == "1"


def test_no_torch():
    assert visits.heavy_modules("demo") == "[]"
