"""The base itself: a frozen model with its tokenizer, its size, and the hash that shows that it stays frozen."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sleepcon.template import Template, study


@dataclass
class Base:
    """A frozen causal language model with its tokenizer.

    ``name`` is what the user asked for ("embedded", a hub name or a folder); ``card`` holds the doses that suit it;
    ``sha256`` is that of its weights as they were loaded (see :func:`weights_sha256`).
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    card: dict
    sha256: str = ""
    cache: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def template(self) -> Template:
        """How the model's chat template lays out a conversation."""
        return study(self.tokenizer, self.name)

    @property
    def parameters(self) -> int:
        """Numbers in the base, adapters left out."""
        return sum(tensor.numel() for _, tensor in base_weights(self.model))

    @property
    def dtype(self) -> str:
        """The type of its numbers: float32, bfloat16 or float16. Adapters are float32 always."""
        return str(self.model.dtype).removeprefix("torch.")

    @cached_property
    def window(self) -> int | None:
        """Tokens that it can read at most; ``None`` when positions are computed, so that longer texts do not fail."""
        table = any(
            isinstance(module, torch.nn.Embedding) and ("pos" in name or "wpe" in name)
            for name, module in self.model.named_modules()
        )
        return self.model.config.get_text_config().max_position_embeddings if table else None

    def describe(self) -> str:
        """One sentence: what it is, in which type, and where."""
        device = self.model.device
        place = (
            torch.cuda.get_device_name(device) if device.type == "cuda" else {"cpu": "the processor"}.get(device.type, device)
        )
        return f"Base {self.name}: {self.parameters:,} parameters in {self.dtype} on {place}; adapters in float32."


def read_card(folder: str | Path) -> dict:
    """The base's ``sleepcon.json``: its doses. A base that has none gets the document's."""
    path = Path(folder) / "sleepcon.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"dose": {"learning_rate": 1e-5, "epochs": 2}}


def weights_sha256(base: Base) -> str:
    """SHA-256 over name, shape, type and bytes of every weight of the base, adapters left out, in order of name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(base_weights(base.model)):
        data = tensor.detach().cpu().contiguous()
        digest.update(f"{name}|{tuple(data.shape)}|{data.dtype}".encode())
        digest.update(data.view(torch.uint8).numpy().data if data.ndim else bytes(data.view(1).view(torch.uint8).tolist()))
    return digest.hexdigest()


def base_weights(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The base's own parameters, under the names they have without PEFT's wrapping."""
    for name, tensor in model.named_parameters():
        if "lora_" not in name:
            yield name.replace("base_model.model.", "").replace(".base_layer.", "."), tensor


def head_logits(base: Base, hidden: torch.Tensor) -> torch.Tensor:
    """Logits in float32 of the decoder's last states, as the model's own forward pass makes them, shape (..., vocabulary).

    Some families do something to what their last matrix gives: Gemma 2 bounds it, Cohere multiplies it, Granite divides it.
    ``loading.py`` compares the outcome with the model's own.
    """
    settings = base.model.config.get_text_config()
    found = base.model.get_output_embeddings()(hidden).float()
    times, over = getattr(settings, "logit_scale", 1.0), getattr(settings, "logits_scaling", 1.0)
    if times != over:  # else a product by 1 would read and write all of them again
        found = found * (times / over)
    bound = getattr(settings, "final_logit_softcapping", None)
    return bound * torch.tanh(found / bound) if bound else found
