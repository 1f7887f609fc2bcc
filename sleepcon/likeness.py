"""How like each reply is to those that the brain heard before: its largest similarity to what memory holds.

Memory is never held whole: the vectors of its replies are made once, kept in its file, and read a block at a time. They are
the bare base's, worn adapters aside: how like two texts are is no matter of what a brain has learned, so that no vector is made
again after a night. Novelty looks back over ``LOOK_BACK`` experiences: one more costs the same, however many there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count

import numpy as np
import torch

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
    places = torch.tensor([next(later) if place is None else place for place in held])
    stored = Vectors(base, memory)
    stored.fill(max(1, int(places.min()) - LOOK_BACK), min(last, int(places.max())))
    fresh = [item for item, place in zip(items, held, strict=True) if place is None]
    new = vectors(base, fresh) if fresh else torch.empty(0, stored.width)
    best = torch.full((len(items),), -torch.inf)
    for start in range(0, len(items), TOGETHER):
        at, found = places[start : start + TOGETHER].unsqueeze(1), best[start : start + TOGETHER]
        own = torch.stack([new[place - last - 1] if place > last else row for place, row in stored.rows(at.flatten().tolist())])
        before = stored.blocks(max(1, int(at.min()) - LOOK_BACK), min(last, int(at.max()) - 1))
        for first, pool in chain(before, [(last + 1, new)] if fresh else []):
            positions = torch.arange(first, first + len(pool))
            other = (positions >= at) | (positions < at - LOOK_BACK)
            torch.maximum(found, (own @ pool.T).masked_fill_(other, -torch.inf).amax(1), out=found)
    return best.double().numpy()


class Vectors:
    """Unit vectors of the replies in a memory, by their position (from 1), in blocks of float32 in the memory's own file."""

    def __init__(self, base: Base, memory: Memory):
        self.base, self.memory = base, memory
        self.width = base.model.config.get_text_config().hidden_size
        memory.connection.execute(TABLE)

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
            numbers = torch.zeros(wanted - begin, self.width)
            here = self.memory.between(begin, wanted - 1)
            if here:
                numbers[[place - begin for place, _ in here]] = vectors(self.base, [one for _, one in here])
            whole = (self.read(block) or b"") + numbers.numpy().tobytes()
            with self.memory.transaction():
                self.memory.connection.execute(
                    "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", (block, self.base.sha256, whole)
                )

    def read(self, block: int) -> bytes | None:
        """The numbers of a block that the base at hand has made."""
        found = self.memory.rows("SELECT numbers FROM vectors WHERE block = ? AND base = ?", block, self.base.sha256)
        return found[0][0] if found else None

    def block(self, number: int) -> torch.Tensor:
        """The vectors of a block, shape (up to ``STORED``, hidden)."""
        numbers = self.read(number)
        return (
            torch.frombuffer(bytearray(numbers), dtype=torch.float32).view(-1, self.width)
            if numbers
            else torch.empty(0, self.width)
        )

    def blocks(self, low: int, high: int) -> Iterator[tuple[int, torch.Tensor]]:
        """The vectors from position ``low`` to ``high`` in parts, each with the position of its first."""
        for number in range(low // STORED, high // STORED + 1) if high >= low else ():
            first = max(low, number * STORED)
            yield first, self.block(number)[first - number * STORED : high + 1 - number * STORED]

    def rows(self, places: Iterable[int]) -> Iterator[tuple[int, torch.Tensor]]:
        """(position, vector) for each position, in order; of one beyond the last the vector is nothing."""
        number, block = -1, torch.empty(0)
        for place in places:
            if place // STORED != number:
                number = place // STORED
                block = self.block(number)
            yield place, block[place % STORED] if place % STORED < len(block) else torch.empty(0)
