"""The ledger as tables that other tools read: JSON Lines, CSV and Parquet."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pandas as pd

from sleepcon.ledger import Cycle

FIGURES = (
    "considered", "consolidated", "average_salience", "loss_before", "loss_after", "training_seconds", "seconds", "threshold",
    "learning_rate", "epochs", "seed",
)  # fmt: skip
SAMPLE = {
    "cycle": "int64", "kept": "bool", "id": "str", "prompt": "str", "context": "str", "taught": "str", "before": "str",
    "after": "str", "learned": "bool", "salience": "float64", "share": "float64",
}  # fmt: skip


def steps(nights: Iterable[Cycle]) -> Iterator[dict]:
    """A row for each training step of all nights: ``step`` from 1 over all nights, ``timestamp``, ``night``, and its ``loss``.

    The ledger holds when a night began and how long its steps took together; the timestamps lie evenly over that.
    """
    number = count(1)
    for night in nights:
        began = datetime.fromisoformat(night.started)
        for place, loss in enumerate(night.curve, 1):
            time = began + timedelta(seconds=night.training_seconds * place / len(night.curve))
            row = {"step": next(number), "timestamp": time.isoformat(), "night": night.cycle}
            yield row | {"step_of_night": place, "loss": loss}


def figures(nights: Iterable[Cycle]) -> Iterator[dict]:
    """A flat row for each night: ``step`` (its number), ``timestamp``, whether it was ``kept`` (1 or 0), figures and checks."""
    for night in nights:
        row = {"step": night.cycle, "timestamp": night.started, "kept": int(night.kept)}
        checks = {f"check_{check['name']}": check["value"] for check in night.checks}
        yield row | {name: getattr(night, name) for name in FIGURES} | checks


def samples(nights: Iterable[Cycle]) -> pd.DataFrame:
    """A row for each taught experience of each night, with the replies before and after; columns as in ``SAMPLE``."""
    rows = [{"cycle": night.cycle, "kept": night.kept, **reply} for night in nights for reply in night.replies]
    return pd.DataFrame(rows, columns=list(SAMPLE)).astype(SAMPLE)


def write_tables(nights: list[Cycle], folder: Path) -> None:
    """Write ``metrics.jsonl`` (the ledger, a line per night), ``nights.csv``, ``steps.jsonl``, ``steps.csv``, and the samples.

    CSV and Parquet are pandas' own; numbers are written so that reading them gives the same bits.
    """
    write_lines(folder / "metrics.jsonl", (night.as_dict() for night in nights))
    write_lines(folder / "steps.jsonl", steps(nights))
    pd.DataFrame(figures(nights)).to_csv(folder / "nights.csv", index=False)
    pd.DataFrame(steps(nights)).to_csv(folder / "steps.csv", index=False)
    said = samples(nights)
    said.to_csv(folder / "samples.csv", index=False)
    said.to_parquet(folder / "samples.parquet", index=False)


def write_lines(path: Path, rows: Iterable[dict]) -> None:
    """Write JSON Lines."""
    with path.open("w", encoding="utf-8") as handle:
        handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
