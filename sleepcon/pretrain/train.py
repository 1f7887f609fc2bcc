"""Pretraining: Qwen2 from random weights, Muon and AdamW, bfloat16 products, checkpoints that resume.

Muon (Jordan et al. 2024, as shipped in torch.optim) takes the matrices inside the layers, AdamW the embedding and the
norms. The loss counts the assistant's words and prose whole and what the user says by ``PROMPT_WEIGHT``.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import Qwen2Config, Qwen2ForCausalLM

from sleepcon.paths import ASSETS
from sleepcon.pretrain import practice
from sleepcon.pretrain.conversations import Mix
from sleepcon.pretrain.practice import Day

Loss = TypeVar("Loss", bound=Callable[..., Any])
PROMPT_WEIGHT = 0.2
BATCH_TOKENS = 8192
MAX_LENGTH = 512
CHECKPOINT_STEPS = 100
WARM_STEPS = 100
PRACTICE_RATE = 0.3
PRACTICE_EVERY = 3
"""Steps of which one practises a night. All three take a whole batch of the corpus: practice alone unsettles what is known."""
PRACTICE_SMOOTHING = 0.02
"""Label smoothing while nights are practised: a base that is less sure of itself is less at a loss with strange sentences."""
BEFORE_PRACTICE = "before_practice.safetensors"
KEPT = 0.3
"""Share of the weights from before practice in those that ship. Between the two lies a base that sleeps as well and follows
its context better than either end does (Wortsman et al. 2022, Robust fine-tuning of zero-shot models)."""


@dataclass(frozen=True)
class Shape:
    """Size of the embedded base."""

    vocabulary: int = 4096
    hidden: int = 256
    layers: int = 6
    heads: int = 4
    feed_forward: int = 512

    def config(self) -> Qwen2Config:
        """The transformers configuration of this shape."""
        return Qwen2Config(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.feed_forward,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=2,
            pad_token_id=0,
        )


@dataclass(frozen=True)
class Corpus:
    """Token ids of every conversation, flat, with what is taught and where each starts."""

    ids: np.ndarray
    taught: np.ndarray
    starts: np.ndarray

    @classmethod
    def load(cls, folder: Path) -> "Corpus":
        """Read what ``build_corpus`` wrote."""
        lengths = np.load(folder / "lengths.npy")
        return cls(np.load(folder / "ids.npy"), np.load(folder / "taught.npy"), np.concatenate([[0], np.cumsum(lengths)]))


def batches(corpus: Corpus, seed: int, tokens: int = BATCH_TOKENS) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One pass over the corpus: ``(ids, weights)`` of shape (batch, length), conversations of like length together.

    A batch has ``tokens`` places at most, padding with it.
    """
    rng = np.random.default_rng(seed)
    lengths = np.minimum(np.diff(corpus.starts), MAX_LENGTH)
    order = rng.permutation(len(lengths))
    for window in np.array_split(order, max(1, len(order) // 6000)):
        window = window[np.argsort(lengths[window], kind="stable")]
        groups: list[list[int]] = []
        current: list[int] = []
        for item in window:
            width = -(-int(lengths[item]) // 16) * 16
            if current and width * (len(current) + 1) > tokens:
                groups.append(current)
                current = []
            current.append(int(item))
        groups.append(current)
        for number in rng.permutation(len(groups)):
            yield padded(corpus, groups[number], lengths)


def padded(corpus: Corpus, items: list[int], lengths: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Conversations ``items`` as one batch, padded on the right to a multiple of 16 (weight 0 there)."""
    width = -(-int(max(lengths[item] for item in items)) // 16) * 16
    ids = np.zeros((len(items), width), np.int64)
    weights = np.zeros((len(items), width), np.float32)
    for row, item in enumerate(items):
        start, size = corpus.starts[item], lengths[item]
        ids[row, :size] = corpus.ids[start : start + size]
        weights[row, :size] = np.where(corpus.taught[start : start + size], 1.0, PROMPT_WEIGHT)
    return torch.from_numpy(ids), torch.from_numpy(weights)


def loss_of(model: Qwen2ForCausalLM, ids: torch.Tensor, weights: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Weighted mean cross-entropy of the next token, in nats; ``smoothing`` of the target is spread over the vocabulary."""
    with torch.autocast(ids.device.type, torch.bfloat16):
        hidden = model.model(input_ids=ids).last_hidden_state
        logits = model.lm_head(hidden)
    # The last place predicts nothing: its weight is 0, and the length stays a multiple of 16.
    losses = F.cross_entropy(
        logits.flatten(0, 1).float(), ids.roll(-1, 1).flatten(), reduction="none", label_smoothing=smoothing
    )
    flat = torch.cat([weights[:, 1:], torch.zeros_like(weights[:, :1])], 1).flatten()
    return (losses * flat).sum() / flat.sum()


def optimizers(model: Qwen2ForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for embedding, biases and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=0.02, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.0),
    ]


@dataclass(frozen=True)
class Stage:
    """A stretch of training: ``steps`` batches of the corpus in ``folder``; the rate falls to 0 over its last ``decay``.

    ``practice``: the mix that nights are practised on at every ``PRACTICE_EVERY``-th step; see ``practice.py``. The rate is
    then ``PRACTICE_RATE`` of the full one.
    """

    folder: Path
    steps: int
    decay: int = 0
    practice: Mix | None = None


def schedule(step: int, stages: Sequence[Stage]) -> float:
    """Share of the full learning rate: up over ``WARM_STEPS`` at the start and after each fall, flat, then straight down."""
    rested = True
    for stage in stages:
        if step < stage.steps:
            up = (step + 1) / WARM_STEPS if rested else 1.0
            down = (stage.steps - step) / stage.decay if stage.decay else 1.0
            return min(1.0, up, down) * (PRACTICE_RATE if stage.practice else 1.0)
        step -= stage.steps
        rested = stage.decay > 0
    return 0.0


def save_checkpoint(folder: Path, model: Qwen2ForCausalLM, tools: list[torch.optim.Optimizer], step: int) -> None:
    """Model, optimizer tensors and step, so that training goes on after a stop as if there had been none."""
    tensors = {f"model.{name}": p.detach().contiguous() for name, p in model.named_parameters()}
    for tool_number, tool in enumerate(tools):
        for index, state in tool.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"tool.{tool_number}.{index}.{key}"] = torch.as_tensor(value).contiguous()
    beside = folder / "checkpoint.part"
    save_file(tensors, beside, metadata={"step": str(step)})
    beside.replace(folder / "checkpoint.safetensors")


def load_checkpoint(folder: Path, model: Qwen2ForCausalLM, tools: list[torch.optim.Optimizer]) -> int:
    """Put a checkpoint back, if there is one; return the step to go on from."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return 0
    with safe_open(path, "pt") as handle:
        step = int(handle.metadata()["step"])
    tensors = load_file(path)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
    for tool_number, tool in enumerate(tools):
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"tool.{tool_number}."):
                _, _, index, name = key.split(".", 3)
                state.setdefault(int(index), {})[name] = value
        tool.load_state_dict({"state": state, "param_groups": tool.state_dict()["param_groups"]})
    return step


def mixed_with(model: Qwen2ForCausalLM, path: Path, share: float) -> None:
    """Move each weight to ``share`` of the one in the file at ``path`` and the rest of its own."""
    tensors = load_file(path)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.lerp_(tensors[name].to(parameter.device), share)


def stage_batches(stages: Sequence[Stage], seed: int, first: int) -> Iterator[tuple[int, Stage, torch.Tensor, torch.Tensor]]:
    """``(step, stage, ids, weights)`` of all stages in a row, from step ``first`` on.

    Raises ``ValueError`` when a stage's corpus is too small for its steps.
    """
    step = 0
    for stage in stages:
        if step + stage.steps <= first:
            step += stage.steps
            continue
        end = step + stage.steps
        corpus = Corpus.load(stage.folder)
        for ids, weights in islice(batches(corpus, seed, BATCH_TOKENS), stage.steps):
            if step >= first:
                yield step, stage, ids, weights
            step += 1
        if step < end:
            raise ValueError(f"{stage.folder}: {stage.steps - (end - step)} batches, {stage.steps} steps: build more shards.")


def quick(loss: Loss) -> Loss:
    """A loss that is compiled, where there is a compiler."""
    return cast(Loss, torch.compile(loss, dynamic=True)) if shutil.which("g++") else loss


def pretrain(work: Path, stages: Sequence[Stage], shape: Shape, seed: int) -> tuple[Qwen2ForCausalLM, dict]:
    """Train through the stages, going on from the checkpoint in ``work``; return the model and a record for its card."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Qwen2ForCausalLM(shape.config())
    model.to(device)  # type: ignore[arg-type]  # the wrapped method's signature is lost to the checker
    tools = optimizers(model)
    rates = [tool.param_groups[0]["lr"] for tool in tools]
    first = load_checkpoint(work, model, tools)
    steps = sum(stage.steps for stage in stages)
    compiled, worn, inner = quick(loss_of), quick(practice.worn_loss), quick(practice.worn_loss)
    days: Iterator[Day] = iter(())
    begun, seen, smooth = time.time(), 0, 0.0
    for step, stage, ids, weights in stage_batches(stages, seed, first):
        for tool, rate in zip(tools, rates, strict=True):
            tool.param_groups[0]["lr"] = rate * schedule(step, stages)
        if stage.practice and not (work / BEFORE_PRACTICE).exists():
            save_file({name: p.detach().contiguous() for name, p in model.named_parameters()}, work / BEFORE_PRACTICE)
        if stage.practice and step % PRACTICE_EVERY == 0:
            day = next(days, None)
            if day is None:
                number, left = step // PRACTICE_EVERY, (steps - step) // PRACTICE_EVERY + 1
                days = practice.days(seed, number, left, ASSETS, stage.practice, work / "tokenizer.json")
                day = next(days)
            before = practice.states(model, day.far)
            with practice.slept(model, day, inner, step):
                asked = practice.morning(day, before)
                worn(model, asked.ids, asked.weights, asked.held, asked.before).backward()
        smoothing = PRACTICE_SMOOTHING if stage.practice else 0.0
        loss = compiled(model, ids.to(device), weights.to(device), smoothing)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for tool in tools:
            tool.step()
            tool.zero_grad()
        seen += ids.numel()
        smooth = loss.item() if step == first else 0.98 * smooth + 0.02 * loss.item()
        if step % 50 == 0:
            spent = time.time() - begun
            print(f"step {step}/{steps} loss {smooth:.4f} {seen / spent:.0f} tokens/s {spent:.0f} s", flush=True)
        if step % CHECKPOINT_STEPS == CHECKPOINT_STEPS - 1:
            save_checkpoint(work, model, tools, step + 1)
    if stages[-1].practice:
        mixed_with(model, work / BEFORE_PRACTICE, KEPT)
    record = {
        "seed": seed, "shape": asdict(shape), "steps": steps, "tokens": steps * BATCH_TOKENS, "final_loss": round(smooth, 4),
        "device": str(device), "seconds_since_last_start": round(time.time() - begun),
    }  # fmt: skip
    return model.float().cpu(), record
