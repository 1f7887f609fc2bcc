"""In which arithmetic a night computes: what is quick on the machine at hand. docs/speed.md says what each choice gave."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import torch
import torch.nn.functional as F
from peft.helpers import disable_input_dtype_casting

from sleepcon.adapter import NIGHT, lora_layers
from sleepcon.model import Base
from sleepcon.placement import processor_has_bfloat16

LONG = 512
"""Tokens from which the fused attention is used whatever its speed: the plain one's memory grows with their square."""


def rounds(base: Base) -> bool:
    """Whether a night on this base multiplies in bfloat16.

    So on a base that is kept in bfloat16, and on one in float32 whose card says that its doses were found so (``products``),
    where the processor has such products.
    """
    if base.model.dtype != torch.float32 or base.model.device.type != "cpu":
        return base.model.dtype == torch.bfloat16
    return base.card.get("products") == "bfloat16" and processor_has_bfloat16()


@contextmanager
def quick(base: Base, longest: int, exact: bool = False) -> Iterator[None]:
    """The base with a night's adapter, computing as it does in training on rows of at most ``longest`` tokens.

    ``exact``: products are made in the type of the base's weights, whatever its card allows.
    """
    half = base.model.dtype == torch.bfloat16 if exact else rounds(base)
    with ExitStack() as stack:
        stack.enter_context(one_mask_for_each_input(base))
        stack.enter_context(quick_products(base.model.device))
        # The adapter's float32 numbers are rounded for each product, instead of every activation being widened to float32.
        stack.enter_context(torch.autocast(base.model.device.type, torch.bfloat16, enabled=half, cache_enabled=False))
        stack.enter_context(disable_input_dtype_casting(base.model, half))
        if base.model.device.type == "cpu" and longest <= LONG:
            stack.enter_context(plain_attention(base))
        yield


@contextmanager
def plain_attention(base: Base) -> Iterator[None]:
    """Attention by two products and a softmax: on processors torch's fused one is several times as slow on short rows."""
    before = base.model.config._attn_implementation
    base.model.set_attn_implementation("eager")
    try:
        yield
    finally:
        base.model.set_attn_implementation(before)


@contextmanager
def quick_products(device: torch.device) -> Iterator[None]:
    """Let oneDNN multiply float32 matrices where it does not round them: on AMD it is twice as fast as the default library."""
    before = torch.get_float32_matmul_precision()
    if medium_is_exact(device):
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def medium_is_exact(device: torch.device) -> bool:
    """Whether products of float32 matrices stay float32 when torch may round them: so where no unit for less is at hand.

    1 + 2^-12 has no neighbour in bfloat16 or TensorFloat-32 but 1.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        number = 1 + 2**-12
        product = torch.full((256, 256), number, device=device) @ torch.eye(256, device=device)
    finally:
        torch.set_float32_matmul_precision(before)
    return bool((product == number).all())


class SharedDropout(torch.nn.Module):
    """Dropout with one mask for all modules that read the same tensor, as q_proj and v_proj do: it is drawn once."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate
        self.read = self.left = torch.empty(0)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """``states`` with entries zeroed at ``rate`` and the rest scaled up, as :func:`torch.nn.functional.dropout` does."""
        if states is not self.read:
            self.read, self.left = states, F.dropout(states, self.rate, self.training)
        return self.left


@contextmanager
def one_mask_for_each_input(base: Base) -> Iterator[None]:
    """The night's adapter with one dropout for all its modules, instead of one for each."""
    layers = [layer for _, layer in lora_layers(base) if isinstance(layer.lora_dropout[NIGHT], torch.nn.Dropout)]
    before = [layer.lora_dropout[NIGHT] for layer in layers]
    for layer, dropout in zip(layers, before, strict=True):
        layer.lora_dropout[NIGHT] = SharedDropout(dropout.p) if layer is layers[0] else layers[0].lora_dropout[NIGHT]
    try:
        yield
    finally:
        for layer, dropout in zip(layers, before, strict=True):
            layer.lora_dropout[NIGHT] = dropout
