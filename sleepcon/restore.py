"""Restore: a brain from a folder that ``sleepcon export`` wrote, every byte of it checked first.

    brain = restore("exported", "again")         # or Brain.restore("exported", "again"), or sleepcon import exported

The brain goes on where it stopped: on a machine that computes alike, its next night gives the same adapter, bit for bit, as it
would have given where it came from. All of a night's state is in memory, ledger and adapters; an optimiser lives for one night.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sleepcon.beside import made_beside
from sleepcon.errors import UserError
from sleepcon.export import BRAIN, MEMORY, folder_of
from sleepcon.export.manifest import sha256_of, verify
from sleepcon.ledger import Cycle, Ledger
from sleepcon.memory import Memory
from sleepcon.paths import brain_folder

if TYPE_CHECKING:
    from sleepcon.brain import Brain
    from sleepcon.model import Base


def restore(
    folder: str | Path,
    name: str = "default",
    home: str | Path | None = None,
    model: str | None = None,
    base: "Base | None" = None,
) -> "Brain":
    """The brain ``name``, made from an exported folder; all or nothing.

    ``model``: where the base is on this machine, if not where it was; ``base``: one already loaded. A base whose bytes are not
    those of the last night is said among the brain's ``notices``. Raises ``UserError`` when a file is missing or changed, the
    adapter does not fit the base, the base cannot be had, or there is a brain of that name.
    """
    from sleepcon import adapter
    from sleepcon.brain import Brain
    from sleepcon.model import load_base

    folder, target = Path(folder).expanduser(), brain_folder(name, home)
    if (target / MEMORY).exists():
        raise UserError(f"There is a brain called {name} already: choose another --brain.")
    manifest = verify(folder)
    with made_beside(target.absolute()) as part:
        copy_checked(folder, manifest["files"], part)
        wanted = base.name if base else model or read_model(part)
        if wanted != "embedded" and Path(wanted).is_dir():
            wanted = os.path.abspath(wanted)
        nights = settle(part, target.absolute(), folder)
        base = base or load_base(wanted)
        (part / "brain.json").write_text(json.dumps({"model": wanted}), encoding="utf-8")
        kept = [night for night in nights if night.kept]
        with adapter.worn(base, part / folder_of(kept[-1])):
            pass  # it fits
        for path in [*part.rglob("*"), part]:
            adapter.flush(path)
    brain = Brain.open(name, home=home, base=base)
    if base.sha256 != nights[-1].base_sha256_after:
        brain.notices.append(
            f"The base {base.name} is not, byte for byte, the one of the last night (another model, or loaded in another number"
            " type): replies may differ, and the next night will not come out as it would have."
        )
    return brain


def copy_checked(folder: Path, files: dict[str, str], part: Path) -> None:
    """Copy the brain's files that the manifest lists, and no others; each copy has the stated hash."""
    wanted = {name: sha256 for name, sha256 in files.items() if name.startswith(f"{BRAIN}/")}
    for name, sha256 in wanted.items():
        copy = part / Path(name).relative_to(BRAIN)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, copy)
        if sha256_of(copy) != sha256:
            raise UserError(f"{folder / name} changed while it was read: try again.")
    for needed in ("brain.json", MEMORY):
        if f"{BRAIN}/{needed}" not in wanted:
            raise UserError(f"{folder} holds no brain ({BRAIN}/{needed} is missing): export it again with this sleepcon.")


def read_model(part: Path) -> str:
    """The base that the brain stood on."""
    return sound(lambda: str(json.loads((part / "brain.json").read_text(encoding="utf-8"))["model"]), part / "brain.json")


def settle(part: Path, target: Path, folder: Path) -> list[Cycle]:
    """Check memory and ledger against the adapters, and have the ledger name the new folder; the nights, oldest first."""
    with Memory(part / MEMORY) as memory:
        ledger = Ledger(memory.connection)
        (state,) = memory.connection.execute("PRAGMA quick_check").fetchone()
        nights = sound(ledger.rows, folder / BRAIN / MEMORY)
        if state != "ok" or not any(night.kept for night in nights):
            raise UserError(f"{folder / BRAIN / MEMORY} is damaged: export the brain again.")
        for night in nights:
            weights = part / folder_of(night) / "adapter_model.safetensors"
            if night.kept and (not weights.is_file() or sha256_of(weights) != night.adapter_sha256):
                raise UserError(
                    f"{folder / BRAIN / folder_of(night)} is not the adapter that the ledger names: export the brain again."
                )
        with memory.transaction():
            for night in nights:
                path = str(target / folder_of(night)) if night.kept else None
                row = json.dumps(replace(night, adapter_path=path).as_dict())
                memory.connection.execute("UPDATE cycles SET row = ? WHERE cycle = ?", (row, night.cycle))
    return nights


def sound(read: Callable[[], Any], path: Path) -> Any:
    """What ``read`` gives; ``UserError`` when what it reads is not what we write."""
    try:
        return read()
    except (ValueError, KeyError, TypeError, sqlite3.DatabaseError) as error:
        raise UserError(f"{path} is damaged: export the brain again.") from error
