"""Rows of tokens with labels, batches of them, and the losses at their labelled places.

A place is where the next token is labelled. The vocabulary is multiplied out at places alone, and at a few of them at a time:
in a model of half a billion parameters logits would otherwise take more memory than all else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from sleepcon.base import head_logits
from sleepcon.dream import Lesson
from sleepcon.model import BATCH_TOKENS, Base, chat, groups_by_tokens, prompt_ids, reply_ids, right_padded

IGNORED = -100
STATES = 1_200_000
"""Bytes of one layer's states over all tokens of a forward pass on a processor, at most (or a single row's).

On Qwen2.5-0.5B in bfloat16 that is 669 tokens, and what the backward pass needs of them takes 1.3 GB (measured).
"""
LOGITS = 2**24
"""Logits that are held at once, at most: 64 MiB in float32."""

Row = tuple[list[int], list[int]]
"""Token ids and labels of a lesson; ``IGNORED`` where there is no label."""


@dataclass(frozen=True)
class Batch:
    """Rows padded on the right: ``ids``, ``mask`` and ``labels`` (ignored places are -100), each of shape (rows, length)."""

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor

    @property
    def wanted(self) -> torch.Tensor:
        """The token that each place is to say, row after row, shape (places,)."""
        labels = self.labels[:, 1:]
        return labels[labels != IGNORED]


def rows_of(base: Base, lessons: Sequence[Lesson], whole: bool) -> list[Row]:
    """The row of each lesson; labels on the reply alone, or on every token when ``whole``."""
    rows = []
    for lesson in lessons:
        prompt, reply = prompt_ids(base, chat(lesson.prompt, lesson.context)), reply_ids(base, lesson.reply)
        rows.append((prompt + reply, (prompt if whole else [IGNORED] * len(prompt)) + reply))
    return rows


def places(row: Row) -> int:
    """How many places a row has."""
    return sum(label != IGNORED for label in row[1][1:])


def padded(rows: Sequence[Row], pad: int, device: torch.device) -> Batch:
    """Rows as one batch, padded on the right."""
    ids, mask = right_padded([row for row, _ in rows], pad)
    labels, _ = right_padded([label for _, label in rows], IGNORED)
    return Batch(ids.to(device), mask.to(device), labels.to(device))


def batches(base: Base, rows: Sequence[Row]) -> Iterator[tuple[list[int], Batch]]:
    """Rows of like length in batches, each with the indices of its rows in rising order."""
    device, width = base.model.device, base.model.config.get_text_config().hidden_size * base.model.dtype.itemsize
    budget = STATES // width if device.type == "cpu" else BATCH_TOKENS
    for group in groups_by_tokens([len(ids) for ids, _ in rows], budget):
        yield sorted(group), padded([rows[index] for index in sorted(group)], base.tokenizer.pad_token_id, device)


def place_states(base: Base, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """The decoder's last states at all places, shape (places, hidden), and the row of each place, shape (places,).

    No mask is given: padding stands on the right, where causal attention does not look.
    """
    hidden = base.model.get_decoder()(input_ids=batch.ids, use_cache=False).last_hidden_state[:, :-1]
    labelled = batch.labels[:, 1:] != IGNORED
    return hidden[labelled], labelled.nonzero()[:, 0]


def reply_logits(base: Base, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits at all places, shape (places, vocabulary), and the row of each place, shape (places,)."""
    states, rows = place_states(base, batch)
    return head_logits(base, states), rows


def parts(base: Base, start: int, stop: int) -> Iterator[slice]:
    """Runs of the places from ``start`` to ``stop`` whose logits fit into ``LOGITS``."""
    vocabulary: int = base.model.config.get_text_config().vocab_size
    size = max(1, LOGITS // vocabulary)
    return (slice(place, min(place + size, stop)) for place in range(start, stop, size))


def mean_by_row(values: torch.Tensor, rows: torch.Tensor, count: int) -> torch.Tensor:
    """Mean of ``values`` over the places of each row, shape (count,)."""
    sums = torch.zeros(count, device=values.device).index_add(0, rows, values)
    return sums / torch.bincount(rows, minlength=count).clamp_min(1)


def cross_entropy(base: Base, states: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Minus the logarithm of the probability of each wanted token, in nats, shape (places,)."""
    return F.cross_entropy(head_logits(base, states), wanted, reduction="none")


def divergence(before: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """KL(before || now) at each place, in nats, shape (places,), from log-probabilities ``before`` and logits ``now``."""
    return F.kl_div(F.log_softmax(now, -1), before, reduction="none", log_target=True).sum(-1)


def drift(before: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """How far states moved at each place, as a share of what they were: |now - before|^2 / |before|^2, shape (places,)."""
    before, now = before.float(), now.float()
    return (now - before).square().sum(-1) / before.square().sum(-1)


def row_losses(base: Base, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy of each row's labelled tokens, in nats per token, shape (rows,)."""
    states, rows = place_states(base, batch)
    found = [cross_entropy(base, states[part], batch.wanted[part]) for part in parts(base, 0, len(states))]
    return mean_by_row(torch.cat(found), rows, len(batch.ids))


@torch.inference_mode()
def lesson_losses(base: Base, lessons: Sequence[Lesson], whole: bool = False) -> list[float]:
    """Loss of each lesson under the brain as it is now, in nats per labelled token."""
    rows = rows_of(base, lessons, whole)
    losses = [0.0] * len(rows)
    for indices, batch in batches(base, rows):
        for index, loss in zip(indices, row_losses(base, batch).tolist(), strict=True):
            losses[index] = loss
    return losses


@torch.no_grad()
def states_before(base: Base, rows: Sequence[Row]) -> list[torch.Tensor]:
    """For each row the decoder's last states at its places as they are now, shape (places, hidden)."""
    found = [torch.empty(0)] * len(rows)
    for indices, batch in batches(base, rows):
        states, owners = place_states(base, batch)
        sizes = torch.bincount(owners, minlength=len(indices)).tolist()
        for index, part in zip(indices, states.split(sizes), strict=True):
            found[index] = part.clone()
    return found
