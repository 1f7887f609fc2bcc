"""Measure the experiences in a brain's memory: SNARC with its evidence, and how surprising each token of the reply was.

    rows = measure(brain)                    # or measure(brain, [id, ...])
    rows[0]["factors"]["surprise"]["value"], rows[0]["tokens"][0]

An experience that waits is measured under the brain as it is now. One that a night has consolidated is measured under the
brain as it was before that night: what a brain knows by heart surprises it no more.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice

from sleepcon import adapter, salience
from sleepcon.brain import Brain
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.likeness import likeness
from sleepcon.model import chat, score_replies

MOST = 100
"""Experiences measured in one call, at most."""


def measure(brain: Brain, ids: Iterable[str] | None = None, halt_if_asked: Callable[[], None] = lambda: None) -> list[dict]:
    """Measure the experiences with these ids, else the first ``MOST`` of the memory, and store their factors.

    A row, of JSON types: ``id``, ``cycle`` (nights before the measurement), ``factors`` {name: {value, evidence, estimated}},
    ``salience`` (their mean) and ``tokens`` of the reply, each [text, log-probability]; what SNARC does not read of a very
    long reply is left out. Factors that were stored when a consolidated experience was new stay. Raises ``UserError`` for an
    id that is not in memory.
    """
    items = list(islice(brain.memory.all(), MOST)) if ids is None else [in_memory(brain, id) for id in ids]
    now = len(brain.history())
    groups: dict[int, list[Experience]] = {}
    for item in items:
        standing = brain.memory.standing(item.id)
        learned = standing.cycle if standing else None
        groups.setdefault(now if learned is None else learned - 1, []).append(item)
    rows: dict[str, dict] = {}
    salience.reference_of(brain.base)  # a base without one is measured bare
    for cycle, group in groups.items():
        halt_if_asked()
        rows |= {row["id"]: row for row in measure_after(brain, group, cycle)}
    return [rows[item.id] for item in items]


def in_memory(brain: Brain, id: str) -> Experience:
    """The experience with this id."""
    experience = brain.memory.get(id)
    if experience is None:
        raise UserError("This experience is not in the brain's memory any more: choose another.")
    return experience


def measure_after(brain: Brain, items: list[Experience], cycle: int) -> list[dict]:
    """Rows of ``items``, in order, under the brain as it was after night ``cycle``; see :func:`measure`."""
    base = brain.base
    read = [(chat(salience.clip(base, item.prompt, 4)), salience.clip(base, item.response, 2)) for item in items]
    found = likeness(base, brain.memory, items)
    with adapter.worn(base, brain.adapter_after(cycle)):
        scores = salience.score(base, items, similarity=found)
        replies = score_replies(base, read)
    with brain.memory.transaction():
        for item, one in zip(items, scores, strict=True):
            standing = brain.memory.standing(item.id)
            if standing and (standing.cycle is None or standing.scores is None):
                brain.memory.set_scores(item.id, one)
    return [
        {
            "id": item.id, "cycle": cycle, "factors": asdict(one), "salience": one.total(),
            "tokens": [list(pair) for pair in zip(reply.tokens, reply.logprobs, strict=True)],
        }
        for item, one, reply in zip(items, scores, replies, strict=True)
    ]  # fmt: skip
