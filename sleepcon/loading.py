"""Loading a base: the embedded one, a folder, or a model of the Hugging Face hub. Whatever is wrong with it is one sentence."""

import json
import os
import re
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import GatedRepoError, HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from sleepcon.base import Base, head_logits, read_card, weights_sha256
from sleepcon.errors import UserError
from sleepcon.paths import EMBEDDED
from sleepcon.placement import choose

WANTED = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
"""The files of a model on the hub that are fetched: none that holds code or a pickle."""
NOT_WANTED = ["*/*", "consolidated*"]
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tokenizer_config.json")
HUB_SECONDS = 10.0
"""How long the hub may take to say whether it has a model."""


def load_base(model: str = "embedded", dtype: str | None = None, device: str | None = None) -> Base:
    """Load a base by name: "embedded", a folder, or a Hugging Face name (the only case that may use a network, and does so
    only for a model that is not in the local cache).

    ``dtype`` ("float32", "bfloat16", "float16") and ``device`` ("cpu", "cuda", "mps"): chosen by the machine where not given
    (see ``placement.py``). Raises :class:`UserError` with one sentence when it cannot be had.
    """
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    folder = folder_of(model)
    config = read_config(model, folder)
    tokenizer = read_tokenizer(model, folder)
    with torch.device("meta"):
        empty = attempt(model, "described by its config.json", lambda: AutoModelForCausalLM.from_config(config))
    placement = choose(sum(parameter.numel() for parameter in empty.parameters()), dtype, device)
    if len(tokenizer) > empty.get_input_embeddings().num_embeddings:
        raise UserError(f"The tokenizer of the model {model} has more tokens than the model knows: give it its own tokenizer.")
    network = read_weights(model, folder, config, placement.dtype).to(placement.device)
    network.requires_grad_(False)
    network.eval()
    network.get_output_embeddings().register_forward_pre_hook(in_one_piece)
    base = Base(model, network, tokenizer, read_card(folder))
    mark = base.template.mark
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = mark
    check_sound(base)
    base.sha256 = weights_sha256(base)
    return base


def in_one_piece(head: torch.nn.Module, states: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    """The last matrix's input without gaps in memory.

    transformers hands it a slice when it generates, and torch then copies the matrix once for each row of the batch: on one
    core 39 s and 9 GB for 33 rows of a vocabulary of 151,936 in bfloat16, where 0.04 s do (in float32 1.1 s, and 0.2 s).
    """
    return (states[0].contiguous(),)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without its full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:; ")


def attempt(model: str, what: str, call: Any) -> Any:
    """What ``call`` gives; a ``UserError`` when a library fails in it, by whatever it raises for a file that is not sound."""
    try:
        return call()
    except Exception as error:
        raise UserError(f"The model {model} cannot be {what}: {first_line(error)}.") from error


# Where it is


def folder_of(model: str) -> Path:
    """The folder that holds the model's files: its own, or the one in the hub's local cache, filled when it must be."""
    if model == "embedded":
        if not EMBEDDED.is_dir():
            raise UserError(f"The embedded base is missing ({EMBEDDED}): rebuild it with python -m sleepcon.pretrain.")
        return EMBEDDED
    if os.path.isdir(model):
        return Path(model)
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", model):
        raise UserError(
            f"There is no folder {model}: give one that holds a model, or a hub name such as Qwen/Qwen2.5-0.5B-Instruct."
        )
    return cached(model) or fetched(model)


def cached(model: str) -> Path | None:
    """The model's folder in the local cache, when all of it is there."""
    try:
        config = try_to_load_from_cache(model, "config.json")
    except HFValidationError as error:
        raise UserError(
            f"{model} is no name of a model: give a folder, or a hub name such as Qwen/Qwen2.5-0.5B-Instruct."
        ) from error
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if weight_files(folder) and any((folder / name).exists() for name in TOKENIZERS) else None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that the folder's model consists of; none when one of them is missing."""
    index = folder / "model.safetensors.index.json"
    names = {"model.safetensors"}
    if index.exists():
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError):
            return []
    return [folder / name for name in sorted(names)] if all((folder / name).exists() for name in names) else []


def fetched(model: str) -> Path:
    """Fetch the model from the hub into the local cache, once it is known that it can be had."""
    try:
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            raise OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
        api = HfApi()
        found = api.model_info(model, timeout=HUB_SECONDS)
        files = [sibling.rfilename for sibling in found.siblings or []]
        if not any(re.fullmatch(r"model[^/]*\.safetensors", name) for name in files):
            raise UserError(
                f"The model {model} has no safetensors weights on the hub, and no other kind is read: choose another."
            )
        check_architectures(model, (found.config or {}).get("architectures"))
        if found.gated:
            api.auth_check(model)
        return Path(snapshot_download(model, allow_patterns=WANTED, ignore_patterns=NOT_WANTED))
    except UserError:
        raise
    except GatedRepoError as error:
        raise UserError(
            f"The model {model} is gated: accept its terms on the hub, then log in with hf auth login or set HF_TOKEN."
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"The hub has no model {model} that you may see: check the name, or log in with hf auth login if it is private."
        ) from error
    except Exception as error:  # whatever the hub's client and the network under it raise: the ways differ by version
        why = "HF_HUB_OFFLINE is set" if isinstance(error, OfflineModeIsEnabled) else type(error).__name__
        raise UserError(
            f"The model {model} is not in the local cache, and the hub cannot be reached ({why}):"
            f" fetch it where there is a network with hf download {model}, or give a folder that holds it."
        ) from error


# What it is


def read_config(model: str, folder: Path) -> PretrainedConfig:
    """The model's configuration; raises ``UserError`` unless it is that of a causal language model."""
    if (folder / "adapter_config.json").exists():
        raise UserError(f"The folder of the model {model} holds an adapter: give the folder of the model that it belongs to.")
    if not (folder / "config.json").exists():
        raise UserError(f"The folder of the model {model} has no config.json: give one that holds a model, or a hub name.")
    config = attempt(
        model, "understood", lambda: AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    )
    check_architectures(model, config.architectures)
    if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UserError(f"The model {model} is a {config.model_type}, which is no causal language model: choose one that is.")
    return config


def check_architectures(model: str, names: list[str] | None) -> None:
    """Raise ``UserError`` when the model was saved with a head for something else than the next token."""
    causal = {
        name for entry in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values() for name in ([entry] if isinstance(entry, str) else entry)
    }
    if names and not any(name in causal or re.fullmatch(r".*(?<!LMHead)Model", name) for name in names):
        raise UserError(f"The model {model} is a {names[0]}, which is no causal language model: choose one that is.")


def read_tokenizer(model: str, folder: Path) -> PreTrainedTokenizerBase:
    """The model's tokenizer; raises ``UserError`` when there is none or it says nothing."""
    if not any((folder / name).exists() for name in TOKENIZERS[:-1]):
        raise UserError(f"The model {model} has no tokenizer in its folder: put its tokenizer.json beside its weights.")
    tokenizer = attempt(
        model, "used: its tokenizer cannot be read",
        lambda: AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False),
    )  # fmt: skip
    if not attempt(model, "used: its tokenizer fails", lambda: tokenizer.encode("Hello", add_special_tokens=False)):
        raise UserError(
            f"The tokenizer of the model {model} turns words into nothing: put its own tokenizer.json beside its weights."
        )
    return tokenizer


def read_weights(model: str, folder: Path, config: PretrainedConfig, dtype: torch.dtype) -> Any:
    """The network with its weights; raises ``UserError`` when one is missing, cut off or of another shape."""
    if not weight_files(folder):
        raise UserError(
            f"The weights of the model {model} are not all there: its folder needs model.safetensors, or every part of it"
            " (pickled weights are not read)."
        )
    network, report = attempt(
        model, "loaded: its weights cannot be read",
        lambda: AutoModelForCausalLM.from_pretrained(
            folder, config=config, dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False,
            output_loading_info=True,
        ),
    )  # fmt: skip
    missing = sorted(report["missing_keys"])
    if missing:
        raise UserError(
            f"The weights of the model {model} lack {missing[0]} and {len(missing) - 1} more: it needs its whole file."
        )
    return network


@torch.inference_mode()
def check_sound(base: Base) -> None:
    """Raise ``UserError`` unless the network predicts numbers, from what came before alone, by a head that is understood."""
    first = base.tokenizer.encode("What is the time?", add_special_tokens=False)
    ids = torch.tensor([[*first, *first[:1]], [*first, *first[1:2]]], device=base.model.device)
    mask = torch.ones_like(ids)
    said = base.model(input_ids=ids, attention_mask=mask).logits.float()
    if not said.isfinite().all():
        raise UserError(f"The model {base.name} predicts no numbers: its weights are damaged, or too large for {base.dtype}.")
    near = 1e-3 if base.model.dtype == torch.float32 else 5e-2
    if not torch.allclose(said[0, :-1], said[1, :-1], rtol=near, atol=near * float(said.std())):
        raise UserError(f"The model {base.name} looks ahead, so it is no causal language model: choose one that is.")
    hidden = base.model.get_decoder()(input_ids=ids, attention_mask=mask).last_hidden_state
    if not torch.allclose(head_logits(base, hidden), said, rtol=near, atol=near * float(said.std())):
        raise UserError(f"The model {base.name} ends in a way that is not known here: choose a plainer architecture.")
