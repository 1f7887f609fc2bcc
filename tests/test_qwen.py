"""The document's recipe on the architecture of Qwen2.5-0.5B, with random weights: its shape is the document's."""

import importlib.util
import json
import shutil

import families
import pytest
import torch
from safetensors.torch import load_file

from sleepcon import documented
from sleepcon.adapter import NIGHT, LoraSettings, save, worn_for_training
from sleepcon.model import chat, load_base, prompt_ids, reply_ids, score_replies
from sleepcon.paths import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A gigabyte of random weights in bfloat16, in the layout of the published model, its chat template too."""
    spec = importlib.util.spec_from_file_location("random_qwen", ROOT / "benchmarks" / "random_qwen.py")
    random_qwen = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(random_qwen)
    made = random_qwen.make(tmp_path_factory.mktemp("qwen") / "model")
    (made / "chat_template.jinja").write_text(families.TEMPLATES["default system"])
    yield made
    shutil.rmtree(made)


def test_the_documents_recipe_has_the_documents_shape(folder, tmp_path):
    base = load_base(str(folder), dtype="bfloat16", device="cpu")
    assert base.parameters == documented.BASE_PARAMETERS == 494_032_768
    assert (folder / "model.safetensors").stat().st_size == pytest.approx(2 * base.parameters, rel=1e-3)
    with worn_for_training(base, None, LoraSettings()) as peft:
        learning = [tensor for tensor in peft.parameters() if tensor.requires_grad]
        assert sum(tensor.numel() for tensor in learning) == documented.ADAPTER_PARAMETERS == 270_336
        save(peft, NIGHT, tmp_path / "night")
    size = (tmp_path / "night" / "adapter_model.safetensors").stat().st_size
    assert f"{size / 1e6:.1f}" == "1.1"
    tensors = load_file(tmp_path / "night" / "adapter_model.safetensors")
    assert sum(tensor.numel() for tensor in tensors.values()) == 270_336
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    config = json.loads((tmp_path / "night" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (4, 8, 0.05)
    assert sorted(config["target_modules"]) == ["q_proj", "v_proj"]
    # The published numbers of the marks, and no word that nobody said.
    prompt, reply = prompt_ids(base, chat("Hi")), reply_ids(base, "Yes.")
    assert (prompt[0], reply[-1]) == (151_644, 151_645)
    assert base.tokenizer.decode(prompt).startswith("<|im_start|>system\n<|im_end|>\n<|im_start|>user\nHi<|im_end|>")
    # Random weights hold every token about equally likely: ln 151,936 = 11.9 nats.
    assert score_replies(base, [(chat("Hi"), "Yes.")])[0].nll == pytest.approx(11.93, abs=1.5)
