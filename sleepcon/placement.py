"""Where a base is put, and in which type its numbers are kept: chosen from its size and from what the machine has.

A small base, like the embedded one, stays on the processor in float32, where its shipped figures were measured. A large one
goes to a GPU if there is one, and is kept in bfloat16 where the hardware multiplies in it. ``SLEEPCON_DEVICE`` and
``SLEEPCON_DTYPE`` overrule both. Adapters are float32 always.
"""

import os
from dataclasses import dataclass

import torch

from sleepcon.errors import UserError

LARGE = 100_000_000
"""Parameters from which a base counts as large."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MEMORY_SHARE = 0.5
"""Share of a GPU's memory that weights in float32 may fill; more, and there is no room for a night."""


@dataclass(frozen=True)
class Placement:
    """A device and the type of the base's numbers on it."""

    device: torch.device
    dtype: torch.dtype


def choose(parameters: int, dtype: str | None = None, device: str | None = None) -> Placement:
    """The placement of a base with so many parameters; what is given comes before the environment, and that before the rule.

    Raises ``UserError`` for a type that is not one of ``DTYPES`` or a device that is not there.
    """
    dtype, device = dtype or os.environ.get("SLEEPCON_DTYPE"), device or os.environ.get("SLEEPCON_DEVICE")
    if dtype and dtype not in DTYPES:
        raise UserError(f"{dtype!r} is no type that a base can be kept in: set SLEEPCON_DTYPE to one of {', '.join(DTYPES)}.")
    large = parameters >= LARGE
    where = checked_device(device) if device else torch.device(best_device() if large else "cpu")
    if dtype:
        return Placement(where, DTYPES[dtype])
    return Placement(where, best_dtype(where, parameters) if large else torch.float32)


def checked_device(name: str) -> torch.device:
    """The device of this name; raises ``UserError`` unless a number can be put there."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"There is no device {name!r} here: set SLEEPCON_DEVICE to cpu, or to cuda or mps if you have it."
        ) from error
    return device


def best_device() -> str:
    """The name of the quickest kind of device that this machine has."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def best_dtype(device: torch.device, parameters: int) -> torch.dtype:
    """bfloat16 where the hardware has it; else float32, or float16 when that would fill a GPU's memory."""
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16
        memory = torch.cuda.get_device_properties(device).total_memory
    elif device.type == "mps":
        memory = torch.mps.recommended_max_memory()
    else:
        return torch.bfloat16 if processor_has_bfloat16() else torch.float32
    return torch.float32 if 4 * parameters <= MEMORY_SHARE * memory else torch.float16


def processor_has_bfloat16() -> bool:
    """Whether this processor multiplies in bfloat16 itself; where torch is too old to tell, no."""
    able: dict = getattr(torch.cpu, "get_capabilities", dict)()
    return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))
