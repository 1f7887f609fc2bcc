"""Practising nights: a base that has slept many times before it ships.

Each step of this stage is a short night on an invented day: a fresh adapter on q_proj and v_proj learns five exchanges beside
ordinary ones, as ``sleep.py`` does it. Then the *base* is trained while that adapter is laid on it: to answer what it was
taught, in words it was not taught, to tell it from questions that look alike, and to keep its states over ordinary exchanges
where they were without the adapter. The adapter is thrown away. What stays is a base on which a change of these weights
carries over to other wordings and leaves the rest alone.

First-order meta-learning (Finn, Abbeel and Levine 2017; Nichol, Achiam and Schulman 2018), for learning without forgetting as
in Javed and White 2019, "Meta-learning representations for continual learning".
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM

from sleepcon import sleep
from sleepcon.pretrain.conversations import (
    Known,
    Material,
    Mix,
    Turns,
    alike,
    ask_again,
    first_time,
    neighbour,
    plain_exchange,
    reply_for,
)
from sleepcon.pretrain.corpus import load_material, pieces
from sleepcon.pretrain.heldout import HeldOut, taught_replies
from sleepcon.pretrain.topics import bind

Row = tuple[list[int], list[float]]
"""Token ids of one exchange, and 1.0 where a token is part of the reply (else 0.0)."""

RANK, SCALE = 4, 2.0
"""Of the short night's adapter: W + SCALE x B A, as ``adapter.LoraSettings`` has it."""
KINDS = ("user", "persona", "world", "rule", "correction")
EXPERIENCES = 5
DREAMT, UNSEEN, NEAR = 3, 3, 2
"""Per experience: other wordings that are trained on, that are only asked for, and look-alike questions of each kind."""
FAR = 60
"""Ordinary exchanges that the short night rehearses, and as many that are only asked for."""
STEPS = (8, 20)
"""Fewest and most steps of a short night."""
RATES = (0.01, 0.03)
"""Lowest and highest learning rate of a short night."""
REHEARSAL_WEIGHT = 20.0
"""As a night of the embedded base has it."""
LONGEST = 80
"""Exchanges of more tokens are left out."""


@dataclass(frozen=True)
class Day:
    """An invented day as token rows: what the short night trains on, and what is asked when its adapter is worn."""

    taught: list[Row]
    dreamt: list[Row]
    rehearsed: list[Row]
    unseen: list[Row]
    near: list[Row]
    far: list[Row]


def five_facts(rng: random.Random, material: Material) -> list[Known]:
    """Five things to learn, of one kind or of several, no two of which ask for the same."""
    kinds = rng.choice(KINDS) if rng.random() < 0.2 else ""
    found: list[Known] = []
    for _ in range(40):
        kind = kinds or rng.choice((*KINDS, *("open",) * 8))
        topic = material.topic(kind, rng)
        if any(alike(topic.id, one.fact.topic.id) for one in found):
            continue
        fact = bind(topic, rng, material.lexicon)
        found.append(Known(fact, reply_for(fact, True, rng, material), set()))
        if len(found) == EXPERIENCES:
            break
    return found


def exchanges(rng: random.Random, material: Material) -> dict[str, list[Turns]]:
    """The exchanges of one day, under the names of ``Day``'s fields."""
    facts = five_facts(rng, material)
    taken = {(one.fact.topic.id, one.fact.topic.row) for one in facts}
    day: dict[str, list[Turns]] = {name: [] for name in ("taught", "dreamt", "rehearsed", "unseen", "near", "far")}
    for one in facts:
        day["taught"].append(first_time(one, rng))
        day["dreamt"] += [ask_again(one, rng, material) for _ in range(DREAMT)]
        day["unseen"] += [ask_again(one, rng, material) for _ in range(UNSEEN)]
        day["rehearsed"] += [neighbour(one, rng, material, taken) for _ in range(NEAR)]
        day["near"] += [neighbour(one, rng, material, taken) for _ in range(NEAR)]
    asked = {turns[0][1].lower() for turns in (*day["taught"], *day["unseen"], *day["dreamt"])}
    for name in ("rehearsed", "far"):
        drawn = (plain_exchange(rng, material) for _ in range(FAR))
        day[name] += [turns for turns in drawn if turns[0][1].lower() not in asked]
    return day


def encoded(turns: Turns, tokenizer: Tokenizer) -> Row:
    """One exchange as a row."""
    ids: list[int] = []
    taught: list[float] = []
    for text, is_taught in pieces(turns):
        part = tokenizer.encode(text).ids
        ids += part
        taught += [float(is_taught)] * len(part)
    return ids, taught


_tools: list = []


def _begin(assets: Path, mix: Mix, tokenizer: str) -> None:
    """Load once, in the process that makes days, what they are made from."""
    _tools[:] = [load_material(assets, mix), HeldOut(taught_replies(assets)), Tokenizer.from_str(tokenizer)]


def _day(key: str) -> Day:
    """The day that ``key`` stands for."""
    material, held_out, tokenizer = _tools
    made = exchanges(random.Random(key), material)
    fields = {}
    for name, group in made.items():
        fine = [turns for turns in group if not held_out.broken_by(" \n ".join(text for _, text in turns))]
        rows = [encoded(turns, tokenizer) for turns in fine]
        fields[name] = [row for row in rows if len(row[0]) <= LONGEST]
    return Day(**fields)


def days(seed: int, first: int, count: int, assets: Path, mix: Mix, tokenizer: Path) -> Iterator[Day]:
    """Days ``first`` to ``first + count - 1`` of ``seed``, made in a process of their own."""
    keys = [f"{seed}/day/{number}" for number in range(first, first + count)]
    with get_context("spawn").Pool(1, _begin, (assets, mix, tokenizer.read_text(encoding="utf-8"))) as pool:
        yield from pool.imap(_day, keys, chunksize=4)


@dataclass(frozen=True)
class Asked:
    """Rows of one batch, padded on the right to a multiple of 16: the first are taught, the last held; a row can be both.

    ``ids``: (rows, length). ``weights``: (taught rows, length), what the cross-entropy of each token counts for. ``held``:
    (held rows, length), what the drift at each token counts for. ``before``: (held rows, length, hidden), the states there.
    """

    ids: torch.Tensor
    weights: torch.Tensor
    held: torch.Tensor
    before: torch.Tensor


def padded(rows: Sequence[Row]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids, 1 where a token is part of a reply, 1 where there is a token, each (rows, length)."""
    width = -(-max(len(ids) for ids, _ in rows) // 16) * 16
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    taught, there = torch.zeros(len(rows), width), torch.zeros(len(rows), width)
    for number, (tokens, marks) in enumerate(rows):
        ids[number, : len(tokens)] = torch.tensor(tokens)
        taught[number, : len(tokens)] = torch.tensor(marks)
        there[number, : len(tokens)] = 1.0
    return ids, taught, there


def batch_of(rows: Sequence[Row], shares: Sequence[float], before: torch.Tensor, share: float) -> Asked:
    """Rows as one batch: the weights of each of the first rows sum to its share, those of all held rows together to ``share``.

    ``before``: the states over the held rows, the last ones, from :func:`states`, padded to their own length or more.
    """
    ids, said, there = padded(rows)
    said, tokens = said[: len(shares)], there[len(rows) - len(before) :]
    weights = said * (torch.tensor(shares)[:, None] / said.sum(1, keepdim=True))
    room = before.new_zeros(len(before), ids.shape[1], before.shape[-1])
    width = min(ids.shape[1], before.shape[1])
    room[:, :width] = before[:, :width]
    device = before.device
    return Asked(ids.to(device), weights.to(device), (tokens * (share / tokens.sum())).to(device), room)


def states(model: Qwen2ForCausalLM, rows: Sequence[Row]) -> torch.Tensor:
    """The decoder's last states over some rows, (rows, length, hidden)."""
    device = model.lm_head.weight.device
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
        return model.model(input_ids=padded(rows)[0].to(device)).last_hidden_state.float()


def worn_loss(
    model: Qwen2ForCausalLM, ids: torch.Tensor, weights: torch.Tensor, held: torch.Tensor, before: torch.Tensor
) -> torch.Tensor:
    """What a batch loses, in the fields of :class:`Asked`: weighted cross-entropy of its taught rows, in nats, and weighted
    drift of its held ones, the squared distance of the states from what they were as a share of their square."""
    taught = len(weights)
    with torch.autocast(ids.device.type, torch.bfloat16):
        hidden = model.model(input_ids=ids).last_hidden_state
        logits = model.lm_head(hidden[:taught])
    losses = F.cross_entropy(logits.flatten(0, 1).float(), ids[:taught].roll(-1, 1).flatten(), reduction="none")
    said = torch.cat([weights[:, 1:], torch.zeros_like(weights[:, :1])], 1).flatten()
    now = hidden[len(ids) - len(held) :].float()
    moved = (now - before).square().sum(-1) / before.square().sum(-1).clamp_min(1e-6)
    return (losses * said).sum() + (moved * held).sum()


def adapted(model: Qwen2ForCausalLM) -> list[torch.nn.Parameter]:
    """The weights that a night changes."""
    return [weight for name, weight in model.named_parameters() if name.endswith(("q_proj.weight", "v_proj.weight"))]


LossOf = Callable[[Qwen2ForCausalLM, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@contextmanager
def slept(model: Qwen2ForCausalLM, day: Day, loss_of: LossOf, seed: int) -> Iterator[None]:
    """The model with what a short night on ``day`` does to its weights laid on; taken off at the end.

    ``loss_of``: :func:`worn_loss`, compiled or not.
    """
    weights = adapted(model)
    generator = torch.Generator().manual_seed(seed)
    draw = random.Random(seed)
    down = [torch.empty(RANK, w.shape[1]).uniform_(-1, 1, generator=generator) / math.sqrt(w.shape[1]) for w in weights]
    up = [torch.zeros(w.shape[0], RANK, device=w.device) for w in weights]
    down = [one.to(w.device) for one, w in zip(down, weights, strict=True)]
    steps, rate = draw.randint(*STEPS), math.exp(draw.uniform(*map(math.log, RATES)))
    groups = [{"params": down, "ratio": 1.0}, {"params": up, "ratio": sleep.B_RATIO}]
    tool = torch.optim.AdamW(groups, weight_decay=0.0, foreach=True)
    own = [weight.detach().clone() for weight in weights]
    before = states(model, day.rehearsed)
    learning = [p for p in model.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
    # a brain does not dream of everything it lived, so neither does every short night
    dreamt = draw.sample(day.dreamt, draw.randint(0, len(day.dreamt)))
    for step in range(steps):
        taught = day.taught + draw.sample(dreamt, min(sleep.DREAMT, len(dreamt)))
        others = draw.sample(range(len(day.rehearsed)), min(sleep.REHEARSED, len(day.rehearsed)))
        shares = [1 / len(taught)] * len(taught)
        asked = batch_of(taught + [day.rehearsed[i] for i in others], shares, before[others], REHEARSAL_WEIGHT)
        gradients = torch.autograd.grad(loss_of(model, asked.ids, asked.weights, asked.held, asked.before), weights)
        turn = min(1.0, (step + 1) / 3) * (0.1 + 0.45 * (1 + math.cos(math.pi * step / steps)))
        for group in tool.param_groups:
            group["lr"] = rate * turn * group["ratio"]
        for a, b, g in zip(down, up, gradients, strict=True):
            a.grad, b.grad = SCALE * b.T @ g, SCALE * g @ a.T
        tool.step()
        with torch.no_grad():
            for weight, bare, a, b in zip(weights, own, down, up, strict=True):
                weight.copy_(bare).addmm_(b, a, alpha=SCALE)
    for parameter in learning:
        parameter.requires_grad_(True)
    yield
    with torch.no_grad():
        for weight, bare in zip(weights, own, strict=True):
            weight.copy_(bare)


TAUGHT_SHARE, NEAR_SHARE, FAR_SHARE, HELD_SHARE = 2.0, 1.2, 1.0, 20.0
"""What the morning's questions count for: those of the day, those that look alike, ordinary ones, and the drift over these."""


def morning(day: Day, before: torch.Tensor) -> Asked:
    """What is asked of the model that slept. ``before``: its states over ``day.far`` when it had not."""
    groups = ((day.taught + day.unseen, TAUGHT_SHARE), (day.near, NEAR_SHARE), (day.far, FAR_SHARE))
    rows = [row for group, _ in groups for row in group]
    shares = [share / len(group) for group, share in groups for _ in group]
    return batch_of(rows, shares, before, HELD_SHARE)
