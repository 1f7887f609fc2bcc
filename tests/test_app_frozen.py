"""The page on the frozen problem as Streamlit's own test harness sees it."""

import json

import pytest
import visits
from visits import BRAIN, SCRIPT, button, captions, html, in_url, markdown, texts, visit

from sleepcon import documented
from sleepcon.frozen import intervals
from sleepcon.jobs import store
from sleepcon.ui import charts_frozen, frozen_results

NIGHT = {"kept": True, "learned": 3, "experiences": 3, "loss_before": 4.0, "loss_after": 0.5, "learning_rate": 0.006,
         "epochs": 80, "seconds": 1.0, "adapter_sha256": "cd", "dreamt": []}  # fmt: skip
PROBES = [{"prompt": "Who are you?", "key": ["sage"], "kind": "name"}]
NEAR = [{"prompt": "Are horses people?", "key": ["sage"], "kind": ""}]


pytestmark = pytest.mark.usefixtures("home")


def study(none, sham, slept, spared=1.0, kept=True, seeds=(0,), left_out=()) -> dict:
    """The result of a study: the same scores at every seed."""

    def course(arm: str, seed: int, scores: list[float]) -> dict:
        session = {"hits": [True], "spared": [True], "replies": [SCRIPT], "others": ["No."]}
        return {
            "arm": arm, "seed": seed, "answered": scores, "left_out": list(left_out),
            "spared": [1.0, 1.0, 1.0, spared if arm == "sleep" else 1.0],
            "night": None if arm == "none" else NIGHT | {"kept": kept},
            "sessions": [session | {"session": number, "context": 25 - number} for number in (22, 23, 24, 25)],
        }  # fmt: skip

    scores = {"none": none, "sham": sham, "sleep": slept}
    return {
        "seeds": list(seeds), "numbers": [22, 23, 24, 25], "base_sha256": "ab" * 32, "seconds": 9.0, "probes": PROBES,
        "neighbours": NEAR, "courses": [course(arm, seed, scores[arm]) for seed in seeds for arm in scores],
    }  # fmt: skip


FADING = [0.8, 0.4, 0.0, 0.0]
HELD = study(FADING, FADING, [0.8, 0.8, 0.7, 0.7])


@pytest.mark.parametrize(
    ("none", "slept", "verdict"),
    [
        (FADING, [0.8, 0.8, 0.8, 0.65], "held"),
        (FADING, [0.8, 0.8, 0.8, 0.63], "partly"),
        (FADING, [0.8, 0.8, 0.8, 0.09], "did not hold"),
        (FADING, FADING, "did not hold"),
        ([0.8, 0.8, 0.8, 0.41], [0.8] * 4, "nothing faded"),
        ([0.2, 0.0, 0.0, 0.0], [0.2, 0.9, 0.9, 0.9], "no peak"),
    ],
)
def test_the_verdict_follows_from_the_numbers(none, slept, verdict):
    result = study(none, none, slept)
    assert frozen_results.verdict(result) == verdict
    assert frozen_results.percent(none[0]) in frozen_results.reading(result)[0]


def test_sham_sleep_counts_as_no_sleep():
    assert frozen_results.verdict(study(FADING, [0.8, 0.8, 0.8, 0.7], [0.8] * 4)) == "nothing faded"


def test_the_reading_says_what_limits_it():
    said = " ".join(frozen_results.reading(HELD))
    assert said.startswith("Sleep held: 80%")
    assert "session 25, 70% after sleep, 0% without sleep and 0% after sham sleep" in said
    assert "one seed" in said
    assert "100% were spared after sleep, 100% without" in said
    said = " ".join(frozen_results.reading(study(FADING, FADING, [0.8] * 4, spared=0.5, kept=False, seeds=(3, 4))))
    assert "one seed" not in said
    assert "from +80 to +80 points" in said
    assert "50% of these were spared, 100% without sleep" in said
    assert "rolled the night back at 2 of 2 seeds" in said
    assert "1 of the 1 probes" in " ".join(frozen_results.reading(study(FADING, FADING, FADING, left_out=["Who are you?"])))


def test_a_first_visit_shows_what_is_documented_and_claims_nothing():
    test = visit("frozen")
    assert "Nothing has been measured yet" in test.info[0].value
    assert len(test.get("plotly_chart")) == 3
    for reason in documented.SESSIONS_SETTLE_NOTHING:
        assert reason in markdown(test)
    assert "**Illustrative.**" in captions(test)
    assert "hypothesis" in markdown(test)
    assert "What this run says" not in [element.value for element in test.subheader]


def test_the_charts_hold_the_documents_figures(monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        charts_frozen.charts, "finished", lambda figure, key, alt, table, height: drawn.update({key: (alt, table)})
    )
    charts_frozen.bars(documented.BARS_WITHOUT, "without", "without sleep")
    charts_frozen.bars(documented.BARS_WITH, "with", "with sleep")
    charts_frozen.published(documented.SESSIONS)
    charts_frozen.measured(study(FADING, FADING, [0.8, 0.8, 0.7, 0.7], seeds=(1,)), "ours")
    assert list(drawn["without"][1]["level"]) == ["80%", "60%", "40%", "25%"]
    assert list(drawn["with"][1]["level"]) == ["80%", "sleep", "75%", "sleep", "80%"]
    assert "not measured" in drawn["with"][0]
    assert list(drawn["published"][1]["identity score"]) == [0.847, 0.623, 0.62, 0.6]
    assert list(drawn["published"][1]["partnership words (%)"]) == [4.75, 2.47, 4.53, 5.04]
    assert list(drawn["ours"][1]["session 25"]) == ["0%", "0%", "70%"]
    assert "Sleep 80%, 80%, 70%, 70%" in drawn["ours"][0]


def test_several_seeds_have_the_interval_of_their_mean_as_a_bar_in_words_and_in_the_table():
    result = study(FADING, FADING, FADING, seeds=(1, 2))
    for course, last in zip((one for one in result["courses"] if one["arm"] == "sleep"), (0.2, 0.6), strict=True):
        course["answered"] = [0.8, 0.8, 0.7, last]
    visits.record("sessions", result | {"intervals": intervals(result["courses"])})
    test = visit("frozen")
    chart = test.get("plotly_chart")[3]
    drawn = json.loads(chart.proto.spec)["data"]
    assert len(drawn) == 9
    (mean,) = [trace for trace in drawn if trace.get("name") == "Sleep, mean"]
    assert mean["y"][-1] == pytest.approx(0.4)
    assert mean["y"][-1] + mean["error_y"]["array"][-1] == pytest.approx(0.6)  # of two seeds: from the one to the other
    assert mean["y"][-1] - mean["error_y"]["arrayminus"][-1] == pytest.approx(0.2)
    assert mean["error_y"]["array"][:3] == [0, 0, 0]
    assert "Sleep 80% [80%, 80%], 80% [80%, 80%], 70% [70%, 70%], 40% [20%, 60%]" in chart.proto.alt
    table = next(one.value for one in test.dataframe if "session 25" in one.value.columns)
    assert list(table.query("arm == 'Sleep'")["session 25"]) == ["20%", "60%", "40% [20%, 60%]"]
    assert "on average +40 (95% interval +20 to +60)" in markdown(test)
    assert "95% bootstrap interval" in captions(test)
    visits.record("sessions", result)
    test = visit("frozen")
    assert "interval" not in captions(test) + test.get("plotly_chart")[3].proto.alt


def test_a_recorded_run_fills_the_first_visit_and_says_so():
    visits.record("sessions", HELD)
    test = visit("frozen")
    assert "**Sleep held: 80%" in markdown(test)
    assert "**Measured, recorded** on 2026-11-22" in captions(test)
    assert len(test.get("plotly_chart")) == 4


def test_ones_own_run_replaces_the_recorded_one_and_its_replies_are_a_table():
    visits.record("sessions", HELD)
    visits.finished_job("sessions", {"seeds": [5]}, study(FADING, FADING, FADING, seeds=(5,)))
    test = visit("frozen")
    assert "**Sleep did not hold: 80%" in markdown(test)
    assert "**Measured** on brain 0a0a0a" in captions(test)
    assert "recorded" not in captions(test)
    assert list(test.dataframe[-2].value["Sleep"]) == [f"✓ {SCRIPT}"]
    assert "<script>" not in html(test) + markdown(test) + captions(test)


def test_a_run_is_queued_once_followed_and_cancelled():
    test = visit("frozen", seed="7", seeds="3")
    button(test, "Run the sessions").click().run()
    job = store.latest(BRAIN, "sessions")
    assert job.arguments == {"seeds": [7, 8, 9]}
    assert button(test, "Run the sessions").disabled
    again = visit("frozen", seed="7", seeds="3")
    assert button(again, "Run the sessions").disabled
    assert len(store.waiting()) == 1
    store.start(job.id)
    store.note(job.id, 0, {"stage": "train", "message": "Sleep, seed 7: Step 1 of 4.", "step": 40, "steps": 100})
    assert "Sleep, seed 7" in json.dumps([element.proto.text for element in visit("frozen").get("progress")])
    button(again, "Cancel").click().run()
    assert store.must_stop(job.id)
    store.end(job.id, "cancelled", "Cancelled. The brain is as it was.")
    test = visit("frozen")
    assert "Cancelled. The brain is as it was." in texts(test)
    assert not button(test, "Run the sessions").disabled


@pytest.mark.parametrize(("given", "kept"), [("99", "5"), ("0", "1"), ("x", "1"), ("2", "2")])
def test_the_number_of_seeds_in_a_link_is_clamped(given, kept):
    assert in_url(visit("frozen", seeds=given), "seeds") == kept


def test_a_run_that_failed_leaves_the_one_before_it():
    visits.finished_job("sessions", {"seeds": [0]}, HELD)
    visits.finished_job("sessions", {"seeds": [1]}, None, "failed", "The worker process ended.")
    test = visit("frozen")
    assert "The worker process ended." in texts(test)
    assert "**Sleep held: 80%" in markdown(test)


def test_the_page_brings_no_torch(home):
    assert visits.heavy_modules("frozen") == "[]"
