"""Pieces that pages are made of. What a person typed, or a brain said, is shown by ``words``: never as Markdown or HTML."""

import math
from collections.abc import Callable

import streamlit as st

from sleepcon import jobs
from sleepcon.jobs import Job
from sleepcon.ledger import Cycle
from sleepcon.ui import charts, palette
from sleepcon.ui.brains import Held, View

POLL_SECONDS = 0.4
STAGES = (("select", "Select"), ("dream", "Dream"), ("train", "Train"), ("wake", "Wake up"))


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


def illustrative(what: str) -> None:
    """Label numbers that nobody measured."""
    st.caption(f":material/draw: **Illustrative.** {what}")


def percent(share: float) -> str:
    """A share as a whole percentage, halves rounded up as the source document does (.345 is 35%)."""
    return f"{math.floor(share * 100 + 0.5)}%"


def bar(share: float, mark: float) -> None:
    """A bar of ``share`` with a tick at ``mark``, both 0 to 1. Drawn in numbers alone."""
    colour = palette.BLUE if share >= mark else palette.GREY
    st.html(
        f'<div role="img" aria-label="Salience {percent(share)}, threshold {percent(mark)}" style="position:relative;height:10px;'
        f'border-radius:5px;background:rgba(127,133,144,.22)"><div style="width:{share * 100:.1f}%;height:10px;border-radius:5px;'
        f'background:{colour}"></div><div style="position:absolute;left:calc({mark * 100:.0f}% - 1px);top:-4px;width:2px;'
        'height:18px;background:currentColor"></div></div>'
    )


def exchange(held: Held, threshold: float) -> None:
    """One experience: what was asked and answered, its salience against the threshold, and what becomes of it."""
    icon, verdict = palette.CONSOLIDATE if held.salience >= threshold else palette.SKIP
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            session = "Your own" if held.experience.session is None else f"Session {held.experience.session}"
            st.markdown(f"**{session}** · salience {percent(held.salience)} ({held.source})", width="content")
            st.badge(verdict, icon=icon, color="blue" if held.salience >= threshold else "gray")
        bar(held.salience, threshold)
        question(held.experience.prompt, f"held-{held.experience.id}")
        words(held.experience.response)
        if held.standing.cycle is not None:
            st.caption(f":material/bedtime: In the weights since night {held.standing.cycle}.")
        if held.standing.scores:
            with st.expander("Why this salience"):
                for factor, score in held.standing.scores.items():
                    estimate = ", an estimate" if score["estimated"] else ""
                    st.markdown(f"**{factor.capitalize()} {score['value']:.2f}**{estimate}")
                    words(score["evidence"])


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


def live_night(job: Job) -> None:
    """Where a night is: its stage, its step and its loss so far."""
    event = jobs.last_event(job.id)
    if job.state == "queued" or event is None:
        st.progress(0.0, text=waiting_sentence(job) if job.state == "queued" else "Falling asleep.")
        return
    reached = [name for name, _ in STAGES].index(event["stage"]) if event["stage"] in dict(STAGES) else len(STAGES)
    st.markdown("  ›  ".join(stage_mark(place, title, reached) for place, (_, title) in enumerate(STAGES)))
    curve = jobs.curve(job.id)
    steps = event["steps"] or (curve[-1][0] if curve else 0)
    share = 0.05 if not curve else 0.1 + 0.8 * curve[-1][0] / steps
    st.progress(share if reached < len(STAGES) - 1 else 0.95, text=event["message"])
    if curve:
        charts.live_loss(curve, steps)


def stage_mark(place: int, title: str, reached: int) -> str:
    """A stage of the night: behind, here or ahead, by icon and weight."""
    if place < reached:
        return f":material/check: {title}"
    return f":material/radio_button_checked: **{title}**" if place == reached else f":material/radio_button_unchecked: {title}"


def night(cycle: Cycle, view: View) -> None:
    """Everything that a finished night has to say."""
    verdict(cycle)
    first, second = st.columns(2)
    first.metric("Loss before", f"{cycle.loss_before:.3f}", help="Mean over the taught replies, weighted by salience, in nats per token.")
    second.metric("Loss after", f"{cycle.loss_after:.3f}", f"{cycle.loss_after - cycle.loss_before:+.3f}", delta_color="inverse")
    first, second = st.columns(2)
    first.metric("Experiences", f"{cycle.consolidated} of {cycle.considered}")
    second.metric("Seconds", f"{cycle.seconds:.1f}", help=f"Of these, {cycle.training_seconds:.1f} seconds of training.")
    measured(view.label, what_of(cycle))

    st.subheader("What it says, before and after")
    st.markdown("Each question is asked on its own: nothing is in the context, so what the brain knows comes from its weights.")
    for place, reply in enumerate(cycle.replies):
        question(reply["prompt"], f"night-{place}")
        after = f"After night {cycle.cycle}" if cycle.kept else "After the night, rolled back"
        side_by_side(("Before the night", reply["before"]), (after, reply["after"]))
        came_back = ":material/check: the taught reply came back" if reply["learned"] else ":material/close: the taught reply did not come back"
        st.caption(f"{came_back} · salience {percent(reply['salience'])} · share of the gradient {percent(reply['share'])}")
        if not reply["learned"]:
            said("Taught", reply["taught"])
        if place + 1 < len(cycle.replies):
            st.space("small")
    measured(view.label, what_of(cycle))

    st.subheader("The wake-up check")
    for check in cycle.checks:
        icon = ":material/info:" if check["limit"] is None else ":material/check_circle:" if check["passed"] else ":material/cancel:"
        result = "reported" if check["limit"] is None else "passed" if check["passed"] else "failed"
        st.markdown(f"{icon} **{check['name'].capitalize()}, {result}.** {check['sentence']}")
    st.subheader("The loss, step by step")
    charts.finished_loss(cycle.curve, f"night-{cycle.cycle}")
    st.subheader("The base is frozen")
    same = cycle.base_sha256_before == cycle.base_sha256_after
    icon = ":material/lock:" if same else ":material/lock_open:"
    st.markdown(f"{icon} The base's weights are {'the same, bit for bit' if same else '**not the same**'}: SHA-256 before and after.")
    st.code(f"before {cycle.base_sha256_before}\nafter  {cycle.base_sha256_after}", language=None, wrap_lines=True)
    measured(view.label, what_of(cycle))


def verdict(cycle: Cycle) -> None:
    """Kept or rolled back, and why."""
    icon, word = palette.KEPT if cycle.kept else palette.ROLLED_BACK
    reasons = " ".join(cycle.reasons)
    if cycle.kept and cycle.reasons:
        st.info(f"Night {cycle.cycle} was **{word}**, but: {reasons}", icon=icon)
    elif cycle.kept:
        st.success(f"Night {cycle.cycle} was **{word}**.", icon=icon)
    else:
        st.warning(f"Night {cycle.cycle} was **{word}**: the brain is as it was before. {reasons}", icon=icon)


def what_of(cycle: Cycle) -> str:
    """Night, seed and dose, as a label says them."""
    return f"night {cycle.cycle}, seed {cycle.seed}, learning rate {cycle.learning_rate:g}, {cycle.epochs} passes"
