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


def test_a_short_night_lowers_the_loss_of_its_day_and_is_taken_off(day, model, monkeypatch):
    monkeypatch.setattr(practice, "REHEARSAL_WEIGHT", 0.1)  # of random weights the full one lets next to nothing through
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    ids, said, _ = practice.padded(day.taught)

    def loss():
        with torch.no_grad():
            return float(loss_of(model, ids, said))

    awake = loss()
    held = practice.states(model, day.far)
    with practice.slept(model, day, practice.worn_loss, 0):
        assert loss() < awake - 0.01
        changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
        assert changed == {f"model.layers.{n}.self_attn.{kind}_proj.weight" for n in (0, 1) for kind in "qv"}
        assert all(parameter.requires_grad for parameter in model.parameters())
        practice.worn_loss(model, *vars(practice.morning(day, held)).values()).backward()
        assert model.model.embed_tokens.weight.grad.abs().sum() > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_batch_counts_rows_by_their_shares_and_held_tokens_alike(day, model):
    before = practice.states(model, day.far)
    asked = practice.batch_of(day.taught + day.far, [0.5, 1.0, 2.0, 3.0, 4.0], before, 7.0)
    assert asked.ids.shape[1] % 16 == 0
    assert asked.weights.sum(1).tolist() == pytest.approx([0.5, 1.0, 2.0, 3.0, 4.0])
    assert float(asked.held.sum()) == pytest.approx(7.0)
    assert int((asked.held > 0).sum()) == sum(len(ids) for ids, _ in day.far)


def test_the_loss_is_that_of_each_row_by_itself(day, model):
    rows, moved = day.taught[:2], day.far[:2]
    then = practice.states(model, moved)
    with torch.no_grad():
        model.model.layers[0].self_attn.v_proj.weight.mul_(1.5)
        asked = practice.batch_of(rows + moved, [0.5, 2.0, 0.0, 0.25], then, 3.0)
        whole = float(practice.worn_loss(model, *vars(asked).values()))
        by_row = 0.0
        for (ids, said), share in zip((*rows, moved[1]), (0.5, 2.0, 0.25), strict=True):
            losses = -model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
            places = [place for place, one in enumerate(said[1:]) if one]
            by_row += share * sum(float(losses[place, ids[place + 1]]) for place in places) / len(places)
        drifts = []
        for number, (ids, _) in enumerate(moved):
            now = model.model(torch.tensor([ids])).last_hidden_state[0]
            old = then[number, : len(ids)]
            drifts += ((now - old).square().sum(-1) / old.square().sum(-1)).tolist()
    assert whole == pytest.approx(by_row + 3.0 * sum(drifts) / len(drifts), rel=0.02), "bfloat16 on one side alone"
    assert sum(drifts) > 0.01
