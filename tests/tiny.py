"""A tiny Qwen2 base in a folder, with random weights and a token for each byte: enough to run every job in a second."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from sleepcon import salience
from sleepcon.model import load_base
from sleepcon.pretrain.card import CHAT_TEMPLATE


def make(folder: Path, epochs: int = 150) -> Path:
    """Write the base to ``folder``; its nights take ``epochs`` steps."""
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
        num_key_value_heads=2, max_position_embeddings=1024, tie_word_embeddings=True, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    card = {"dose": {"learning_rate": 1e-3, "epochs": epochs}, "dream": {"rewordings": 0, "near": 0, "far": 0}}
    (folder / "sleepcon.json").write_text(json.dumps(card))
    card["reference"] = salience.measure_reference(load_base(str(folder)), salience.ordinary()[:40])
    (folder / "sleepcon.json").write_text(json.dumps(card))
    return folder
