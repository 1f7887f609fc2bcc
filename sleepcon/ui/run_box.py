"""A measurement that a visitor starts: its button, its progress with a way to cancel, and why it did not come to its end."""

from collections.abc import Callable

import streamlit as st

from sleepcon import jobs
from sleepcon.jobs import Job
from sleepcon.ui import components, state


def box(kind: str, arguments: dict, label: str, what: str, apart: str = "", said: Callable[[str], str] = str) -> dict | None:
    """Draw it, and return the result of the newest job of ``kind`` that ended well (``None``: none yet).

    ``label``: the button's words. ``what``: a sentence for the time before the job says what it does. ``apart``: a name for
    this box where a page has several of a kind; then only jobs with exactly these arguments count. ``said``: puts a
    job's message into the page's words.
    """
    name, only = state.get(state.BRAIN_NAME), arguments if apart else None
    key = f"{kind}-{apart}" if apart else kind
    last = jobs.latest(name, kind, arguments=only)
    if last and last.active:
        st.button("Cancel", on_click=jobs.cancel, args=(last.id,), icon=":material/stop_circle:", key=f"cancel-{key}")
        components.follow(last, lambda job: progress(job, what, said))
    else:
        given = (kind, name, arguments, only)
        st.button(label, on_click=submit_once, args=given, icon=":material/straighten:", key=f"start-{key}")
        if last and last.state != "done":
            st.warning("The measurement did not come to its end.", icon=":material/info:")
            components.words(last.message)
    done = jobs.latest(name, kind, state="done", arguments=only)
    return done.result if done else None


def submit_once(kind: str, name: str, arguments: dict, only: dict | None = None) -> None:
    """Put the job in the queue, unless one of its kind (with arguments ``only``) is under way: two tabs may press at once."""
    last = jobs.latest(name, kind, arguments=only)
    if last is None or not last.active:
        jobs.submit(kind, name, arguments)


def progress(job: Job, what: str, said: Callable[[str], str] = str) -> None:
    """What a job does now, and how far its training is."""
    event = jobs.last_event(job.id) if job.state == "running" else None
    if event is None:
        st.info(what if job.state == "running" else components.waiting_sentence(job), icon=":material/hourglass_top:")
    elif event["step"]:
        st.progress(event["step"] / event["steps"], text=said(event["message"]))
    else:
        st.info(said(event["message"]), icon=":material/hourglass_top:")
