"""LoRA adapters by PEFT: put on, scale, join, save, hash, take off. The base under them is never written to.

PEFT wraps the base's modules in place, so while an adapter is worn ``base.model`` computes with it, and everything in
``model.py`` works unchanged.
"""

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from safetensors import SafetensorError
from transformers.pytorch_utils import Conv1D

from sleepcon.errors import UserError
from sleepcon.model import Base

PAST, NIGHT, JOINED = "past", "night", "joined"
WEIGHTS_FILE = "adapter_model.safetensors"
LINEAR = torch.nn.Linear | Conv1D
OTHERS = (
    ("qkv_proj",), ("query_key_value",), ("c_attn",), ("Wqkv",), ("W_pack",), ("wqkv",), ("att_proj",), ("qkv",),
    ("query", "value"), ("wq", "wv"), ("q", "v"),
)  # fmt: skip
"""Names of the attention's projections in families that PEFT's table does not hold."""


@dataclass(frozen=True)
class LoraSettings:
    """The document's LoRA configuration: ``W + (alpha / rank) B A`` on the named modules of every layer."""

    rank: int = 4
    alpha: int = 8
    dropout: float = 0.05
    targets: tuple[str, ...] = ("q_proj", "v_proj")

    def config(self, targets: tuple[str, ...]) -> LoraConfig:
        """PEFT's form of it, on the modules that the base has for it (see :func:`targets_of`)."""
        return LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=list(targets),
            task_type=TaskType.CAUSAL_LM,
        )


def targets_of(base: Base, settings: LoraSettings) -> tuple[str, ...]:
    """The modules of the base that the adapter is to change, by the last part of their names.

    Those of ``settings`` where the base has them; else what PEFT names for its family; else a matrix that makes queries, keys
    and values in one. Raises ``UserError`` when there is none of them.
    """
    names = {name.rsplit(".", 1)[-1] for name, module in base.model.named_modules() if isinstance(module, LINEAR | LoraLayer)}
    family = TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING.get(base.model.config.model_type, [])
    for wanted in (settings.targets, *([tuple(family)] if isinstance(family, list) else []), *OTHERS):
        if wanted and names.issuperset(wanted):
            return wanted
    raise UserError(
        f"The model {base.name} has no modules called {' or '.join(settings.targets)}, nor any that are known to make queries"
        " and values in its attention: choose a model that has them."
    )


def learns(base: Base) -> str:
    """A sentence when other modules learn than the document's, else nothing; raises ``UserError`` when none can."""
    usual, targets = LoraSettings().targets, targets_of(base, LoraSettings())
    if targets == usual:
        return ""
    return f"The model {base.name} has no {' and '.join(usual)}: its {' and '.join(targets)} learn in their place."


def remarks(base: Base) -> list[str]:
    """What a person should know before this base learns: what it is and where, what its chat template does, what learns."""
    return [text for text in (base.describe(), *base.template.notes, learns(base)) if text]


def lora_layers(base: Base) -> Iterator[tuple[str, Any]]:
    """The wrapped modules of the base, with their names."""
    for name, module in base.model.named_modules():
        if isinstance(module, LoraLayer):
            yield name, module


@contextmanager
def worn(base: Base, folder: Path | None, dose: float = 1.0) -> Iterator[None]:
    """The base with the adapter of ``folder`` on (none: bare), its change multiplied by ``dose``; taken off at the end."""
    if folder is None or dose == 0:
        yield
        return
    peft = load(base, folder)
    try:
        if dose != 1.0:
            for _, layer in lora_layers(base):
                layer.scale_layer(dose)
        base.model.eval()
        yield
    finally:
        take_off(base, peft)


@contextmanager
def worn_for_training(base: Base, past: Path | None, settings: LoraSettings) -> Iterator[PeftModel]:
    """The base with the past's adapter (frozen) and a fresh one called ``night`` (trainable) on; both taken off at the end.

    A's entries are drawn by torch's generator, B is zero: the fresh adapter changes nothing yet.
    """
    config = settings.config(targets_of(base, settings))
    with warnings.catch_warnings():
        # FutureWarning: between PEFT and transformers; UserWarning: PEFT notes that GPT-2 keeps its matrices turned round.
        warnings.simplefilter("ignore")
        if past is None:
            peft: Any = get_peft_model(base.model, config, adapter_name=NIGHT)
        else:
            peft = load(base, past)
            peft.add_adapter(NIGHT, config)
    try:
        wear(peft, [NIGHT] if past is None else [PAST, NIGHT])
        yield peft
    finally:
        take_off(base, peft)


def wear(peft: Any, names: list[str]) -> None:
    """Let the named adapters, and no others, take part; only the one called ``night`` may learn."""
    peft.base_model.set_adapter(names)
    for name, parameter in peft.named_parameters():
        parameter.requires_grad_("lora_" in name and f".{NIGHT}." in name)


def load(base: Base, folder: Path) -> PeftModel:
    """Wrap the base with a saved adapter, called ``past``; raises ``UserError`` when it does not fit or is not there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return PeftModel.from_pretrained(base.model, str(folder), adapter_name=PAST, is_trainable=False)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        for name, layer in list(lora_layers(base)):  # PEFT wraps the modules before it reads the weights
            base.model.set_submodule(name, layer.get_base_layer())
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"The adapter in {folder} cannot be loaded onto {base.name}: {first}") from error


def take_off(base: Base, peft: Any) -> None:
    """Put the base's own modules back."""
    base.model = peft.unload()
    base.model.eval()


def join(peft: Any) -> str:
    """Name of one adapter that equals all that is worn: past and night side by side (exact concatenation of A and B)."""
    if PAST not in peft.peft_config:
        return NIGHT
    peft.add_weighted_adapter([PAST, NIGHT], [1.0, 1.0], JOINED, combination_type="cat")
    layers: list[Any] = [module for module in peft.modules() if isinstance(module, LoraLayer)]
    for layer in layers:  # on a base in half precision PEFT rounds what it joins
        parts = [name for name in (PAST, NIGHT) if name in layer.lora_A]
        down = [layer.lora_A[name].weight.data * layer.scaling[name] for name in parts]
        layer.lora_A[JOINED].weight.data = torch.cat(down)
        layer.lora_B[JOINED].weight.data = torch.cat([layer.lora_B[name].weight.data for name in parts], 1)
    return JOINED


def save(peft: PeftModel, name: str, folder: Path) -> str:
    """Write one adapter in PEFT's own format straight into ``folder``, flushed to disk; return its SHA-256."""
    folder.mkdir(parents=True)
    peft.save_pretrained(str(folder), selected_adapters=[name])
    inside = folder / name
    for path in list(inside.iterdir()) if inside.is_dir() else []:
        path.rename(folder / path.name)
    if inside.is_dir():
        inside.rmdir()
    (folder / "README.md").unlink(missing_ok=True)
    for path in [*folder.iterdir(), folder]:
        flush(path)
    return file_sha256(folder)


def flush(path: Path) -> None:
    """Have a file, or a folder's entries, written to disk before going on."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def file_sha256(folder: Path) -> str:
    """SHA-256 of a saved adapter's weights file."""
    return hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()


@torch.no_grad()
def change_norms(base: Base) -> dict[str, float]:
    """For each wrapped module: norm of the adapter's change over the norm of the weight it changes (Frobenius)."""
    norms = {}
    for name, layer in lora_layers(base):
        delta = sum(layer.get_delta_weight(adapter) for adapter in layer.active_adapters)
        norms[name] = float(delta.norm() / layer.get_base_layer().weight.norm())
    return norms
