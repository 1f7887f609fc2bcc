"""Recall: what a brain says to every taught question after every night, so that later nights show what they took away.

A page reads this too; torch comes in only where a brain is asked. Columns are nights: 0 (before any), then the kept ones.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sleepcon.errors import UserError
from sleepcon.ledger import Cycle
from sleepcon.metrics import collapse, token_f1

if TYPE_CHECKING:
    from sleepcon.brain import Brain
    from sleepcon.sleep import Event

MOST_NIGHTS, MOST_TAUGHT = 12, 40
"""The newest so many kept nights, and of what they taught the newest so many experiences, are asked about."""
COLLAPSED = 0.5
"""Share of pairs of replies that are nearly the same, past which they have collapsed (as in ``variety.py``)."""
FEWEST = 3
"""Replies that it takes to speak of collapse: two make a single pair."""
Replies = list[list[str | None]]
"""By column, then by taught experience; ``None``: not asked."""


def kept(rows: Sequence[Cycle]) -> list[Cycle]:
    """The newest kept nights of a ledger, oldest first."""
    return [row for row in rows if row.kept][-MOST_NIGHTS:]


def columns(rows: Sequence[Cycle]) -> list[int]:
    """Numbers of the columns: 0, then the kept nights."""
    return [0, *(row.cycle for row in kept(rows))]


def taught(rows: Sequence[Cycle]) -> list[dict]:
    """What those nights taught, each once: ``id``, ``prompt``, ``context``, ``taught``, and ``cycle``, the first one of it."""
    found: dict[str, dict] = {}
    for row in kept(rows):
        for reply in row.replies:
            about = {name: reply[name] for name in ("id", "prompt", "context", "taught")}
            found.setdefault(reply["id"], about | {"cycle": row.cycle})
    return list(found.values())[-MOST_TAUGHT:]


def known(rows: Sequence[Cycle]) -> Replies:
    """What the ledger has: the replies before and after each experience's own nights."""
    about, places = taught(rows), columns(rows)
    replies: Replies = [[None] * len(about) for _ in places]
    of = {one["id"]: place for place, one in enumerate(about)}
    for column, row in enumerate(kept(rows), 1):
        for reply in row.replies:
            if (place := of.get(reply["id"])) is not None:
                # Of nights further back than the first column shows, 0 is not what came before.
                if column > 1 or row.cycle == min(other.cycle for other in rows if other.kept):
                    replies[column - 1][place] = reply["before"]
                replies[column][place] = reply["after"]
    return replies


def scores(replies: Replies, about: Sequence[dict]) -> list[list[float | None]]:
    """Token F1 of each reply with the taught one, 0..1 (not asked: ``None``)."""
    return [
        [None if said is None else token_f1(said, one["taught"]) for said, one in zip(column, about, strict=True)]
        for column in replies
    ]


def ask(brain: "Brain", arguments: dict, on_event: Callable[["Event"], None], should_stop: Callable[[], bool]) -> dict:
    """Ask everything that was taught up to night ``arguments["cycle"]``, before any night and after each that was kept.

    Returns ``cycles`` (the columns) and ``replies``, with the hashes of base and adapters. Raises ``UserError`` when no night
    was kept, ``Stopped`` when asked to stop.
    """
    from sleepcon import adapter, wake
    from sleepcon.model import chat, generate
    from sleepcon.sleep import Event, Stopped

    rows = [row for row in brain.history() if row.cycle <= arguments["cycle"]]
    about, places = taught(rows), columns(rows)
    if not about:
        raise UserError("No night has been kept yet, so there is nothing to ask about: let the brain sleep first.")
    chats = [chat(one["prompt"], one["context"]) for one in about]
    replies, adapters = [], []
    for done, cycle in enumerate(places):
        if should_stop():
            raise Stopped()
        when = f"after night {cycle}" if cycle else "before any night"
        on_event(Event("recall", f"Asking {len(about)} questions {when}.", 0.0, done, len(places)))
        folder = brain.adapter_after(cycle)
        with adapter.worn(brain.base, folder):
            replies.append(generate(brain.base, chats, wake.REPLY_TOKENS))
        adapters.append(adapter.file_sha256(folder) if folder else None)
    return {"cycles": places, "replies": replies, "base_sha256": brain.base.sha256, "adapters": adapters}


def collapsed(replies: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether over half of the pairs of replies to different questions are nearly the same, where the taught ones are not."""
    return len(replies) >= FEWEST and collapse(replies) > COLLAPSED >= collapse(wanted)
