"""The five detectors: what causes them moves them, and their sentences say the numbers."""

import copy
import json
import math
import re

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from sleepcon import salience
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.model import Base, chat, prompt_ids, reply_ids
from sleepcon.paths import ASSETS
from sleepcon.pretrain.card import CHAT_TEMPLATE
from sleepcon.pretrain.heldout import HeldOut, taught_replies
from sleepcon.salience import FACTORS, Factor, Scores, Weights, score

DOG = Experience("What is my dog called?", "Your dog is called Biscuit.")
SEA = Experience("Why is the sea salty?", "Rivers carry salt from rocks into it, and only water leaves as vapour.")


@pytest.fixture(scope="module")
def base() -> Base:
    """Random weights and a token for each byte, with a reference of its own."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(special + letters)}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=259, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    tiny = Base("tiny", Qwen2ForCausalLM(config).eval(), fast, {})
    tiny.card["reference"] = salience.measure_reference(tiny, salience.ordinary()[:80])
    return tiny


def taught(base: Base, prompt: str, reply: str) -> Base:
    """A copy of ``base`` that has been trained to give ``reply``."""
    model = copy.deepcopy(base.model)
    start, said = prompt_ids(base, chat(prompt)), reply_ids(base, reply)
    ids, labels = torch.tensor([start + said]), torch.tensor([[-100] * len(start) + said])
    tool = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        model(input_ids=ids, labels=labels).loss.backward()
        tool.step()
        tool.zero_grad()
    return Base("taught", model.eval(), base.tokenizer, base.card)


def one(base: Base, experience: Experience, held=()) -> Scores:
    return score(base, [experience], held)[0]


def number_in(factor: Factor, pattern: str) -> float:
    found = re.search(pattern, factor.evidence)
    assert found, factor.evidence
    return float(found[1])


def test_surprise_falls_when_the_brain_learns_the_reply(base):
    before, after = one(base, DOG).surprise, one(taught(base, DOG.prompt, DOG.response), DOG).surprise
    assert before.value > 0.08
    assert after.value < 0.05
    nats = number_in(after, r"length: ([\d.]+) nats per token over 28 tokens")
    assert nats < 1 < number_in(before, r"([\d.]+) nats per token")


def test_surprise_is_the_mean_negative_log_likelihood(base):
    start, said = prompt_ids(base, chat(DOG.prompt)), reply_ids(base, DOG.response)
    with torch.no_grad():
        labels = torch.tensor([[-100] * len(start) + said])
        loss = base.model(input_ids=torch.tensor([start + said]), labels=labels).loss.item()
    assert number_in(one(base, DOG).surprise, r"([\d.]+) nats") == pytest.approx(loss, abs=0.006)


def test_conflict_rises_when_the_brain_is_sure_of_something_else(base):
    sure = taught(base, DOG.prompt, "It is called Tango, I am sure.")
    before, after = one(base, DOG).conflict, one(sure, DOG).conflict
    assert after.value > before.value + 0.1
    assert number_in(after, r"by ([\d.]+) on average") > number_in(before, r"by ([\d.]+) on average")


def test_conflict_is_nothing_where_the_brain_would_have_said_the_same():
    assert salience.conflict([math.log(0.7), math.log(0.2)], [0.7, 0.6]) == pytest.approx(0.2)
    assert salience.conflict([0.0], [1.0]) == 0


def test_novelty_falls_when_a_reply_is_repeated(base):
    new, elsewhere, again = score(base, [SEA, Experience("And why are lakes not?", SEA.response), SEA], [DOG])
    assert new.novelty.value > elsewhere.novelty.value + 0.1
    assert again.novelty == elsewhere.novelty
    assert again.novelty.value < 0.1
    assert number_in(again.novelty, r"held is ([\d.]+),") == 1.0


def test_the_first_of_all_is_new(base):
    assert one(base, SEA).novelty == Factor(1.0, "Nothing is held yet, so there is nothing like it: similarity 0.00.")


def test_novelty_looks_back_and_never_ahead(base):
    first, second, third = (Experience(x.prompt, x.response, id=str(n)) for n, x in enumerate([DOG, SEA, DOG]))
    held = [first, second, third]
    whole = [scores.novelty for scores in score(base, held)]
    assert [scores.novelty for scores in score(base, held, held)] == whole
    assert [scores.novelty for scores in score(base, [third, first], held)] == [whole[2], whole[0]]
    assert one(base, third, [first, second]).novelty.value == pytest.approx(whole[2].value, abs=1e-6)


def test_similarity_in_blocks_is_the_plain_one(monkeypatch):
    rows = torch.nn.functional.normalize(torch.randn(23, 5, generator=torch.Generator().manual_seed(1)), dim=1)
    plain = [max([float(rows[i] @ rows[j]) for j in range(i)], default=-math.inf) for i in range(23)]
    asked = [22, 0, 7, 7, 3, 15, 8, 1]
    for block in (1, 3, 4, 100):
        monkeypatch.setattr(salience, "BLOCK", block)
        assert salience.largest_before(rows, torch.tensor(asked)).tolist() == pytest.approx([plain[i] for i in asked], abs=1e-6)


def test_arousal_rises_with_emotional_wording(base):
    calm, happy, angry, loud = score(
        base,
        [
            Experience("How was it?", "The form has two pages and a stamp."),
            Experience("How was it?", "It was wonderful and I love every page of it."),
            Experience("How was it?", "It was horrible and I hate every page of it."),
            Experience("How was it?", "It was HORRIBLE and I HATE every page of it!!!"),
        ],
    )
    assert calm.arousal.value < 0.5 < happy.arousal.value
    assert calm.arousal.value < angry.arousal.value < loud.arousal.value
    assert number_in(calm.arousal, r": (\d+)% of the wording of 11 words") == 0
    assert number_in(loud.arousal, r"(\d+) exclamation marks") == 3


def test_arousal_and_reward_do_not_saturate():
    texts = ["good " * count + "table " * (200 - count) for count in range(0, 200, 20)]
    found = [salience.wording(Experience("Well?", text)) for text in texts]
    for values in ([it.arousal for it in found], [it.warmth for it in found]):
        assert values == sorted(set(values))


def test_reward_is_the_feedback_given(base):
    bad, even, good = (one(base, Experience("Hi", "Hello!", feedback=f)).reward for f in (-1.0, 0.0, 0.5))
    assert [bad.value, even.value, good.value] == [0.0, 0.5, 0.75]
    assert not good.estimated
    assert good.evidence == "Feedback of +0.50 was given, on a scale from -1 to 1."


def test_reward_without_feedback_is_an_estimate_that_tone_moves(base):
    cold, plain, warm, thanked = (
        one(base, Experience(prompt, reply)).reward
        for prompt, reply in [
            ("Where is it?", "That is a stupid, annoying question."),
            ("Where is it?", "On the shelf."),
            ("Where is it?", "On the shelf, and I am happy to help you find it."),
            ("Thanks, you are wonderful! Where is it?", "On the shelf, and I am happy to help you find it."),
        ]
    )
    assert cold.value < plain.value < warm.value < thanked.value
    assert all(factor.estimated and factor.evidence.startswith("An estimate") for factor in (cold, plain, warm, thanked))


def test_every_share_in_a_sentence_is_the_value(base):
    for factor in vars(score(base, [DOG, SEA])[1]).values():
        stated = number_in(factor, r"than (\d+)% of ordinary exchanges of like length")
        assert stated == pytest.approx(100 * factor.value, abs=0.51)


def test_order_matters_to_novelty_alone(base):
    items = [*salience.ordinary()[100:110], DOG, SEA]
    straight, turned = score(base, items), score(base, items[::-1])[::-1]
    for one_way, other_way in zip(straight, turned, strict=True):
        for name in set(FACTORS) - {"novelty"}:
            assert getattr(one_way, name).value == pytest.approx(getattr(other_way, name).value, abs=1e-3)
    assert [s.novelty.value for s in straight] != [s.novelty.value for s in turned]


def test_total_is_the_weighted_mean():
    scores = Scores(*(Factor(value, "") for value in (0.9, 0.1, 0.4, 0.6, 0.5)))
    assert scores.total() == pytest.approx(0.5)
    assert scores.total(Weights(1, 0, 0, 0, 0)) == 0.9
    assert scores.total(Weights(3, 1, 0, 0, 0)) == pytest.approx(0.7)
    assert scores.total(Weights(1e308, 1e308, 1e308, 1e308, 1e308)) == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [{"novelty": -1}, {"reward": math.nan}, {"conflict": math.inf}, dict.fromkeys(FACTORS, 0)])
def test_weights_that_make_no_mean_are_refused(wrong):
    with pytest.raises(UserError):
        Weights(**wrong)


@pytest.mark.parametrize(
    ("prompt", "response"),
    [
        ("?", "."),
        ("\u200b", "\u200b"),
        ("😀" * 500, "😡🔥😭" * 800),
        ("word " * 800, "long " * 3000),
        ("a" * 9999, "b" * 9999),
        ("¿Cómo estás?", "¡Muy bien, gracias!"),
        ("今日は元気ですか", "はい、とても元気です!"),
        ("<|im_end|>", "<|im_start|>user\nHi<|im_end|>"),
        ("line\none", "two\n\n\tthree\x00"),
    ],
)
def test_any_text_is_scored(base, prompt, response):
    scores = score(base, [DOG, Experience(prompt, response)])[1]
    assert all(0 <= getattr(scores, name).value <= 1 for name in FACTORS)
    assert 0 <= scores.total() <= 1


def test_no_experience_no_scores(base):
    assert score(base, []) == []


def test_the_longest_text_stays_in_the_window(base):
    window = base.model.config.max_position_embeddings
    for text in ("a" * 9999, "😀" * 5000, "字" * 5000):
        tokens = [*prompt_ids(base, chat(salience.clip(base, text, 4))), *reply_ids(base, salience.clip(base, text, 2))]
        assert len(tokens) <= window


def test_placing_is_a_share_of_ordinary_exchanges_that_always_rises():
    rng = np.random.default_rng(0)
    points = np.sort(rng.normal(3, 0.5, 400))
    reference = {"tokens": [20] * 400, "nll": points.tolist()}

    def place(values):
        return salience.place("nll", np.array(values), np.full(len(values), 20), reference)

    assert np.abs(place(points) - (np.arange(400) + 0.5) / 400).max() < 0.04
    far = place(np.linspace(-20, 40, 5000))
    assert (np.diff(far) > 0).all()
    assert 0 < far[0] < 0.01 < 0.99 < far[-1] < 1
    assert np.diff(place([8.0, 9.0, 11.0])).min() > 1e-4
    reference["nll"] = [1.0] * 400
    assert place([0.0, 1.0, 2.0]).tolist() == pytest.approx([0, 0.5, 1], abs=1e-4)


def test_placing_compares_with_ordinary_exchanges_of_like_length():
    lengths = np.repeat([10, 300], 200)
    reference = {"tokens": lengths.tolist(), "nll": np.concatenate([np.linspace(2, 4, 200), np.linspace(5, 7, 200)]).tolist()}
    placed = salience.place("nll", np.array([3.0, 6.0, 6.0, 3.0, 6.0]), np.array([10, 300, 9000, 300, 10]), reference)
    assert placed[:3].tolist() == pytest.approx([0.5] * 3, abs=0.02)
    assert placed[3] < 0.03
    assert placed[4] > 0.97


def test_a_base_without_a_reference_gets_one(base, monkeypatch):
    few = salience.ordinary()[:12]
    monkeypatch.setattr(salience, "ordinary", lambda: few)
    bare = Base("bare", base.model, base.tokenizer, {})
    score(bare, [DOG])
    reference = bare.card["reference"]
    assert set(reference) == {"tokens", "nll", "similarity", "conflict", "arousal", "reward"}
    assert all(len(numbers) == 12 for numbers in reference.values())
    assert json.loads(json.dumps(reference)) == reference
    assert salience.reference_of(bare) is reference


def test_ordinary_exchanges_are_many_long_and_short_and_teach_nothing():
    pairs = salience.ordinary()
    words = [len(pair.response.split()) for pair in pairs]
    assert len({(pair.prompt, pair.response) for pair in pairs}) == 400
    assert sum(count >= 60 for count in words) >= 100
    assert sum(count <= 10 for count in words) >= 90
    held_out = HeldOut(taught_replies(ASSETS))
    assert not [pair for pair in pairs if held_out.broken_by(f"{pair.prompt} \n {pair.response}")]
