"""Elastic weight consolidation for an adapter: what ordinary replies depend on is made stiff, and nothing is rehearsed.

    penalty = weight / 2  sum_i F_i D_i^2

D is the night's change of a weight matrix, (alpha / rank) B A, and F the diagonal of the Fisher information of the brain
before the night, per reply token of the exchanges that the night would have rehearsed. Source: Kirkpatrick et al. 2017,
"Overcoming catastrophic forgetting in neural networks" (PNAS 114), eq. 3, applied to what LoRA changes.

To second order KL(before || now) at those tokens is 1/2 D' F D with the whole F: the penalty is that parabola, correlations
left out. Its weight is the rehearsal's, which was chosen for another measure of change: one number fewer to choose, not a
tuned one.
"""

import random
from collections.abc import Callable, Sequence

import torch

from sleepcon.adapter import NIGHT, lora_layers
from sleepcon.batch import padded, reply_logits, rows_of
from sleepcon.dream import Lesson
from sleepcon.model import Base

ROWS = 128
"""Exchanges that the Fisher information is measured on, at most: each costs a backward pass."""


def fisher(base: Base, lessons: Sequence[Lesson], seed: int) -> dict[str, torch.Tensor]:
    """Diagonal of the Fisher information per reply token, for each matrix that the worn adapter changes, in its shape.

    At each place of a reply the label is drawn from what the brain itself expects there, so this is the true Fisher
    information and not the empirical one (Kunstner, Hennig and Balles 2019). Zero where there are no lessons.
    """
    weights = {name: layer.get_base_layer().weight for name, layer in lora_layers(base)}
    found = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()}
    chosen = random.Random(seed).sample(list(lessons), min(ROWS, len(lessons)))
    generator = torch.Generator(device=base.model.device).manual_seed(seed)
    places = 0
    for weight in weights.values():
        weight.requires_grad_(True)
    try:
        for row in rows_of(base, chosen, False):
            batch = padded([row], base.tokenizer.pad_token_id, base.model.device)
            logprobs = reply_logits(base, batch)[0].log_softmax(-1)
            drawn = torch.multinomial(logprobs.detach().exp(), 1, generator=generator)
            # Labels are drawn at each place apart, so the square of the summed gradient is on average the sum of the squares.
            gradients = torch.autograd.grad(logprobs.gather(1, drawn).sum(), list(weights.values()))
            for total, gradient in zip(found.values(), gradients, strict=True):
                total += gradient.float().square()
            places += len(drawn)
    finally:
        for weight in weights.values():
            weight.requires_grad_(False)
    return {name: total / max(1, places) for name, total in found.items()}


def elastic(base: Base, lessons: Sequence[Lesson], weight: float, seed: int) -> Callable[[], torch.Tensor]:
    """The penalty of the module's text, to be added to the loss of each step, in nats per token times ``weight``.

    To be called with the night's adapter worn and nothing learned yet.
    """
    stiff = fisher(base, lessons, seed)

    def penalty() -> torch.Tensor:
        changes = ((name, layer.get_delta_weight(NIGHT)) for name, layer in lora_layers(base))
        return weight / 2 * torch.stack([(stiff[name] * change.square()).sum() for name, change in changes]).sum()

    return penalty
