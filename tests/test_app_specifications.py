"""The page of technical specifications as Streamlit's own test harness sees it."""

import pytest
import visits
from visits import BRAIN, a_night, button, captions, in_url, markdown, metrics, sleep, texts, visit

from sleepcon import documented
from sleepcon.architecture import QWEN
from sleepcon.jobs import store
from sleepcon.ui import specifications

FACTS = {
    "base": {"name": "embedded", "sha256": "ab" * 32, "parameters": 5_000_000, "layers": 6, "hidden": 256, "vocabulary": 4096,
             "type": "float32", "products": "bfloat16"},
    "lora": {"rank": 4, "alpha": 8, "dropout": 0.05, "targets": ["q_proj", "v_proj"], "task": "CAUSAL_LM", "modules": 12,
             "parameters": 20_000},
    "files": {"adapter_config.json": 1_000, "adapter_model.safetensors": 81_000},
    "worn": {"cycle": 2, "rank": 8, "parameters": 40_000, "files": {"adapter_model.safetensors": 1_600_000}},
    "scaled": [{"scale": 1.0, "change": 0.004}, {"scale": 0.5, "change": 0.00398}, {"scale": 0.1, "change": 0.0038}],
    "versions": {"torch": "2.13.0", "transformers": "5.1", "peft": "0.21", "streamlit": "1.67"},
    "machine": {"python": "3.11.7", "processor": "A <b>fast</b> one", "processors": 2, "threads": 1, "device": "cpu"},
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("home")


def tables(test) -> str:
    return "\n".join(element.value.to_csv(sep="|") for element in test.table)


def test_a_first_visit_has_the_documents_side():
    test = visit("specifications")
    config, loss, ours = (element.value for element in test.code)
    for part in ("r=4", "lora_alpha=8", '"q_proj", "v_proj"', "lora_dropout=0.05", "TaskType.CAUSAL_LM"):
        assert part in config
    assert "loss * experience['salience']" in loss
    assert "w.sum()" in ours
    assert "20 seconds" in captions(test)
    assert "5 MB" in captions(test)
    assert "press the button" in test.info[0].value


def test_the_documents_figures_follow_from_its_architecture():
    assert QWEN.parameters() == documented.BASE_PARAMETERS == 494_032_768
    assert QWEN.adapter_parameters(documented.RANK, documented.TARGETS) == documented.ADAPTER_PARAMETERS == 270_336
    rows = {what: said for what, said, _ in specifications.size_rows(FACTS)}
    assert rows["share of the adapter"] == f"{QWEN.adapter_share(4, documented.TARGETS):.2%}" == "0.05%"
    assert rows["weights of the adapter on disk"] == f"{documented.ADAPTER_PARAMETERS * 4 / 1e6:.1f} MB"  # float32


def test_what_is_measured_stands_beside_it(home):
    visits.finished_job("specifications", {}, FACTS)
    sleep(home, a_night(seconds=12.34, training_seconds=4.0))
    test = visit("specifications")
    shown = tables(test)
    for row in (
        "rank r|4|4", "modules|q_proj, v_proj|q_proj, v_proj", "parameters of the base|494,032,768|5,000,000",
        "parameters of one night's adapter|270,336|20,000", "share of the adapter|0.05%|0.40%",
        "weights of the adapter on disk|1.1 MB|81 kB", "checkpoint on disk|about 5 MB|82 kB",
        "seconds per cycle|about 20|12.3", "of these in training|not given|4.0", "training steps|not given|20",
        "one step|not given|200 ms", "times 0.5|0.00398|99.5%", "times 0.1|0.0038|95.0%", "torch|2.13.0",
        "processor|A <b>fast</b> one", '"processors, threads in use"|2, 1', "a night's products of matrices|bfloat16",
    ):  # fmt: skip
        assert row.replace('"', "") in shown.replace('"', ""), row
    assert "adapter of rank 8 with 40,000 parameters, 1.6 MB on disk" in markdown(test)
    assert "**Measured** on brain 0a0a0a" in captions(test)


def test_the_weighted_mean_follows_the_sliders():
    test = visit("specifications", loss1="4", loss2="2", salience1="0.75", salience2="0.25")
    assert metrics(test) == {"Weighted mean": "3.500", "Plain mean": "3.000"}
    assert "weights are 75% and 25%" in markdown(test)
    assert "descend 3.000 and 0.500" in markdown(test)
    test.slider(key="widget_salience2").set_value(0.75).run()
    assert metrics(test)["Weighted mean"] == "3.000"
    assert in_url(test, "salience2") == "0.75"
    test = visit("specifications", salience1="0", salience2="0", loss1="99", loss2="nan")
    assert metrics(test) == {"Weighted mean": "6.000", "Plain mean": "6.000"}


def test_a_common_factor_of_the_saliences_does_not_change_the_mean():
    whole, half = specifications.weighted((4.0, 1.0), (0.8, 0.4)), specifications.weighted((4.0, 1.0), (0.4, 0.2))
    assert whole.mean == pytest.approx(half.mean) == pytest.approx(3.0)
    assert half.steps == pytest.approx([value / 2 for value in whole.steps])


def test_parts_of_salience_and_gradient_are_those_of_the_ledger(home):
    night = a_night()
    for place, reply in enumerate(night.replies):
        reply |= {"share": (0.5, 0.3, 0.2)[place], "salience": (0.8, 0.4, 0.8)[place], "prompt": "<b>hm</b>"}
    sleep(home, night)
    test = visit("specifications")
    (chart,) = test.get("plotly_chart")
    assert "exchange 1: 0.40 part of salience, 0.50 part of gradient" in chart.proto.alt
    assert "exchange 2: 0.20 part of salience, 0.30 part of gradient" in chart.proto.alt
    assert "The largest salience is 2.00 times the smallest; the largest gradient is 2.50 times" in markdown(test)
    assert texts(test).count("<b>hm</b>") == 3


def test_an_old_night_without_steps_or_shares_is_no_error(home):
    night = a_night(curve=[])
    for reply in night.replies:
        reply["share"] = 0.0
    sleep(home, night)
    test = visit("specifications")
    assert "no night yet" in test.info[-1].value
    assert "one step|not given|none" in tables(test)


def test_the_button_starts_one_measurement():
    test = visit("specifications")
    button(test, "Measure this installation").click().run()
    assert store.latest(BRAIN, "specifications").state == "queued"
    button(test, "Cancel").click().run()
    assert "Cancelled before it began." in texts(test)


def test_a_recorded_run_fills_the_first_visit_and_says_so():
    visits.record("specifications", {"facts": FACTS, "cycle": a_night(seconds=99.9).as_dict()})
    test = visit("specifications")
    assert "seconds per cycle|about 20|99.9" in tables(test)
    assert captions(test).count("**Measured, recorded**") >= 5
    assert "**Measured** on" not in captions(test)


def test_no_torch():
    assert visits.heavy_modules("specifications") == "[]"
