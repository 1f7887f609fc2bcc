"""Export: what a brain has learned, as files that other tools read."""

import csv
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sleepcon.errors import UserError

if TYPE_CHECKING:
    from sleepcon.brain import Brain


def export(brain: "Brain", folder: Path) -> dict:
    """Write into ``folder`` (new or empty) and return its manifest.

    ``adapter/``: the adapter after the last kept night, in PEFT's format; ``metrics.jsonl``: a line per night;
    ``samples.csv``: every taught prompt with its replies before and after; ``manifest.json``: hashes of all of these.
    Raises ``UserError`` when the folder holds something, or the brain has no kept night.
    """
    kept = brain.adapter_after(None)
    if kept is None:
        raise UserError(f"The brain {brain.name} has no night that was kept: there is no adapter to export.")
    folder = folder.expanduser().resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder: choose another.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    part.chmod(0o755)
    shutil.copytree(kept, part / "adapter")
    rows = brain.history()
    with (part / "metrics.jsonl").open("w", encoding="utf-8") as handle:
        handle.writelines(json.dumps(row.as_dict(), ensure_ascii=False) + "\n" for row in rows)
    with (part / "samples.csv").open("w", encoding="utf-8", newline="") as handle:
        names = ("cycle", "kept", "prompt", "taught", "before", "after", "learned", "salience", "share")
        writer = csv.DictWriter(handle, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({"cycle": row.cycle, "kept": row.kept, **reply} for row in rows for reply in row.replies)
    files = {
        str(path.relative_to(part)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(part.rglob("*"))
        if path.is_file()
    }
    manifest = {
        "brain": brain.name, "model": brain.model, "nights": len(rows),
        "base_sha256": rows[-1].base_sha256_after, "files": files,
    }  # fmt: skip
    (part / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    if folder.exists():  # it may be where the user stands: filled, not replaced
        for path in part.iterdir():
            path.rename(folder / path.name)
        part.rmdir()
    else:
        part.rename(folder)
    return manifest
