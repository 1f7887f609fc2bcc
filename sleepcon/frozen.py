"""The frozen problem, measured: what was taught in a session's context fades with the context, unless sleep held it.

The four sessions are numbered as in the published record. One rule says what stands in the context of each, fixed before
any run:

    22   the day: every exchange of the document that reaches a salience of .6, as earlier turns, in its order
    23   half of them (rounded up), drawn by the seed, in the same order
    24   one exchange that no probe asks about: the document's least salient
    25   nothing

In each session a brain is asked the same probes (``assets/probes/frozen.json``: wordings that no night is taught), each in
a chat of its own after that context, and replies freely (greedy). A reply counts as taught when it holds the probe's key
words (``metrics.holds``). Neighbours are questions that look alike and must not get the taught reply.

Three arms differ in what happens after session 22: nothing (``none``), a night at learning rate 0 (``sham``: the same
dream, steps and check, and no change), or a night at the base's own dose (``sleep``). Every arm of a seed starts from a
fresh brain in a temporary folder, and sees the same contexts.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np

from sleepcon import adapter
from sleepcon.brain import DEFAULT_THRESHOLD, Brain
from sleepcon.experience import Experience, read_experiences
from sleepcon.ledger import Cycle
from sleepcon.metrics import holds, tokens
from sleepcon.model import Base, chat, generate
from sleepcon.paths import DOCUMENT, PROBES
from sleepcon.sleep import Event, Stopped
from sleepcon.statistics import interval, paired_interval

NUMBERS = (22, 23, 24, 25)
ARM_NAMES = {"none": "No sleep", "sham": "Sham sleep", "sleep": "Sleep"}
ARMS = tuple(ARM_NAMES)
REPLY_TOKENS = 96


@dataclass(frozen=True)
class Probe:
    """A question with the words that a reply as taught holds. ``kind``: what of the day it asks about ("" for a neighbour)."""

    prompt: str
    key: list[str]
    kind: str = ""


@dataclass(frozen=True)
class Session:
    """One session of a brain: how many exchanges stood in the context, and its replies to the probes and the neighbours.

    ``hits``: for each probe whether it was answered as taught. ``spared``: for each neighbour whether it did not get the
    taught reply (or gets it from the bare base too).
    """

    session: int
    context: int
    hits: list[bool]
    spared: list[bool]
    replies: list[str]
    others: list[str]


@dataclass(frozen=True)
class Course:
    """Four sessions of one brain. ``night``: the figures of its night, ``None`` where there was none."""

    arm: str
    seed: int
    sessions: list[Session]
    night: dict | None

    def scores(self, left_out: Collection[str] = ()) -> list[float]:
        """Share of probes answered as taught in each session, 0..1, the prompts ``left_out`` not counted."""
        counted = [probe.prompt not in left_out for probe in probes()[0]]
        return [
            sum(hit for hit, counts in zip(session.hits, counted, strict=True) if counts) / sum(counted)
            for session in self.sessions
        ]


@cache
def probes() -> tuple[list[Probe], list[Probe]]:
    """The probes and their neighbours."""
    rows = json.loads((PROBES / "frozen.json").read_text(encoding="utf-8"))
    return [Probe(**row) for row in rows["probes"]], [Probe(**row) for row in rows["neighbours"]]


def day() -> tuple[list[Experience], Experience]:
    """The document's exchanges that a night takes at the default threshold, and its least salient one."""
    known = sorted(read_experiences(DOCUMENT), key=lambda experience: experience.salience or 0.0)
    taught = [one for one in read_experiences(DOCUMENT) if (one.salience or 0.0) >= DEFAULT_THRESHOLD]
    return taught, known[0]


def context_of(session: int, seed: int) -> list[tuple[str, str]]:
    """The (prompt, reply) pairs that stand before every question of a session; see the rule at the top."""
    taught, unrelated = day()
    drawn = random.Random(seed).sample(range(len(taught)), -(-len(taught) // 2))
    kept = {22: taught, 23: [taught[index] for index in sorted(drawn)], 24: [unrelated], 25: []}[session]
    return [(experience.prompt, experience.response) for experience in kept]


def ask(base: Base, context: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """What the brain that is worn now says to every probe and to every neighbour, each in a chat of its own."""
    asked, near = probes()
    said = generate(base, [chat(probe.prompt, earlier=context) for probe in asked + near], REPLY_TOKENS)
    return said[: len(asked)], said[len(asked) :]


def judge(session: int, context: int, said: list[str], others: list[str], bare: Sequence[str]) -> Session:
    """Score one session. ``bare``: what the base says to the neighbours with no context and no adapter."""
    asked, near = probes()
    hits = [holds(reply, probe.key) for probe, reply in zip(asked, said, strict=True)]
    cases = zip(near, others, bare, strict=True)
    spared = [not holds(reply, probe.key) or holds(before, probe.key) for probe, reply, before in cases]
    return Session(session, context, hits, spared, said, others)


def sessions(
    base: Base,
    arm: str,
    seed: int,
    on_event: Callable[[Event], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Course:
    """Run the four sessions of one arm on a fresh brain; raise ``Stopped`` when asked to stop. ``arm``: one of ``ARMS``."""
    found: list[Session] = []
    row: Cycle | None = None
    with tempfile.TemporaryDirectory() as folder:
        brain = Brain.open("frozen", home=folder, base=base)
        try:
            brain.remember(read_experiences(DOCUMENT))
            _, bare = ask(base, [])
            for number in NUMBERS:
                if should_stop():
                    raise Stopped()
                if number == NUMBERS[1] and arm != "none":
                    rate = 0.0 if arm == "sham" else None
                    row = brain.sleep(seed=seed, learning_rate=rate, on_event=on_event, should_stop=should_stop)
                context = context_of(number, seed)
                with adapter.worn(base, brain.adapter_after(None)):
                    found.append(judge(number, len(context), *ask(base, context), bare))
        finally:
            brain.close()
    return Course(arm, seed, found, figures(row) if row else None)


def figures(cycle: Cycle) -> dict:
    """What the page tells of a night. ``dreamt``: the probes whose very wording it trained on, which are then not unseen."""
    trained = {tuple(tokens(lesson["prompt"])) for lesson in cycle.dreamt}
    return {
        "kept": cycle.kept, "learned": sum(reply["learned"] for reply in cycle.replies), "experiences": cycle.consolidated,
        "loss_before": cycle.loss_before, "loss_after": cycle.loss_after, "learning_rate": cycle.learning_rate,
        "epochs": cycle.epochs, "seconds": cycle.seconds, "adapter_sha256": cycle.adapter_sha256,
        "dreamt": [probe.prompt for probe in probes()[0] if tuple(tokens(probe.prompt)) in trained],
    }  # fmt: skip


def study(
    base: Base,
    seeds: Sequence[int],
    on_event: Callable[[Event], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict:
    """Every arm at every seed, as JSON types; ``on_event`` is told percent done as its step.

    ``courses``: a course each, with ``left_out`` (probes that a night of the seed dreamt of word for word, so that they are
    not unseen; they count in no arm of the seed), ``answered`` and ``spared`` (a share of 0..1 for each session); ``intervals``
    as in :func:`intervals`.
    """
    began, found = time.perf_counter(), []
    for place, seed in enumerate(seeds):
        for index, arm in enumerate(ARMS):

            def tell(event: Event, arm: str = arm, seed: int = seed, before: int = place * len(ARMS) + index) -> None:
                share = event.step / event.steps if event.step and event.steps else float(event.stage in ("wake", "done"))
                percent = int(100 * (before + share) / (len(seeds) * len(ARMS)))
                message = f"{ARM_NAMES[arm]}, seed {seed}: {event.message}"
                on_event(Event(event.stage, message, time.perf_counter() - began, percent, 100))

            tell(Event("ask", "asking the probes."))
            found.append(sessions(base, arm, seed, tell, should_stop))
    return summed(found, base.sha256, time.perf_counter() - began)


def courses_of(runs: Sequence[dict]) -> list[Course]:
    """The courses of a study's runs (``sleepcon.studies.frozen``), which hold them as JSON types."""
    found = [run["course"] for run in runs if "course" in run]
    return [Course(**one | {"sessions": [Session(**session) for session in one["sessions"]]}) for one in found]


def summed(found: Sequence[Course], base_sha256: str, seconds: float) -> dict:
    """What :func:`study` returns, from the courses of any seeds."""
    courses = []
    for seed in sorted({course.seed for course in found}):
        mine = [course for course in found if course.seed == seed]
        left_out = sorted({prompt for course in mine if course.night for prompt in course.night["dreamt"]})
        courses += [
            asdict(course) | {
                "left_out": left_out, "answered": course.scores(left_out),
                "spared": [sum(session.spared) / len(session.spared) for session in course.sessions],
            }
            for course in mine
        ]  # fmt: skip
    asked, near = probes()
    return {
        "seeds": sorted({course.seed for course in found}), "numbers": list(NUMBERS), "base_sha256": base_sha256,
        "seconds": seconds, "probes": [asdict(probe) for probe in asked], "neighbours": [asdict(probe) for probe in near],
        "courses": courses, "intervals": intervals(courses),
    }  # fmt: skip


def intervals(courses: Sequence[dict]) -> dict[str, list[dict]]:
    """For each arm, and for sleep less each other arm, the mean share answered in each session with its 95% interval.

    Names: ``none``, ``sham``, ``sleep``, ``sleep-none``, ``sleep-sham``; differences are paired by seed. Empty below two seeds.
    """
    by_arm = {arm: np.array([one["answered"] for one in courses if one["arm"] == arm]) for arm in ARMS}
    if min(map(len, by_arm.values())) < 2:
        return {}
    found = {arm: [interval(values) for values in answered.T.tolist()] for arm, answered in by_arm.items()}
    for other in ("none", "sham"):
        pairs = zip(by_arm["sleep"].T.tolist(), by_arm[other].T.tolist(), strict=True)
        found[f"sleep-{other}"] = [paired_interval(treated, control) for treated, control in pairs]
    return {name: [asdict(one) for one in sessions] for name, sessions in found.items()}
