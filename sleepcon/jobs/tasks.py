"""What jobs do, as plain functions of a brain. Imported by the worker alone: this is where torch comes in."""

import logging
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from sleepcon import consistency, conversation, frozen, leave_out, recall, specifications
from sleepcon.brain import Brain
from sleepcon.doses import ladder
from sleepcon.errors import UserError
from sleepcon.experience import Experience, read_experiences, with_ids
from sleepcon.jobs import store
from sleepcon.jobs.store import Job
from sleepcon.measure import measure
from sleepcon.model import Base, load_base
from sleepcon.paths import DOCUMENT
from sleepcon.salience import Weights
from sleepcon.sleep import Event, Stopped

log = logging.getLogger(__name__)
OnEvent = Callable[[Event], None]
ShouldStop = Callable[[], bool]


def shared_model() -> str:
    """The base that every visitor's brain stands on: ``SLEEPCON_MODEL``, which ``sleepcon app --model`` sets."""
    return os.environ.get("SLEEPCON_MODEL", "embedded")


@cache
def shared_base(model: str) -> Base:
    """The base, loaded once for all brains of this process."""
    return load_base(model)


def opened(name: str, home: Path) -> Brain:
    """A visitor's brain; its memory begins with the document's exchanges."""
    model = shared_model()
    brain = Brain.open(name, model=model, home=home, base=shared_base(model))
    brain.remember(read_experiences(DOCUMENT))
    return brain


def sleep(brain: Brain, arguments: dict, on_event: OnEvent, should_stop: ShouldStop) -> dict:
    """Run one night; the result is its row of the ledger."""
    weights = Weights(**arguments.get("weights", {}))
    cycle = brain.sleep(
        arguments["threshold"], arguments["seed"], weights=weights, measured=arguments.get("measured", False),
        control=arguments.get("control", ""), on_event=on_event, should_stop=should_stop,
    )  # fmt: skip
    return cycle.as_dict()


def ask(brain: Brain, arguments: dict, on_event: OnEvent, should_stop: ShouldStop) -> dict:
    """Ask the brain as it was before any night, and as it is now."""
    prompt = arguments["prompt"]
    before, now = brain.ask(prompt, cycle=0), brain.ask(prompt)
    return {
        "prompt": prompt, "before": before.text, "now": now.text, "cycle": now.cycle,
        "base_sha256": now.base_sha256, "adapter_sha256": now.adapter_sha256,
    }  # fmt: skip


def remember(brain: Brain, arguments: dict, on_event: OnEvent, should_stop: ShouldStop) -> dict:
    """Put one experience into memory and measure its salience."""
    (experience,) = with_ids([Experience(**arguments)])
    added = brain.remember(experience)
    brain.waiting()
    return {"id": experience.id, "new": added.new}


def take_in(brain: Brain, arguments: dict, on_event: OnEvent, should_stop: ShouldStop) -> dict:
    """Put the experiences of a file into memory, all or none, and measure those that state no salience."""
    added = brain.remember(Experience(**one) for one in arguments["experiences"])
    brain.waiting()
    return {"new": added.new, "duplicates": added.duplicates}


def score(brain: Brain, arguments: dict, on_event: OnEvent, should_stop: ShouldStop) -> dict:
    """SNARC of what memory holds, with evidence and the surprise of each token; see ``measure``."""

    def halt_if_asked() -> None:
        if should_stop():
            raise Stopped()

    return {"rows": measure(brain, arguments.get("ids"), halt_if_asked), "base_sha256": brain.base.sha256}


def without(brain: Brain, arguments: dict, on_event: OnEvent, should_stop: ShouldStop) -> dict:
    """Run a night again in a copy of the brain, without one of its experiences; see ``leave_out``."""
    return leave_out.again(brain, arguments["cycle"], arguments["id"], on_event, should_stop)


def doses(brain: Brain, arguments: dict, on_event: OnEvent, should_stop: ShouldStop) -> dict:
    """One question at every dose of a night's adapter; see ``doses.ladder``."""

    def halt_if_asked() -> None:
        if should_stop():
            raise Stopped()

    return ladder(brain, arguments["prompt"], arguments["cycle"], halt_if_asked=halt_if_asked)


def sessions(brain: Brain, arguments: dict, on_event: OnEvent, should_stop: ShouldStop) -> dict:
    """Sessions whose context fades, without and with sleep, on brains of their own; see ``frozen.study``."""
    return frozen.study(brain.base, arguments["seeds"], on_event, should_stop)


def study(brain: Brain, arguments: dict, on_event: OnEvent, should_stop: ShouldStop) -> dict:
    """The small version of a study, on brains of its own: its summary without the single runs, which lie in the home folder."""
    from sleepcon.studies import runner  # scipy and joblib: a worker that runs no study does without

    found = runner.small(brain, arguments, on_event, should_stop)
    return {name: value for name, value in found.items() if name not in ("runs", "files")}


TASKS: dict[str, Callable[[Brain, dict, OnEvent, ShouldStop], dict]] = {
    "sleep": sleep, "ask": ask, "remember": remember, "take_in": take_in, "score": score, "without": without,
    "doses": doses, "sessions": sessions, "study": study, "recall": recall.ask,
    "say": conversation.say, "consistency": consistency.run, "specifications": specifications.run,
}  # fmt: skip
"""What each kind of job does with a brain and its arguments; the result is JSON types."""


def run_job(id: str, home: Path) -> None:
    """Run a job once, and write down how it ended: nothing that happens here ends the worker."""
    job = store.start(id, home)
    if job is None:
        return
    try:
        store.end(id, "done", result=perform(job, home), home=home)
    except Stopped:
        store.end(id, "cancelled", "Cancelled. The brain is as it was.", home=home)
    except UserError as error:
        store.end(id, "failed", str(error), home=home)
    except Exception:
        log.exception("job %s (%s) failed", id, job.kind)
        store.end(id, "failed", "Something went wrong inside the program; the brain is as it was. Please try again.", home=home)


def perform(job: Job, home: Path) -> dict:
    """Do what the job asks and return its result."""
    count = 0

    def on_event(event: Event) -> None:
        nonlocal count
        store.note(job.id, count, event.as_dict(), home)
        count += 1

    brain = opened(job.brain, home)
    try:
        return TASKS[job.kind](brain, job.arguments, on_event, lambda: store.must_stop(job.id, home))
    finally:
        brain.close()
