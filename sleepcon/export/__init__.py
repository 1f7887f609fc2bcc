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

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sleepcon import __version__
from sleepcon.beside import made_beside
from sleepcon.errors import UserError
from sleepcon.export.manifest import write_manifest
from sleepcon.ledger import Cycle, Ledger

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

    if brain.adapter_after(None) is None:
        raise UserError(f"The brain {brain.name} has no night that was kept: there is no adapter to export.")
    with made_beside(folder.expanduser().resolve()) as part:
        nights = copy_brain(brain.folder, part / BRAIN)
        kept = [night for night in nights if night.kept]
        shutil.copytree(part / BRAIN / folder_of(kept[-1]), part / "adapter")
        write_tables(nights, part)
        write_events(nights, part / "tensorboard")
        about = {
            "sleepcon": __version__, "brain": brain.name, "model": brain.model, "nights": len(nights),
            "base_sha256": nights[-1].base_sha256_after, "adapter_sha256": kept[-1].adapter_sha256,
        }  # fmt: skip
        if merged:
            from sleepcon.export.merged import write_merged
            from sleepcon.wake import ordinary_prompts

            taught = [reply["prompt"] for reply in nights[-1].replies[:ASKED]]
            about["merged"] = write_merged(brain.base, part / "adapter", part / "merged", ordinary_prompts()[:ASKED] + taught)
        return write_manifest(part, about)


def folder_of(night: Cycle) -> Path:
    """Where a brain keeps the adapter of a night."""
    return Path("cycles") / f"{night.cycle:04d}"


def copy_brain(source: Path, target: Path) -> list[Cycle]:
    """Copy a brain's own files: which base, memory and ledger, the adapter of every kept night; the nights, oldest first."""
    target.mkdir()
    shutil.copy(source / "brain.json", target)
    # SQLite's own copy is whole even while a night or an import writes, and what it names as kept is there.
    with closing(sqlite3.connect(source / MEMORY)) as old, closing(sqlite3.connect(target / MEMORY)) as new:
        old.backup(new)
        nights = Ledger(new).rows()
    for night in nights:
        if night.kept:
            shutil.copytree(source / folder_of(night), target / folder_of(night))
    return nights
