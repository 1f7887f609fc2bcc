"""Folders that come into being whole or not at all: written beside their place, then moved into it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sleepcon.errors import UserError


@contextmanager
def made_beside(target: Path) -> Iterator[Path]:
    """An empty folder on the disk of ``target``, which takes its place when the block ends well; else nothing is left of it.

    ``target`` may be an empty folder: it is filled, not replaced, since somebody may stand in it. Raises ``UserError`` when it
    holds something, before the block or after it.
    """
    check_free(target)
    made = [parent for parent in target.parents if not parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as around:
            folder = Path(around) / target.name
            folder.mkdir()
            yield folder
            check_free(target)
            if target.exists():
                for path in folder.iterdir():
                    path.rename(target / path.name)
            else:
                folder.rename(target)
    finally:
        for parent in made:
            with suppress(OSError):  # it holds the new folder
                parent.rmdir()


def check_free(target: Path) -> None:
    """Raise ``UserError`` unless nothing is at ``target``, or an empty folder."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is not an empty folder: choose another.")
