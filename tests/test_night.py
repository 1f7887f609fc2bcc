"""Nights: the same seed gives the same bits, what fails leaves the brain as it was, and one night stands on another."""

import json
import math

import pytest
import torch
from conftest import BIG_DOSE, BIX, DULL, ORLO, SMALL_DOSE, contents, state
from safetensors.torch import load_file

from sleepcon import night, sleep, wake
from sleepcon.adapter import WEIGHTS_FILE
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.model import weights_sha256
from sleepcon.selection import NothingToConsolidate
from sleepcon.sleep import Stopped


def waiting(brain, threshold: float = 0.0) -> list[str]:
    return [one.prompt for one in brain.memory.pending(threshold)]


def start_of(brain) -> list[float]:
    """The first numbers of the adapter that is learning, if one is worn."""
    return [float(tensor.detach().flatten()[0]) for tensor in brain.base.model.parameters() if tensor.requires_grad]


@pytest.mark.usefixtures("open_gates")
def test_the_same_seed_gives_the_same_bits(brain):
    hashes = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        torch.manual_seed(len(hashes))  # whatever happened before
        torch.rand(len(hashes))
        one = brain(name)
        one.remember([ORLO, BIX])
        generator = torch.get_rng_state()
        starts = []
        cycle = one.sleep(seed=seed, on_event=lambda event, it=one, to=starts: to.append(start_of(it)), **SMALL_DOSE)
        assert torch.equal(torch.get_rng_state(), generator)
        hashes.append((cycle.adapter_sha256, cycle.curve, starts[1]))
    assert hashes[0] == hashes[1]
    assert hashes[0][0] != hashes[2][0]
    assert hashes[0][2] != hashes[2][2]


@pytest.mark.usefixtures("open_gates")
def test_a_night_that_is_kept(brain, tiny_base):
    one, events = brain(), []
    before = weights_sha256(tiny_base)
    one.remember([ORLO, BIX, DULL])
    cycle = one.sleep(on_event=events.append)
    assert (cycle.cycle, cycle.considered, cycle.consolidated, cycle.kept) == (1, 3, 2, True)
    assert cycle.average_salience == pytest.approx(0.8)
    assert cycle.base_sha256_before == cycle.base_sha256_after == before == weights_sha256(tiny_base)
    assert (cycle.learning_rate, cycle.epochs, cycle.threshold, cycle.seed) == (1e-3, 60, 0.6, 0)
    assert 0 < cycle.training_seconds <= cycle.seconds
    assert len(cycle.curve) == 60
    assert sum(reply["share"] for reply in cycle.replies) == pytest.approx(1)
    assert [reply["taught"] for reply in cycle.replies] == ["Orlo.", "Bix"]
    assert cycle.loss_after < cycle.loss_before
    assert contents(one.folder / "cycles").keys() == {"0001", "0001/adapter_config.json", f"0001/{WEIGHTS_FILE}"}
    assert cycle.adapter_path == str(one.folder / "cycles" / "0001")
    assert not (one.folder / "asleep.json").exists()
    stages = [event.stage for event in events]
    assert list(dict.fromkeys(stages)) == ["select", "dream", "train", "wake", "done"]
    assert one.history() == [cycle]
    assert json.loads(json.dumps(cycle.as_dict(), allow_nan=False)) == cycle.as_dict()


@pytest.mark.usefixtures("open_gates")
def test_what_was_learned_is_not_trained_again(brain):
    one = brain()
    one.remember([ORLO, BIX, DULL])
    first = one.sleep(**BIG_DOSE)
    assert [reply["learned"] for reply in first.replies] == [True, True]
    assert [reply["after"] for reply in first.replies] == ["Orlo.", "Bix"]
    assert waiting(one) == [DULL.prompt]
    assert [held.prompt for held in one.memory.consolidated(1)] == [ORLO.prompt, BIX.prompt]
    with pytest.raises(NothingToConsolidate, match=r"None of the 1 experiences that wait has a salience of 0\.6 or more"):
        one.sleep()
    second = one.sleep(threshold=0.1, **SMALL_DOSE)
    assert (second.cycle, second.considered, [reply["prompt"] for reply in second.replies]) == (2, 1, [DULL.prompt])


@pytest.mark.usefixtures("open_gates")
def test_what_was_not_learned_waits_for_another_night(brain):
    one = brain()
    one.remember([ORLO, BIX])
    cycle = one.sleep(**SMALL_DOSE)
    assert cycle.kept
    assert "dose was too small" in cycle.reasons[0]
    assert waiting(one) == [ORLO.prompt, BIX.prompt]


@pytest.mark.usefixtures("open_gates")
def test_the_second_night_stacks_on_the_first(brain):
    one = brain()
    one.remember([ORLO, BIX])
    one.sleep(**BIG_DOSE)
    said = one.ask(ORLO.prompt).text
    one.remember(DULL)
    rehearsed = night.past_lessons(one, 0)
    assert {(lesson.prompt, lesson.reply) for lesson in rehearsed} == {(ORLO.prompt, "Orlo."), (BIX.prompt, "Bix")}
    one.sleep(threshold=0.1, **SMALL_DOSE)
    cycles = one.folder / "cycles"
    first, second = (load_file(cycles / number / WEIGHTS_FILE) for number in ("0001", "0002"))
    scale = [json.loads((cycles / n / "adapter_config.json").read_text()) for n in ("0001", "0002")]
    scale = [config["lora_alpha"] / config["r"] for config in scale]
    assert first.keys() == second.keys()
    for name in first:
        if "lora_A" in name:
            other = name.replace("lora_A", "lora_B")
            past = scale[1] * second[other][:, :4] @ second[name][:4]
            assert torch.allclose(past, scale[0] * first[other] @ first[name], rtol=1e-5, atol=1e-6)
            assert second[name].shape[0] == 8
    assert said == one.ask(ORLO.prompt, cycle=1).text == "Orlo."


def test_nothing_passes_and_nothing_changes(brain):
    one = brain()
    one.remember([DULL])
    before = state(one)
    with pytest.raises(NothingToConsolidate):
        one.sleep()
    assert state(one) == before
    with pytest.raises(NothingToConsolidate):
        brain("empty").sleep(threshold=0)


@pytest.mark.parametrize(
    "options", [{"threshold": 1.1}, {"threshold": math.nan}, {"recipe": "x"}, {"epochs": 0}, {"learning_rate": -1}]
)
def test_a_night_that_cannot_be_asked_for(brain, options):
    one = brain()
    one.remember([ORLO])
    before = state(one)
    with pytest.raises(UserError):
        one.sleep(**options)
    assert state(one) == before


@pytest.mark.usefixtures("short_wake")
def test_a_failing_gate_rolls_the_night_back(brain, monkeypatch):
    monkeypatch.setattr(wake, "Gates", lambda gates=wake.Gates: gates(kept=1.1, collapse=1.0, repeated=1.0))
    one = brain()
    one.remember([ORLO, BIX])
    before = state(one)
    cycle = one.sleep(**BIG_DOSE)
    after = state(one)
    assert (cycle.kept, cycle.adapter_path) == (False, None)
    assert len(cycle.reasons) == 1
    assert "ordinary prompts are answered as before" in cycle.reasons[0]
    assert [check["name"] for check in cycle.checks if not check["passed"]] == ["kept"]
    assert after["history"] == [cycle]
    assert all(after[part] == before[part] for part in ("memory", "mark", "bits", "modules"))
    assert after["cycles"] == {}
    answer = one.ask(ORLO.prompt)
    assert (answer.adapter_sha256, answer.text) == (None, cycle.replies[0]["before"])


@pytest.mark.usefixtures("short_wake")
def test_a_changed_base_is_never_kept(brain, monkeypatch, tiny_base):
    monkeypatch.setattr(wake, "Gates", lambda gates=wake.Gates: gates(0.0, 1.0, 1.0))
    real = sleep.train

    def careless(base, *rest):
        with torch.no_grad():
            base.model.get_input_embeddings().weight[5, 5] += 1
        return real(base, *rest)

    monkeypatch.setattr(sleep, "train", careless)
    one = brain()
    one.remember([ORLO])
    cycle = one.sleep(**SMALL_DOSE)
    assert not cycle.kept
    assert cycle.base_sha256_before != cycle.base_sha256_after
    assert any("must never happen" in reason for reason in cycle.reasons)
    assert contents(one.folder / "cycles") == {}


@pytest.mark.usefixtures("open_gates")
@pytest.mark.parametrize("steps", [1, 3])
def test_a_night_whose_numbers_overflow_changes_nothing(brain, monkeypatch, steps):
    monkeypatch.setattr(sleep, "rate_at", lambda *_: math.inf)
    one = brain()
    one.remember([ORLO])
    before = state(one)
    with pytest.raises(UserError, match="overflowed"):
        one.sleep(epochs=steps)
    assert state(one) == before


@pytest.mark.usefixtures("open_gates")
@pytest.mark.parametrize("stage", ["select", "dream", "train", "wake"])
def test_a_cancelled_night_leaves_the_brain_as_it_was(brain, stage):
    one, seen = brain(), []
    one.remember([ORLO, BIX])
    one.sleep(threshold=0.8, **SMALL_DOSE)
    before = state(one)
    with pytest.raises(Stopped):
        one.sleep(on_event=lambda event: seen.append(event.stage), should_stop=lambda: stage in seen, **SMALL_DOSE)
    assert seen[-1] == stage
    assert state(one) == before
    assert one.sleep(**SMALL_DOSE).cycle == 2


@pytest.mark.usefixtures("open_gates")
def test_a_night_whose_listener_fails_leaves_the_brain_as_it_was(brain):
    def broken(event):
        if event.stage == "train":
            raise KeyError("page")

    one = brain()
    one.remember([ORLO])
    before = state(one)
    with pytest.raises(KeyError):
        one.sleep(on_event=broken, **SMALL_DOSE)
    assert state(one) == before


@pytest.mark.usefixtures("open_gates")
def test_night_two_after_reopening_is_night_two_without(brain, tiny_folder):
    cycles = []
    for name in ("stays", "reopened"):
        one = brain(name)
        one.remember([ORLO, BIX])
        one.sleep(threshold=0.8, **SMALL_DOSE)
        if name == "reopened":
            one.close()
            one = brain(name, base=None, model=str(tiny_folder))
        cycles.append(one.sleep(seed=1, **SMALL_DOSE))
    assert cycles[0].adapter_sha256 == cycles[1].adapter_sha256
    assert cycles[0].replies == cycles[1].replies
    assert cycles[0].curve == cycles[1].curve


@pytest.mark.usefixtures("open_gates")
def test_the_documents_recipe(brain):
    one = brain()
    one.remember([ORLO, BIX])
    cycle = one.sleep(recipe="document")
    assert (cycle.learning_rate, cycle.epochs, len(cycle.curve), cycle.dreamt) == (1e-5, 2, 4, [])
    zero = brain("zero")
    zero.remember([Experience("Nothing?", "No.", salience=0.0)])
    assert math.isfinite(zero.sleep(threshold=0.0, **SMALL_DOSE).loss_after)
