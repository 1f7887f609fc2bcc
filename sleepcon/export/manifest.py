"""The manifest of an exported folder: what it holds, and the SHA-256 of every file.

It tells a file that was changed or lost from one that was not. It is no signature: who changes a file can change it too.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sleepcon.errors import UserError

MANIFEST = "manifest.json"
FORMAT = 1
CHUNK = 2**20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; the file is never held whole."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_manifest(folder: Path, about: dict) -> dict:
    """Write ``manifest.json`` over everything in ``folder`` and return it: ``about``, then ``format`` and ``files``."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    manifest = about | {"format": FORMAT, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def read_manifest(folder: Path) -> dict:
    """The manifest of an exported folder; raises ``UserError`` when there is none, or none of ours."""
    path = folder / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        files, version = found["files"], found["format"]
        sound = isinstance(version, int) and isinstance(files, dict) and all(map(is_inside, files))
    except FileNotFoundError:
        raise UserError(f"{folder} has no {MANIFEST}: give a folder that sleepcon export wrote, or one file.") from None
    except (OSError, ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise UserError(f"{path} is not a manifest of sleepcon export: give a folder that it wrote, unchanged.")
    if version > FORMAT:
        raise UserError(f"{path} was written by a newer sleepcon: install that one.")
    return found


def is_inside(name: object) -> bool:
    """Whether the name of a file leads to a place inside its folder on every system."""
    if not isinstance(name, str) or not name or "\\" in name or ":" in name or "\0" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and str(path) == name


def faults(folder: Path, manifest: dict) -> Iterator[str]:
    """One sentence for each file that is missing or not as it was exported."""
    for name, stated in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            yield f"{path} is missing: export the brain again."
        elif sha256_of(path) != stated:
            yield f"{path} is not as it was exported (its SHA-256 differs): export the brain again."


def verify(folder: Path) -> dict:
    """The manifest of an exported folder, each of whose files is there and unchanged; raises ``UserError`` otherwise."""
    folder = folder.expanduser()
    manifest = read_manifest(folder)
    fault = next(faults(folder, manifest), None)
    if fault:
        raise UserError(fault)
    return manifest
