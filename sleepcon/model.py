"""What a base says: generate, score replies, embed. It is frozen, always.

Everything here takes a :class:`Base` and reads it; nothing writes to its weights. An adapter, when one is attached,
is part of ``base.model`` and takes part in the forward pass (see ``adapter.py``). What a base is: ``base.py``; how one is
loaded: ``loading.py``; its chat template: ``template.py``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from sleepcon.base import Base, base_weights, head_logits, read_card, weights_sha256
from sleepcon.errors import UserError
from sleepcon.loading import load_base
from sleepcon.template import Turn, prompt_tokens, reply_tokens

__all__ = [
    "BATCH_TOKENS", "Base", "ReplyScore", "Turn", "base_weights", "chat", "embed", "fast_products", "generate",
    "groups_by_tokens", "head_logits", "left_padded", "load_base", "prompt_ids", "read_card", "reply_ids", "right_padded",
    "sample", "score_replies", "weights_sha256",
]  # fmt: skip

BATCH_TOKENS = 16384
EMBED_TOKENS = 2048
"""Padded tokens of a batch that is embedded: the states of every layer are kept, and more of them only cost memory and time."""


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


def chat(prompt: str, context: str = "", earlier: Sequence[tuple[str, str]] = ()) -> list[Turn]:
    """Turns that end with ``prompt``: a written note (``context``) and ``earlier`` (prompt, reply) pairs before it."""
    turns = [{"role": "system", "content": context}] if context else []
    for asked, said in earlier:
        turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return [*turns, {"role": "user", "content": prompt}]


def prompt_ids(base: Base, turns: Sequence[Turn]) -> list[int]:
    """Token ids of ``turns`` in the model's own chat template, up to where the reply starts."""
    ids = prompt_tokens(base.tokenizer, base.template, list(turns))
    check_fits(base, len(ids) + 1)
    return ids


def reply_ids(base: Base, reply: str) -> list[int]:
    """Token ids of a reply as they follow those of a prompt, with the model's end-of-turn mark."""
    return reply_tokens(base.tokenizer, base.template, reply)


def check_fits(base: Base, length: int) -> None:
    """Raise ``UserError`` when a text has more tokens than the base has places for."""
    if base.window and length > base.window:
        raise UserError(f"A text of {length} tokens is too long for {base.name}, which takes {base.window}: shorten it.")


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
    """Let products of float32 matrices be rounded to bfloat16 where the processor has a unit for it (AMX).

    Weights stay float32.

    Without such a unit oneDNN multiplies in float32, on AMD twice as fast as the default library (`docs/speed.md`). The same
    processor gives the same result again.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def continued(base: Base, rows: list[list[int]], max_tokens: int, **how: Any) -> list[str]:
    """What the model says after each row of token ids, in one batch, by transformers' ``generate``."""
    ids, mask = left_padded(rows, base.tokenizer.pad_token_id)
    room = max_tokens if base.window is None else min(max_tokens, base.window - ids.shape[1])
    generate_by_transformers: Any = base.model.generate
    out = generate_by_transformers(
        input_ids=ids.to(base.model.device), attention_mask=mask.to(base.model.device), max_new_tokens=room,
        pad_token_id=base.tokenizer.pad_token_id, eos_token_id=end_marks(base), **how,
    )  # fmt: skip
    return [text_of(base, row) for row in out[:, ids.shape[1] :].tolist()]


def end_marks(base: Base) -> list[int]:
    """Tokens at which a reply ends: the template's mark, and those that the model's own settings name."""
    named = getattr(base.model.generation_config, "eos_token_id", None)
    named = named if isinstance(named, list) else [named]
    return sorted({base.template.mark, *(token for token in [*named, base.tokenizer.eos_token_id] if token is not None)})


def text_of(base: Base, ids: list[int]) -> str:
    """The text of generated token ids, without marks."""
    text = str(base.tokenizer.decode(ids, skip_special_tokens=True))
    return (text.split(base.template.cut)[0] if base.template.cut else text).strip()


@torch.inference_mode()
def generate(base: Base, chats: Sequence[Sequence[Turn]], max_tokens: int = 64) -> list[str]:
    """The greedy reply to each chat, at most ``max_tokens`` tokens, in the order given."""
    rows = [prompt_ids(base, turns) for turns in chats]
    replies = [""] * len(rows)
    for group in groups_by_tokens([len(row) + max_tokens for row in rows]):
        said = continued(
            base, [rows[index] for index in group], max_tokens, do_sample=False, temperature=None, top_p=None, top_k=None
        )
        for index, text in zip(group, said, strict=True):
            replies[index] = text
    return replies


@torch.inference_mode()
def score_replies(base: Base, pairs: Sequence[tuple[Sequence[Turn], str]]) -> list[ReplyScore]:
    """How likely the model held each reply after its chat (teacher forcing), token by token."""
    encoded = [(prompt_ids(base, turns), reply_ids(base, reply)) for turns, reply in pairs]
    scores: list[ReplyScore | None] = [None] * len(encoded)
    for group in groups_by_tokens([len(prompt) + len(reply) for prompt, reply in encoded]):
        ids, mask = right_padded([encoded[i][0] + encoded[i][1] for i in group], base.tokenizer.pad_token_id)
        check_fits(base, ids.shape[1])
        ids, mask = ids.to(base.model.device), mask.to(base.model.device)
        hidden = base.model.get_decoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        for row, index in enumerate(group):
            prompt, reply = encoded[index]
            span = hidden[row, len(prompt) - 1 : len(prompt) + len(reply) - 1]
            logprobs = F.log_softmax(head_logits(base, span), dim=-1)
            said = logprobs.gather(1, ids[row, len(prompt) : len(prompt) + len(reply), None])[:, 0]
            scores[index] = ReplyScore(
                [str(base.tokenizer.decode([token])) for token in reply], said.tolist(), logprobs.max(-1).values.exp().tolist()
            )
    return [score for score in scores if score is not None]


@torch.inference_mode()
def embed(base: Base, texts: Sequence[str], last: bool = False) -> torch.Tensor:
    """Unit vectors, shape (texts, hidden): the mean of the middle (or the last) layer's states over each text's tokens."""
    rows = [base.tokenizer.encode(text or " ", add_special_tokens=False) or [base.tokenizer.pad_token_id] for text in texts]
    vectors = torch.zeros(len(rows), base.model.config.get_text_config().hidden_size)
    for group in groups_by_tokens([len(row) for row in rows], EMBED_TOKENS):
        ids, mask = right_padded([rows[index] for index in group], base.tokenizer.pad_token_id)
        check_fits(base, ids.shape[1])
        ids, mask = ids.to(base.model.device), mask.to(base.model.device)
        states = base.model.get_decoder()(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        layer = states[-1 if last else len(states) // 2].float()
        weights = mask.unsqueeze(-1).float()
        vectors[group] = ((layer * weights).sum(1) / weights.sum(1)).cpu()
    return F.normalize(vectors, dim=-1)


@torch.inference_mode()
def sample(base: Base, chats: Sequence[Sequence[Turn]], seed: int, max_tokens: int, temperature: float) -> list[str]:
    """A sampled reply to each chat; the same seed gives the same replies on the same machine."""
    rows = [prompt_ids(base, turns) for turns in chats]
    device = base.model.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        return continued(base, rows, max_tokens, do_sample=True, temperature=temperature, top_p=0.95, top_k=0)
