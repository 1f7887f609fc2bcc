"""The page of open questions as Streamlit's own test harness sees it, and what it reads from a study's result."""

import json
import re
from dataclasses import replace

import pytest
import visits
from visits import BRAIN, button, captions, markdown, visit

from sleepcon import jobs, studies
from sleepcon.documented import QUESTIONS
from sleepcon.jobs import store
from sleepcon.studies import results
from sleepcon.ui import APP, arm_names, charts_doses, study_results
from sleepcon.ui.questions import FURTHER, PROTOCOLS
from sleepcon.ui.shell import PAGES

NAMES = [one.study for one in (*PROTOCOLS, *FURTHER)]


@pytest.fixture(autouse=True)
def no_worker(own_home, monkeypatch, tmp_path):
    monkeypatch.setattr(jobs, "ensure_worker", lambda: None)
    monkeypatch.setattr(studies, "RECORDED", tmp_path / "recorded")
    studies.load_summary.cache_clear()
    yield
    studies.load_summary.cache_clear()


def made(name: str, values: dict[str, list[float | None]]) -> dict:
    """A summary of runs with these main figures, by arm and seed."""
    study = studies.find(name)
    figure = next(iter(study.figures))
    runs = [
        {"arm": arm, "seed": seed, "figures": {figure: value}, "seconds": 2.0, "model": "embedded", "base_sha256": "ab" * 32,
         "program": "cd" * 32, "nights": []}
        for arm, column in values.items() for seed, value in enumerate(column)
    ]  # fmt: skip
    return results.summary(replace(study, arms=tuple(study.arm(arm) for arm in values)), runs)


def ship(name: str, values: dict[str, list[float | None]]) -> dict:
    found = made(name, values)
    studies.RECORDED.mkdir(exist_ok=True)
    (studies.RECORDED / f"{name}.json").write_text(json.dumps(found))
    studies.load_summary.cache_clear()
    return found


SHIFTED = {
    "nights": [0.5, 0.6, 0.7, 0.8, 0.9],
    "one_long": [1.6, 1.6, 1.8, 1.8, 2.0],  # each by 1.1, 1, 1.1, 1, 1.1 more
    "unrelated": [0.0, 0.2, 0.2, 0.4, 0.4],  # each less
    "sham": [0.6, 0.5, 0.8, 0.7, 0.9],  # by .1 up or down
}


def test_the_documents_five_are_there_in_its_words_and_order():
    assert [(one.study, one.question) for one in PROTOCOLS] == list(QUESTIONS)
    test = visit("questions")
    assert [one.value for one in test.header][:5] == [f"{place}. {text}" for place, (_, text) in enumerate(QUESTIONS, 1)]


def test_each_says_what_it_stated_in_advance_and_its_limits():
    shown = markdown(visit("questions"))
    for name in NAMES:
        study = studies.find(name)
        assert study.hypothesis in shown
        assert study.probes in shown
        assert study.stop_rule in shown
        assert all(arm.sentence in shown for arm in study.arms)


def test_what_has_not_been_run_is_said():
    test = visit("questions")
    assert "None of these studies has been run yet" in test.info[0].value
    assert markdown(test).count("not run yet") == len(NAMES)
    assert not test.get("plotly_chart")


def test_each_leads_to_a_page_that_exists():
    test = visit("questions")
    known = dict(PAGES)
    assert all(one.tries for one in PROTOCOLS)
    for one in (one for protocol in PROTOCOLS for one in protocol.tries):
        assert one.label == known[one.page]
        assert (APP / "pages" / f"{one.page}.py").exists()
    links = [element.proto.page for element in test.get("page_link")]
    assert links == [one.page for protocol in PROTOCOLS for one in protocol.tries]


def test_a_shipped_result_has_its_chart_reading_limits_and_source():
    found = ship("cycles", SHIFTED)
    test = visit("questions")
    assert not test.info
    assert markdown(test).count("not run yet") == len(NAMES) - 1
    shown = markdown(test)
    assert "- **one long night**: higher than several nights by 1.060 (95% interval +" in shown
    assert "- **unrelated text**: lower than several nights by 0.460 (95% interval -" in shown
    assert "- **sham sleep**: no difference from several nights seen beyond its interval of -" in shown
    said = next(one.value for one in test.markdown if one.value.startswith("**Result.** Cycles: first night from which on"))
    assert "The control, **several nights**: 0.700 [" in said
    assert said.endswith("Higher: one long night. Lower: unrelated text. No difference seen: sham sleep.")
    assert PROTOCOLS[0].limits in shown
    assert f"**Measured, recorded** on {found['made']}, base abababababab, seeds 0, 1, 2, 3, 4" in captions(test)
    (chart,) = test.get("plotly_chart")
    drawn = json.loads(chart.proto.spec)
    (trace,) = drawn["data"]
    low, high = (found["arms"]["one_long"]["cycles"][end] for end in ("low", "high"))
    at = trace["y"].index("one long night")
    assert trace["x"][at] == pytest.approx(1.76)
    assert trace["x"][at] - trace["error_x"]["arrayminus"][at] == pytest.approx(low)
    assert trace["x"][at] + trace["error_x"]["array"][at] == pytest.approx(high)
    assert trace["y"][0] == "several nights (control)"
    (fold,) = [one for one in test.expander if any("Arm by arm" in text.value for text in one.markdown)]
    assert [table.value.columns[0] for table in fold.dataframe] == ["arm", "arm"]
    assert fold.dataframe[0].value.query("arm == 'one long night'")["mean"].item() == pytest.approx(1.76)
    assert "one long night 1.760 [" in chart.proto.alt


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ({"mean": 0.0, "low": 0.0, "high": 0.0, "n": 5}, "the same as sleep at each of 5 seeds"),
        (
            {"mean": 0.2, "low": 0.0, "high": 0.4, "n": 5},
            "no difference from sleep seen beyond its interval of +0.000 to +0.400",
        ),
        (
            {"mean": -0.2, "low": -0.4, "high": -0.1, "n": 5},
            "lower than sleep by 0.200 (95% interval -0.400 to -0.100, 5 seeds)",
        ),
        ({"mean": 0.2, "low": None, "high": None, "n": 1}, "+0.200 against sleep, 1 seed, so without an interval"),
        ({"mean": None, "low": None, "high": None, "n": 0}, "cannot be compared with sleep"),
    ],
)
def test_the_words_follow_from_the_interval(difference, words):
    assert words in study_results.compared("no_rehearsal", difference, "sleep")


def test_a_figure_that_no_seed_has_and_too_few_seeds_are_said():
    found = made("cycles", {"nights": [0.5, 0.6], "sham": [None, None]})
    overall, (sentence,) = study_results.reading(found)
    assert "The control, **several nights**: 0.550 [" in overall
    assert "no seed has a figure of both" in sentence
    assert study_results.caveats(found) == ["2 seeds of the 5 that the study plans: an observation, not an answer."]
    assert study_results.caveats(found | {"failed": 1})[1].startswith("1 of 4 runs did not come to their end")
    ship("cycles", {"nights": [0.5, 0.6], "sham": [None, None]})
    assert len(visit("questions").get("plotly_chart")) == 1


def test_the_small_version_is_a_job_of_its_own_and_is_shown_beside_the_shipped_one():
    ship("timing", {"session": [0.5, 0.6], "end": [0.4, 0.5]})
    test = visit("questions")
    assert len([one for one in test.button if one.label == "Run the small version"]) == len(NAMES)
    place = NAMES.index("timing")
    [one for one in test.button if one.label == "Run the small version"][place].click().run()
    job = store.latest(BRAIN, "study")
    assert (job.arguments, job.active) == ({"name": "timing"}, True)
    assert len([one for one in test.button if one.label == "Run the small version"]) == len(NAMES) - 1
    store.start(job.id)
    store.note(job.id, 0, {"stage": "study", "message": "timing: end, seed 0, 3 s.", "seconds": 3.0, "step": 1, "steps": 2})
    assert "after the last session: seed 0, 3 s." in visits.settled(test).get("progress")[0].proto.text
    store.end(job.id, "done", result=made("timing", {"session": [0.75], "end": [0.25]}))
    visits.settled(test)
    (chart,) = test.get("plotly_chart")
    names = {trace["name"]: trace["x"] for trace in json.loads(chart.proto.spec)["data"]}
    assert names == {"shipped": pytest.approx([0.55, 0.45]), "small, this machine": [0.75, 0.25]}
    assert "-0.500 against after each session, 1 seed, so without an interval" in markdown(test)
    assert "**Measured** on this machine" in captions(test)
    assert markdown(test).count("not run yet") == len(NAMES) - 1


def test_a_small_version_that_failed_says_why_in_its_own_place():
    visits.finished_job("study", {"name": "dose"}, None, "failed", "The disk is full.")
    test = visit("questions")
    assert len(test.warning) == 1
    assert "The disk is full." in visits.texts(test)
    assert button(test, "Run the small version")


def test_the_worker_runs_the_small_version(monkeypatch):
    from sleepcon.jobs import tasks
    from sleepcon.studies import runner

    asked = []
    monkeypatch.setattr(runner, "small", lambda *given: asked.append(given) or {"arms": {}, "runs": [1], "files": {}})
    assert tasks.TASKS["study"](None, {"name": "dose"}, print, None) == {"arms": {}}
    assert asked == [(None, {"name": "dose"}, print, None)]


def test_neither_torch_nor_scipy():
    assert visits.heavy_modules("questions", "scipy", "joblib") == "[]"


def test_every_arm_has_a_title_of_its_own_without_underscores_or_settings_left_out():
    for name in NAMES:
        called = arm_names.titles(studies.find(name).describe())
        assert len(set(called.values())) == len(called)
        assert not any("_" in title for title in called.values())
    assert (
        arm_names.titles(studies.find("dose").describe())["rate_0.25_epochs_0.5"]
        == "0.25\u00a0×\u00a0rate, 0.5\u00a0×\u00a0epochs"
    )
    assert arm_names.titles(studies.find("creativity").describe())["dose_0"] == "0\u00a0×\u00a0rate"
    shown = markdown(visit("questions")) + captions(visit("questions"))
    assert not [arm.name for name in NAMES for arm in studies.find(name).arms if "_" in arm.name and arm.name in shown]


def doses(name: str, figures: dict[str, float], seeds: int = 3) -> dict:
    """A summary of all arms of a study: each of ``figures`` of an arm rises by .01 with the arm's place, .001 with the seed."""
    study = studies.find(name)
    runs = [
        {"arm": arm.name, "seed": seed, "seconds": 2.0, "model": "embedded", "base_sha256": "ab" * 32, "program": "cd" * 32,
         "nights": [], "figures": {figure: start + 0.01 * place + 0.001 * seed for figure, start in figures.items()}}
        for place, arm in enumerate(study.arms) for seed in range(seeds)
    ]  # fmt: skip
    return results.summary(study, runs)


def shipped_chart(name: str, found: dict) -> tuple[dict, str]:
    """The dose-response chart of a shipped result and its text alternative."""
    studies.RECORDED.mkdir(exist_ok=True)
    (studies.RECORDED / f"{name}.json").write_text(json.dumps(found))
    studies.load_summary.cache_clear()
    (chart,) = visit("questions").get("plotly_chart")  # it holds what a chart of the arms would
    return json.loads(chart.proto.spec), chart.proto.alt


def test_a_dose_has_a_line_for_each_rate_over_epochs_with_intervals():
    found = doses("dose", {"learned": 0.2, "unchanged": 0.5})
    drawn, alt = shipped_chart("dose", found)
    assert [trace["name"] for trace in drawn["data"]] == [
        f"{rate}\u00a0×\u00a0rate" for rate in ("0.25", "0.5", "1", "2") for _ in "ab"
    ]
    assert drawn["layout"]["xaxis2"]["ticktext"] == ["0.5", "1", "2"]
    learned, unchanged = drawn["data"][2:4]  # half the rate: the study's arms 3 to 5
    assert learned["y"] == pytest.approx([0.231, 0.241, 0.251])
    assert unchanged["y"] == pytest.approx([0.531, 0.541, 0.551])
    assert [round(place) for place in learned["x"]] == [0, 1, 2]
    number = found["arms"]["rate_0.5_epochs_1"]["learned"]
    assert learned["y"][1] + learned["error_y"]["array"][1] == pytest.approx(number["high"])
    assert learned["y"][1] - learned["error_y"]["arrayminus"][1] == pytest.approx(number["low"])
    assert "learned, 0.5\u00a0×\u00a0rate: 0.231 [" in alt
    assert "**Below it in the chart.** Unchanged: share of unrelated prompts" in markdown(visit("questions"))


def test_creativity_is_drawn_against_the_dose_and_unrelated_text_stands_alone():
    found = doses("creativity", {"distinct_2": 0.6, "collapsed": 0.1})
    found["arms"]["dose_4"]["distinct_2"] |= {"mean": None, "low": None, "high": None, "n": 0}  # too few words to count
    drawn, _ = shipped_chart("creativity", found)
    distinct, collapsed, other, _ = drawn["data"]
    assert drawn["layout"]["xaxis2"]["ticktext"] == ["0", "0.25", "0.5", "1", "2", "4"]
    assert distinct["y"] == pytest.approx([0.601, 0.611, 0.621, 0.631, 0.641])
    assert len(collapsed["y"]) == 6
    assert (other["name"], other["mode"], round(other["x"][0])) == ("unrelated text", "markers", 3)
    assert other["y"] == pytest.approx([0.661])


def test_beside_a_small_version_doses_have_the_chart_of_arms_too():
    shipped_chart("dose", doses("dose", {"learned": 0.2, "unchanged": 0.5}))
    visits.finished_job("study", {"name": "dose"}, made("dose", {"rate_0.25_epochs_0.5": [0.1], "rate_1_epochs_1": [0.8]}))
    response, arms = visit("questions").get("plotly_chart")
    assert len(json.loads(response.proto.spec)["data"]) == 8
    assert [trace["name"] for trace in json.loads(arms.proto.spec)["data"]] == ["shipped", "small, this machine"]


def test_the_words_of_a_figure_stand_alone():
    for study in map(studies.find, studies.NAMES):
        found = {"study": study.describe()}
        for figure in study.figures:
            words = study_results.meaning(found, figure)
            assert not re.search(r": the same,|\bthose pairs\b", words), f"{study.name}: {words}"
    learned = study_results.meaning({"study": studies.find("controls").describe()}, "learned")
    assert learned.startswith("Learned: share of the experiences whose taught reply")


def test_a_single_dose_of_each_line_is_no_response():
    found = made("dose", {"rate_0.25_epochs_0.5": [0.1], "rate_1_epochs_1": [0.8]})
    assert charts_doses.lines(found) == {}
    assert charts_doses.lines(made("cycles", SHIFTED)) == {}
