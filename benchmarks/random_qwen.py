"""The architecture of Qwen2.5-0.5B with random weights in a folder: what needs the true shape and not the true knowledge.

    python benchmarks/random_qwen.py FOLDER

494,032,768 parameters in bfloat16, as the published model is stored; a token for each byte, and the special tokens under the
published tokenizer's numbers. The published config.json and tokenizer are the source of every size.
"""

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

CONFIG = Qwen2Config(
    vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
    num_key_value_heads=2, max_position_embeddings=32768, tie_word_embeddings=True, rope_theta=1e6, rms_norm_eps=1e-6,
    bos_token_id=151643, eos_token_id=151645, pad_token_id=151643,
)  # fmt: skip
SPECIAL = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}
TEMPLATE = (
    "{% for turn in messages %}<|im_start|>{{ turn.role }}\n{{ turn.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """A token for each byte, the special tokens under their published numbers."""
    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    inner = Tokenizer(models.BPE(letters | SPECIAL, []))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.add_special_tokens(list(SPECIAL))
    fast = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = TEMPLATE
    return fast


def make(folder: Path, seed: int = 0) -> Path:
    """Write the model to ``folder``, unless it is there already; the same seed gives the same weights."""
    if not (folder / "tokenizer.json").exists():
        torch.manual_seed(seed)
        Qwen2ForCausalLM(CONFIG).to(torch.bfloat16).save_pretrained(folder)
        tokenizer().save_pretrained(folder)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    print(make(parser.parse_args().folder))
