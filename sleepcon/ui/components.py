"""Pieces that pages are made of. What a person typed, or a brain said, is shown by ``words``: never as Markdown or HTML."""

import math
from collections.abc import Callable

import streamlit as st

from sleepcon import jobs
from sleepcon.jobs import Job
from sleepcon.recorded import Recording
from sleepcon.ui import palette

POLL_SECONDS = 0.4


def words(text: str) -> None:
    """Text as it is: no Markdown, no HTML, no links, no pictures."""
    st.text(text, width="stretch")


def question(text: str, key: str) -> None:
    """What was asked, as it is, in bold. ``key``: one that no other question of the page has."""
    with st.container(key=f"asked-{key}"):
        words(text)


def documented(what: str) -> None:
    """Label numbers that stand in the source document or in the published record."""
    st.caption(f":material/menu_book: **Documented.** {what}")


def measured(brain: str, what: str) -> None:
    """Label numbers that this program computed: on which brain, and what else it takes to find them again."""
    st.caption(f":material/straighten: **Measured** on brain {brain}, {what}.")


def computed(what: str) -> None:
    """Label numbers that this program works out without running a brain: what from, and what else there is to say."""
    st.caption(f":material/straighten: **Measured:** computed {what}.")


def recorded(recording: Recording, what: str, seeds: str = "") -> None:
    """Label numbers of a recorded run: ``what`` was measured, when, on which base and with which seed (``seeds``: several)."""
    base = f"embedded base {recording.base_sha256[:12]}"
    st.caption(
        f":material/history: **Measured, recorded** on {recording.made}, {base}, seed {seeds or recording.seed}: {what}."
    )


def illustrative(what: str) -> None:
    """Label numbers that nobody measured."""
    st.caption(f":material/draw: **Illustrative.** {what}")


def percent(share: float) -> str:
    """A share as a whole percentage, halves rounded up as the source document does (.345 is 35%)."""
    return f"{math.floor(share * 100 + 0.5)}%"


def bar(share: float, mark: float) -> None:
    """A bar of ``share`` with a tick at ``mark``, both 0 to 1. Drawn in numbers alone."""
    colour = palette.BLUE if share >= mark else palette.GREY
    round_bar = "height:10px;border-radius:5px"
    st.html(
        f'<div role="img" aria-label="Salience {percent(share)}, threshold {percent(mark)}" '
        f'style="position:relative;{round_bar};background:rgba(127,133,144,.22)">'
        f'<div style="width:{share * 100:.1f}%;{round_bar};background:{colour}"></div>'
        f'<div style="position:absolute;left:calc({mark * 100:.0f}% - 1px);top:-4px;width:2px;height:18px;'
        'background:currentColor"></div></div>'
    )


def said(label: str, text: str) -> None:
    """A line of a conversation under its label."""
    with st.container(gap=None):
        st.caption(label)
        words(text)


def side_by_side(left: tuple[str, str], right: tuple[str, str], marks: tuple[str, str] = ("", "")) -> None:
    """Two replies beside each other (one under the other on a narrow screen), each (label, text)."""
    for column, (label, text), mark in zip(st.columns(2), (left, right), marks, strict=True):
        with column.container(border=True, height="stretch", gap="small"):
            st.caption(f"{mark} {label}".strip())
            words(text or "(no words)")


def follow(job: Job, draw: Callable[[Job], None]) -> None:
    """Draw a job that is under way, again and again until it ends; then run the page anew. Idle pages poll nothing."""

    def poll() -> None:
        jobs.ensure_worker()
        now = jobs.read(job.id)
        if now is None or not now.active:
            st.rerun()
        else:
            draw(now)

    st.fragment(poll, run_every=POLL_SECONDS)()


def waiting_sentence(job: Job) -> str:
    """Why a job has not begun."""
    ahead = jobs.ahead_of(job)
    if ahead:
        return f"Waiting: {ahead} other {'job goes' if ahead == 1 else 'jobs go'} first."
    return "The worker process starts and loads the model; the first time this takes a few seconds."


def thinking(job: Job) -> None:
    """A question that is being answered."""
    st.info("The brain thinks." if job.state == "running" else waiting_sentence(job), icon=":material/hourglass_top:")


def measuring(job: Job) -> None:
    """An experience that is being taken in."""
    sentence = "Measuring how salient your experience is." if job.state == "running" else waiting_sentence(job)
    st.info(sentence, icon=":material/hourglass_top:")
