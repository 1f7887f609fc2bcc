"""Recorded runs: what the engine did once, kept in ``assets/recorded`` so that a first visit finds every chart filled.

    python -m sleepcon.record            # make them all again
    python -m sleepcon.record night      # or one

A page that shows one says so, with its date, base and seed; what a visitor runs replaces it.
"""

import json
from dataclasses import dataclass
from functools import cache

from sleepcon.paths import ASSETS

RECORDED = ASSETS / "recorded"


@dataclass(frozen=True)
class Recording:
    """One recorded run. ``made``: the day; ``base_sha256``: the base it ran on; ``result``: JSON types, as its maker says."""

    name: str
    made: str
    base_sha256: str
    seed: int
    seconds: float
    machine: str
    result: dict


@cache
def recording(name: str) -> Recording | None:
    """The recorded run of this name, or ``None`` when it was never made."""
    path = RECORDED / f"{name}.json"
    return Recording(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
