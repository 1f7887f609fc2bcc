"""The dose ladder: one question to one brain, with its adapter's change scaled from nothing to half as much again.

Nothing is trained. A dose d computes with W + d (alpha / rank) B A: 0 is the bare base, 1 what the nights left.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sleepcon.brain import Brain

LADDER = tuple(step / 4 for step in range(7))
"""0, .25 and so on to 1.5, the largest dose that a brain takes (``brain.MAX_DOSE``)."""


def ladder(
    brain: "Brain",
    prompt: str,
    cycle: int | None = None,
    doses: Sequence[float] = LADDER,
    halt_if_asked: Callable[[], None] = lambda: None,
) -> dict:
    """The greedy reply at each dose of the adapter after night ``cycle`` (none given: the newest), as JSON types.

    ``halt_if_asked`` is called before each reply and may raise. Raises ``UserError`` as ``Brain.ask`` does.
    """
    answers = []
    for dose in doses:
        halt_if_asked()
        answers.append(brain.ask(prompt, cycle, dose))
    return {
        "prompt": prompt, "cycle": answers[-1].cycle, "doses": list(doses), "replies": [answer.text for answer in answers],
        "base_sha256": answers[-1].base_sha256, "adapter_sha256": answers[-1].adapter_sha256,
    }  # fmt: skip
