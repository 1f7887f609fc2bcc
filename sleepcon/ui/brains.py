"""What a page reads of a brain: its memory and its ledger, straight from the file, making nothing and without torch."""

import json
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from filelock import FileLock, Timeout

from sleepcon.experience import Experience, read_experiences, with_ids
from sleepcon.ledger import Cycle, Ledger
from sleepcon.memory import Memory, Standing
from sleepcon.paths import DOCUMENT, brain_folder

SHOWN = 50
"""Experiences of a visitor's own that a page lists at most."""


@dataclass(frozen=True)
class Held:
    """An experience and where it stands."""

    experience: Experience
    standing: Standing


@dataclass(frozen=True)
class View:
    """A brain as a page sees it: the document's exchanges, the visitor's ``own`` and every night, oldest first.

    ``notice``: what there is to tell of a night that did not end, else empty (see ``Brain.notices``).
    """

    name: str
    document: list[Held]
    own: list[Held]
    nights: list[Cycle]
    notice: str = ""

    @property
    def label(self) -> str:
        """A short name for the brain, enough to tell two apart on the screen and too little to open one."""
        return self.name.removeprefix("visitor-")[:6]


@cache
def document() -> tuple[Experience, ...]:
    """The five exchanges of the source document, with their ids."""
    return tuple(with_ids(read_experiences(DOCUMENT)))


def is_documents(id: str) -> bool:
    """Whether an experience is one of the document's."""
    return any(experience.id == id for experience in document())


def look(name: str) -> View:
    """The brain ``name``; one that nobody has used yet holds the document's exchanges and has had no night."""
    path = brain_folder(name) / "memory.sqlite"
    fresh = [Held(experience, Standing(experience.salience, None, None, None)) for experience in document()]
    if not path.exists():
        return View(name, fresh, [], [])
    with Memory(path) as memory:
        known = {experience.id for experience in document()}
        standing = {experience.id: memory.standing(experience.id) for experience in document()}
        nights = Ledger(memory.connection).rows()
        own = islice((experience for experience in memory.all() if experience.id not in known), SHOWN)
        return View(
            name,
            [Held(held.experience, standing[held.experience.id] or held.standing) for held in fresh],
            [Held(experience, memory.standing(experience.id) or Standing(None, None, None, None)) for experience in own],
            nights,
            notice(path.parent, len(nights)),
        )


def notice(folder: Path, nights: int) -> str:
    """What a night that a crash ended has left to be told, until a worker opens the brain and clears it up."""
    mark = folder / "asleep.json"
    if not mark.exists():
        return ""
    try:
        with FileLock(folder / "lock").acquire(timeout=0):  # held: the night is under way
            cycle = json.loads(mark.read_text(encoding="utf-8"))["cycle"]
    except (Timeout, FileNotFoundError):
        return ""
    if cycle <= nights:
        return ""
    return f"Night {cycle} did not end. The brain is as it was {f'after night {cycle - 1}' if cycle > 1 else 'before it'}."
