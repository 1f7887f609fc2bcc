"""The page of one experience as Streamlit's own test harness sees it: no browser, no worker, no torch."""

import json
import math
import shutil

import pytest
import visits
from visits import (
    BRAIN,
    SCRIPT,
    a_night,
    button,
    captions,
    finished_job,
    html,
    in_url,
    markdown,
    metrics,
    record,
    sleep,
    texts,
    visit,
)

from sleepcon import documented, jobs
from sleepcon.experience import Experience, read_experiences, with_ids
from sleepcon.jobs import store
from sleepcon.memory import Memory
from sleepcon.paths import DOCUMENT
from sleepcon.ui import brains, deep_dive, surprise
from sleepcon.ui.components import percent
from sleepcon.ui.filtering import FACTORS, Filter

ALIKE = (1.0,) * 5
TOKENS = [["<b>I</b>", -4.0], [" am", -2.0], ["\n", -0.1], ["<|im_end|>", -0.3]]


pytestmark = pytest.mark.usefixtures("home")


def factors(value: float = 0.5, **others: float) -> dict[str, dict]:
    return {
        name: {"value": others.get(name, value), "evidence": f"{name} because.", "estimated": name == "reward"}
        for name in FACTORS
    }


def scored(id: str, cycle: int = 0, **others: float) -> dict:
    return {"id": id, "cycle": cycle, "factors": factors(**others), "salience": 0.5, "tokens": TOKENS}


def measured_job(home, ids: list[str], **others: float) -> None:
    """A measurement of these experiences by the worker."""
    (home / BRAIN).mkdir(parents=True, exist_ok=True)
    with Memory(home / BRAIN / "memory.sqlite") as memory:
        memory.add(read_experiences(DOCUMENT))
        for id in ids:
            found = json.dumps(factors(**others))
            memory.connection.execute("UPDATE experiences SET measured = 0.5, scores = ? WHERE id = ?", (found, id))
    finished_job("score", {}, {"rows": [scored(id, **others) for id in ids], "base_sha256": "ef" * 32})


def key(prompt: str) -> str:
    return deep_dive.key_of(next(held for held in brains.look(BRAIN).document if held.experience.prompt == prompt))


def id_of(prompt: str) -> str:
    return next(one.id for one in brains.document() if one.prompt == prompt)


def without(night, **changes) -> dict:
    """What the worker finds for the night's first experience."""
    rows = [
        {"id": reply["id"], "prompt": reply["prompt"], "taught": reply["taught"], "before": reply["before"],
         "with_it": reply["taught"], "without": SCRIPT, "learned_with_it": True, "learned_without": False,
         "loss_before": 4.0, "loss_with_it": 0.5, "loss_without": 3.5}
        for reply in night.replies
    ]  # fmt: skip
    return {
        "cycle": 1, "seed": 0, "kept": True, "reasons": [], "loss_before": 4.0, "loss_after": 0.5, "checks": [],
        "adapter_sha256": "ab", "base_sha256": "cd", "seconds": 2.0, "left_out": rows[0], "others": rows[1:],
    } | changes  # fmt: skip


# Which experience


def test_the_first_visit_shows_the_documents_first_exchange():
    test = visit("experience")
    assert in_url(test, "experience") == key("What should I call you?")
    assert metrics(test) == {"Total salience": "85%", "At this threshold": "consolidate"}
    assert [element.value for element in test.header] == [
        "Salience factors (SNARC)", "Why it matters", "Which tokens surprised the brain", "Before and after the night",
        "The night without it",
    ]  # fmt: skip
    assert "Not measured yet" in markdown(test)
    assert "No night has taken this experience yet." in markdown(test)


@pytest.mark.parametrize("exchange", documented.EXCHANGES, ids=lambda one: one.prompt)
def test_every_exchange_of_the_document_can_be_linked_to(exchange):
    test = visit("experience", experience=key(exchange.prompt))
    assert exchange.prompt in texts(test)
    assert metrics(test)["Total salience"] == percent(exchange.salience)
    assert metrics(test)["At this threshold"] == ("consolidate" if exchange.salience >= 0.6 else "skip")


@pytest.mark.parametrize("given", ["abcdefabcdef", "<script>", "x", "9" * 5000])
def test_a_link_to_what_is_not_there_shows_another(given):
    test = visit("experience", experience=given)
    assert in_url(test, "experience") == key("What should I call you?")
    assert bool(test.info) == (given == "abcdefabcdef")


def test_choosing_another_writes_the_link():
    test = visit("experience")
    test.selectbox[0].set_value(key("Are you human?")).run()
    assert in_url(test, "experience") == key("Are you human?")
    assert metrics(test)["Total salience"] == "81%"


def test_ones_own_can_be_chosen_and_its_words_are_no_markup(home):
    night = a_night()
    (own,) = with_ids([Experience(SCRIPT, SCRIPT, salience=0.7)])
    night.replies[0].update(id=own.id, prompt=SCRIPT, taught=SCRIPT)
    sleep(home, a_night(replies=[]))
    with Memory(home / BRAIN / "memory.sqlite") as memory:
        memory.add([own])
    sleep(home, a_night(cycle=2, replies=night.replies))
    finished_job("without", {"cycle": 2, "id": own.id}, without(night))
    measured_job(home, [own.id])
    held = brains.look(BRAIN).own[0]
    test = visit("experience", experience=deep_dive.key_of(held))
    assert "Your own: " in test.selectbox[0].options[-1]
    assert texts(test).count(SCRIPT) >= 5
    for element in test.main:
        if element.type not in ("text", "selectbox"):
            assert "<script>" not in str(getattr(element, "value", "")), element.type
    assert "<script>" not in html(test)
    assert "<b>" not in html(test)
    assert "&lt;b&gt;I&lt;/b&gt;" in html(test)
    assert "stated in your file" in captions(test).lower()


# Factors and reasons


@pytest.mark.parametrize("exchange", documented.EXCHANGES, ids=lambda one: one.prompt)
def test_the_note_on_the_documents_total_follows_from_its_factors(exchange):
    mean = (exchange.surprise + exchange.novelty + exchange.reward + exchange.contrast) / 4
    note = deep_dive.mean_note(exchange)
    assert f"a total of {exchange.salience:.3f}; the mean of its four factors is {mean:.3f}" in note
    assert "so the total is not their mean" in note
    assert abs(mean - exchange.salience) > 0.005
    assert note in markdown(visit("experience", experience=key(exchange.prompt)))


def test_documented_and_measured_factors_stand_side_by_side(home):
    measured_job(home, [id_of("Are you human?")], surprise=0.25)
    held = next(held for held in brains.look(BRAIN).document if held.experience.prompt == "Are you human?")
    found = deep_dive.reading(held, jobs.latest(BRAIN, "score"))
    rows = deep_dive.rows_of_factors(deep_dive.documented_factors(held), found)
    assert rows == [
        ("surprise", 0.5, 0.25), ("novelty", 0.7, 0.5), ("arousal", None, 0.5), ("reward", 0.95, 0.5),
        ("conflict (contrast)", 0.9, 0.5),
    ]  # fmt: skip
    test = visit("experience", experience=deep_dive.key_of(held))
    assert "surprise because." in texts(test)
    assert "**Reward 50%**, an estimate · weight 1" in markdown(test)
    (chart,) = test.get("plotly_chart")
    assert "surprise 50%" in chart.proto.alt
    assert "measured: surprise 25%" in chart.proto.alt
    assert "arousal not given" in chart.proto.alt


def test_reasons_are_computed_from_the_numbers():
    held = next(held for held in brains.look(BRAIN).document if held.experience.prompt == "What should I call you?")
    found = deep_dive.Reading(factors(0.5, surprise=0.9, arousal=0.1), None, None, None)
    said = deep_dive.reasons(held, Filter(0.6, False, ALIKE), found)
    assert said[0] == "Its documented salience is 25 points above the threshold of 60%: it is consolidated."
    assert said[1] == "Of its documented factors reward is the highest (95%) and surprise the lowest (70%)."
    assert "partnership identity" in said[2]
    assert said[3] == "Of its measured factors surprise is the highest (90%) and arousal the lowest (10%)."
    assert said[4] == "Without surprise its measured total of 50% would be 40%, which changes nothing at this threshold."
    assert "and it would be skipped" in deep_dive.decisive(found.factors, Filter(0.45, False, ALIKE))
    assert "One factor alone counts" in deep_dive.decisive(found.factors, Filter(0.45, False, (1.0, 0, 0, 0, 0)))


# Tokens


def test_tokens_are_shaded_by_surprisal_and_escaped(home):
    measured_job(home, [id_of("What should I call you?")])
    test = visit("experience")
    row = next(body for body in html(test).splitlines() if "surprisal in nats" in body)
    assert "&lt;b&gt;I&lt;/b&gt;" in row
    assert "<b>" not in row
    assert "rgba(47,127,193,0.25)" in row  # 4 of 8 nats at half the strength
    assert ">4.0</span>" in row
    assert "⏎" in row
    assert "(end)" in row
    assert "im_end" not in row
    assert "Most surprising: “<b>I</b>”, with 4.0 nats. The brain gave it a probability of 1.83%." in texts(test)
    assert "Mean over the 4 tokens: 1.60 nats per token." in captions(test)
    assert f"**Measured** on brain {BRAIN.removeprefix('visitor-')[:6]}, before any night." in captions(test)


def test_the_table_of_tokens_has_all_of_them(monkeypatch):
    table = surprise.table(TOKENS)
    assert list(table["surprisal (nats)"]) == ["4.00", "2.00", "0.10", "0.30"]
    assert list(table["probability"]) == ["1.83%", "14%", "90%", "74%"]
    assert list(table["token"]) == ["<b>I</b>", "am", "⏎", "(end)"]
    assert surprise.chance(math.log(1e-5)) == "under 0.01%"


def test_a_first_visit_shows_what_was_recorded(home):
    rows = [scored(one.id) for one in brains.document()]
    record("score", {"rows": rows})
    record("night", {"cycle": a_night().as_dict(), "events": []})
    record("without", without(a_night()))
    test = visit("experience")
    assert captions(test).count("**Measured, recorded** on 2026-11-22") == 4
    assert "With it the taught reply came back; without it, it does not." in markdown(test)
    assert button(test, "Measure on this brain")
    other = visit("experience", experience=key("Are you human?"))
    assert "Let your brain sleep, then its night can be run again" in markdown(other)
    sleep(home, a_night())
    assert captions(visit("experience")).count("recorded") == 2  # its factors; its tokens are the night's
    measured_job(home, [id_of("What should I call you?")])
    assert "recorded" not in captions(visit("experience"))


def test_measure_asks_the_worker_once_and_says_when_it_failed():
    test = visit("experience")
    button(test, "Measure on this brain").click().run()
    assert [job.kind for job in store.waiting()] == ["score"]
    job = store.latest(BRAIN, "score")
    store.start(job.id)
    store.end(job.id, "failed", "The worker process ended.")
    assert "The worker process ended." in texts(visit("experience"))


# The night, and the night without it


def test_a_night_shows_the_reply_before_and_after_and_each_token(home):
    sleep(home, a_night())
    test = visit("experience")
    assert {"I have no name.", SCRIPT} <= set(texts(test))
    assert "Loss of the taught reply: 3.000 before, 1.750 after" in captions(test)
    assert "In the weights since night 1." in captions(test)
    assert "Measured** on brain 0a0a0a, night 1, seed 0, learning rate 0.01, 20 passes." in captions(test)


def test_a_night_rolled_back_says_so(home):
    sleep(home, a_night(kept=False))
    assert "After the night, rolled back" in captions(visit("experience"))


def test_an_old_night_without_tokens_is_no_error(home):
    night = a_night()
    for reply in night.replies:
        del reply["tokens"]
    sleep(home, night)
    test = visit("experience")
    assert "I have no name." in texts(test)
    assert "Not measured yet" in markdown(test)


def test_the_newest_night_that_took_it_is_the_one_shown(home):
    second = a_night(cycle=2, replies=a_night().replies[:1], seed=9)
    sleep(home, a_night(), second, a_night(cycle=3, replies=a_night().replies[1:]))
    assert "night 2, seed 9" in captions(visit("experience"))
    assert "It was the only experience of its night." in markdown(visit("experience"))


def test_leaving_it_out_is_a_job_of_its_own_for_each_experience(home):
    sleep(home, a_night())
    test = visit("experience")
    button(test, "Run the night again without it").click().run()
    job = store.latest(BRAIN, "without")
    assert job.arguments == {"cycle": 1, "id": id_of("What should I call you?")}
    assert not any(element.label == "Run the night again without it" for element in test.button)
    other = visit("experience", experience=key("Are you human?"))
    button(other, "Run the night again without it").click().run()
    assert len(store.waiting()) == 2
    button(other, "Cancel").click().run()
    assert "Cancelled before it began." in texts(other)
    assert [job.arguments["id"] for job in store.waiting()] == [id_of("What should I call you?")]


def test_both_nights_are_side_by_side_with_the_losses_of_the_others(home):
    night = a_night()
    sleep(home, night)
    others = without(night)["others"]
    others[0] |= {"without": others[0]["with_it"]}
    finished_job("without", {"cycle": 1, "id": night.replies[0]["id"]}, without(night, others=others))
    test = visit("experience")
    assert "**Of 2 other experiences, 1 gets another reply without it.**" in markdown(test)
    assert "After the night without it" in captions(test)
    chart = test.get("plotly_chart")[-1].proto
    assert "left out: before the night 4.000, after it 0.500, after the night without 3.500." in chart.alt
    assert "night 1 again, without one experience, seed 0" in captions(test)
    assert texts(test).count(SCRIPT) >= 2


@pytest.mark.parametrize(
    ("came_back", "without_it", "words"),
    [
        (True, False, "With it the taught reply came back; without it, it does not."),
        (True, True, "The taught reply comes back even without it:"),
        (False, True, "The taught reply comes back only without it,"),
        (False, False, "The taught reply comes back in neither night:"),
    ],
)
def test_what_it_did_follows_from_both_nights(home, came_back, without_it, words):
    night = a_night()
    sleep(home, night)
    result = without(night)
    result["left_out"] |= {"learned_with_it": came_back, "learned_without": without_it}
    finished_job("without", {"cycle": 1, "id": night.replies[0]["id"]}, result)
    assert words in markdown(visit("experience"))


def test_a_night_without_it_that_failed_or_was_rolled_back_says_so(home):
    night = a_night()
    sleep(home, night)
    arguments = {"cycle": 1, "id": night.replies[0]["id"]}
    finished_job("without", arguments, without(night, kept=False, reasons=["Too much was lost."]))
    assert any("rolled back: Too much was lost." in element.value for element in visit("experience").warning)
    finished_job("without", arguments, None, "failed", "The worker process ended.")
    test = visit("experience")
    assert "The worker process ended." in texts(test)
    assert "After the night without it" in captions(test)  # the one before that ended well is still there


def test_nothing_is_left_out_while_the_brain_sleeps(home):
    sleep(home, a_night())
    store.enter("sleep", BRAIN, {"threshold": 0.6, "seed": 0})
    assert button(visit("experience"), "Run the night again without it").disabled


# Bad state and weight


def test_a_brain_that_is_deleted_under_the_page_is_a_new_one(home):
    sleep(home, a_night())
    finished_job("without", {"cycle": 1, "id": a_night().replies[0]["id"]}, without(a_night()))
    test = visit("experience")
    shutil.rmtree(home / BRAIN)
    visits.settled(test)
    assert "No night has taken this experience yet." in markdown(test)


def test_the_page_brings_no_torch():
    assert visits.heavy_modules("experience") == "[]"
