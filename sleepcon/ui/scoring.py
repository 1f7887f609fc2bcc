"""Measured salience on a page: the job that scores what memory holds, its progress, and how old the figures are."""

from dataclasses import replace
from datetime import datetime

import streamlit as st

from sleepcon import jobs
from sleepcon.jobs import Job
from sleepcon.ui import components, state
from sleepcon.ui.brains import View
from sleepcon.ui.deep_dive import Reading, Slept
from sleepcon.ui.filtering import Filter


def measure() -> None:
    """Have every experience of the session's brain measured, unless that is under way."""
    name = state.get(state.BRAIN_NAME)
    last = jobs.latest(name, "score")
    if last is None or not last.active:
        jobs.submit("score", name)


def progress(view: View, chosen: Filter, last: Job | None) -> None:
    """Measured mode: start the first measurement by itself, follow it, and offer another when there is reason to.

    ``last``: the newest job of kind ``score``, read before ``view`` was.
    """
    if not chosen.measured:
        return
    missing = chosen.unmeasured(view)
    if last is None and missing:
        measure()
        last = jobs.latest(view.name, "score")
    if last and last.active:
        components.follow(last, scoring)
        return
    if last and last.state != "done":
        st.error("The salience could not be measured:", icon=":material/error:")
        components.words(last.message)
    if missing:
        st.markdown(f"{len(missing)} {'experience is' if len(missing) == 1 else 'experiences are'} not measured yet.")
    elif last and older_than_a_night(view, last):
        st.markdown("Measured before the last night: what the brain has learned since is not in these figures.")
    st.button("Measure again" if not missing else "Measure now", on_click=measure, icon=":material/straighten:")


def label(view: View, chosen: Filter, last: Job | None) -> None:
    """Say of the saliences on the page whether they are documented or measured, and on what."""
    own = f" Those of your own are measured on brain {view.label}." if view.own and not chosen.measured else ""
    if not chosen.measured:
        components.documented(f"Exchanges, sessions and saliences of the source document.{own}")
    elif last and last.result:
        rows = last.result["rows"]
        nights = max(row["cycle"] for row in rows)
        base = last.result["base_sha256"][:12]
        components.measured(view.label, f"five factors of each exchange, {after_nights(nights)}, base {base}")
        st.markdown(disagreement(view, chosen))


def stamp(view: View, found: Reading, night: Slept | None) -> None:
    """Label what was measured of one experience: on which brain, and after how many nights."""
    if found.recorded:
        components.recorded(found.recorded, "five factors and tokens, before any night")
    elif found.cycle is not None or night is not None:
        nights = found.cycle if found.cycle is not None or night is None else night.night.cycle - 1
        components.measured(view.label, after_nights(nights or 0))
    else:
        components.measured(view.label, "when the experience came in")


def button(last: Job | None, found: Reading) -> None:
    """Measure on this brain: the offer, the progress, or why it failed."""
    if last and last.active:
        components.follow(last, scoring)
        return
    if last and last.state != "done":
        st.error("The salience could not be measured:", icon=":material/error:")
        components.words(last.message)
    fresh = found.factors is not None and found.recorded is None and found.tokens is not None
    st.button("Measure again" if fresh else "Measure on this brain", on_click=measure, icon=":material/straighten:")


def after_nights(nights: int) -> str:
    """When, in nights."""
    return "before any night" if not nights else f"after {nights} {'night' if nights == 1 else 'nights'}"


def disagreement(view: View, chosen: Filter) -> str:
    """On how many of the document's exchanges the measured verdict differs from the documented one; empty until all are."""
    if not chosen.measured or any(held.standing.scores is None for held in view.document):
        return ""
    typed = replace(chosen, measured=False)
    other = sum(chosen.passes(held) != typed.passes(held) for held in view.document)
    return (
        f"At this threshold the measured verdict differs from the documented one on **{other} of {len(view.document)}** "
        "exchanges. The documented saliences were written down by hand; the measured ones come from this brain."
    )


def older_than_a_night(view: View, last: Job) -> bool:
    """Whether a night that was kept came after the measurement."""
    kept = [night for night in view.nights if night.kept]
    return bool(kept) and datetime.fromisoformat(kept[-1].started).timestamp() > last.created


def scoring(job: Job) -> None:
    """A measurement that is under way."""
    running = "The brain reads each exchange and its reply, and measures five factors."
    st.info(running if job.state == "running" else components.waiting_sentence(job), icon=":material/hourglass_top:")
