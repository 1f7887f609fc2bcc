"""The frame and the first page as Streamlit's own test harness sees them: no browser, no worker, no torch."""

import json
import re
import shutil
import time

import pytest
import visits
from filelock import FileLock
from streamlit.testing.v1 import AppTest
from visits import BRAIN, SCRIPT, a_night, button, captions, in_url, markdown, metrics, sleep, texts

from sleepcon import jobs
from sleepcon.jobs import store
from sleepcon.memory import Memory
from sleepcon.ui import APP, brains, components, ideas, shell, state

DOSE = {"threshold": 0.6, "seed": 0, "measured": False, "weights": dict.fromkeys(
    ("surprise", "novelty", "arousal", "reward", "conflict"), 1.0
)}  # fmt: skip
"""What a night is asked for when nothing has been changed."""


pytestmark = pytest.mark.usefixtures("home")


def visit(**url: str) -> AppTest:
    """The app at an address, after its first run: the first page in its frame."""
    test = AppTest.from_file(str(APP / "app.py"), default_timeout=60)
    for name, value in ({"brain": BRAIN} | url).items():
        test.query_params[name] = value
    return visits.settled(test)


def test_the_first_visit_shows_the_documents_figures():
    test = visit()
    assert metrics(test) == {"Experiences that pass": "3 of 5", "Their mean salience": "79%"}
    assert {name: in_url(test, name) for name in ("threshold", "seed", "brain", "salience", "weights")} == {
        "threshold": "0.60", "seed": "0", "brain": BRAIN, "salience": "documented", "weights": "1_1_1_1_1",
    }  # fmt: skip
    shown = [f"salience {percent} (documented)" in captions(test) for percent in ("85%", "81%", "72%", "35%", "23%")]
    assert shown == [True, True, True, False, False]
    assert texts(test)[:3] == ["What should I call you?", "Are you human?", "What is the capital of Zxyzzy?"]


def test_the_big_ideas_lead_to_their_pages():
    test = visit()
    assert [element.value for element in test.subheader] == [idea.heading for idea in ideas.IDEAS]
    assert [idea.page for idea in ideas.IDEAS] == ["cycles", "filter", "lora", "frozen"]
    assert all(f"**{idea.term}**" in markdown(test) for idea in ideas.IDEAS)
    links = [element.proto.label for element in test.get("page_link")]
    assert links[:4] == [dict(shell.PAGES)[idea.page] for idea in ideas.IDEAS]


def test_a_visitor_without_a_brain_in_the_link_gets_one_that_cannot_be_guessed():
    first, second = visit(brain="default"), visit(brain="../../etc")
    names = [in_url(test, "brain") for test in (first, second)]
    assert all(re.fullmatch(r"visitor-[0-9a-f]{24}", name) for name in names)
    assert names[0] != names[1]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("7", 0.9),
        ("-1", 0.0),
        ("abc", 0.6),
        ("nan", 0.6),
        ("inf", 0.9),
        ("0.63", 0.65),
        ("0.8", 0.8),
        ("9" * 99, 0.9),
        ("", 0.6),
    ],
)
def test_a_threshold_in_the_link_is_clamped(given, shown):
    test = visit(threshold=given)
    assert in_url(test, "threshold") == f"{shown:.2f}"


@pytest.mark.parametrize(("given", "kept"), [("12", 12), ("-3", 0), ("9" * 90, state.LARGEST_SEED), ("x", 0), ("1.5", 0)])
def test_a_seed_in_the_link_is_clamped(given, kept):
    assert in_url(visit(seed=given), "seed") == str(kept)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("2_0_0.5_1_1", "2_0_0.5_1_1"), ("9_-1_1_1_1", "2_0_1_1_1"), ("1_1", "1_1_1_1_1"), ("0_0_0_0_0", "1_1_1_1_1"),
     ("nan_1_1_1_1", "1_1_1_1_1"), ("x", "1_1_1_1_1"), ("inf_1_1_1_0.26", "2_1_1_1_0.3")],
)  # fmt: skip
def test_weights_in_the_link_are_clamped(given, kept):
    assert in_url(visit(weights=given), "weights") == kept


def test_a_source_of_salience_in_the_link_is_one_of_two():
    assert in_url(visit(salience="measured"), "salience") == "measured"
    assert in_url(visit(salience="<script>"), "salience") == "documented"


def test_a_night_sleeps_on_what_the_filter_of_the_link_passes():
    test = visit(threshold="0.3", seed="5", weights="1_0_0_0_2")
    assert metrics(test)["Experiences that pass"] == "4 of 5"
    button(test, "Sleep").click().run()
    asked = store.latest(BRAIN, "sleep").arguments
    assert (asked["threshold"], asked["seed"], asked["weights"]["novelty"], asked["weights"]["conflict"]) == (0.3, 5, 0, 2)


def test_nothing_passes_at_the_top_and_then_nothing_can_sleep():
    test = visit(threshold="0.9")
    assert metrics(test) == {"Experiences that pass": "0 of 5", "Their mean salience": "none"}
    assert button(test, "Sleep").disabled
    assert "Nothing reaches 0.90" in markdown(test)


def test_halves_round_up_as_in_the_document():
    assert [components.percent(share) for share in (0.345, 0.794, 0.847, 0.005, 1.0)] == ["35%", "79%", "85%", "1%", "100%"]


def test_sleep_queues_one_night_and_a_refresh_finds_it():
    test = visit()
    button(test, "Sleep").click().run()
    job = store.latest(BRAIN, "sleep")
    assert (job.state, job.arguments) == ("queued", DOSE)
    assert button(test, "Sleep").disabled
    again = visit()  # another tab, or a reload
    assert button(again, "Sleep").disabled
    assert len(store.waiting()) == 1
    button(again, "Cancel").click().run()
    assert store.read(job.id).state == "cancelled"
    assert "Cancelled before it began." in texts(again)
    assert not button(again, "Sleep").disabled


def test_a_running_night_shows_its_stage_and_its_loss():
    job, _ = store.enter("sleep", BRAIN, {"threshold": 0.6, "seed": 0})
    store.start(job.id)
    store.note(job.id, 0, {"stage": "select", "message": "3 of 5 pass.", "step": None, "steps": None, "loss": None})
    store.note(job.id, 1, {"stage": "train", "message": "Step 1 of 4: loss 3.000.", "step": 1, "steps": 4, "loss": 3.0})
    test = visit()
    assert ":material/check: Select" in markdown(test)
    assert "**Train**" in markdown(test)
    assert jobs.curve(job.id) == [(1, 3.0)]


def test_a_finished_night_is_shown_whole(home):
    night = a_night()
    sleep(home, night)
    test = visit()
    shown = markdown(test)
    assert test.success[0].value.startswith("Night 1 was **kept**")
    assert metrics(test)["Loss before"] == "4.000"
    assert metrics(test)["Loss after"] == "0.500"
    assert "30 of 30 are answered as before." in shown
    assert any(night.base_sha256_before in element.value for element in test.code)
    assert any("learning rate 0.01" in element.value and "seed 0" in element.value for element in test.caption)
    assert "I have no name." in texts(test)
    assert "2 exchanges wait for a night" in shown  # one of the three came back


def test_a_night_rolled_back_says_why(home):
    sleep(home, a_night(kept=False, reasons=["Too much was lost."]))
    test = visit()
    assert "rolled back" in test.warning[0].value
    assert "Too much was lost." in test.warning[0].value
    assert not button(test, "Sleep").disabled


def test_a_night_that_failed_says_why_and_shows_the_last_one(home):
    sleep(home, a_night(started="2020-01-01T00:00:00+00:00"))
    job, _ = store.enter("sleep", BRAIN, {"threshold": 0.6, "seed": 0})
    store.start(job.id)
    store.end(job.id, "failed", "The worker process ended.")
    test = visit()
    assert "The worker process ended." in texts(test)
    assert test.success[0].value.startswith("Night 1")


def test_words_of_people_and_brains_are_never_markup(home):
    sleep(home, a_night())
    with Memory(home / BRAIN / "memory.sqlite") as memory:
        memory.add([brains.Experience(SCRIPT, SCRIPT, salience=0.7)])
    job, _ = store.enter("ask", BRAIN, {"prompt": SCRIPT})
    store.start(job.id)
    store.end(job.id, "done", result={"prompt": SCRIPT, "before": SCRIPT, "now": SCRIPT, "cycle": 1, "adapter_sha256": None})
    test = visit()
    assert texts(test).count(SCRIPT) == 3 + 1 + 3
    for element in test.main:
        if element.type not in ("text", "text_input", "text_area"):
            assert "<script>" not in str(getattr(element, "value", "")), element.type


@pytest.mark.parametrize(("prompt", "error"), [("  ", "no question"), ("x" * 10_000, "shorten")])
def test_a_question_that_cannot_be_asked_is_a_sentence(prompt, error):
    test = visit()
    test.text_input(key="question").set_value(prompt)
    button(test, "Ask").click().run()
    assert error in test.error[0].value
    assert store.latest(BRAIN, "ask") is None


def test_a_question_goes_to_the_worker_and_its_answers_are_side_by_side():
    test = visit()
    test.text_input(key="question").set_value("Who are you?")
    button(test, "Ask").click().run()
    job = store.latest(BRAIN, "ask")
    assert job.arguments == {"prompt": "Who are you?"}
    store.start(job.id)
    store.end(
        job.id,
        "done",
        result={"prompt": "Who are you?", "before": "An assistant.", "now": "Orlo.", "cycle": 2, "adapter_sha256": "cd"},
    )
    test.run()
    assert {"An assistant.", "Orlo."} <= set(texts(test))


def test_start_over_keeps_the_seed_and_new_seed_keeps_the_brain():
    test = visit(seed="7", threshold="0.3")
    button(test, "Start over").click().run()
    other = in_url(test, "brain")
    assert other != BRAIN
    assert (in_url(test, "seed"), in_url(test, "threshold")) == ("7", "0.60")
    button(test, "New seed").click().run()
    assert in_url(test, "brain") == other
    assert in_url(test, "seed") != "7"


def test_two_visitors_see_their_own(home):
    sleep(home, a_night())
    other = visit(brain="visitor-" + "1b" * 12)
    assert not other.success
    assert SCRIPT not in texts(other)


def test_a_page_that_runs_past_the_app_frames_itself():
    assert metrics(visits.visit("home"))["Experiences that pass"] == "3 of 5"


def test_a_recorded_night_is_shown_until_the_brain_has_slept(home):
    visits.record("night", {"cycle": a_night().as_dict(), "events": []})
    test = visit()
    assert "I have no name." in texts(test)
    assert "**Measured, recorded** on 2026-11-22, embedded base efefefefefef, seed 7" in captions(test)
    sleep(home, a_night())
    assert "recorded" not in captions(visit())


def test_a_brain_that_is_deleted_under_the_page_is_a_new_one(home):
    sleep(home, a_night())
    test = visit()
    assert test.success
    shutil.rmtree(home / BRAIN)
    visits.settled(test)
    assert not test.success
    assert metrics(test)["Experiences that pass"] == "3 of 5"


def test_measured_salience_that_nobody_measured_cannot_be_slept_on():
    test = visit(salience="measured")
    assert metrics(test)["Experiences that pass"] == "0 of 5"
    assert button(test, "Sleep").disabled
    assert "not measured yet" in markdown(test)


def test_the_page_brings_no_torch():
    assert visits.heavy_modules("home") == "[]"


def test_the_first_page_answers_fast():
    test = visit()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        test.run()
        times.append(time.perf_counter() - began)
    assert sorted(times)[2] < 1.0, times  # generous: the harness parses every element, and the machine may be busy


def test_a_night_that_a_crash_ended_is_told_until_it_is_cleared_up_and_not_while_it_goes_on(home):
    sleep(home, a_night())
    assert not visit().warning
    mark = home / BRAIN / "asleep.json"
    mark.write_text(json.dumps({"cycle": 2}))
    assert visit().warning[0].value == "The last night did not come to its end."
    assert "Night 2 did not end. The brain is as it was after night 1." in texts(visit())
    with FileLock(home / BRAIN / "lock", is_singleton=False):
        assert brains.look(BRAIN).notice == ""
    mark.write_text(json.dumps({"cycle": 1}))  # the crash came after the ledger's row
    assert brains.look(BRAIN).notice == ""


def test_what_is_in_the_weights_already_does_not_sleep_tonight(home):
    assert "reach the threshold sleep tonight" in markdown(visit())
    sleep(home, a_night())  # of the three, one was learned
    test = visit()
    assert "reach the threshold sleep tonight" in markdown(test)
    assert captions(test).count("in the weights since night 1") == 1
    sleep(home, a_night(cycle=2, replies=[reply | {"learned": True} for reply in a_night().replies]))
    test = visit()
    assert "reach the threshold are in the weights already" in markdown(test)
    assert captions(test).count("in the weights since night 2") == 2
