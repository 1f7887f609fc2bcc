"""One night on a tiny model of each family: loaded, asked, scored, taught, and read again by stock PEFT."""

import families
import pytest
import torch
from conftest import BIX, ORLO
from peft import PeftModel
from transformers import AutoModelForCausalLM

from sleepcon import adapter, cli
from sleepcon.adapter import LoraSettings, learns, lora_layers, targets_of
from sleepcon.brain import Brain
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.model import chat, embed, end_marks, generate, load_base, prompt_ids, reply_ids, score_replies, text_of

PAIRS = [(chat("What should I call you?"), "Orlo."), (chat("Name?", "You are Bix."), "I am Bix, and you?")]


@pytest.fixture(scope="module", params=families.FAMILIES)
def family(request, tmp_path_factory):
    """Name of the family and a folder with a model of it."""
    return request.param, families.make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def base(family):
    return load_base(str(family[1]))


def logprobs(model, base, turns, reply) -> list[float]:
    """Log-probabilities of a reply's tokens by a plain forward pass of ``model``."""
    prompt, said = prompt_ids(base, turns), reply_ids(base, reply)
    with torch.no_grad():
        rows = torch.log_softmax(model(torch.tensor([prompt + said])).logits[0].double(), -1)
    return [float(rows[len(prompt) + place - 1, token]) for place, token in enumerate(said)]


def test_replies_are_scored_as_the_models_own_forward_pass_has_it(family, base):
    stock = AutoModelForCausalLM.from_pretrained(family[1]).eval()
    for (turns, reply), score in zip(PAIRS, score_replies(base, PAIRS), strict=True):
        assert score.logprobs == pytest.approx(logprobs(stock, base, turns, reply), abs=1e-4)


def test_replies_are_greedy_and_end_at_the_templates_mark(family, base):
    stock = AutoModelForCausalLM.from_pretrained(family[1]).eval()
    for turns, said in zip([PAIRS[0][0], PAIRS[1][0]], generate(base, [turns for turns, _ in PAIRS], 12), strict=True):
        ids = prompt_ids(base, turns)
        with torch.no_grad():
            for _ in range(12):
                ids.append(int(stock(torch.tensor([ids])).logits[0, -1].argmax()))
                if ids[-1] in end_marks(base):
                    break
        assert said == text_of(base, ids[len(prompt_ids(base, turns)) :])
    assert base.template.mark in end_marks(base)
    assert 2 in end_marks(base), "and at the tokenizer's"
    assert embed(base, ["One", "Another"]).shape == (2, 32)


def test_the_modules_that_learn_are_found_and_said(family, base):
    name, folder = family
    wanted = families.FAMILIES[name][2]
    assert targets_of(base, LoraSettings()) == wanted
    said = learns(base)
    if wanted == ("q_proj", "v_proj"):
        assert said == ""
    else:
        assert said == f"The model {folder} has no q_proj and v_proj: its {wanted[0]} learn in their place."


@pytest.mark.usefixtures("open_gates")
def test_two_nights_and_stock_peft_scores_the_same(family, base, tmp_path):
    bare = score_replies(base, PAIRS)
    brain = Brain.open("one", home=tmp_path, base=base)
    for experience in (ORLO, BIX):
        brain.remember(Experience(experience.prompt, experience.response, salience=0.9))
        cycle = brain.sleep(epochs=2, learning_rate=0.01)
        assert cycle.kept
        assert cycle.base_sha256_before == cycle.base_sha256_after == base.sha256
    with adapter.worn(base, brain.adapter_after(None)):
        assert {name.rsplit(".", 1)[-1] for name, _ in lora_layers(base)} == set(families.FAMILIES[family[0]][2])
        ours = score_replies(base, PAIRS)
    stock = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(family[1]), cycle.adapter_path).eval()
    for (turns, reply), before, after in zip(PAIRS, bare, ours, strict=True):
        wanted = logprobs(stock, base, turns, reply)
        assert after.logprobs == pytest.approx(wanted, abs=1e-4)
        assert before.logprobs != pytest.approx(wanted, abs=1e-3), "the nights changed something"
    brain.close()


@pytest.mark.parametrize("name", ["gpt2", "opt"])
def test_a_text_beyond_the_table_of_positions_is_refused(name, tmp_path):
    base = load_base(str(families.make(name, tmp_path)))
    assert base.window == 512
    long = "qz" * 300
    for call in (
        lambda: generate(base, [chat(long)]),
        lambda: score_replies(base, [(chat("Hi"), long)]),
        lambda: embed(base, [long]),
    ):
        with pytest.raises(UserError, match=r"too long for .* takes 512: shorten it"):
            call()
    nearly = chat("a" * (512 - 20 - len(prompt_ids(base, chat("")))))
    assert len(prompt_ids(base, nearly)) > 400
    generate(base, [nearly], max_tokens=64)  # what is left of the window, and no more


@pytest.mark.usefixtures("open_gates")
def test_the_command_line_says_what_is_unusual(tmp_path, capsys, file):
    folder = str(families.make("gpt2", tmp_path / "gpt2"))
    assert cli.main(["sleep", file, "--model", folder, "--epochs", "1"]) == 0
    said = capsys.readouterr().err
    assert f"Base {folder}: " in said
    assert "in float32 on the processor; adapters in float32." in said
    assert "has no q_proj and v_proj: its c_attn learn in their place." in said
    assert cli.main(["ask", "Hi"]) == 0
    assert "has no chat template" in capsys.readouterr().err


def test_rotary_positions_have_no_table(tmp_path):
    assert load_base(str(families.make("llama", tmp_path))).window is None


def test_a_reply_in_plain_lines_is_cut_where_the_next_turn_begins(tmp_path):
    base = load_base(str(families.make("gpt_neox", tmp_path)))
    ids = base.tokenizer.encode(" Well, and you?\nUser: What?\nAssistant: No.")
    assert text_of(base, ids) == "Well, and you?"
