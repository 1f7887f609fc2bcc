"""Export: what a brain is and what it has learned, in one folder that other tools read and from which it can be restored.

adapter/                  the adapter after the last kept night, in PEFT's format
merged/                   on request: base and adapter as one model
metrics.jsonl             the ledger, a line per night
nights.csv                the figures of each night
steps.csv, steps.jsonl    the loss of every training step
samples.csv, .parquet     every taught prompt with its replies before and after
tensorboard/              the same figures as event files
brain/                    memory, ledger and the adapter of every kept night: all that ``restore`` needs
manifest.json             what this is, and the SHA-256 of every file
"""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sleepcon import __version__
from sleepcon.beside import made_beside
from sleepcon.errors import UserError
from sleepcon.export.manifest import write_manifest

if TYPE_CHECKING:
    from sleepcon.brain import Brain

BRAIN = "brain"
"""The part of an exported folder that is the brain."""
MEMORY = "memory.sqlite"
ASKED = 5
"""Ordinary prompts, and as many taught ones at most, on which a merged model is compared with base and adapter."""


def export(brain: "Brain", folder: Path, merged: bool = False) -> dict:
    """Write into ``folder`` (new or empty) and return its manifest; see the module's text. ``merged``: with one model of both.

    Raises ``UserError`` when the folder holds something, or the brain has no kept night.
    """
    from sleepcon.export.events import write_events
    from sleepcon.export.tables import write_tables

    kept = brain.adapter_after(None)
    if kept is None:
        raise UserError(f"The brain {brain.name} has no night that was kept: there is no adapter to export.")
    with made_beside(folder.expanduser().resolve()) as part:
        copy_brain(brain.folder, part / BRAIN)
        shutil.copytree(part / BRAIN / "cycles" / kept.name, part / "adapter")
        nights = brain.history()
        write_tables(nights, part)
        write_events(nights, part / "tensorboard")
        about = {
            "sleepcon": __version__, "brain": brain.name, "model": brain.model, "nights": len(nights),
            "base_sha256": nights[-1].base_sha256_after, "adapter_sha256": nights_adapter(nights),
        }  # fmt: skip
        if merged:
            from sleepcon.export.merged import write_merged
            from sleepcon.wake import ordinary_prompts

            taught = [reply["prompt"] for reply in nights[-1].replies[:ASKED]]
            about["merged"] = write_merged(brain.base, part / "adapter", part / "merged", ordinary_prompts()[:ASKED] + taught)
        return write_manifest(part, about)


def nights_adapter(nights: list) -> str:
    """SHA-256 of the adapter of the last kept night."""
    return next(night.adapter_sha256 for night in reversed(nights) if night.kept)


def copy_brain(source: Path, target: Path) -> None:
    """Copy a brain's own files: which base, memory and ledger, and the adapters of the nights that the ledger knows as kept."""
    target.mkdir()
    shutil.copy(source / "brain.json", target)
    # SQLite's own copy is whole even while a night or an import writes.
    with closing(sqlite3.connect(source / MEMORY)) as old, closing(sqlite3.connect(target / MEMORY)) as new:
        old.backup(new)
        rows = [json.loads(row) for (row,) in new.execute("SELECT row FROM cycles ORDER BY cycle")]
    for row in rows:
        if row["kept"]:
            name = f"{row['cycle']:04d}"
            shutil.copytree(source / "cycles" / name, target / "cycles" / name)
