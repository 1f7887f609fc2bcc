"""Practising nights: a short night on an invented day changes the model while it lasts, and nothing after."""

import pytest
import torch
from tokenizers import Tokenizer

from sleepcon.paths import ASSETS, EMBEDDED
from sleepcon.pretrain import practice
from sleepcon.pretrain.conversations import BALANCED
from sleepcon.pretrain.train import Shape, loss_of

TOKENIZER = EMBEDDED / "tokenizer.json"


@pytest.fixture(scope="module")
def day():
    practice._begin(ASSETS, BALANCED, TOKENIZER.read_text(encoding="utf-8"))
    made = practice._day("3/day/0")
    assert made == practice._day("3/day/0"), "a day depends on its key alone"
    assert made != practice._day("3/day/1")
    return made


@pytest.fixture
def model():
    from transformers import Qwen2ForCausalLM

    torch.manual_seed(0)
    return Qwen2ForCausalLM(Shape(hidden=64, layers=2, heads=2, feed_forward=64).config())


def questions(rows):
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    return [tokenizer.decode([token for token, said in zip(*row, strict=True) if not said]) for row in rows]


def test_a_day_asks_what_it_did_not_teach(day):
    assert len(day.taught) == practice.EXPERIENCES
    taught = set(questions(day.taught))
    unseen = [text for text in questions(day.unseen) if text not in taught]
    assert len(unseen) > len(day.unseen) / 2
    assert not taught & set(questions(day.far))


def test_a_short_night_lowers_the_loss_of_its_day_and_is_taken_off(day, model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    ids, weights = practice.batch_of(day.taught, [1.0] * len(day.taught), torch.device("cpu"))

    def loss():
        with torch.no_grad():
            return float(loss_of(model, ids, weights))

    awake = loss()
    with practice.slept(model, day, loss_of, 0):
        assert loss() < awake - 0.01
        changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
        assert changed == {f"model.layers.{n}.self_attn.{kind}_proj.weight" for n in (0, 1) for kind in "qv"}
        assert all(parameter.requires_grad for parameter in model.parameters())
        loss_of(model, *practice.morning(day, torch.device("cpu"))).backward()
        assert model.model.embed_tokens.weight.grad.abs().sum() > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_shares_of_rows_are_what_their_weights_sum_to(day):
    ids, weights = practice.batch_of(day.taught, [0.5, 1.0, 2.0, 3.0, 4.0], torch.device("cpu"))
    assert ids.shape == weights.shape
    assert ids.shape[1] % 16 == 0
    assert weights.sum(1).tolist() == pytest.approx([0.5, 1.0, 2.0, 3.0, 4.0])
