"""The base model, against plain transformers calls."""

import json

import pytest
import torch
from conftest import BIX, DULL, ORLO

from sleepcon import adapter
from sleepcon.errors import UserError
from sleepcon.model import (
    chat,
    embed,
    generate,
    groups_by_tokens,
    load_base,
    prompt_ids,
    reply_ids,
    sample,
    score_replies,
    weights_sha256,
)

CHATS = [
    chat("Hi"),
    chat("What is the capital of France, and why is it not in Spain?"),
    chat("And?", "You are Orlo.", [("One", "Two"), ("Three", "Four")]),
    chat("Hello there"),
]


def test_a_chat_ends_with_the_prompt():
    assert CHATS[2][0] == {"role": "system", "content": "You are Orlo."}
    assert [turn["role"] for turn in CHATS[2][1:]] == ["user", "assistant"] * 2 + ["user"]
    assert chat("Hi") == [{"role": "user", "content": "Hi"}]


def test_prompt_and_reply_make_the_text_of_the_template(tiny_base):
    tokenizer = tiny_base.tokenizer
    whole = tokenizer.apply_chat_template([*chat("Hi"), {"role": "assistant", "content": "Yes."}], tokenize=False)
    assert tokenizer.decode(prompt_ids(tiny_base, chat("Hi")) + reply_ids(tiny_base, "Yes.")) == whole.rstrip("\n")
    assert reply_ids(tiny_base, "Yes.")[-1] == tiny_base.model.config.eos_token_id


def test_generate_in_a_batch_says_what_it_says_alone(tiny_base):
    # Some weights larger, so that different prompts get different replies.
    with torch.no_grad():
        for name, tensor in tiny_base.model.named_parameters():
            tensor.mul_(6 if "proj" in name else 1)
    together = generate(tiny_base, CHATS, 12)
    assert together == [generate(tiny_base, [one], 12)[0] for one in CHATS]
    assert len(set(together)) > 1
    assert generate(tiny_base, []) == []


def test_generate_is_greedy(tiny_base):
    ids = prompt_ids(tiny_base, CHATS[1])
    said = []
    for _ in range(10):
        token = int(tiny_base.model(torch.tensor([ids + said])).logits[0, -1].argmax())
        said.append(token)
        if token == tiny_base.model.config.eos_token_id:
            break
    assert generate(tiny_base, [CHATS[1]], 10) == [tiny_base.tokenizer.decode(said, skip_special_tokens=True).strip()]


def test_score_replies_against_log_softmax_over_all_logits(tiny_base):
    pairs = [(CHATS[0], "Yes."), (CHATS[2], "A longer reply, with words."), (CHATS[1], "\u00e9t\u00e9")]
    for (turns, reply), score in zip(pairs, score_replies(tiny_base, pairs), strict=True):
        prompt, said = prompt_ids(tiny_base, turns), reply_ids(tiny_base, reply)
        with torch.no_grad():
            logprobs = torch.log_softmax(tiny_base.model(torch.tensor([prompt + said])).logits[0].double(), -1)
        wanted = [float(logprobs[len(prompt) + place - 1, token]) for place, token in enumerate(said)]
        best = [float(logprobs[len(prompt) + place - 1].exp().max()) for place in range(len(said))]
        assert score.logprobs == pytest.approx(wanted, abs=1e-5)
        assert score.top == pytest.approx(best, abs=1e-6)
        assert score.nll == pytest.approx(-sum(wanted) / len(said), abs=1e-5)
        assert len(score.tokens) == len(said)
        assert score.tokens[-1] == "<|im_end|>"
    assert score_replies(tiny_base, []) == []


@pytest.mark.parametrize("last", [False, True])
def test_embed_is_the_mean_of_a_layer(tiny_base, last):
    texts = ["Hello", "Quite another and longer text", ""]
    vectors = embed(tiny_base, texts, last)
    assert vectors.shape == (3, tiny_base.model.config.hidden_size)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3))
    for text, vector in zip(texts[:2], vectors, strict=False):
        ids = torch.tensor([tiny_base.tokenizer.encode(text, add_special_tokens=False)])
        with torch.no_grad():
            states = tiny_base.model(ids, output_hidden_states=True).hidden_states
        wanted = states[-1 if last else len(states) // 2][0].mean(0)
        assert torch.allclose(vector, wanted / wanted.norm(), atol=1e-5)


def test_sample_is_settled_by_its_seed_and_leaves_the_generator_alone(tiny_base):
    state = torch.get_rng_state()
    first = sample(tiny_base, CHATS, seed=1, max_tokens=12, temperature=0.9)
    assert sample(tiny_base, CHATS, seed=1, max_tokens=12, temperature=0.9) == first
    assert sample(tiny_base, CHATS, seed=2, max_tokens=12, temperature=0.9) != first
    assert torch.equal(torch.get_rng_state(), state)


def test_the_hash_sees_every_weight_and_no_adapter(tiny_base, tiny_folder):
    before = weights_sha256(tiny_base)
    assert before == tiny_base.sha256 == load_base(str(tiny_folder)).sha256
    with adapter.worn_for_training(tiny_base, None, adapter.LoraSettings()):
        assert weights_sha256(tiny_base) == before
    seen = {before}
    for _, tensor in list(tiny_base.model.named_parameters())[:4]:
        with torch.no_grad():
            tensor.view(-1)[0] += 1e-3
        seen.add(weights_sha256(tiny_base))
    assert len(seen) == 5


def test_the_base_is_frozen_and_its_card_is_read(tiny_base, tiny_folder, tmp_path):
    assert not any(parameter.requires_grad for parameter in tiny_base.model.parameters())
    assert not tiny_base.model.training
    assert tiny_base.card == json.loads((tiny_folder / "sleepcon.json").read_text())


@pytest.mark.parametrize("name", ["", "no/such/model", "/no/such/folder"])
def test_a_base_that_cannot_be_had_is_one_sentence(name, tmp_path):
    with pytest.raises(UserError) as error:
        load_base(name or str(tmp_path))
    assert "\n" not in str(error.value)
    assert (name or str(tmp_path)) in str(error.value)


def test_groups_keep_to_their_budget():
    sizes = [5, 90, 7, 40, 6, 300]
    groups = list(groups_by_tokens(sizes, budget=100))
    assert sorted(index for group in groups for index in group) == list(range(6))
    assert all(len(group) == 1 or max(sizes[i] for i in group) * len(group) <= 100 for group in groups)


def test_many_replies_in_several_groups_keep_their_order(tiny_base, monkeypatch):
    pairs = [(chat(one.prompt), one.response) for one in (ORLO, BIX, DULL)] * 3
    whole = score_replies(tiny_base, pairs)
    monkeypatch.setattr("sleepcon.model.groups_by_tokens", lambda sizes: [[8, 1], [0], [2, 3, 4], [7, 6, 5]])
    for one, other in zip(whole, score_replies(tiny_base, pairs), strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
