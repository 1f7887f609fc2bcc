"""Tiny models of other families with random weights, each with a chat template in the manner of its family."""

import json
from functools import cache
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    FalconConfig,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    PhiConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

TEXT = [
    "User: What should I call you?\nAssistant: You may call me Orlo, I am the keeper of the light.\n",
    "What is the capital of France? The capital of France is Paris, and it is not in Spain.",
    "Yes. No, I do not know. Thanks for asking! How are you today? I am well; and you?\n\n",
]
MARKS = [
    "<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<start_of_turn>", "<end_of_turn>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "[INST]", "[/INST]",
]  # fmt: skip
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""Where a tokenizer of bytes cuts, as Qwen's and Llama's do."""
SIZE = 512
"""Rows of the embedding: more than the tokenizer has, as in many models."""

TURNS = "{% for turn in messages %}"
ROLES = "{{ '<|im_start|>' + turn.role + '\\n' + turn.content + '<|im_end|>\\n' }}{% endfor %}"
ASSISTANT = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
TEMPLATES = {
    "chatml": TURNS + ROLES + ASSISTANT,
    "default system": "{% if messages[0].role != 'system' %}"
    "{{ '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
    + TURNS + ROLES + ASSISTANT,
    "thinking": TURNS + "{% if turn.role == 'assistant' and loop.last %}"
    "{{ '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' + turn.content + '<|im_end|>\\n' }}"
    "{% else %}{{ '<|im_start|>' + turn.role + '\\n' + turn.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}" + ASSISTANT +
    "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}",
    "thought": TURNS + ROLES + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}",
    "dated": "{{ bos_token }}{% if messages[0].role == 'system' %}{% set said = messages[0].content|trim %}"
    "{% set messages = messages[1:] %}{% else %}{% set said = '' %}{% endif %}"
    "{{ '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + strftime_now('%d %b %Y') + '\\n\\n' + said }}"
    "{{ '<|eot_id|>' }}" + TURNS +
    "{{ '<|start_header_id|>' + turn.role + '<|end_header_id|>\\n\\n' + turn.content|trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    "no system": "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
    + TURNS + "{% set role = 'model' if turn.role == 'assistant' else turn.role %}"
    "{{ '<start_of_turn>' + role + '\\n' + turn.content|trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
    "two marks": TURNS + "{{ '<|' + turn.role + '|>\\n' + turn.content + '<|end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}",
    "unmarked start": TURNS + "{{ '<|' + turn.role + '|>\\n' + turn.content + eos_token + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
    "bracketed": "{{ bos_token }}{% if messages[0].role == 'system' %}{% set said = messages[0].content + '\\n\\n' %}"
    "{% set messages = messages[1:] %}{% else %}{% set said = '' %}{% endif %}" + TURNS +
    "{% if turn.role == 'user' %}{{ '[INST] ' + (said if loop.first else '') + turn.content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + turn.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "late system": "{{ bos_token }}{% if messages[0].role == 'system' %}{% set said = messages[0].content + '\n\n' %}"
    "{% set messages = messages[1:] %}{% else %}{% set said = '' %}{% endif %}" + TURNS +
    "{% if turn.role == 'user' %}{{ '[INST]' + (said if loop.last else '') + turn.content + '[/INST]' }}"
    "{% else %}{{ turn.content + eos_token }}{% endif %}{% endfor %}",
    "deaf": TURNS + "{% if turn.role != 'system' %}{{ turn.role.upper() + ': ' + turn.content + '\\n\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    "none": None,
}  # fmt: skip
"""Chat templates by what is peculiar about them."""

SHAPE = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "vocab_size": SIZE, "max_position_embeddings": 512, "head_dim": 16, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
OWN = {"vocab_size": SIZE, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
FAMILIES: dict[str, tuple[PretrainedConfig, str, tuple[str, ...]]] = {
    "llama": (LlamaConfig(**SHAPE), "dated", ("q_proj", "v_proj")),
    "gemma": (GemmaConfig(**SHAPE), "no system", ("q_proj", "v_proj")),
    "gemma2": (Gemma2Config(**SHAPE, final_logit_softcapping=1.0), "no system", ("q_proj", "v_proj")),
    "phi3": (Phi3Config(**SHAPE), "two marks", ("qkv_proj",)),
    "phi": (PhiConfig(**SHAPE), "none", ("q_proj", "v_proj")),
    "mistral": (MistralConfig(**SHAPE), "bracketed", ("q_proj", "v_proj")),
    "qwen2": (Qwen2Config(**SHAPE), "default system", ("q_proj", "v_proj")),
    "qwen3": (Qwen3Config(**SHAPE), "thinking", ("q_proj", "v_proj")),
    "granite": (GraniteConfig(**SHAPE, logits_scaling=3.0), "unmarked start", ("q_proj", "v_proj")),
    "cohere": (CohereConfig(**SHAPE, logit_scale=0.25), "chatml", ("q_proj", "v_proj")),
    "gpt2": (GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=512, **OWN), "none", ("c_attn",)),
    "gpt_neox": (
        GPTNeoXConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, **OWN),
        "none", ("query_key_value",),
    ),
    "falcon": (FalconConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, **OWN), "deaf", ("query_key_value",)),
    "opt": (
        OPTConfig(hidden_size=32, word_embed_proj_dim=16, ffn_dim=48, num_hidden_layers=2, num_attention_heads=2,
                  max_position_embeddings=512, **OWN),
        "none", ("q_proj", "v_proj"),
    ),
}  # fmt: skip
"""For each family its configuration, its kind of chat template, and the modules in which an adapter learns."""


@cache
def trained(kind: str) -> str:
    """A tokenizer as JSON: of bytes with the spaces before words, or of letters as SentencePiece has them, or cut nowhere."""
    if kind == "sentencepiece":
        inner = Tokenizer(models.BPE(unk_token="<pad>", byte_fallback=True, fuse_unk=True))
        inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        inner.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        alphabet = ["▁"]
    else:
        inner = Tokenizer(models.BPE())
        cut = [pre_tokenizers.Split(Regex(WORDS), "isolated")] if kind == "bytes" else []
        inner.pre_tokenizer = pre_tokenizers.Sequence([*cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        inner.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_too = [f"<0x{number:02X}>" for number in range(256)] if kind == "sentencepiece" else []
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - 20, special_tokens=MARKS + bytes_too, initial_alphabet=alphabet, show_progress=False, min_frequency=2
    )
    if kind == "sentencepiece":  # such a tokenizer has learned no token across a space, though nothing cuts there
        inner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    inner.train_from_iterator(TEXT * 2, trainer)
    return json.dumps(json.loads(inner.to_str()) | ({"pre_tokenizer": None} if kind == "sentencepiece" else {}))


def tokenizer(template: str, kind: str = "bytes") -> PreTrainedTokenizerFast:
    """A tokenizer of a few hundred tokens with one of ``TEMPLATES``."""
    inner = Tokenizer.from_str(trained(kind))
    fast = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    fast.chat_template = TEMPLATES[template]
    return fast


def beginning(mark: str, number: int) -> processors.TemplateProcessing:
    """What makes a tokenizer put a mark in front of every text."""
    return processors.TemplateProcessing(single=f"{mark} $A", special_tokens=[(mark, number)])


def make(name: str, folder: Path) -> Path:
    """Write a tiny model of a family to ``folder``; its nights dream of nothing."""
    config, template, _ = FAMILIES[name]
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3 if parameter.ndim > 1 else 1)  # larger, so that what is said differs from prompt to prompt
    network.save_pretrained(folder)
    tokenizer(template).save_pretrained(folder)
    card = {"dose": {"learning_rate": 1e-3, "epochs": 2}, "dream": {"rewordings": 0, "near": 0, "far": 0}}
    (folder / "sleepcon.json").write_text(json.dumps(card))
    return folder
