"""Training: losses against transformers' own, the document's recipe against a plain loop, weights, schedule, events."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from conftest import BIX, DULL, ORLO
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from sleepcon.adapter import LoraSettings, worn_for_training
from sleepcon.batch import IGNORED, divergence, lesson_losses, padded, row_losses, rows_of
from sleepcon.dream import Lesson
from sleepcon.errors import UserError
from sleepcon.model import chat, prompt_ids, reply_ids
from sleepcon.sleep import (
    B_RATIO,
    BATCH,
    DREAMT,
    FINAL_RATE,
    REHEARSED,
    WARM_UP,
    Stopped,
    Training,
    optimizer_for,
    order_of_steps,
    rate_at,
    train,
    weighted_mean,
)

LESSONS = [Lesson(one.prompt, one.response, one.salience, place) for place, one in enumerate((ORLO, BIX, DULL))]
NO_DROPOUT = LoraSettings(dropout=0.0)
DOCUMENT = Training("document", 1e-5, 2)


def run(base, lessons=LESSONS, rehearsed=(), training=DOCUMENT, seed=0, on_event=lambda _: None, should_stop=lambda: False):
    return train(base, lessons, rehearsed, training, seed, on_event, should_stop)


def reference_losses(base, lessons, whole):
    """transformers' own loss of each lesson alone."""
    found = []
    for lesson in lessons:
        prompt, reply = prompt_ids(base, chat(lesson.prompt, lesson.context)), reply_ids(base, lesson.reply)
        labels = (prompt if whole else [IGNORED] * len(prompt)) + reply
        with torch.no_grad():
            found.append(float(base.model(torch.tensor([prompt + reply]), labels=torch.tensor([labels])).loss))
    return found


@pytest.mark.parametrize("whole", [False, True])
def test_row_losses_are_those_of_transformers(tiny_base, whole):
    lessons = [*LESSONS, Lesson("Who?", "Me.", 1.0, context="You are Orlo, an owl.")]
    wanted = reference_losses(tiny_base, lessons, whole)
    rows = rows_of(tiny_base, lessons, whole)
    with torch.no_grad():
        found = row_losses(tiny_base, padded(rows, 0, torch.device("cpu"))).tolist()
    assert found == pytest.approx(wanted, rel=1e-5)
    assert lesson_losses(tiny_base, lessons * 20, whole) == pytest.approx(wanted * 20, rel=1e-5)
    assert len(set(wanted)) == 4


@pytest.mark.parametrize("rate", [1e-5, 1e-2])  # at the larger one weight decay shows
def test_the_documents_recipe_is_a_plain_loop(tiny_base, tiny_folder, rate):
    epochs = 3
    torch.manual_seed(5)
    plain = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny_folder),
        LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    )
    plain.train()
    learning = [(name, parameter) for name, parameter in plain.named_parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW([parameter for _, parameter in learning], lr=rate)
    reference = []
    for _ in range(epochs):
        for lesson in LESSONS:
            turns = [*chat(lesson.prompt), {"role": "assistant", "content": lesson.reply}]
            text = tiny_base.tokenizer.apply_chat_template(turns, tokenize=False).rstrip("\n")
            ids = torch.tensor([tiny_base.tokenizer.encode(text, add_special_tokens=False)])
            loss = plain(ids, labels=ids).loss
            optimizer.zero_grad()
            (loss * lesson.weight).backward()
            norm = math.sqrt(sum(float(parameter.grad.square().sum()) for _, parameter in learning))
            optimizer.step()
            reference.append((float(loss.detach()), norm))
    events = []
    torch.manual_seed(5)
    with worn_for_training(tiny_base, None, NO_DROPOUT):
        trained = run(tiny_base, training=Training("document", rate, epochs), on_event=events.append)
        ours = {name: tensor.detach().clone() for name, tensor in tiny_base.model.named_parameters() if tensor.requires_grad}
    assert trained.curve == pytest.approx([loss for loss, _ in reference], rel=1e-5)
    assert [event.gradient_norm for event in events] == pytest.approx([norm for _, norm in reference], rel=1e-3)
    assert len(ours) == len(learning)
    for name, parameter in learning:
        mine = ours[name.removeprefix("base_model.model.").replace(".default.", ".night.")]
        assert torch.allclose(mine, parameter, rtol=1e-4, atol=rate / 1000), name
    assert trained.curve[-1] < trained.curve[2]  # the same experience, two passes later


def test_weighted_mean():
    assert weighted_mean([1.0, 2.0, 6.0], [1.0, 0.5, 0.5]) == pytest.approx((1 + 1 + 3) / 2)
    assert weighted_mean([3.0], [0.2]) == pytest.approx(3.0)
    assert weighted_mean([1.0, 3.0], [0.0, 0.0]) == pytest.approx(2.0)  # no weight at all: all count alike


def test_the_default_loss_of_a_step(tiny_base):
    rehearsed = [Lesson("Hello!", "Hi.", 1.0), Lesson("Bye.", "See you.", 1.0)]
    with worn_for_training(tiny_base, None, NO_DROPOUT):
        parameters = [parameter for parameter in tiny_base.model.parameters() if parameter.requires_grad]
        rows = rows_of(tiny_base, [*LESSONS, *rehearsed], False)
        losses = row_losses(tiny_base, padded(rows, 0, torch.device("cpu")))
        weights = torch.tensor([lesson.weight for lesson in LESSONS])
        taught = (losses[:3] * weights).sum() / weights.sum()
        gradients = torch.autograd.grad(taught, parameters)  # nothing has drifted yet: rehearsal does not pull
        events = []
        run(tiny_base, rehearsed=rehearsed, training=Training("default", 1e-3, 1, 0.5), on_event=events.append)
    assert events[0].loss == pytest.approx(float(taught.detach()), rel=1e-5)
    assert sorted(events[0].losses) == pytest.approx(sorted(losses[:3].tolist()), rel=1e-5)
    assert events[0].gradient_norm == pytest.approx(math.sqrt(sum(float(one.square().sum()) for one in gradients)), rel=1e-2)


def test_the_rate_rises_and_falls_as_a_cosine():
    training = Training("default", 0.2, 4)
    rates = [rate_at(step, 101, training) for step in range(101)]
    assert rates[0] == pytest.approx(0.2 / WARM_UP)
    assert rates[50] == pytest.approx(0.2 * (1 + FINAL_RATE) / 2)
    assert rates[100] == pytest.approx(0.2 * FINAL_RATE)
    assert all(later > earlier for earlier, later in pairwise(rates[:WARM_UP]))
    assert all(later < earlier for earlier, later in pairwise(rates[WARM_UP - 1 :]))
    assert {rate_at(step, 6, DOCUMENT) for step in range(6)} == {1e-5}


def test_b_learns_faster_than_a_but_not_in_the_documents_recipe(tiny_base):
    with worn_for_training(tiny_base, None, NO_DROPOUT):
        groups = optimizer_for(tiny_base, Training("default", 0.1, 1)).param_groups
        assert [group["ratio"] for group in groups] == [1.0, B_RATIO]
        assert len(groups[0]["params"]) == len(groups[1]["params"]) == 4  # two modules in each of two layers
        assert all(one.shape[0] == 4 for one in groups[0]["params"])
        assert [group["ratio"] for group in optimizer_for(tiny_base, DOCUMENT).param_groups] == [1.0]


def test_divergence_is_kullback_and_leiblers():
    before, now = torch.randn(5, 7), torch.randn(5, 7)
    p, q = before.softmax(-1), now.softmax(-1)
    by_hand = (p * (p / q).log()).sum(-1)
    assert torch.allclose(divergence(before.log_softmax(-1), now), by_hand, atol=1e-6)
    assert torch.allclose(divergence(before.log_softmax(-1), before), torch.zeros(5), atol=1e-6)


def test_the_order_of_steps():
    assert order_of_steps(3, 0, 0, DOCUMENT, 0) == [([row], []) for row in (0, 1, 2)] * 2
    day, dreamt, rehearsed = 2 * BATCH + 1, 4 * DREAMT, 5 * REHEARSED
    steps = order_of_steps(day, dreamt, rehearsed, Training("default", 1.0, 2), 7)
    assert steps == order_of_steps(day, dreamt, rehearsed, Training("default", 1.0, 2), 7)
    assert steps != order_of_steps(day, dreamt, rehearsed, Training("default", 1.0, 2), 8)
    assert len(steps) == 2 * 3
    for epoch in (steps[:3], steps[3:]):
        assert sorted(row for taught, _ in epoch for row in taught if row < day) == list(range(day))
        assert all(sum(row < day for row in taught) <= BATCH and len(others) <= REHEARSED for taught, others in epoch)
    reworded = [row for taught, _ in steps for row in taught if row >= day]
    assert sorted(reworded[:dreamt]) == list(range(day, day + dreamt)), "each once before any twice"
    others = [row for _, rows in steps for row in rows]
    assert sorted(others[:rehearsed]) == list(range(rehearsed))
    assert (len(reworded), len(others)) == (6 * DREAMT, 6 * REHEARSED)


def test_shares_of_the_gradient_sum_to_one_and_grow_with_the_weight(tiny_base):
    shares = []
    for weight in (0.0, 0.25, 0.5, 1.0):
        lessons = [replace(lesson, weight=weight if n == 0 else 0.5) for n, lesson in enumerate(LESSONS)]
        torch.manual_seed(0)
        with worn_for_training(tiny_base, None, NO_DROPOUT):
            shares.append(run(tiny_base, lessons, training=Training("default", 1e-3, 2)).shares)
    assert [sum(one) for one in shares] == pytest.approx([1.0] * 4)
    assert shares[0][0] == pytest.approx(0.0, abs=1e-5)
    assert all(before[0] < after[0] and before[1] > after[1] for before, after in pairwise(shares))
    by_hand = 2 * shares[2][0] / (2 * shares[2][0] + shares[2][1] + shares[2][2])  # the norm doubles with the weight
    assert shares[3][0] == pytest.approx(by_hand, rel=1e-4)


def test_experiences_without_weight_do_no_harm(tiny_base):
    lessons = [replace(lesson, weight=0.0) for lesson in LESSONS]
    for recipe in ("default", "document"):
        with worn_for_training(tiny_base, None, NO_DROPOUT):
            trained = run(tiny_base, lessons, training=Training(recipe, 1e-3, 2))
            assert all(bool(p.isfinite().all()) for p in tiny_base.model.parameters())
        assert all(math.isfinite(loss) for loss in trained.curve)


@pytest.mark.parametrize(
    ("recipe", "rate", "epochs", "what"),
    [
        ("other", 1e-3, 1, "no recipe called other"),
        ("default", -1e-3, 1, "learning rate of -0.001"),
        ("default", 10, 1, "learning rate of 10"),
        ("default", math.nan, 1, "learning rate of nan"),
        ("default", math.inf, 1, "learning rate of inf"),
        ("default", 1e-3, 0, "0 epochs"),
        ("document", 1e-3, 1001, "1001 epochs"),
    ],
)
def test_training_that_cannot_be(recipe, rate, epochs, what):
    with pytest.raises(UserError, match=what):
        Training(recipe, rate, epochs)


def test_events_tell_each_step_and_stop_is_obeyed(tiny_base):
    events = []
    with worn_for_training(tiny_base, None, NO_DROPOUT):
        trained = run(tiny_base, training=Training("default", 1e-3, 5), on_event=events.append)
    assert [(event.stage, event.step, event.steps) for event in events] == [("train", step, 5) for step in range(1, 6)]
    assert trained.curve == [event.loss for event in events]
    assert all(earlier.seconds <= later.seconds <= trained.seconds for earlier, later in pairwise(events))
    assert events[0].as_dict()["losses"] == events[0].losses
    assert len(events[0].losses) == 3
    events.clear()
    with pytest.raises(Stopped), worn_for_training(tiny_base, None, NO_DROPOUT):
        run(tiny_base, training=Training("default", 1e-3, 5), on_event=events.append, should_stop=lambda: len(events) == 3)
    assert len(events) == 3
    assert not tiny_base.model.training


def test_dropout_follows_the_seed(tiny_base):
    def weights(seed):
        torch.manual_seed(1)
        with worn_for_training(tiny_base, None, LoraSettings()):
            run(tiny_base, training=Training("document", 1e-3, 2), seed=seed)
            return torch.cat([p.detach().flatten() for p in tiny_base.model.parameters() if p.requires_grad])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
