"""The ledger as files to take away: JSON as it stands, and CSV with a row for each reply of each night."""

import csv
import io
import json
from collections.abc import Sequence

from sleepcon.ledger import Cycle

FIGURES = (
    "cycle", "started", "kept", "model", "seed", "recipe", "control", "threshold", "learning_rate", "epochs", "considered",
    "consolidated", "average_salience", "loss_before", "loss_after", "training_seconds", "seconds", "base_sha256_before",
    "base_sha256_after", "adapter_sha256",
)  # fmt: skip
REPLY = ("prompt", "context", "taught", "before", "after", "learned", "salience", "share")


def as_json(cycles: Sequence[Cycle]) -> str:
    """Every night with all its fields but the folder on this computer, as a JSON list."""
    return json.dumps([cycle.as_dict() | {"adapter_path": None} for cycle in cycles], ensure_ascii=False, indent=1)


def as_csv(cycles: Sequence[Cycle]) -> str:
    """A row for each reply: the night's figures, then the reply's fields. Text is guarded by ``cell``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow((*FIGURES, *REPLY))
    for cycle in cycles:
        figures = cycle.as_dict()
        for reply in cycle.replies:
            writer.writerow([cell(value) for value in [*(figures[name] for name in FIGURES), *(reply[name] for name in REPLY)]])
    return out.getvalue()


def cell(value: object) -> object:
    """A value for a spreadsheet: text that it would read as a formula gets an apostrophe in front; numbers stay numbers."""
    if isinstance(value, str) and value.lstrip().startswith(("=", "+", "-", "@")):
        return f"'{value}"
    return value
