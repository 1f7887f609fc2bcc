"""The shape of a Qwen2 model, and what LoRA adds to it, as plain arithmetic: no weights, no torch.

    QWEN.parameters()                               # 494,032,768
    QWEN.adapter_parameters(4, ("q_proj", "v_proj"))  # 270,336

A test builds the same models with transformers and PEFT and counts their parameters.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sleepcon.paths import EMBEDDED

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear modules of a layer, in the order in which its input passes them: attention, then feed-forward."""
BIASED = ("q_proj", "k_proj", "v_proj")
BYTES = 4
"""Bytes of a number in float32, the type in which adapters are trained and saved here."""


@dataclass(frozen=True)
class Architecture:
    """A Qwen2 model. ``hidden``: width of its states; ``kv_heads``: heads of keys and values; ``tied``: one matrix both embeds
    tokens and predicts them.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    tied: bool = True

    def shape(self, module: str) -> tuple[int, int]:
        """(rows, columns) of a module's weight W, which are its outputs and inputs. ``module``: one of ``MODULES``."""
        keys = self.hidden // self.heads * self.kv_heads
        outputs = {"k_proj": keys, "v_proj": keys, "gate_proj": self.feed_forward, "up_proj": self.feed_forward}
        return outputs.get(module, self.hidden), self.feed_forward if module == "down_proj" else self.hidden

    def parameters(self) -> int:
        """Numbers in the whole model: embeddings, each layer's modules, biases and two norms, and the last norm."""
        weights = sum(rows * columns for rows, columns in map(self.shape, MODULES))
        biases = sum(self.shape(module)[0] for module in BIASED)
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * (weights + biases + 2 * self.hidden) + self.hidden

    def adapter_parameters(self, rank: int, modules: Sequence[str]) -> int:
        """Numbers in A (rank x inputs) and B (outputs x rank) of the named modules, over all layers."""
        return self.layers * sum(rank * sum(self.shape(module)) for module in modules)

    def adapter_share(self, rank: int, modules: Sequence[str]) -> float:
        """The adapter's parameters over those of base and adapter together, 0..1."""
        adapter = self.adapter_parameters(rank, modules)
        return adapter / (self.parameters() + adapter)


QWEN = Architecture("Qwen2.5-0.5B", 896, 24, 14, 2, 4864, 151_936)
"""The base of the source document."""


def from_config(name: str, config: dict) -> Architecture:
    """The architecture that a Hugging Face ``config.json`` of a Qwen2 model describes."""
    return Architecture(
        name, config["hidden_size"], config["num_hidden_layers"], config["num_attention_heads"],
        config["num_key_value_heads"], config["intermediate_size"], config["vocab_size"], config["tie_word_embeddings"],
    )  # fmt: skip


@cache
def embedded() -> Architecture:
    """The base that ships with the project."""
    return from_config("the embedded base", json.loads((EMBEDDED / "config.json").read_text(encoding="utf-8")))
