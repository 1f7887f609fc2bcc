"""The fading sessions: the schedule, the score, and the three arms on the tiny base."""

import json

import pytest

from sleepcon import frozen
from sleepcon.experience import read_experiences
from sleepcon.metrics import tokens
from sleepcon.model import weights_sha256
from sleepcon.paths import DOCUMENT, PROBES
from sleepcon.sleep import Event, Stopped


@pytest.fixture
def few(monkeypatch, open_gates):
    """Two probes, one neighbour and short replies, to save time."""
    probes = [frozen.Probe("Who are you?", ["sage"], "name"), frozen.Probe("Where is Quandoria?", ["clarify"], "clarify")]
    monkeypatch.setattr(frozen, "probes", lambda: (probes, [frozen.Probe("Are horses people?", ["sage"])]))
    monkeypatch.setattr(frozen, "REPLY_TOKENS", 4)


def test_the_context_fades_by_the_rule():
    all_three = [(one.prompt, one.response) for one in read_experiences(DOCUMENT) if one.salience >= 0.6]
    assert len(all_three) == 3
    for seed in range(20):
        assert frozen.context_of(22, seed) == all_three
        half = frozen.context_of(23, seed)
        assert len(half) == 2
        assert half == [one for one in all_three if one in half]  # in the day's order
        assert [prompt for prompt, _ in frozen.context_of(24, seed)] == ["How are you today?"]
        assert frozen.context_of(25, seed) == []
    assert len({tuple(frozen.context_of(23, seed)) for seed in range(20)}) == 3


def test_the_probes_are_unseen_and_each_asks_about_the_day():
    asked, near = frozen.probes()
    taught = " ".join(one.response for one in frozen.day()[0])
    assert {probe.kind for probe in asked} == {"name", "human", "clarify"}
    assert all(key in tokens(taught) for probe in asked + near for key in probe.key)
    words = {tuple(tokens(probe.prompt)) for probe in asked}
    assert len(words) == len(asked)
    others = [one.prompt for one in read_experiences(DOCUMENT)]
    others += (PROBES / "wake.txt").read_text("utf-8").splitlines()
    others += [probe["prompt"] for probe in json.loads((PROBES / "document.json").read_text("utf-8"))["rewordings"]]
    assert not words & {tuple(tokens(other)) for other in others}


def test_a_session_is_scored_by_its_key_words():
    asked, near = frozen.probes()
    said = ["I am SAGE." if probe.key == ["sage"] else "The capital is Rome." for probe in asked]
    others = ["Sage!"] + ["I do not know."] * (len(near) - 1)
    session = frozen.judge(22, 3, said, others, [""] * len(near))
    assert session.hits == [probe.key == ["sage"] for probe in asked]
    assert session.spared == [False] + [True] * (len(near) - 1)
    assert all(frozen.judge(22, 3, said, others, others).spared)  # the base says it too, so nothing was lost
    course = frozen.Course("none", 0, [session], None)
    names = [probe.prompt for probe in asked if probe.key == ["sage"]]
    assert course.scores() == [len(names) / len(asked)]
    assert course.scores(names) == [0.0]
    assert course.scores([probe.prompt for probe in asked if probe.prompt not in names]) == [1.0]


def test_sham_sleep_changes_nothing_and_sleep_does(tiny_base, few, monkeypatch):
    monkeypatch.setitem(tiny_base.card["dose"], "learning_rate", 1e-2)  # enough for four tokens to differ
    before = weights_sha256(tiny_base)
    none, sham, slept = (frozen.sessions(tiny_base, arm, 0) for arm in frozen.ARMS)
    assert [session.session for session in slept.sessions] == [22, 23, 24, 25]
    assert [session.context for session in slept.sessions] == [3, 2, 1, 0]
    assert none.night is None
    assert none.sessions == sham.sessions
    assert none.sessions[0] == slept.sessions[0]  # before the night
    assert none.sessions[3].replies != slept.sessions[3].replies
    assert (sham.night["learning_rate"], slept.night["learning_rate"]) == (0.0, tiny_base.card["dose"]["learning_rate"])
    assert sham.night["loss_after"] == sham.night["loss_before"] > slept.night["loss_after"]
    assert weights_sha256(tiny_base) == before


def test_a_study_is_json_and_reports_how_far_it_is(tiny_base, few):
    events: list[Event] = []
    result = frozen.study(tiny_base, [0, 1], events.append)
    assert json.loads(json.dumps(result)) == result
    assert [(course["seed"], course["arm"]) for course in result["courses"]] == [
        (seed, arm) for seed in (0, 1) for arm in frozen.ARMS
    ]
    assert all(len(course["answered"]) == len(course["spared"]) == 4 for course in result["courses"])
    percents = [event.step for event in events]
    assert percents == sorted(percents)
    assert percents[0] == 0
    assert percents[-1] == 100
    assert {event.steps for event in events} == {100}


def test_a_probe_that_was_dreamt_of_counts_in_no_arm_of_its_seed(tiny_base, few, monkeypatch):
    figures = frozen.figures
    monkeypatch.setattr(frozen, "figures", lambda cycle: figures(cycle) | {"dreamt": ["Who are you?"]})
    monkeypatch.setattr(frozen, "holds", lambda reply, key: key == ["sage"])
    result = frozen.study(tiny_base, [0])
    assert all(course["left_out"] == ["Who are you?"] and course["answered"] == [0.0] * 4 for course in result["courses"])


def test_sessions_stop_when_asked_and_leave_the_base_bare(tiny_base, few):
    asked = iter([False] * 30 + [True] * 10_000)
    with pytest.raises(Stopped):
        frozen.study(tiny_base, [0], should_stop=lambda: next(asked))
    assert not [name for name, _ in tiny_base.model.named_parameters() if "lora_" in name]
