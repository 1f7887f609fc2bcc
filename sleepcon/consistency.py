"""Consistency of replies over sessions, without sleep and after a night: what can be measured here of the document's trust.

A fixed set of questions (``assets/probes/consistency.json``) is asked in several sessions. The first has the day's exchanges
in its context, as if they had just been said; the others have small talk or nothing. Without sleep, what the day said is
gone when its session is; after a night it may be in the weights.

    consistency of a question = mean token F1 over all pairs of its replies, one from each session

It is high when a brain says the same in every session, right or wrong. It is no measure of truth, nor of trust between agents.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from sleepcon import adapter
from sleepcon.brain import Brain
from sleepcon.experience import Experience, read_experiences
from sleepcon.metrics import token_f1
from sleepcon.model import chat, generate
from sleepcon.night import Clock
from sleepcon.paths import DOCUMENT, PROBES
from sleepcon.sleep import Event

THRESHOLD = 0.6
"""What passes is the day: the document's three."""
DAY = "day"
REPLY_TOKENS = 64
NIGHT = ("kept", "reasons", "seed", "threshold", "learning_rate", "epochs", "seconds", "consolidated", "adapter_sha256")
"""What is said of the night, from its row of the ledger."""


@dataclass(frozen=True)
class Session:
    """A session: what its context is, in words, and the exchanges in it (``None``: the day's)."""

    name: str
    context: str
    earlier: list[tuple[str, str]] | None


@dataclass(frozen=True)
class Protocol:
    """Questions by group, and the sessions in which each of them is asked."""

    groups: dict[str, list[str]]
    sessions: list[Session]

    @property
    def questions(self) -> list[tuple[str, str]]:
        """(group, question), in order."""
        return [(group, question) for group, questions in self.groups.items() for question in questions]


def protocol() -> Protocol:
    """The fixed one that ships with the project."""
    found = json.loads((PROBES / "consistency.json").read_text(encoding="utf-8"))
    sessions = [
        Session(one["name"], one["context"], None if one["earlier"] == DAY else [(a, b) for a, b in one["earlier"]])
        for one in found["sessions"]
    ]
    return Protocol(found["groups"], sessions)


def pairwise_f1(replies: Sequence[str]) -> float:
    """Mean token F1 over all pairs of ``replies``, 0..1; fewer than two have nothing to differ in: 1."""
    pairs = [token_f1(left, right) for left, right in combinations(replies, 2)]
    return sum(pairs) / len(pairs) if pairs else 1.0


def ask_sessions(brain: Brain, cycle: int, asked: Protocol, day: Sequence[Experience], clock: Clock) -> list[list[str]]:
    """For each session the greedy replies to all questions, in order, of the brain as it was after night ``cycle``."""
    said = []
    with adapter.worn(brain.base, brain.adapter_after(cycle)):
        for session in asked.sessions:
            clock.say("ask", f"{session.name} of {len(asked.sessions)}, {'after the night' if cycle else 'without sleep'}.")
            earlier = [(one.prompt, one.response) for one in day] if session.earlier is None else session.earlier
            said.append(
                generate(brain.base, [chat(question, earlier=earlier) for _, question in asked.questions], REPLY_TOKENS)
            )
    return said


def run(brain: Brain, arguments: dict, on_event: Callable[[Event], None], should_stop: Callable[[], bool]) -> dict:
    """Measure it with the night of ``arguments["seed"]``, in a throw-away brain on the base of ``brain``; JSON types.

    ``sessions`` and ``contexts``, in order; ``questions``: group, question and for each arm ("without", "with") the
    ``replies`` of each session and their ``consistency``; ``groups``: the mean of each arm by group; ``night``: the ledger's
    row in short. Raises ``Stopped`` when asked to stop.
    """
    asked, clock = protocol(), Clock(on_event, should_stop)
    with tempfile.TemporaryDirectory() as folder:
        other = Brain.open("consistency", home=folder, base=brain.base)
        try:
            other.remember(read_experiences(DOCUMENT))
            day = [one for one, _ in other.waiting(THRESHOLD)[1]]
            without = ask_sessions(other, 0, asked, day, clock)
            cycle = other.sleep(THRESHOLD, arguments["seed"], on_event=on_event, should_stop=should_stop)
            after = ask_sessions(other, cycle.cycle, asked, day, clock)
        finally:
            other.close()
    rows = []
    for place, (group, question) in enumerate(asked.questions):
        row: dict = {"group": group, "question": question}
        for arm, sessions in (("without", without), ("with", after)):
            replies = [session[place] for session in sessions]
            row[arm] = {"replies": replies, "consistency": pairwise_f1(replies)}
        rows.append(row)
    return {
        "sessions": [one.name for one in asked.sessions], "contexts": [one.context for one in asked.sessions],
        "questions": rows, "groups": by_group(rows), "base_sha256": brain.base.sha256,
        "night": {name: getattr(cycle, name) for name in NIGHT},
    }  # fmt: skip


def by_group(rows: Sequence[dict]) -> list[dict]:
    """Mean consistency of each arm over the questions of each group, in the order of the groups."""
    means = []
    for group in dict.fromkeys(row["group"] for row in rows):
        own = [row for row in rows if row["group"] == group]
        means.append({"group": group, "questions": len(own)} | {
            arm: sum(row[arm]["consistency"] for row in own) / len(own) for arm in ("without", "with")
        })  # fmt: skip
    return means
