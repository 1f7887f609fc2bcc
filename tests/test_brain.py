"""The brain: names, models, limits, history, one night at a time."""

import json
import threading

import pytest
from conftest import BIG_DOSE, BIX, DULL, ORLO, SMALL_DOSE, contents, state
from filelock import FileLock

from sleepcon.adapter import file_sha256
from sleepcon.brain import Brain
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.model import chat, generate, reply_ids
from sleepcon.salience import Weights

pytestmark = pytest.mark.usefixtures("open_gates")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", ".hidden", "a b", "-a", "a\n", "\u00e9", "x" * 65, "/tmp"])
def test_names_that_cannot_be(name, own_home, tiny_base):
    with pytest.raises(UserError, match="cannot be the name of a brain"):
        Brain.open(name, base=tiny_base)
    assert not own_home.exists()


@pytest.mark.parametrize("name", ["a", "default", "visitor-0a1b", "A.b_c-9", "x" * 64])
def test_names_that_can(name, brain, own_home, tiny_base):
    one = brain(name)
    assert one.folder == own_home / name
    assert json.loads((one.folder / "brain.json").read_text()) == {"model": tiny_base.name}
    assert (one.notices, one.history(), one.memory.count()) == ([], [], 0)


def test_a_model_that_is_not_there_makes_no_brain(own_home):
    with pytest.raises(UserError, match="nobody/nothing is not in the local cache"):
        Brain.open("a", model="nobody/nothing")
    assert not (own_home / "a").exists()


def test_a_brain_stays_on_its_model(brain, tiny_folder, tmp_path, monkeypatch):
    brain("a").close()
    with pytest.raises(UserError, match="stands on the model"):
        brain("a", model="embedded", base=None)
    with pytest.raises(UserError, match="stands on the model"):
        brain("a", model=str(tmp_path), base=None)
    assert brain("a", model=None, base=None).base.name == str(tiny_folder)
    monkeypatch.chdir(tiny_folder.parent)
    assert brain("a", model=f"./{tiny_folder.name}/", base=None).model == str(tiny_folder)
    assert brain("b", model=tiny_folder.name, base=None).model == str(tiny_folder)
    monkeypatch.chdir(tmp_path)
    assert brain("b", model=None, base=None).base.name == str(tiny_folder)


def test_home_is_where_it_is_told(brain, tmp_path):
    assert brain("a", home=tmp_path / "other").folder == tmp_path / "other" / "a"
    assert brain("a", home=str(tmp_path / "text")).folder == tmp_path / "text" / "a"


def test_ask_is_stamped(brain, tiny_base):
    one = brain()
    answer = one.ask("Hi", context="You are Bix.")
    assert answer.text == generate(tiny_base, [chat("Hi", "You are Bix.")])[0]
    assert (answer.base_sha256, answer.adapter_sha256, answer.cycle, answer.dose) == (tiny_base.sha256, None, 0, 1.0)
    one.remember([ORLO, BIX])
    one.sleep(threshold=0.8, **BIG_DOSE)
    one.sleep(**SMALL_DOSE)
    folders = [one.folder / "cycles" / number for number in ("0001", "0002")]
    bare, first, second, now = (one.ask(ORLO.prompt, cycle) for cycle in (0, 1, 2, None))
    assert (bare.cycle, bare.adapter_sha256) == (0, None)
    assert (first.cycle, first.adapter_sha256, first.text) == (1, file_sha256(folders[0]), "Orlo.")
    assert (second.cycle, second.adapter_sha256) == (2, file_sha256(folders[1]))
    assert now == second
    none = one.ask(ORLO.prompt, dose=0.0)
    assert (none.text, none.dose, none.adapter_sha256) == (bare.text, 0.0, second.adapter_sha256)
    assert one.ask(ORLO.prompt, dose=1.5).dose == 1.5


@pytest.mark.parametrize(
    ("prompt", "options", "what"),
    [
        ("Hi", {"cycle": 2}, "has had 1 nights: there is no cycle 2"),
        ("Hi", {"cycle": -1}, "there is no cycle -1"),
        ("Hi", {"dose": 1.51}, "dose of 1.51"),
        ("Hi", {"dose": -0.1}, "dose of -0.1"),
        ("Hi", {"dose": float("nan")}, "dose of nan"),
        (" \n", {}, "prompt is empty"),
    ],
)
def test_what_cannot_be_asked(brain, prompt, options, what):
    one = brain()
    one.remember(ORLO)
    one.sleep(**SMALL_DOSE)
    before = state(one)
    with pytest.raises(UserError, match=what):
        one.ask(prompt, **options)
    assert state(one) == before


def test_a_rolled_back_night_keeps_its_number_and_gives_nothing(brain, monkeypatch):
    from sleepcon import wake

    one = brain()
    one.remember([ORLO, BIX])
    kept = one.sleep(threshold=0.8, **SMALL_DOSE)
    gates = wake.Gates()
    with monkeypatch.context() as strict:
        strict.setattr(wake, "Gates", lambda: type(gates)(kept=1.1))
        assert not one.sleep(**SMALL_DOSE).kept
    assert [row.kept for row in one.history()] == [True, False]
    assert one.ask("Hi", cycle=2).adapter_sha256 == one.ask("Hi").adapter_sha256 == kept.adapter_sha256
    third = one.sleep(**SMALL_DOSE)
    assert (third.cycle, third.kept) == (3, True)
    assert sorted(path.name for path in (one.folder / "cycles").iterdir()) == ["0001", "0003"]


def test_history_outlives_the_process(brain):
    one = brain()
    one.remember([ORLO])
    cycles = [one.sleep(seed=seed, **SMALL_DOSE) for seed in (0, 1)]
    one.close()
    assert brain().history() == cycles


def test_plan_trains_nothing(brain, tiny_base):
    one = brain()
    one.remember([ORLO, BIX, DULL])
    before = state(one)
    plan = one.plan(0.6)
    assert (plan.considered, [held.prompt for held in plan.selected]) == (3, [ORLO.prompt, BIX.prompt])
    assert plan.tokens == len(reply_ids(tiny_base, "Orlo.")) + len(reply_ids(tiny_base, "Bix"))
    assert plan.predicted_seconds > 0
    assert state(one) == before
    assert one.plan(1.0).predicted_seconds == 0.0
    with pytest.raises(UserError, match="threshold of 2"):
        one.plan(2)


def test_one_night_at_a_time(brain):
    one, errors, notices = brain(), [], []
    one.remember(ORLO)

    def try_too(event):
        if event.stage == "train" and event.step == 2:
            other = Brain.open(base=one.base)
            notices.extend(other.notices)
            try:
                other.sleep(**SMALL_DOSE)
            except UserError as error:
                errors.append(str(error))
            other.close()

    cycle = one.sleep(on_event=try_too, **SMALL_DOSE)
    assert errors == ["The brain default is asleep already: wait until its night is over."]
    assert (notices, cycle.kept, len(one.history())) == ([], True, 1)
    assert not (one.folder / "asleep.json").exists()


def test_a_lock_held_for_a_moment_is_no_night(brain):
    one = brain()
    one.remember(ORLO)
    lock = FileLock(one.folder / "lock", thread_local=False)
    lock.acquire()
    threading.Timer(0.2, lock.release).start()  # somebody else opens the brain and looks for leftovers
    assert one.sleep(**SMALL_DOSE).cycle == 1


def test_what_is_not_a_night_is_left_alone(brain):
    one = brain()
    one.remember(ORLO)
    one.sleep(**SMALL_DOSE)
    (one.folder / "cycles" / "notes.txt").write_text("mine")
    before = contents(one.folder / "cycles")
    one.close()
    assert brain().notices == []
    assert contents(one.folder / "cycles") == before


def test_salience_is_measured_where_none_is_given(brain):
    one = brain()
    one.remember([Experience("What is new?", "A wild, wonderful horror!"), ORLO])
    cycle = one.sleep(threshold=0.0, **SMALL_DOSE)
    held = next(one.memory.all())
    standing = one.memory.standing(held.id)
    scores = one.score([held])  # not under the same brain: only that something was stored
    assert cycle.replies[0]["salience"] == standing.measured == standing.salience
    assert 0 < standing.measured < 1
    assert len(scores) == 1
    assert cycle.replies[1]["salience"] == 0.9


def test_other_weights_select_others(brain):
    one = brain()
    one.remember([Experience("Is it raining?", "It is.", feedback=1.0), Experience("Is it late?", "It is not.", feedback=-1.0)])
    assert len(one.plan(0.99, weights=Weights(0, 0, 0, 1, 0)).selected) == 1
    measured = one.plan(0.0).selected
    assert one.memory.standing(measured[0].id).measured < 0.99  # the weights of the last question count
    assert one.sleep(0.99, weights=Weights(0, 0, 0, 1, 0), **SMALL_DOSE).consolidated == 1
