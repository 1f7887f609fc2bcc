"""What a night would have been without one of its experiences: the same night again, in a throw-away copy of the brain.

    leave_out.again(brain, cycle=1, left_out=id)["left_out"]["without"]

The copy has the brain's nights up to that one, and their last adapter; it takes the night's own day, with the saliences
that it slept with, less one experience. Seed, dose and recipe are the night's own, so the one difference is the experience.
The brain itself is only read.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sleepcon import adapter, controls, night, wake
from sleepcon.brain import Brain
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.ledger import Cycle
from sleepcon.model import ReplyScore, chat, generate, score_replies, weights_sha256
from sleepcon.sleep import Event, Training


@dataclass(frozen=True)
class Again:
    """A night that was run again: what happened in it, and what the brain then says to one more question."""

    slept: night.Slept
    kept: bool
    reasons: list[str]
    reply: str
    score: ReplyScore


def again(
    brain: Brain,
    cycle: int,
    left_out: str,
    on_event: Callable[[Event], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict:
    """Run night ``cycle`` again without the experience whose id is ``left_out``; takes as long as a night.

    Returns JSON types: ``cycle``, ``kept``, ``reasons``, ``loss_before``, ``loss_after``, ``checks``, ``adapter_sha256``,
    ``base_sha256``, ``seconds``; ``left_out`` with its id, prompt, taught, its reply ``before``, ``with_it`` and ``without``,
    the losses of the taught reply then, and whether it came back; ``others`` likewise, one for each experience that stayed.
    Losses in nats per token, ``None`` where an old ledger has none.
    Raises ``UserError`` when there is no such night, it did not have the experience, or had no other.
    """
    row = night_row(brain, cycle)
    missing = next((reply for reply in row.replies if reply["id"] == left_out), None)
    if missing is None:
        raise UserError(f"Night {cycle} did not have this experience, so nothing can be left out of it.")
    if len(row.replies) == 1:
        raise UserError("It was the only experience of its night: without it there would have been no night at all.")
    clock = night.Clock(on_event, should_stop)
    with copy_before(brain, cycle) as copy:
        run = run_again(copy, row, missing, clock)
    stayed = [reply for reply in row.replies if reply["id"] != left_out]
    others = [
        compared(reply, said, score)
        for reply, said, score in zip(stayed, run.slept.replies_after.taught, run.slept.scores_after, strict=True)
    ]
    clock.on_event(Event("done", "The night without it is over.", clock.seconds))
    return {
        "cycle": cycle, "seed": row.seed, "kept": run.kept, "reasons": run.reasons,
        "loss_before": run.slept.loss_before, "loss_after": run.slept.loss_after,
        "checks": [one.as_dict() for one in run.slept.checks], "adapter_sha256": run.slept.adapter_sha256,
        "base_sha256": brain.base.sha256, "seconds": clock.seconds,
        "left_out": compared(missing, run.reply, run.score), "others": others,
    }  # fmt: skip


def night_row(brain: Brain, cycle: int) -> Cycle:
    """The ledger's row of a night; ``UserError`` when there is none."""
    row = next((one for one in brain.history() if one.cycle == cycle), None)
    if row is None:
        raise UserError(f"The brain has had no night {cycle}, so there is none to run again: let it sleep first.")
    return row


@contextmanager
def copy_before(brain: Brain, cycle: int) -> Iterator[Brain]:
    """A brain in a temporary folder that is as ``brain`` was before night ``cycle``; its memory is empty."""
    with tempfile.TemporaryDirectory(prefix="sleepcon-") as home:
        copy = Brain.open("copy", model=brain.model, home=home, base=brain.base)
        try:
            for row in brain.history():
                if row.cycle < cycle:
                    copy.ledger.enter(row)
            past = brain.adapter_after(cycle - 1)
            if past is not None:
                shutil.copytree(past, copy.folder / "cycles" / past.name)
            yield copy
        finally:
            copy.close()


def run_again(copy: Brain, row: Cycle, missing: dict, clock: night.Clock) -> Again:
    """The night of ``row`` in the copy, without the experience of the reply ``missing``, which is asked at its end."""
    chosen = [(lived(reply), reply.get("weight", reply["salience"])) for reply in row.replies if reply["id"] != missing["id"]]
    base = copy.base
    training = Training(row.recipe, row.learning_rate, row.epochs, base.card.get("rehearsal_weight", 1.0))
    clock.say("select", f"{len(chosen)} of the night's {len(row.replies)} experiences sleep again, one is left out.")
    folder = Path(copy.folder) / "cycles" / "again"
    before = weights_sha256(base)
    slept = night.fall_asleep(copy, chosen, training, row.seed, folder, clock, controls.find(row.control))
    came_back = wake.learned(slept.day, slept.replies_after.taught)
    kept, reasons = night.verdict(slept.checks, came_back, weights_sha256(base) == before, row.learning_rate > 0)
    clock.say("wake", "Asking what was left out.")
    turns = chat(missing["prompt"], missing["context"])
    with adapter.worn(base, folder):
        reply = generate(base, [turns], wake.REPLY_TOKENS)[0]
        score = score_replies(base, [(turns, missing["taught"])])[0]
    return Again(slept, kept, reasons, reply, score)


def lived(reply: dict) -> Experience:
    """The experience behind a reply of the ledger."""
    return Experience(reply["prompt"], reply["taught"], salience=reply["salience"], context=reply["context"], id=reply["id"])


def compared(reply: dict, without: str, score: ReplyScore) -> dict:
    """One experience before the night, after it, and after the night that was run again; losses in nats per token."""
    return {
        "id": reply["id"], "prompt": reply["prompt"], "taught": reply["taught"],
        "before": reply["before"], "with_it": reply["after"], "without": without,
        "learned_with_it": reply["learned"], "learned_without": wake.learned([lived(reply)], [without])[0],
        "loss_before": mean_loss(reply, 1), "loss_with_it": mean_loss(reply, 2), "loss_without": score.nll,
    }  # fmt: skip


def mean_loss(reply: dict, column: int) -> float | None:
    """Loss of the taught reply from the log-probabilities in the ledger; ``None`` in a row of before they were kept."""
    tokens = reply.get("tokens")
    return -sum(token[column] for token in tokens) / len(tokens) if tokens else None
