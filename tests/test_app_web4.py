"""The page on Web4 trust as Streamlit's own test harness sees it."""

import pytest
import visits
from visits import BRAIN, SCRIPT, a_night, button, captions, in_url, markdown, sleep, texts, visit

from sleepcon import consistency
from sleepcon.jobs import store

pytestmark = pytest.mark.usefixtures("home")


def a_result(kept: bool = True) -> dict:
    """As the engine gives it: the fourth reply without sleep differs, and one after the night is a script."""
    asked = consistency.protocol()
    rows = []
    for group, question in asked.questions:
        without, after = ["I am Orlo."] * 3 + ["An assistant."] * 2, ["I am Orlo."] * 4 + [SCRIPT]
        rows.append({"group": group, "question": question})
        for arm, replies in (("without", without), ("with", after)):
            rows[-1][arm] = {"replies": replies, "consistency": consistency.pairwise_f1(replies)}
    night = {"kept": kept, "reasons": [], "seed": 4, "learning_rate": 0.006, "epochs": 80}
    names, contexts = [one.name for one in asked.sessions], [one.context for one in asked.sessions]
    return {"sessions": names, "contexts": contexts, "questions": rows, "groups": consistency.by_group(rows), "night": night}


def test_a_first_visit_has_the_three_terms_and_says_what_is_missing():
    test = visit("web4")
    assert [one.value for one in test.subheader] == [
        "Sleep = karma", "Identity persistence", "Trust accumulation", "What this is not",
    ]  # fmt: skip
    shown = markdown(test)
    assert shown.count("**In the document.**") == shown.count("**Here.**") == 3
    assert "not a measurement of trust between agents" in shown
    assert "press the button" in test.info[0].value


def test_the_button_starts_one_measurement_that_can_be_cancelled():
    test = visit("web4", seed="5")
    button(test, "Measure consistency").click().run()
    job = store.latest(BRAIN, "consistency")
    assert (job.state, job.arguments) == ("queued", {"seed": 5})
    again = visit("web4", seed="5")
    assert not [one for one in again.button if one.label == "Measure consistency"]
    assert len(store.waiting()) == 1
    button(again, "Cancel").click().run()
    assert "Cancelled before it began." in texts(again)
    assert store.read(job.id).state == "cancelled"


def test_a_result_is_shown_with_its_replies():
    visits.finished_job("consistency", {"seed": 4}, a_result())
    test = visit("web4", question="0")
    assert "**Measured** on a throw-away brain, seed 4, learning rate 0.006, 80 passes" in captions(test)
    assert "mean of 15 questions in 5 sessions" in captions(test)
    assert "Consistency of this question: 0.40 without sleep, 0.60 after a night." in markdown(test)
    assert texts(test).count("I am Orlo.") == 7
    assert SCRIPT in texts(test)
    assert "<script>" not in markdown(test) + captions(test)


def test_the_numbers_on_the_page_are_those_of_the_replies():
    result = a_result()
    visits.finished_job("consistency", {"seed": 4}, result)
    (chart,) = visit("web4").get("plotly_chart")
    for mean in result["groups"]:
        own = [row for row in result["questions"] if row["group"] == mean["group"]]
        for arm, words in (("without", "without sleep"), ("with", "after a night")):
            of_replies = sum(consistency.pairwise_f1(row[arm]["replies"]) for row in own) / len(own)
            assert f"{of_replies:.2f} {words}" in chart.proto.alt


def test_the_page_says_in_words_where_replies_agreed_more_and_where_less():
    values = {"identity": (0.75, 0.51), "clarify": (0.671, 0.672), "ordinary": (0.5, 0.92)}
    groups = [{"group": name, "without": without, "with": after} for name, (without, after) in values.items()]
    visits.finished_job("consistency", {"seed": 4}, a_result() | {"groups": groups})
    said = next(one.value for one in visit("web4").markdown if one.value.startswith("**After the night.**"))
    assert said.removeprefix("**After the night.** ") == (
        "More consistent: ordinary (0.50 without, 0.92 after). Less consistent: identity (0.75 without, 0.51 after). "
        "Equally consistent: clarify (0.67 without, 0.67 after)."
    )


@pytest.mark.parametrize(("given", "kept"), [("3", "3"), ("-2", "0"), ("99", "14"), ("x", "0")])
def test_a_question_in_the_link_is_clamped(given, kept):
    visits.finished_job("consistency", {"seed": 4}, a_result())
    test = visit("web4", question=given)
    assert test.selectbox[0].value == int(kept)
    assert in_url(visits.settled(test), "question") == kept


def test_a_night_rolled_back_and_a_failed_job_are_sentences():
    visits.finished_job("consistency", {"seed": 4}, a_result(kept=False))
    assert "rolled back" in visit("web4").warning[0].value
    visits.finished_job("consistency", {"seed": 4}, None, "failed", "The worker process ended.")
    test = visit("web4")
    assert "The worker process ended." in texts(test)
    assert "Consistency of this question" in markdown(test)  # the last good result stays


def test_a_recorded_run_fills_the_first_visit_and_says_so():
    visits.record("consistency", a_result())
    test = visit("web4")
    assert "**Measured, recorded** on 2026-11-22" in captions(test)
    assert "seed 7" in captions(test)
    visits.finished_job("consistency", {"seed": 4}, a_result())
    assert "recorded" not in captions(visit("web4"))


def test_a_brain_that_slept_shows_its_hashes(home):
    sleep(home, a_night())
    test = visit("web4")
    assert "cd" * 32 in test.code[0].value
    assert "after night 1" in captions(test)


def test_no_torch():
    assert visits.heavy_modules("web4") == "[]"
