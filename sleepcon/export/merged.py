"""The adapter written into the base's own weights: a model that needs no PEFT, and what rounding took from it.

An adapter's change is small beside the weight it changes. In float32 the sum keeps it; in the type that a base is stored in,
often bfloat16 with three digits, part of it falls away: a weight that the change moves by less than half a step stays as it
was. Here each sum is made in float32 and rounded once.
"""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM

from sleepcon.base import Base
from sleepcon.loading import folder_of
from sleepcon.model import chat, prompt_ids


@dataclass(frozen=True)
class Rounding:
    """What rounding to the base's ``dtype`` took from a merged model.

    ``erased``: the share of the ``changed`` weights (those whose change is not 0) that came out as they were, 0 to 1.
    ``largest`` and ``mean``: absolute difference of the logits of the merged model from those of base and adapter, at every
    token of ``prompts`` prompts; both are computed in float32, so that the rounding of the weights is all that differs.
    ``adapter``: mean absolute difference that the adapter itself makes to them, to compare with.
    """

    dtype: str
    changed: int
    erased: float
    prompts: int
    largest: float
    mean: float
    adapter: float

    def sentence(self) -> str:
        """The figures in words."""
        return (
            f"Merged in {self.dtype}: rounding erased {self.erased:.1%} of {self.changed:,} changed weights. On {self.prompts}"
            f" prompts its logits differ from those of base and adapter by {self.largest:.2g} at most and {self.mean:.2g} on"
            f" average; the adapter itself moved them by {self.adapter:.2g}."
        )


@torch.inference_mode()
def write_merged(base: Base, adapter: Path, folder: Path, prompts: Sequence[str]) -> dict:
    """Write base and adapter as one model (safetensors, with the tokenizer); return :class:`Rounding` as a dict.

    The weights are read again from the base's files, in their own type, whatever type the base at hand has been loaded in.
    """
    source = folder_of(base.name)
    model: Any = AutoModelForCausalLM.from_pretrained(source, dtype="auto", local_files_only=True).eval()
    own = {name: parameter.dtype for name, parameter in model.named_parameters()}
    model.float()
    asked = [torch.tensor([prompt_ids(base, chat(prompt))]) for prompt in prompts]
    bare = logits_of(model, asked)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between PEFT and transformers: nothing a user could mend
        worn: Any = PeftModel.from_pretrained(model, str(adapter)).eval()
    wanted = logits_of(worn, asked)
    changed = erased = 0
    for name, found in worn.base_model.model.named_modules():
        if isinstance(found, LoraLayer):
            layer: Any = found
            weight = layer.get_base_layer().weight
            delta = layer.get_delta_weight("default").to(weight.dtype)
            rounded = (weight + delta).to(own[f"{name}.weight"]).to(weight.dtype)
            changed += int((delta != 0).sum())
            erased += int(((delta != 0) & (rounded == weight)).sum())
            weight.copy_(rounded)
    model = worn.unload()
    gaps = torch.cat([(a - b).abs().flatten() for a, b in zip(logits_of(model, asked), wanted, strict=True)])
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data.to(own[name])
    model.config.dtype = model.dtype
    model.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)
    moved = torch.cat([(a - b).abs().flatten() for a, b in zip(bare, wanted, strict=True)])
    return asdict(Rounding(
        dtype=str(model.dtype).removeprefix("torch."), changed=changed, erased=erased / max(changed, 1), prompts=len(asked),
        largest=float(gaps.max()), mean=float(gaps.mean()), adapter=float(moved.mean()),
    ))  # fmt: skip


def logits_of(model: Any, asked: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Logits at every token of each row of ids."""
    return [model(input_ids=ids).logits[0].clone() for ids in asked]
