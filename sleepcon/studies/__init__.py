"""Research protocols: one file each, and what runs them. Nothing here imports torch.

sleepcon study                      # which there are
sleepcon study timing --seeds 5     # run one; HOME/studies/timing holds every run, and a kill loses only what was under way
"""

import json
from functools import cache
from importlib import import_module

from sleepcon.errors import UserError
from sleepcon.paths import ASSETS
from sleepcon.studies.protocol import Study

NAMES = ("controls", "cycles", "threshold", "timing", "sharing", "creativity", "dose", "frozen")
RECORDED = ASSETS / "recorded" / "studies"


def find(name: str) -> Study:
    """The study of this name; ``UserError`` when there is none."""
    if name not in NAMES:
        raise UserError(f"There is no study called {name}: choose one of {', '.join(NAMES)}.")
    return import_module(f"sleepcon.studies.{name}").STUDY


@cache
def load_summary(name: str) -> dict | None:
    """The shipped result of a study, in the form of ``results.summary``; ``None`` while none was recorded."""
    path = RECORDED / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
