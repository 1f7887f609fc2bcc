"""The night that a page runs: its controls, its progress and what came of it. For every page that can sleep.

    box = night_box.look()          # the last night's job first, then the brain: what has ended is in what is read
    night_box.controls(box)         # a sentence, Sleep, Cancel, New seed, Start over, the seed, sham sleep and other controls
    night_box.progress(box)         # the live night, or why the last one did not come to its end; nothing else
    night_box.unfinished(box)       # the latter alone, for a page that draws the live night its own way
    night_box.outcome(box)          # the brain's last finished night, whole (replies, check, loss, hashes)

``box.view`` is the brain (``brains.View``), ``box.resting`` whether a night is under way, ``box.last`` the newest row of
the ledger or ``None``. What a night sleeps on is what passes the filter of the state (``filtering.current()``). Each of
the functions may be called once a page. A page that draws the outcome its own way leaves ``outcome`` out.
"""

from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from sleepcon import jobs
from sleepcon.jobs import Job
from sleepcon.ledger import Cycle
from sleepcon.recorded import recording
from sleepcon.ui import brains, charts, components, control_box, filtering, nights, state
from sleepcon.ui.brains import View

SEED_HELP = "The seed decides every random choice of the night."
OVER_HELP = "A fresh brain; the seed stays."


@dataclass(frozen=True)
class Box:
    """A brain and the newest job of kind ``sleep`` on it (``None``: none yet)."""

    view: View
    asleep: Job | None

    @property
    def resting(self) -> bool:
        """Whether a night is under way or waits for its turn."""
        return self.asleep is not None and self.asleep.active

    @property
    def last(self) -> Cycle | None:
        """The newest night of the ledger, kept or rolled back."""
        return self.view.nights[-1] if self.view.nights else None

    @property
    def broke_off(self) -> Job | None:
        """The job of a night that did not come to its end, if the newest is one."""
        if self.asleep is None or self.asleep.active or self.asleep.state == "done":
            return None
        # A worker may die between the ledger's row and the end of its job: the ledger is right.
        entered = self.last is not None and datetime.fromisoformat(self.last.started).timestamp() >= self.asleep.created - 1
        return None if entered else self.asleep


def look() -> Box:
    """The session's brain and its night; starts the worker, so that the model is loaded when somebody presses Sleep."""
    jobs.ensure_worker()
    name = state.get(state.BRAIN_NAME)
    asleep = jobs.latest(name, "sleep")  # before the brain: what a job has ended with must be in what is read after it
    return Box(brains.look(name), asleep)


def go_to_sleep(control: str = state.NO_CONTROL) -> None:
    """Start a night on what passes the filter, or find the one that is under way. ``control``: see ``state.CONTROL``."""
    arguments = filtering.current().arguments(state.get(state.SEED)) | control_box.arguments(control)
    jobs.submit("sleep", state.get(state.BRAIN_NAME), arguments)


def controls(box: Box) -> None:
    """What waits for a night, and the buttons. ``Sleep`` is off while nothing waits or a night is under way."""
    chosen = filtering.current()
    waiting = control_box.waiting(state.get(state.CONTROL), chosen, box.view)
    st.markdown(sentence(box, chosen, len(waiting), control_box.takes_all(state.get(state.CONTROL))))
    off = box.resting or not waiting
    with st.container(horizontal=True):
        given = (state.get(state.CONTROL),)
        st.button("Sleep", on_click=go_to_sleep, args=given, type="primary", icon=":material/bedtime:", disabled=off)
        if box.resting and box.asleep:
            st.button("Cancel", on_click=jobs.cancel, args=(box.asleep.id,), icon=":material/stop_circle:")
        st.button("New seed", on_click=state.new_seed, icon=":material/casino:", disabled=box.resting, help=SEED_HELP)
        st.button("Start over", on_click=state.start_over, icon=":material/restart_alt:", disabled=box.resting, help=OVER_HELP)
    st.caption(f"Seed {state.get(state.SEED)}. The same seed gives the same night.")
    control_box.draw(box.resting)


def sentence(box: Box, chosen: filtering.Filter, waiting: int, takes_all: bool = False) -> str:
    """What a press of Sleep would do, or why it cannot be pressed. ``takes_all``: the night takes what does not pass too."""
    if box.resting:
        return "The brain is asleep. You may leave or reload this page: the night goes on in a process of its own."
    if waiting:
        count = "1 exchange waits" if waiting == 1 else f"{waiting} exchanges wait"
        return f"{count} for a night. Sleep trains a small adapter; the base stays as it is."
    if takes_all:
        return "All exchanges are in the weights already. Add an experience, or start over."
    if chosen.passing(box.view):
        return "All that pass are in the weights already. Lower the threshold, add an experience, or start over."
    if chosen.unmeasured(box.view):
        return "Salience is not measured yet: measure it on the page What gets remembered?, or use the documented one."
    return f"Nothing reaches {chosen.threshold:.2f}: lower the threshold."


def progress(box: Box) -> None:
    """The night that is under way, live; or what ended the last one before its end."""
    if box.resting and box.asleep:
        components.follow(box.asleep, nights.live)
    else:
        unfinished(box)


def unfinished(box: Box) -> None:
    """What ended the last night before its end: its job's words, else what the brain has left to tell; or nothing."""
    message = box.broke_off.message if box.broke_off else box.view.notice
    if message:
        st.warning("The last night did not come to its end.", icon=":material/info:")
        components.words(message)


def outcome(box: Box) -> None:
    """The last finished night, whole; nothing while one is under way or before the first."""
    if box.last and not box.resting:
        nights.finished(box.last, box.view)


def recorded(box: Box) -> None:
    """For a brain that has not slept: what the document's night did when it was recorded. Nothing in its place later."""
    record = recording("night")
    if record is None or box.view.nights or box.resting:
        return
    cycle = Cycle(**record.result["cycle"])
    with st.expander("What such a night does: a recorded one", icon=":material/history:"):
        nights.verdict(cycle)
        nights.replies(cycle)
        charts.finished_loss(cycle.curve, "recorded-night")
        components.recorded(record, "replies and loss of the document's night")
