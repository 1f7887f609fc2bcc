"""What ``sleepcon doctor`` says of a base: its size, its type and place, its chat template, what learns."""

import families
from transformers import MambaConfig, MambaForCausalLM

from sleepcon.doctor import examine
from sleepcon.model import load_base


def test_the_embedded_base_is_compared_with_its_card(monkeypatch):
    found = examine("embedded")
    assert found["ok"]
    assert found["base_sha256"] == found["base_sha256_stated"]
    assert (found["dtype"], found["device"], found["targets"]) == ("float32", "cpu", ["q_proj", "v_proj"])
    assert found["remarks"] == [load_base().describe()]
    monkeypatch.setenv("SLEEPCON_DTYPE", "bfloat16")
    found = examine("embedded")
    assert (found["ok"], found["dtype"], found["base_sha256_stated"]) == (True, "bfloat16", None)


def test_what_is_unusual_is_said(tmp_path):
    folder = str(families.make("gpt2", tmp_path))
    text = "\n".join(examine(folder)["lines"])
    assert f"Base {folder}: {load_base(folder).parameters:,} parameters in float32 on the processor" in text
    assert "has no chat template" in text
    assert "its c_attn learn in their place" in text


def test_a_base_that_cannot_learn_is_not_well(tmp_path):
    config = MambaConfig(num_hidden_layers=1, hidden_size=16, vocab_size=families.SIZE, eos_token_id=2)
    MambaForCausalLM(config).save_pretrained(tmp_path)
    families.tokenizer("chatml").save_pretrained(tmp_path)
    found = examine(str(tmp_path))
    assert not found["ok"]
    assert "NO" in found["lines"][-1]
    assert "has no modules called q_proj or v_proj" in found["lines"][-1]
