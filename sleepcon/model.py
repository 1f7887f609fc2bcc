"""The base model: load it, generate, score replies, embed, hash. It is frozen, always.

Everything here takes a :class:`Base` and reads it; nothing writes to its weights. An adapter, when one is attached,
is part of ``base.model`` and takes part in the forward pass (see ``adapter.py``).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from sleepcon.errors import UserError
from sleepcon.paths import EMBEDDED

Turn = dict[str, str]
"""One turn of a chat: ``{"role": "system" | "user" | "assistant", "content": text}``."""

BATCH_TOKENS = 16384


@dataclass
class Base:
    """A frozen causal language model with its tokenizer.

    ``name`` is what the user asked for ("embedded", a hub name or a folder); ``card`` holds the doses that suit it;
    ``sha256`` is that of its weights at loading (see :func:`weights_sha256`).
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    card: dict
    sha256: str = ""
    cache: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReplyScore:
    """What the model thought of a reply, one entry for each of its tokens (the end mark included).

    ``logprobs`` natural logarithms of the probability of what was said; ``top`` the probability of the token the
    model held most likely; ``tokens`` the text of each token.
    """

    tokens: list[str]
    logprobs: list[float]
    top: list[float]

    @property
    def nll(self) -> float:
        """Mean negative log-likelihood in nats per token."""
        return -sum(self.logprobs) / len(self.logprobs)


def load_base(model: str = "embedded") -> Base:
    """Load a base by name: "embedded", a folder, or a Hugging Face name (the only case that may use a network).

    Raises :class:`UserError` with one sentence when it cannot be had.
    """
    source = str(EMBEDDED) if model == "embedded" else model
    local = Path(source).is_dir()
    if model == "embedded" and not local:
        raise UserError(f"The embedded base is missing ({source}): rebuild it with python -m sleepcon.pretrain.")
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
        network = AutoModelForCausalLM.from_pretrained(source, local_files_only=local, dtype=torch.float32)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"Cannot load the model {model}: {first} Give a folder that holds one, or a hub name.") from error
    network.requires_grad_(False)
    network.eval()
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        raise UserError(f"The model {model} has no chat template or no end mark: choose one that was made for chat.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    base = Base(model, network, tokenizer, read_card(source if local else ""))
    base.sha256 = weights_sha256(base)
    return base


def read_card(folder: str) -> dict:
    """The base's ``sleepcon.json``: its doses. A base that has none gets the document's."""
    path = Path(folder) / "sleepcon.json"
    if folder and path.exists():
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


def chat(prompt: str, context: str = "", earlier: Sequence[tuple[str, str]] = ()) -> list[Turn]:
    """Turns that end with ``prompt``: a written note (``context``) and ``earlier`` (prompt, reply) pairs before it."""
    turns = [{"role": "system", "content": context}] if context else []
    for asked, said in earlier:
        turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return [*turns, {"role": "user", "content": prompt}]


def prompt_ids(base: Base, turns: Sequence[Turn]) -> list[int]:
    """Token ids of ``turns`` in the model's own chat template, up to where the reply starts."""
    text = base.tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=True)
    return base.tokenizer.encode(text, add_special_tokens=False)


def reply_ids(base: Base, reply: str) -> list[int]:
    """Token ids of a reply with the model's end-of-turn mark."""
    return [*base.tokenizer.encode(reply, add_special_tokens=False), base.tokenizer.eos_token_id]


def left_padded(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``(ids, mask)`` of shape (rows, longest), padded on the left."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def right_padded(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``(ids, mask)`` of shape (rows, longest), padded on the right."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def groups_by_tokens(sizes: Sequence[int], budget: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Indices in groups of like size, each of at most ``budget`` padded tokens (or a single item)."""
    group: list[int] = []
    for index in sorted(range(len(sizes)), key=lambda i: sizes[i]):
        if group and sizes[index] * (len(group) + 1) > budget:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


@contextmanager
def fast_products() -> Iterator[None]:
    """Let products of float32 matrices be computed in bfloat16 where the processor has it; sums and weights stay float32.

    About twice as fast on such a processor; the same processor gives the same result again.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def generator(base: Base) -> Any:
    """transformers' ``generate`` (its type is not known to the type checker)."""
    return base.model.generate


def text_of(base: Base, ids: list[int]) -> str:
    """The text of generated token ids, without marks."""
    return str(base.tokenizer.decode(ids, skip_special_tokens=True)).strip()


@torch.inference_mode()
def generate(base: Base, chats: Sequence[Sequence[Turn]], max_tokens: int = 64) -> list[str]:
    """The greedy reply to each chat, at most ``max_tokens`` tokens, in the order given."""
    rows = [prompt_ids(base, turns) for turns in chats]
    replies = [""] * len(rows)
    for group in groups_by_tokens([len(row) + max_tokens for row in rows]):
        ids, mask = left_padded([rows[index] for index in group], base.tokenizer.pad_token_id)
        ids, mask = ids.to(base.model.device), mask.to(base.model.device)
        out = generator(base)(
            input_ids=ids, attention_mask=mask, max_new_tokens=max_tokens, do_sample=False,
            temperature=None, top_p=None, top_k=None, pad_token_id=base.tokenizer.pad_token_id,
        )  # fmt: skip
        for index, row in zip(group, out[:, ids.shape[1] :].tolist(), strict=True):
            replies[index] = text_of(base, row)
    return replies


@torch.inference_mode()
def score_replies(base: Base, pairs: Sequence[tuple[Sequence[Turn], str]]) -> list[ReplyScore]:
    """How likely the model held each reply after its chat (teacher forcing), token by token."""
    encoded = [(prompt_ids(base, turns), reply_ids(base, reply)) for turns, reply in pairs]
    scores: list[ReplyScore | None] = [None] * len(encoded)
    for group in groups_by_tokens([len(prompt) + len(reply) for prompt, reply in encoded]):
        ids, mask = right_padded([encoded[i][0] + encoded[i][1] for i in group], base.tokenizer.pad_token_id)
        hidden = base.model.get_decoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        head = base.model.get_output_embeddings()
        for row, index in enumerate(group):
            prompt, reply = encoded[index]
            span = hidden[row, len(prompt) - 1 : len(prompt) + len(reply) - 1]
            logprobs = F.log_softmax(head(span).float(), dim=-1)
            said = logprobs[torch.arange(len(reply)), torch.tensor(reply)]
            scores[index] = ReplyScore(
                [str(base.tokenizer.decode([token])) for token in reply], said.tolist(), logprobs.max(-1).values.exp().tolist()
            )
    return [score for score in scores if score is not None]


@torch.inference_mode()
def embed(base: Base, texts: Sequence[str]) -> torch.Tensor:
    """Unit vectors, shape (texts, hidden): the mean of the middle layer's states over each text's tokens."""
    rows = [base.tokenizer.encode(text or " ", add_special_tokens=False) or [base.tokenizer.pad_token_id] for text in texts]
    vectors = torch.zeros(len(rows), base.model.config.hidden_size)
    for group in groups_by_tokens([len(row) for row in rows]):
        ids, mask = right_padded([rows[index] for index in group], base.tokenizer.pad_token_id)
        states = base.model.get_decoder()(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        middle = states[len(states) // 2].float()
        weights = mask.unsqueeze(-1).float()
        vectors[group] = (middle * weights).sum(1) / weights.sum(1)
    return F.normalize(vectors - vectors.new_tensor(base.card.get("mean_embedding", 0.0)), dim=-1)


@torch.inference_mode()
def sample(base: Base, chats: Sequence[Sequence[Turn]], seed: int, max_tokens: int, temperature: float) -> list[str]:
    """A sampled reply to each chat; the same seed gives the same replies on the same machine."""
    rows = [prompt_ids(base, turns) for turns in chats]
    ids, mask = left_padded(rows, base.tokenizer.pad_token_id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        out = generator(base)(
            input_ids=ids.to(base.model.device), attention_mask=mask.to(base.model.device), max_new_tokens=max_tokens,
            do_sample=True, temperature=temperature, top_p=0.95, top_k=0, pad_token_id=base.tokenizer.pad_token_id,
        )  # fmt: skip
    return [text_of(base, row) for row in out[:, ids.shape[1] :].tolist()]
