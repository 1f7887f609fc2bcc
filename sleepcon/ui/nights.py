"""A night on the page: live while it goes on, whole when it is over."""

from collections.abc import Sequence

import streamlit as st

from sleepcon import jobs
from sleepcon.jobs import Job
from sleepcon.ledger import Cycle
from sleepcon.ui import charts, components, control_box, palette
from sleepcon.ui.brains import View

STAGES = (("select", "Select"), ("dream", "Dream"), ("train", "Train"), ("wake", "Wake up"))


def live(job: Job, height: int = charts.HEIGHT) -> None:
    """Where a night is: its stage, its step and its loss so far, ``height`` pixels high."""
    event = jobs.last_event(job.id)
    if job.state == "queued" or event is None:
        st.progress(0.0, text=components.waiting_sentence(job) if job.state == "queued" else "Falling asleep.")
        return
    at(event, jobs.curve(job.id), height)


def at(event: dict, curve: Sequence[tuple[int, float]], height: int = charts.HEIGHT) -> None:
    """A night at an event (as ``sleep.Event.as_dict`` has it), with its (step, loss) so far."""
    reached = [name for name, _ in STAGES].index(event["stage"]) if event["stage"] in dict(STAGES) else len(STAGES)
    st.markdown("  ›  ".join(stage_mark(place, title, reached) for place, (_, title) in enumerate(STAGES)))
    steps = event["steps"] or (curve[-1][0] if curve else 0)
    share = 0.05 if not curve else 0.1 + 0.8 * curve[-1][0] / steps
    share = 1.0 if event["stage"] == "done" else share if reached < len(STAGES) - 1 else 0.95
    st.progress(share, text=event["message"])
    if curve:
        charts.live_loss(curve, steps, height)


def stage_mark(place: int, title: str, reached: int) -> str:
    """A stage of the night: behind, here or ahead, by icon and weight."""
    if place < reached:
        return f":material/check: {title}"
    return f":material/radio_button_checked: **{title}**" if place == reached else f":material/radio_button_unchecked: {title}"


def finished(cycle: Cycle, view: View) -> None:
    """Everything that a finished night has to say."""
    verdict(cycle)
    first, second = st.columns(2)
    unit = "Mean over the taught replies, weighted by salience, in nats per token."
    change = f"{cycle.loss_after - cycle.loss_before:+.3f}"
    first.metric("Loss before", f"{cycle.loss_before:.3f}", help=unit)
    second.metric("Loss after", f"{cycle.loss_after:.3f}", change, delta_color="inverse", help=unit)
    first, second = st.columns(2)
    first.metric("Experiences", f"{cycle.consolidated} of {cycle.considered}")
    second.metric("Seconds", f"{cycle.seconds:.1f}", help=f"Of these, {cycle.training_seconds:.1f} seconds of training.")
    components.measured(view.label, what_of(cycle))

    st.subheader("What it says, before and after")
    replies(cycle)
    components.measured(view.label, what_of(cycle))

    st.subheader("The wake-up check")
    for check in cycle.checks:
        icon, result = check_mark(check)
        st.markdown(f"{icon} **{check['name'].capitalize()}, {result}.** {check['sentence']}")
    st.subheader("The loss, step by step")
    charts.finished_loss(cycle.curve, f"night-{cycle.cycle}")
    st.subheader("The base is frozen")
    base(cycle)
    components.measured(view.label, what_of(cycle))


def check_mark(check: dict) -> tuple[str, str]:
    """An icon and a word for one of the wake-up check's results; one without a limit is only reported."""
    if check["limit"] is None:
        return ":material/info:", "reported"
    return (":material/check_circle:", "passed") if check["passed"] else (":material/cancel:", "failed")


def base(cycle: Cycle) -> None:
    """Whether the base stayed as it was, with both hashes."""
    same = cycle.base_sha256_before == cycle.base_sha256_after
    icon, result = (":material/lock:", "the same, bit for bit") if same else (":material/lock_open:", "**not the same**")
    st.markdown(f"{icon} The base's weights before and after this night are {result} (SHA-256):")
    st.code(f"before {cycle.base_sha256_before}\nafter  {cycle.base_sha256_after}", language=None, wrap_lines=True)


def replies(cycle: Cycle) -> None:
    """What the brain said to each taught question before the night, and after it."""
    st.markdown("Each question is asked on its own: nothing is in the context, so what the brain knows comes from its weights.")
    for place, reply in enumerate(cycle.replies):
        components.question(reply["prompt"], f"night-{place}")
        after = f"After night {cycle.cycle}" if cycle.kept else "After the night, rolled back"
        components.side_by_side(("Before the night", reply["before"]), (after, reply["after"]))
        salience, share = components.percent(reply["salience"]), components.percent(reply["share"])
        icon, came_back = (":material/check:", "The taught reply came back")
        if not reply["learned"]:
            icon, came_back = ":material/close:", "The taught reply did not come back"
        st.caption(f"{icon} {came_back} · salience {salience} · share of the gradient {share}")
        if not reply["learned"]:
            components.said("Taught", reply["taught"])
        if place + 1 < len(cycle.replies):
            st.space("small")


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
    control_box.told(cycle)


def what_of(cycle: Cycle) -> str:
    """Night, seed, dose and control, as a label says them."""
    dose = f"learning rate {cycle.learning_rate:g}, {cycle.epochs} passes"
    return f"night {cycle.cycle}, seed {cycle.seed}, {dose}{control_box.mark(cycle)}"
