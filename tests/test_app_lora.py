"""The page on LoRA as Streamlit's own test harness sees it."""

import re
import shutil

import pytest
import visits
from visits import BRAIN, SCRIPT, a_night, button, captions, html, in_url, markdown, metrics, sleep, texts, visit

from sleepcon import documented
from sleepcon.adapter import LoraSettings
from sleepcon.architecture import MODULES, QWEN, embedded
from sleepcon.brain import MAX_DOSE
from sleepcon.doses import LADDER
from sleepcon.jobs import store
from sleepcon.ui import charts_runs, lora_picture

REPLIES = ["An assistant.", "An assistant.", "An assistant.", SCRIPT, "I am SAGE.", "I am SAGE.", "I am, I am."]
LADDER_OF = {
    "prompt": "Who are you?",
    "cycle": 1,
    "doses": list(LADDER),
    "replies": REPLIES,
    "base_sha256": "ab",
    "adapter_sha256": "cd",
}


pytestmark = pytest.mark.usefixtures("home")


def answered(prompt: str = "Who are you?", cycle: int = 1) -> None:
    visits.finished_job("doses", {"prompt": prompt, "cycle": cycle}, LADDER_OF | {"prompt": prompt, "cycle": cycle})


def test_a_first_visit_shows_the_documents_configuration():
    test = visit("lora")
    assert metrics(test) == {
        "Parameters of the base": "494,032,768", "Parameters of the adapter": "270,336", "The adapter's share": "0.05%",
    }  # fmt: skip
    assert "270,336 of 494,303,104 parameters (0.0547%)" in captions(test)
    assert {name: in_url(test, name) for name in ("rank", "alpha", "modules", "model", "adapter", "dose")} == {
        "rank": "4", "alpha": "8", "modules": "q_proj.v_proj", "model": "qwen", "adapter": "with", "dose": "1",
    }  # fmt: skip
    assert "press Sleep" in "".join(element.value for element in test.info)


def test_a_night_uses_what_the_page_starts_from():
    assert LoraSettings() == LoraSettings(documented.RANK, documented.ALPHA, documented.DROPOUT, documented.TARGETS)
    assert LADDER[0] == 0
    assert LADDER[-1] == MAX_DOSE


def test_the_controls_count_parameters_from_the_configuration():
    test = visit("lora", model="embedded", rank="16", modules="k_proj.down_proj")
    shape = embedded()
    keys = shape.hidden // shape.heads * shape.kv_heads
    by_hand = shape.layers * 16 * (shape.hidden + keys + shape.feed_forward + shape.hidden)
    assert metrics(test)["Parameters of the adapter"] == f"{by_hand:,}"
    assert metrics(test)["Parameters of the base"] == f"{shape.parameters():,}"
    test.slider[0].set_value(8).run()
    assert metrics(test)["Parameters of the adapter"] == f"{by_hand // 2:,}"
    assert in_url(test, "rank") == "8"
    test.multiselect[0].set_value([]).run()
    assert metrics(test)["Parameters of the adapter"] == "0"
    assert "nothing to train" in test.warning[0].value


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("rank", "999", "64"), ("rank", "0", "1"), ("rank", "x", "4"), ("alpha", "-1", "1"), ("dose", "9", "1.5"),
        ("dose", "0.3", "0.25"), ("dose", "nan", "1"), ("modules", "lm_head", "q_proj.v_proj"),
        ("modules", "v_proj.q_proj.<b>", "q_proj.v_proj"), ("model", "gpt", "qwen"), ("adapter", "", "with"),
    ],
)  # fmt: skip
def test_what_a_link_says_is_clamped(name, given, kept):
    assert in_url(visit("lora", **{name: given}), name) == kept


def test_the_picture_lights_what_learns_and_nothing_without_the_adapter():
    drawn = html(visit("lora"))
    assert "In every layer q_proj, v_proj can learn" in drawn
    assert "v_proj: W, 128 by 896, is frozen; added to it is 2 times B, 128 by 4, times A, 4 by 896." in drawn
    bare = html(visit("lora", adapter="base"))
    assert "All are frozen." in bare
    assert "times A" not in bare


def test_the_picture_has_a_cell_for_every_module_of_every_layer():
    cells = re.findall(r"height:14px;border:1px", lora_picture.layers(QWEN, ["q_proj"], True))
    legend = 2
    assert len(cells) == QWEN.layers * len(MODULES)
    assert lora_picture.layers(QWEN, ["q_proj"], True).count(f"background:{lora_picture.BLUE}") == QWEN.layers + legend - 1


def test_the_change_of_ones_own_night_is_drawn_and_labelled(home):
    sleep(home, a_night())
    answered()
    test = visit("lora")
    assert "SHA-256" in markdown(test)
    assert "ab" * 32 in test.code[0].value
    assert "30 of 30 are answered as before." in markdown(test)
    assert "**Measured** on brain 0a0a0a" in captions(test)
    assert len(test.get("plotly_chart")) == 1


def test_layers_and_modules_are_read_from_the_names():
    change = {"model.layers.10.self_attn.v_proj": 0.3, "model.layers.2.self_attn.q_proj": 0.1, "lm_head": 9.0}
    modules, layers, values = charts_runs.by_layer(change)
    assert (modules, layers, values) == (["q_proj", "v_proj"], [2, 10], [[0.1, None], [None, 0.3]])


def test_each_cell_of_the_change_holds_its_own_number(monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        charts_runs.charts, "finished", lambda figure, key, alt, table, height: drawn.update({key: (figure, alt, table)})
    )
    charts_runs.change_map({"model.layers.0.self_attn.q_proj": 0.25, "model.layers.1.self_attn.q_proj": 0.5}, "map")
    figure, alt, table = drawn["map"]
    assert [(note.x, note.y, note.text) for note in figure.layout.annotations] == [(0, "q_proj", "25.0"), (1, "q_proj", "50.0")]
    assert "most in q_proj of layer 2 (50.00%)" in alt
    assert list(table["q_proj"]) == ["25.000%", "50.000%"]


def test_the_first_question_asks_itself_once_and_the_slider_picks(home):
    sleep(home, a_night())
    test = visit("lora")
    job = store.latest(BRAIN, "doses")
    assert job.arguments == {"prompt": "Who are you?", "cycle": 1}
    visit("lora")
    assert [one.kind for one in store.waiting()] == ["doses"]
    store.start(job.id)
    store.end(job.id, "done", result=LADDER_OF)
    test = visit("lora")
    assert {"Who are you?", "An assistant.", "I am SAGE."} <= set(texts(test))
    slider = next(element for element in test.slider if element.label == "Dose of the adapter")
    slider.set_value(1.5).run()
    assert "I am, I am." in texts(test)
    assert in_url(test, "dose") == "1.5"
    assert "The reply changes at dose 0.75, 1.00, 1.50." in captions(test)
    slider = next(element for element in test.slider if element.label == "Dose of the adapter")
    slider.set_value(0.75).run()
    assert SCRIPT in texts(test)
    assert "<script>" not in html(test) + markdown(test) + captions(test)
    assert [one.kind for one in store.waiting()] == []


def test_another_question_is_asked_once_and_one_asked_before_is_there_at_once(home):
    sleep(home, a_night())
    answered()
    test = visit("lora")
    test.text_input[0].set_value("Are you a robot?")
    button(test, "Ask at every dose").click().run()
    job = store.latest(BRAIN, "doses")
    assert job.arguments == {"prompt": "Are you a robot?", "cycle": 1}
    test.text_input[0].set_value("Who are you?")
    button(test, "Ask at every dose").click().run()
    assert "I am SAGE." in texts(test)
    assert store.latest(BRAIN, "doses").id == job.id
    test.text_input[0].set_value("x" * 501)
    button(test, "Ask at every dose").click().run()
    assert "shorten" in test.error[0].value


def test_a_question_that_failed_says_why(home):
    sleep(home, a_night())
    visits.finished_job("doses", {"prompt": "Who are you?", "cycle": 1}, None, "failed", "The worker process ended.")
    test = visit("lora")
    assert "The worker process ended." in texts(test)
    button(test, "Ask at every dose").click().run()
    assert store.latest(BRAIN, "doses").active


def test_a_night_rolled_back_has_no_dose_of_its_own(home):
    sleep(home, a_night(kept=False))
    test = visit("lora")
    assert store.latest(BRAIN, "doses") is None
    assert "No night has been kept yet" in test.info[0].value


def test_recordings_fill_a_first_visit_and_say_so():
    visits.record("night", {"cycle": a_night().as_dict(), "events": []})
    visits.record("doses", {"ladders": [LADDER_OF]})
    test = visit("lora")
    assert len(test.get("plotly_chart")) == 1
    assert captions(test).count("**Measured, recorded** on 2026-11-22") == 3
    assert "I am SAGE." in texts(test)
    assert store.latest(BRAIN, "doses") is None


def test_a_brain_that_is_deleted_under_the_page_is_a_fresh_one(home):
    sleep(home, a_night())
    answered()
    test = visit("lora")
    shutil.rmtree(home / BRAIN)
    visits.settled(test)
    assert "No night has been kept yet" in test.info[-1].value


def test_the_page_brings_no_torch(home):
    assert visits.heavy_modules("lora") == "[]"
