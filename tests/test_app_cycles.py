"""The page on sleep cycles as Streamlit's own test harness sees it, and the files that it gives away."""

import csv
import io
import json
import shutil

import pytest
import visits
from conftest import BIX, ORLO
from visits import BRAIN, SCRIPT, a_night, button, captions, html, in_url, markdown, metrics, sleep, texts, visit

from sleepcon import documented
from sleepcon.controls import CONTROLS, Evening
from sleepcon.jobs import store
from sleepcon.ui import brains, charts_runs, components, control_box, filtering, ledger_files, token_change

pytestmark = pytest.mark.usefixtures("home")


def second(**changes):
    return a_night(cycle=2, seed=9, loss_before=0.7, loss_after=0.3, adapter_sha256="ee" * 32, **changes)


def test_the_documents_totals_follow_from_its_cycles():
    cycles = documented.CYCLES
    assert [(cycle.loss_before, cycle.loss_after) for cycle in cycles] == [(3.883, 3.874), (3.874, 3.812), (3.812, 3.756)]
    test = visit("cycles")
    share = (cycles[0].loss_before - cycles[-1].loss_after) / cycles[0].loss_before
    assert metrics(test)["Total improvement"] == f"{100 * share:.1f}%" == "3.3%"
    assert metrics(test)["Total experiences"] == str(sum(cycle.experiences for cycle in cycles)) == "12"
    assert "a fall of 0.2%" in captions(test)
    assert "Only cycle 1 was ever run" in captions(test)


@pytest.mark.parametrize("cycle", documented.CYCLES, ids=lambda cycle: f"cycle {cycle.cycle}")
def test_each_documented_cycle_shows_its_details_and_whether_it_was_run(cycle):
    test = visit("cycles", documented=str(cycle.cycle))
    shown = metrics(test)
    assert shown["Experiences"] == str(cycle.experiences)
    assert shown["Average salience"] == components.percent(cycle.average_salience)
    assert shown["Loss change"] == f"{cycle.loss_before:.3f} → {cycle.loss_after:.3f}"
    assert ("never run; the document drew it" in captions(test)) != cycle.run


def test_a_first_visit_without_any_night_says_what_to_do():
    test = visit("cycles")
    assert "press Sleep" in test.info[0].value
    button(test, "Sleep").click().run()
    assert store.latest(BRAIN, "sleep").active


def test_a_recorded_night_fills_the_first_visit_and_says_so():
    visits.record("night", {"cycle": a_night().as_dict(), "events": []})
    test = visit("cycles")
    assert "The recorded night" in [element.value for element in test.subheader]
    assert "**Measured, recorded** on 2026-11-22" in captions(test)
    assert not test.dataframe[0].value.empty
    assert not test.get("download_button")
    assert "**Measured** on brain" not in captions(test)


def test_ones_own_night_is_in_the_ledger_and_shown_whole(home):
    sleep(home, a_night())
    test = visit("cycles")
    ledger = next(frame.value for frame in test.dataframe if "came back" in frame.value)
    assert list(ledger["night"]) == ["Night 1, kept"]
    assert list(ledger["came back"]) == [1]
    assert (metrics(test)["Loss before"], metrics(test)["Loss after"]) == ("4.000", "0.500")
    assert texts(test).count(SCRIPT) == 3
    assert "I have no name." in texts(test)
    assert "&lt;b&gt;I&lt;/b&gt;" in html(test)
    assert "<b>I</b>" not in html(test)
    assert "<script>" not in html(test) + markdown(test) + captions(test)
    assert "There is only one night so far" in markdown(test)


def test_the_newest_night_comes_first_and_a_link_names_another(home):
    sleep(home, a_night(), second(kept=False, reasons=["Too much was lost."]))
    test = visit("cycles")
    assert metrics(test)["Loss after"] == "0.300"
    assert "Too much was lost." in markdown(test)
    assert metrics(visit("cycles", run="1"))["Loss after"] == "0.500"
    gone = visit("cycles", run="7")
    assert metrics(gone)["Loss after"] == "0.300"
    assert in_url(visits.settled(gone), "run") == "newest"


@pytest.mark.parametrize(("given", "kept"), [("<b>", "newest"), ("0", "newest"), ("-1", "newest"), ("recorded", "newest")])
def test_a_run_that_a_link_cannot_mean_is_the_newest(home, given, kept):
    sleep(home, a_night())
    assert in_url(visits.settled(visit("cycles", run=given)), "run") == kept


@pytest.mark.parametrize("cut", ["step", "epoch", "experience", "before and after"])
def test_the_loss_is_cut_in_four_ways(home, cut):
    sleep(home, a_night())
    test = visit("cycles", loss=cut)
    assert len(test.get("plotly_chart")) == 3  # the document's, what is still there, and this one
    assert not test.info


@pytest.mark.parametrize("cut", ["step", "epoch", "experience", "before and after"])
def test_a_row_of_an_earlier_version_is_a_sentence(home, cut):
    old = a_night(losses=[], change={}, curve=[])
    for reply in old.replies:
        del reply["tokens"]
    sleep(home, old)
    test = visit("cycles", loss=cut)
    assert "earlier version" in test.info[0].value
    assert "No, I'm SAGE" in " ".join(texts(test))  # the taught reply, without its tokens


def test_two_nights_of_ones_own_are_compared(home):
    sleep(home, a_night(), second())
    test = visit("cycles", against="1")
    table = test.table[0].value
    assert list(table.loc["loss after"]) == ["0.300", "0.500"]
    assert list(table.loc["adapter (SHA-256)"]) == ["e" * 12, "cd" * 6]
    assert "The two adapters are not the same." in markdown(test)
    assert "After: Night 2, kept" in captions(test)


def test_a_night_is_compared_with_the_recorded_one(home):
    sleep(home, a_night(loss_after=0.25))
    visits.record("night", {"cycle": a_night().as_dict(), "events": []})
    test = visit("cycles")
    table = test.table[0].value
    assert list(table.loc["loss after"]) == ["0.250", "0.500"]
    assert "**Measured** on brain 0a0a0a" in captions(test)
    assert "**Measured, recorded**" in captions(test)


def test_epochs_are_means_of_their_steps():
    assert charts_runs.epoch_means(a_night(curve=[4.0, 2.0, 1.0, 0.0], epochs=2)) == [3.0, 0.5]
    assert charts_runs.epoch_means(a_night(curve=[4.0, 2.0, 1.0], epochs=2)) == []
    assert charts_runs.epoch_means(a_night(curve=[], epochs=2)) == []


def test_tokens_are_shaded_by_their_change_and_escaped():
    likelier, less = token_change.span(["<b>", -4.0, 0.0]), token_change.span([" & co", -1.0, -2.0])
    assert likelier.endswith(">&lt;b&gt;</span>")
    assert (token_change.LIKELIER in likelier, "0.50)" in likelier, "underline" in likelier) == (True, True, False)
    assert less.endswith("> &amp; co</span>")
    assert (token_change.LESS_LIKELY in less, "0.12)" in less, "underline" in less) == (True, True, True)
    assert token_change.span(["<|im_end|>", -1.0, -1.0]).endswith("> (end)</span>")
    assert token_change.losses([["a", -4.0, -1.0], ["b", -2.0, -2.0]]) == (3.0, 1.5)
    assert list(token_change.table([["a", -4.0, -1.0]]).iloc[0]) == ["a", "1.8%", "36.8%", "+3.00"]


def test_the_files_hold_every_night_and_no_formula(home):
    formulas = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", " =1", "\t=1", "plain, \"quoted\"\nline"]  # fmt: skip
    nights = [a_night(cycle=number) for number in (1, 2)]
    for night in nights:
        night.replies[:] = [
            night.replies[0] | {"prompt": text, "taught": text, "before": text, "after": text} for text in formulas
        ]
    rows = list(csv.DictReader(io.StringIO(ledger_files.as_csv(nights))))
    assert len(rows) == len(nights) * len(formulas)
    for row, text in zip(rows, formulas * 2, strict=True):
        guarded = text if text.startswith("plain") else f"'{text}"
        assert [row[name] for name in ("prompt", "taught", "before", "after")] == [guarded] * 4
        assert (row["loss_before"], row["learning_rate"], row["learned"]) == ("4.0", "0.01", "True")
    assert ledger_files.cell(-1.5) == -1.5
    again = json.loads(ledger_files.as_json(nights))
    assert [row["cycle"] for row in again] == [1, 2]
    assert again[0]["replies"][0]["prompt"] == formulas[0]
    assert "/secret/place" not in ledger_files.as_json(nights) + ledger_files.as_csv(nights)
    sleep(home, nights[0])
    assert [element.proto.label for element in visit("cycles").get("download_button")] == [
        "Download as CSV",
        "Download as JSON",
    ]


def test_a_brain_that_is_deleted_under_the_page_is_a_fresh_one(home):
    sleep(home, a_night())
    test = visit("cycles")
    shutil.rmtree(home / BRAIN)
    visits.settled(test)
    assert "press Sleep" in test.info[0].value


def test_the_page_brings_no_torch(home):
    assert visits.heavy_modules("cycles") == "[]"


def checkbox(test):
    return next(element for element in test.checkbox if element.label == "Sham sleep (learning rate 0)")


def control_of_the_job():
    return store.latest(BRAIN, "sleep").arguments.get("control")


def test_a_night_is_plain_unless_the_placebo_is_ticked():
    test = visit("cycles")
    assert not checkbox(test).value
    button(test, "Sleep").click().run()
    assert control_of_the_job() is None


def test_the_placebos_tick_and_the_choice_of_controls_are_one():
    test = visit("cycles")
    checkbox(test).check().run()
    chosen = next(box for box in test.selectbox if box.label == "Control of the next night")
    assert (chosen.value, in_url(test, "control")) == ("sham", "sham")
    assert list(chosen.options)[:2] == ["A night as it is", "Sham sleep"]
    assert len(chosen.options) == len(CONTROLS) + 1
    assert CONTROLS["sham"].sentence in markdown(test)
    chosen.select("random").run()
    assert not checkbox(test).value
    assert f"**Random choice**. {CONTROLS['random'].sentence}" in captions(test)
    checkbox(test).check().run()
    button(test, "Sleep").click().run()
    assert control_of_the_job() == "sham"
    assert checkbox(test).disabled


@pytest.mark.parametrize(("given", "kept"), [("random", "random"), ("<b>", "none"), ("", "none")])
def test_a_link_may_name_a_control_that_there_is(given, kept):
    assert in_url(visit("cycles", control=given), "control") == kept


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("threshold", [0.6, 0.9])
def test_sleep_is_off_just_when_a_control_would_choose_nobody(name, threshold):
    test = visit("cycles", threshold=str(threshold), control=name)
    view, chosen = brains.look(BRAIN), filtering.Filter(threshold, False, (1.0,) * 5)
    waiting = [(held.experience, held.experience.salience) for held in view.document]
    passing = [pair for pair in waiting if pair[1] >= threshold]
    slept = CONTROLS[name].choose(Evening(passing, lambda: waiting, threshold, lambda one: len(one.response), seed=0))
    assert button(test, "Sleep").disabled == (not slept)
    assert len(control_box.waiting(name, chosen, view)) == (5 if name == "everything" else len(passing))


def test_everything_sleeps_until_all_is_in_the_weights(home):
    sleep(home, a_night(replies=[reply | {"learned": True} for reply in a_night().replies]))
    test = visit("cycles", control="everything")
    assert "2 exchanges wait for a night" in markdown(test)
    assert not button(test, "Sleep").disabled
    assert button(visit("cycles"), "Sleep").disabled


def test_the_demo_has_nights_as_they_are():
    button(visit("demo", control="sham"), "Sleep").click().run()
    assert control_of_the_job() is None


def test_the_control_of_a_night_is_in_its_row_its_title_and_its_files(home):
    sleep(home, a_night(control="sham", learning_rate=0.0), second())
    test = visit("cycles", run="1")
    ledger = next(frame.value for frame in test.dataframe if "came back" in frame.value)
    assert list(ledger["control"]) == ["none", "Sham sleep"]
    assert "Night 1, kept, control: sham sleep" in [element.value for element in test.subheader]
    assert CONTROLS["sham"].sentence in captions(test)
    assert "20 passes, control: sham sleep" in captions(test)
    table = test.table[0].value
    assert list(table.loc["control"]) == ["Sham sleep", "none"]
    rows = csv.DictReader(io.StringIO(ledger_files.as_csv([a_night(control="sham")])))
    assert {row["control"] for row in rows} == {"sham"}


def test_the_worker_gives_a_sham_night_to_the_brain(brain, open_gates):
    from sleepcon.jobs import tasks

    one = brain()
    one.remember([ORLO, BIX])
    row = tasks.sleep(one, {"threshold": 0.6, "seed": 0, "control": "sham"}, lambda _: None, lambda: False)
    assert (row["control"], row["learning_rate"]) == ("sham", 0.0)
    assert all(reply["before"] == reply["after"] for reply in row["replies"])
