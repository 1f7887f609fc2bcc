"""How like each reply is to those that the brain heard before: its largest similarity to what memory holds.

Memory is never held whole: the vectors of its replies are made once, kept in its file, and read a block at a time. They are
the bare base's, worn adapters aside: how like two texts are is no matter of what a brain has learned, so that no vector is made
again after a night. Novelty looks back over ``LOOK_BACK`` experiences: one more costs the same, however many there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count

import numpy as np

from sleepcon.base import Base
from sleepcon.experience import Experience
from sleepcon.memory import Memory
from sleepcon.salience import vectors

LOOK_BACK = 100_000
"""Experiences before one that it is compared with, at most."""
STORED = 256
"""Vectors of a block in the file; the last block is written anew as it grows."""
TOGETHER = 1024
"""Experiences that are compared at a time."""
MAPPED = 2**31
"""Bytes of the file that are read as memory: four times as fast, for SQLite copies no page to its own cache."""
TABLE = "CREATE TABLE IF NOT EXISTS vectors (block INTEGER PRIMARY KEY, base TEXT NOT NULL, numbers BLOB NOT NULL)"


def likeness(base: Base, memory: Memory, items: Sequence[Experience]) -> np.ndarray:
    """The largest cosine similarity of each item's reply to those before it, shape (items,); -inf where there was none.

    What memory holds (told by its ``id``) is compared with what arrived before it; what it does not hold counts as arriving
    after, one by one. To be called with no adapter worn: the missing vectors are made now.
    """
    if not items:
        return np.empty(0)
    last, held = memory.last(), [memory.place(item.id) for item in items]
    later = count(last + 1)
    places = np.array([next(later) if place is None else place for place in held])
    stored = Vectors(base, memory)
    stored.fill(max(1, int(places.min()) - LOOK_BACK), min(last, int(places.max())))
    fresh = [item for item, place in zip(items, held, strict=True) if place is None]
    new = vectors(base, fresh).numpy() if fresh else np.empty((0, stored.width), np.float32)
    best = np.full(len(items), -np.inf)
    for start in range(0, len(items), TOGETHER):
        at = places[start : start + TOGETHER, None]
        own = np.stack([new[place - last - 1] if place > last else row for place, row in stored.rows(at.ravel().tolist())])
        before = stored.blocks(max(1, int(at.min()) - LOOK_BACK), min(last, int(at.max()) - 1))
        for first, pool in chain(before, [(last + 1, new)] if fresh else []):
            alike, positions = own @ pool.T, np.arange(first, first + len(pool))
            alike[(positions >= at) | (positions < at - LOOK_BACK)] = -np.inf
            best[start : start + TOGETHER] = np.maximum(best[start : start + TOGETHER], alike.max(1))
    return best


class Vectors:
    """Unit vectors of the replies in a memory, by their position (from 1), in blocks of float32 in the memory's own file."""

    def __init__(self, base: Base, memory: Memory):
        self.base, self.memory = base, memory
        self.width = base.model.config.get_text_config().hidden_size
        memory.connection.execute(TABLE)
        memory.connection.execute(f"PRAGMA mmap_size = {MAPPED}")

    def fill(self, low: int, high: int) -> None:
        """Make what is missing from position ``low`` to ``high``. Each block is kept as soon as it is made."""
        if high < low:
            return
        lengths = "SELECT block, length(numbers) FROM vectors WHERE block BETWEEN ? AND ? AND base = ?"
        span = range(low // STORED, high // STORED + 1)
        made = dict(self.memory.rows(lengths, span[0], span[-1], self.base.sha256))
        for block in span:
            begin, wanted = block * STORED + made.get(block, 0) // (4 * self.width), min(high + 1, (block + 1) * STORED)
            if begin >= wanted:
                continue
            numbers = np.zeros((wanted - begin, self.width), np.float32)
            here = self.memory.between(begin, wanted - 1)
            if here:
                numbers[[place - begin for place, _ in here]] = vectors(self.base, [one for _, one in here]).numpy()
            whole = self.read(block) + numbers.tobytes()
            with self.memory.transaction():
                self.memory.connection.execute(
                    "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", (block, self.base.sha256, whole)
                )

    def read(self, block: int) -> bytes:
        """The numbers of a block that the base at hand has made."""
        found = self.memory.rows("SELECT numbers FROM vectors WHERE block = ? AND base = ?", block, self.base.sha256)
        return found[0][0] if found else b""

    def block(self, number: int) -> np.ndarray:
        """The vectors of a block, shape (up to ``STORED``, hidden), not to be written to."""
        return np.frombuffer(self.read(number), np.float32).reshape(-1, self.width)

    def blocks(self, low: int, high: int) -> Iterator[tuple[int, np.ndarray]]:
        """The vectors from position ``low`` to ``high`` in parts, each with the position of its first."""
        for number in range(low // STORED, high // STORED + 1) if high >= low else ():
            first = max(low, number * STORED)
            yield first, self.block(number)[first - number * STORED : high + 1 - number * STORED]

    def rows(self, places: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """(position, vector) for each position, in order; of one beyond the last the vector is nothing."""
        number, block = -1, np.empty(0)
        for place in places:
            if place // STORED != number:
                number = place // STORED
                block = self.block(number)
            yield place, block[place % STORED] if place % STORED < len(block) else np.empty(0)
