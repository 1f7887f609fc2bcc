"""Controls: each changes what its sentence says and nothing else."""

import json
from collections import Counter

import pytest
import torch
from conftest import BIX, DULL, ORLO, SMALL_DOSE, state
from safetensors.torch import load_file
from torch.autograd.functional import hessian

from sleepcon import batch, controls, night, regularise, sleep
from sleepcon.adapter import NIGHT, WEIGHTS_FILE, LoraSettings, lora_layers, worn_for_training
from sleepcon.controls import CONTROLS, Evening, sampled_steps
from sleepcon.dream import Lesson
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.model import weights_sha256
from sleepcon.paths import PROBES
from sleepcon.pretrain.heldout import words_of

WAITING = [(Experience(f"Question {n}?", "word " * n, id=str(n)), n / 10) for n in range(1, 10)]


def evening(threshold: float = 0.6, seed: int = 0) -> Evening:
    passing = [(one, salience) for one, salience in WAITING if salience >= threshold]
    return Evening(passing, lambda: WAITING, threshold, lambda one: len(one.response.split()), seed)


def chosen(name: str, **options) -> list[tuple[str, float]]:
    return [(one.id, weight) for one, weight in CONTROLS[name].choose(evening(**options))]


def test_unweighted_takes_the_same_and_counts_them_alike():
    assert chosen("unweighted") == [("6", 1.0), ("7", 1.0), ("8", 1.0), ("9", 1.0)]
    assert chosen("sham") == chosen("ewc") == chosen("no_rehearsal") == chosen("sampling") == [
        ("6", 0.6), ("7", 0.7), ("8", 0.8), ("9", 0.9),
    ]  # fmt: skip


def test_everything_takes_whatever_waits():
    assert chosen("everything", threshold=1.0) == [(one.id, salience) for one, salience in WAITING]


def test_shuffled_salience_deals_the_same_saliences_to_others():
    nights = [chosen("shuffled", seed=seed) for seed in range(40)]
    assert all(sorted(weight for _, weight in one) == [0.6, 0.7, 0.8, 0.9] for one in nights)
    assert chosen("shuffled", seed=3) == nights[3]
    taken = Counter(id for one in nights for id, _ in one)
    assert set(taken) == {one.id for one, _ in WAITING}  # anybody may sleep, whatever the salience


@pytest.mark.parametrize("name", ["random", "bottom"])
def test_another_choice_spends_the_same_budget(name):
    budget = 6 + 7 + 8 + 9
    for seed in range(30):
        taken = chosen(name, seed=seed)
        spent = sum(int(id) for id, _ in taken)
        left_out = {int(one.id) for one, _ in WAITING} - {int(id) for id, _ in taken}
        assert spent <= budget
        assert all(spent + size > budget for size in left_out)
        assert all(weight == int(id) / 10 for id, weight in taken)


def test_the_bottom_choice_takes_the_least_salient_and_the_random_one_anybody():
    assert chosen("bottom") == [(str(n), n / 10) for n in range(1, 8)]  # 1 + 2 + ... + 7 = 28 of 30
    assert len({tuple(chosen("random", seed=seed)) for seed in range(10)}) > 5


def test_unrelated_text_takes_their_places():
    texts = {one.prompt: one for one in controls.unrelated_text()}
    drawn = CONTROLS["unrelated"].choose(evening())
    assert [weight for _, weight in drawn] == [0.6, 0.7, 0.8, 0.9]
    assert len({one.prompt for one, _ in drawn}) == 4
    assert all(one.response == texts[one.prompt].response for one, _ in drawn)
    many = Evening(WAITING * 20, lambda: WAITING, 0.0, len, 0)
    assert len({one.id for one, _ in CONTROLS["unrelated"].choose(many)}) == 180


def test_unrelated_text_is_unrelated():
    """No question of the studies is asked in it, and none of the words that a right reply to one must hold is in it."""
    study = json.loads((PROBES / "study.json").read_text("utf-8"))["nights"]
    questions, text = [words_of(one.prompt) for one in controls.unrelated_text()], ""
    for one in controls.unrelated_text():
        text += f" {' '.join(words_of(one.prompt))} | {' '.join(words_of(one.response))} |"
    assert len(questions) >= 40
    for one in (one for group in study for one in group["experiences"]):
        assert not [key for key in one["key"] if f" {' '.join(words_of(key))} " in text]
        assert words_of(one["prompt"]) not in questions


def test_every_control_says_what_it_does_in_one_sentence():
    for name, control in CONTROLS.items():
        assert name == name.lower()
        assert control.sentence.endswith(".")
        assert control.sentence.count(".") == 1
    with pytest.raises(UserError, match="There is no control called nothing: choose one of sham, unweighted"):
        controls.find("nothing")


def test_sampled_steps_take_as_many_and_in_proportion():
    weights = [0.9, 0.3, 0.0, 0.5, 0.5]
    steps = [([2, 0, 1, 4, 3], [7, 8]), ([1, 0, 2, 3, 4], [9])] * 2000
    found = sampled_steps(steps, 3, weights, 1)
    assert [others for _, others in found] == [others for _, others in steps]
    assert all(len(taught) == 5 and sum(row < 3 for row in taught) == 3 for taught, _ in found)
    counts = Counter(row for taught, _ in found for row in taught)
    assert counts[2] == 0
    assert counts[0] / 12000 == pytest.approx(0.75, abs=0.015)
    assert counts[3] / 8000 == pytest.approx(0.5, abs=0.02)
    # a mean over the rows of such a step is on average the weighted mean of all of them
    losses = [5.0, 1.0, 100.0]
    drawn = [sum(losses[row] for row in taught if row < 3) / 3 for taught, _ in found]
    assert sum(drawn) / len(drawn) == pytest.approx(sleep.weighted_mean(losses, weights[:3]), rel=0.02)
    assert sampled_steps(steps, 3, weights, 1) == found != sampled_steps(steps, 3, weights, 2)
    assert sampled_steps([([0], [])], 1, [0.0], 0) == [([0], [])]


# Nights


@pytest.mark.usefixtures("open_gates")
def test_sham_changes_nothing_at_all(brain, tiny_base):
    one = brain()
    one.remember([ORLO, BIX, DULL])
    before = weights_sha256(tiny_base)
    cycle = one.sleep(control="sham", epochs=4, learning_rate=5.0)
    assert (cycle.control, cycle.learning_rate, cycle.kept) == ("sham", 0.0, True)
    assert "at a learning rate of 0 nothing is learned" in cycle.reasons[0]
    assert set(cycle.change.values()) == {0.0}
    assert cycle.loss_before == cycle.loss_after
    for reply in cycle.replies:
        assert reply["before"] == reply["after"]
        assert all(before == after for _, before, after in reply["tokens"])
    weights = load_file(one.adapter_after(None) / WEIGHTS_FILE)
    assert all((tensor == 0).all() for name, tensor in weights.items() if "lora_B" in name)
    assert weights_sha256(tiny_base) == before
    for prompt in (ORLO.prompt, "Hello!"):
        assert one.ask(prompt).text == one.ask(prompt, cycle=0).text


@pytest.mark.usefixtures("open_gates")
@pytest.mark.parametrize(
    ("name", "prompts", "weights"),
    [
        ("", [ORLO, BIX], [0.9, 0.7]),
        ("unweighted", [ORLO, BIX], [1.0, 1.0]),
        ("everything", [ORLO, BIX, DULL], [0.9, 0.7, 0.2]),
        ("bottom", [BIX, ORLO], [0.7, 0.9]),  # least salient first, but DULL has more tokens than these two together
        ("sampling", [ORLO, BIX], [0.9, 0.7]),
    ],
)
def test_who_sleeps_and_what_the_ledger_says(brain, name, prompts, weights):
    one = brain()
    one.remember([ORLO, BIX, DULL])
    cycle = one.sleep(control=name, **SMALL_DOSE)
    assert one.history()[0].control == cycle.control == name
    assert [reply["prompt"] for reply in cycle.replies] == [experience.prompt for experience in prompts]
    assert [reply["weight"] for reply in cycle.replies] == weights
    assert [reply["salience"] for reply in cycle.replies] == [experience.salience for experience in prompts]
    assert cycle.average_salience == pytest.approx(sum(experience.salience for experience in prompts) / len(prompts))


@pytest.mark.usefixtures("open_gates")
def test_a_control_changes_the_adapter_unless_it_says_otherwise(brain):
    hashes = {}
    for name in ("", "unweighted", "sampling", "no_rehearsal", "ewc"):
        one = brain(f"b{name}")
        one.remember([ORLO, BIX])
        hashes[name] = one.sleep(control=name, **SMALL_DOSE).adapter_sha256
    assert len({hashes[name] for name in ("", "unweighted", "sampling")}) == 3
    assert hashes[""] == hashes["no_rehearsal"] == hashes["ewc"]  # this base dreams of nothing: there is nothing to guard


@pytest.mark.usefixtures("open_gates")
def test_unrelated_text_marks_nothing_in_memory(brain, monkeypatch):
    one = brain()
    one.remember([ORLO, BIX])
    monkeypatch.setattr(night.wake, "learned", lambda day, said: [True] * len(day))
    cycle = one.sleep(control="unrelated", **SMALL_DOSE)
    assert cycle.kept
    assert not {reply["prompt"] for reply in cycle.replies} & {ORLO.prompt, BIX.prompt}
    assert [experience.prompt for experience in one.memory.pending(0.0)] == [ORLO.prompt, BIX.prompt]


def test_a_control_that_cannot_be_changes_nothing(brain):
    one = brain()
    one.remember([ORLO])
    before = state(one)
    with pytest.raises(UserError, match="There is no control called placebo"):
        one.sleep(control="placebo")
    with pytest.raises(UserError, match="The control ewc is about rehearsal, and the document's recipe has none"):
        one.sleep(control="ewc", recipe="document")
    assert state(one) == before


def test_what_is_guarded_is_rehearsed_or_made_stiff(monkeypatch, tiny_base):
    lessons = [Lesson(ORLO.prompt, ORLO.response, 0.9, 0), Lesson("Who?", ORLO.response, 0.9)]
    guarded = [Lesson("Hello!", "Hello.", 1.0)]
    training = sleep.Training("default", 1e-3, 2, 12.0)
    seen = []
    monkeypatch.setattr(sleep, "train", lambda *arguments: seen.append(arguments))
    with worn_for_training(tiny_base, None, LoraSettings()):
        for name in ("", "no_rehearsal", "ewc", "sampling"):
            night.train(tiny_base, lessons, guarded, training, 0, night.Clock(None, None), controls.find(name))
    plain, bare, stiff, drawn = seen
    assert (plain[1], plain[2], plain[7], plain[8]) == (lessons, guarded, None, None)
    assert (bare[1], bare[2], bare[7], bare[8]) == (lessons, [], None, None)
    assert (stiff[1], stiff[2], stiff[8]) == (lessons, [], None)
    assert callable(stiff[7])
    assert [lesson.weight for lesson in drawn[1]] == [1.0, 1.0]
    assert drawn[2] == guarded
    assert len(drawn[8]) == 2


# Elastic weights


def test_the_fisher_information_is_the_curvature_of_the_divergence(tiny_base):
    """Mean over many draws of the labels: the diagonal of the Hessian of KL(before || now) at the reply's tokens."""
    lesson = Lesson("Hi?", "Yo", 1.0)
    tiny_base.model.set_attn_implementation("eager")  # the fused one has no second derivative
    with worn_for_training(tiny_base, None, LoraSettings(dropout=0.0)):
        name, layer = next(lora_layers(tiny_base))
        weight = layer.get_base_layer().weight
        row = batch.padded(batch.rows_of(tiny_base, [lesson], False), 0, weight.device)
        before = batch.reply_logits(tiny_base, row)[0].log_softmax(-1).detach()
        entries = [(0, 0), (3, 5), (17, 2), (31, 31)]

        def shifted(moved: torch.Tensor) -> torch.Tensor:
            change = torch.zeros_like(weight)
            for value, entry in zip(moved, entries, strict=True):
                change = change.index_put(tuple(torch.tensor([place]) for place in entry), value)
            handle = layer.get_base_layer().register_forward_hook(lambda _, inputs, out: out + inputs[0] @ change.T)
            try:
                return batch.divergence(before, batch.reply_logits(tiny_base, row)[0]).mean()
            finally:
                handle.remove()

        curvature = hessian(shifted, torch.zeros(len(entries))).diagonal()
        drawn = [regularise.fisher(tiny_base, [lesson], seed)[name] for seed in range(400)]
    mean = torch.stack([torch.stack([one[entry] for entry in entries]) for one in drawn]).mean(0)
    assert torch.allclose(mean, curvature, rtol=0.35)
    assert not any(parameter.requires_grad for parameter in tiny_base.model.parameters())


def test_the_penalty_is_half_the_weighted_square_of_the_change(tiny_base):
    lessons = [Lesson("Hi?", "Yo", 1.0), Lesson("Name a fruit.", "A plum.", 1.0)]
    with worn_for_training(tiny_base, None, LoraSettings()):
        penalty = regularise.elastic(tiny_base, lessons, 12.0, 0)
        stiff = regularise.fisher(tiny_base, lessons, 0)
        assert float(penalty().detach()) == 0
        wanted = 0.0
        for name, layer in lora_layers(tiny_base):
            torch.nn.init.normal_(layer.lora_B[NIGHT].weight, std=0.1)
            change = 2.0 * layer.lora_B[NIGHT].weight @ layer.lora_A[NIGHT].weight  # alpha / rank = 8 / 4
            wanted += 6.0 * float((stiff[name] * change**2).sum())
        found = penalty()
        assert float(found.detach()) == pytest.approx(wanted, rel=1e-5)
        found.backward()
        assert all(layer.lora_A[NIGHT].weight.grad.abs().sum() > 0 for _, layer in lora_layers(tiny_base))
        assert regularise.elastic(tiny_base, [], 12.0, 0)() == 0


def test_a_stiff_weight_moves_less(tiny_base):
    lessons = [Lesson(ORLO.prompt, ORLO.response, 1.0, 0)]
    training = sleep.Training("default", 1e-2, 30)
    changes = []
    for weight in (0.0, 1e4):
        torch.manual_seed(0)
        with worn_for_training(tiny_base, None, LoraSettings(dropout=0.0)):
            penalty = regularise.elastic(tiny_base, [Lesson("Hi?", "Yo", 1.0)], 1.0, 0)
            sleep.train(tiny_base, lessons, [], training, 0, lambda _: None, lambda: False, lambda w=weight, p=penalty: w * p())
            changes.append(float(penalty().detach()))
    assert changes[1] < changes[0] / 10


# The command line


def test_a_control_on_the_command_line(run, file):
    code, cycle, _ = run("sleep", file, "--control", "sham", "--epochs", "2", "--json")
    assert code == 0
    assert (cycle["control"], cycle["learning_rate"]) == ("sham", 0.0)
    code, history, _ = run("history", "--json")
    assert history[0]["control"] == "sham"
    code, plan, _ = run("sleep", file, "--control", "everything", "--dry-run", "--json", "--brain", "other")
    assert len(plan["would_sleep"]) == 3


def test_a_control_that_does_not_exist_on_the_command_line(run, file, own_home):
    code, _, said = run("sleep", file, "--control", "placebo")
    assert code == 2
    assert "placebo" in said[-1]
    code, _, said = run("sleep", file, "--control", "ewc", "--recipe", "document")
    assert code == 2
    assert "about rehearsal" in said[-1]
    assert not own_home.exists()


def test_a_night_without_one_experience_keeps_its_control(brain, open_gates):
    from sleepcon import leave_out

    one = brain()
    one.remember([ORLO, BIX])
    one.sleep(control="unweighted", **SMALL_DOSE)
    again = leave_out.again(one, 1, one.history()[0].replies[0]["id"])
    other = brain("alone")
    other.remember([BIX])
    assert again["adapter_sha256"] == other.sleep(control="unweighted", **SMALL_DOSE).adapter_sha256
