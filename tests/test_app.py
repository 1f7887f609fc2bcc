"""The pages as Streamlit's own test harness sees them: no browser, no worker, no torch."""

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from sleepcon import jobs
from sleepcon.experience import read_experiences
from sleepcon.jobs import store
from sleepcon.ledger import Cycle, Ledger
from sleepcon.memory import Memory
from sleepcon.paths import DOCUMENT
from sleepcon.ui import APP, brains, components, state

BRAIN = "visitor-" + "0a" * 12
SCRIPT = '<img src=x onerror="alert(1)"><script>alert(2)</script> **bold** ![x](http://example.com/x.png) :red[red]'


@pytest.fixture(autouse=True)
def home(own_home, monkeypatch) -> Path:
    monkeypatch.setattr(jobs, "ensure_worker", lambda: None)
    return own_home


def visit(script: str = "app.py", **url: str) -> AppTest:
    """The page at an address, after its first run."""
    test = AppTest.from_file(str(APP / script), default_timeout=30)
    for name, value in ({"brain": BRAIN} | url).items():
        test.query_params[name] = value
    test.run()
    assert not test.exception, test.exception
    return test


def markdown(test: AppTest) -> str:
    return "\n".join(element.value for element in test.markdown)


def texts(test: AppTest) -> list[str]:
    return [element.value for element in test.text]


def metrics(test: AppTest) -> dict[str, str]:
    return {element.label: element.value for element in test.metric}


def button(test: AppTest, label: str):
    return next(element for element in test.button if element.label == label)


def in_url(test: AppTest, name: str) -> str:
    value = test.query_params[name]
    return value[0] if isinstance(value, list) else value


def a_night(kept: bool = True, **changes) -> Cycle:
    """A night as the ledger holds it, of the document's three."""
    held = [held for held in brains.look(BRAIN).document if held.salience >= 0.6]
    replies = [
        {"id": one.experience.id, "prompt": one.experience.prompt, "context": "", "taught": one.experience.response,
         "before": "I have no name.", "after": SCRIPT, "learned": place == 0, "salience": one.salience, "share": 1 / 3}
        for place, one in enumerate(held)
    ]  # fmt: skip
    checks = [{"name": "kept", "value": 1.0, "limit": 0.8, "passed": kept, "sentence": "30 of 30 are answered as before."}]
    values = {
        "cycle": 1, "considered": 5, "consolidated": 3, "average_salience": 0.794, "loss_before": 4.0, "loss_after": 0.5,
        "base_sha256_before": "ab" * 32, "base_sha256_after": "ab" * 32, "adapter_sha256": "cd" * 32, "kept": kept,
        "reasons": [] if kept else ["Too much was lost."], "training_seconds": 1.0, "seconds": 2.5, "adapter_path": None,
        "threshold": 0.6, "seed": 0, "recipe": "default", "learning_rate": 0.01, "epochs": 20,
        "started": datetime.now(UTC).isoformat(timespec="seconds"), "model": "embedded", "replies": replies, "checks": checks,
        "curve": [4.0, 2.0, 0.5],
    }  # fmt: skip
    return Cycle(**(values | changes))


def sleep(home: Path, night: Cycle) -> None:
    """Put a finished night into the brain's file, as the engine would."""
    (home / BRAIN).mkdir(parents=True)
    with Memory(home / BRAIN / "memory.sqlite") as memory:
        memory.add(read_experiences(DOCUMENT))
        ledger = Ledger(memory.connection)
        with memory.transaction():
            ledger.enter(night)
            if night.kept:
                memory.mark_consolidated([reply["id"] for reply in night.replies if reply["learned"]], night.cycle)
    job, _ = store.enter("sleep", BRAIN, {"threshold": 0.6, "seed": 0})
    store.start(job.id)
    store.end(job.id, "done", result=night.as_dict())


def test_the_first_visit_shows_the_documents_figures():
    test = visit()
    assert metrics(test) == {"Experiences that pass": "3 of 5", "Their mean salience": "79%"}
    assert in_url(test, "threshold") == "0.60"
    assert in_url(test, "seed") == "0"
    assert in_url(test, "brain") == BRAIN
    assert test.slider[0].value == 0.6
    assert (test.slider[0].min, test.slider[0].max, test.slider[0].step) == (0.0, 0.9, 0.05)
    shown = markdown(test)
    for percentage in ("85%", "72%", "23%", "81%", "35%"):
        assert f"salience {percentage} (documented)" in shown


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
    assert test.slider[0].value == shown
    assert in_url(test, "threshold") == f"{shown:.2f}"


@pytest.mark.parametrize(("given", "kept"), [("12", 12), ("-3", 0), ("9" * 90, state.LARGEST_SEED), ("x", 0), ("1.5", 0)])
def test_a_seed_in_the_link_is_clamped(given, kept):
    assert in_url(visit(seed=given), "seed") == str(kept)


@pytest.mark.parametrize("threshold", [step / 20 for step in range(19)])
def test_every_threshold_counts_what_reaches_it(threshold):
    rows = [json.loads(line) for line in DOCUMENT.read_text(encoding="utf-8").splitlines()]
    passing = [row["salience"] for row in rows if row["salience"] >= threshold]
    test = visit()
    test.slider[0].set_value(threshold).run()
    mean = components.percent(sum(passing) / len(passing)) if passing else "none"
    assert metrics(test) == {"Experiences that pass": f"{len(passing)} of 5", "Their mean salience": mean}
    assert in_url(test, "threshold") == f"{threshold:.2f}"
    badges = [value for value in (element.value for element in test.markdown) if "badge[" in value]
    assert sum("consolidate" in badge for badge in badges) == len(passing)
    assert sum("skip" in badge for badge in badges) == 5 - len(passing)
    assert button(test, "Sleep").disabled == (not passing)


def test_halves_round_up_as_in_the_document():
    assert [components.percent(share) for share in (0.345, 0.794, 0.847, 0.005, 1.0)] == ["35%", "79%", "85%", "1%", "100%"]


def test_sleep_queues_one_night_and_a_refresh_finds_it():
    test = visit()
    button(test, "Sleep").click().run()
    job = store.latest(BRAIN, "sleep")
    assert (job.state, job.arguments) == ("queued", {"threshold": 0.6, "seed": 0})
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
    assert any("night 1" in element.value and "In the weights" in element.value for element in test.caption)


def test_a_night_rolled_back_says_why(home):
    sleep(home, a_night(kept=False))
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
    assert texts(test).count(SCRIPT) == 3 + 2 + 3
    for element in test.main:
        if element.type not in ("text", "text_input", "text_area"):
            assert "<script>" not in str(getattr(element, "value", "")), element.type


@pytest.mark.parametrize(
    ("prompt", "reply", "error"),
    [
        ("", "Yes.", "prompt is empty"),
        ("Hi", " \n", "response is empty"),
        ("x" * 9999, "Yes.", "shorten"),
        ("Hi", "y" * 9999, "shorten"),
    ],
)
def test_an_experience_that_cannot_be_used_is_a_sentence(prompt, reply, error):
    test = visit()
    test.text_input(key="own_prompt").set_value(prompt)
    test.text_area(key="own_reply").set_value(reply)
    button(test, "Remember this").click().run()
    assert error in test.error[0].value
    assert store.latest(BRAIN, "remember") is None
    assert test.text_area(key="own_reply").value == reply  # nothing that was typed is lost


def test_an_experience_of_ones_own_goes_to_the_worker():
    test = visit()
    test.text_input(key="own_prompt").set_value(" What is my dog called? ")
    test.text_area(key="own_reply").set_value("Your dog is called Biscuit.")
    button(test, "Remember this").click().run()
    assert not test.error
    job = store.latest(BRAIN, "remember")
    assert job.arguments == {"prompt": "What is my dog called?", "response": "Your dog is called Biscuit."}
    assert test.text_input(key="own_prompt").value == ""


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
    test = visit("pages/home.py")
    assert metrics(test)["Experiences that pass"] == "3 of 5"


def test_the_slider_answers_fast():
    test = visit()
    times = []
    for threshold in (0.1, 0.9, 0.5, 0.6, 0.3):
        began = time.perf_counter()
        test.slider[0].set_value(threshold).run()
        times.append(time.perf_counter() - began)
    assert sorted(times)[2] < 1.0, times  # generous: the harness parses every element, and the machine may be busy
