"""The night without one experience: the button, its progress, and both nights side by side."""

import streamlit as st

from sleepcon import jobs
from sleepcon.metrics import same_words
from sleepcon.recorded import recording
from sleepcon.ui import charts_experience, components, nights
from sleepcon.ui.brains import View
from sleepcon.ui.deep_dive import Slept

KIND = "without"


def run(brain: str, arguments: dict) -> None:
    """Queue the night without it, unless this very one is under way."""
    last = jobs.latest(brain, KIND, arguments=arguments)
    if last is None or not last.active:
        jobs.submit(KIND, brain, arguments)


def draw(found: Slept, view: View, resting: bool) -> None:
    """For an experience that slept. ``resting``: a night of the brain is under way, so nothing else can be started."""
    if len(found.night.replies) == 1:
        st.markdown("It was the only experience of its night. Without it there would have been none, and no reply had changed.")
        return
    if found.recorded:
        of_recording(found)
        return
    arguments = {"cycle": found.night.cycle, "id": found.reply["id"]}
    last = jobs.latest(view.name, KIND, arguments=arguments)
    if last and last.active:
        st.button("Cancel", on_click=jobs.cancel, args=(last.id,), icon=":material/stop_circle:")
        components.follow(last, nights.live)
        return
    seconds = f"It takes about as long as the night did ({found.night.seconds:.0f} seconds)."
    st.button(
        "Run the night again without it", on_click=run, args=(view.name, arguments), icon=":material/replay:", disabled=resting,
        help=seconds,
    )  # fmt: skip
    st.caption(f"A copy of your brain sleeps, and is thrown away: yours stays as it is. {seconds}")
    if last and last.state != "done":
        st.warning("The night without it did not come to its end.", icon=":material/info:")
        components.words(last.message)
    done = jobs.latest(view.name, KIND, state="done", arguments=arguments)
    if done and done.result:
        result(done.result)
        components.measured(view.label, f"night {found.night.cycle} again, without one experience, seed {done.result['seed']}")


def of_recording(found: Slept) -> None:
    """The recorded comparison, where there is one for this experience."""
    record = recording(KIND)
    if record is None or record.result["left_out"]["id"] != found.reply["id"]:
        st.markdown("Let your brain sleep, then its night can be run again without this experience.")
        return
    result(record.result)
    components.recorded(record, "the document's night again, without this experience")


def result(compared: dict) -> None:
    """Both nights: what the experience's question gets, what became of the others, and the losses."""
    out, others = compared["left_out"], compared["others"]
    if not compared["kept"]:
        st.warning(f"The night without it would have been rolled back: {' '.join(compared['reasons'])}", icon=":material/undo:")
    st.markdown(conclusion(out))
    components.question(out["prompt"], "left-out")
    components.said("Before the night", out["before"] or "(no words)")
    components.side_by_side(("After the night with it", out["with_it"]), ("After the night without it", out["without"]))
    changed = sum(not same_words(other["with_it"], other["without"]) for other in others)
    many = "other experience" if len(others) == 1 else "other experiences"
    st.markdown(f"**Of {len(others)} {many}, {changed} {'gets' if changed == 1 else 'get'} another reply without it.**")
    with st.expander("The replies of the others"):
        for place, other in enumerate(others):
            components.question(other["prompt"], f"stayed-{place}")
            components.side_by_side(("With it", other["with_it"]), ("Without it", other["without"]))
    st.markdown(
        "The chart: the loss of each taught reply, of the one left out and of the others. The further left, the better the "
        "brain knows it. Marks that stand on each other differ by little."
    )
    rows = [("left out", out), *((f"other {number}", other) for number, other in enumerate(others, 1))]
    charts_experience.losses(
        [name for name, _ in rows], [row["loss_before"] for _, row in rows], [row["loss_with_it"] for _, row in rows],
        [row["loss_without"] for _, row in rows], "without",
    )  # fmt: skip


def conclusion(out: dict) -> str:
    """What leaving it out did to its own reply, in a sentence that follows from the two nights."""
    if out["learned_with_it"] and not out["learned_without"]:
        return (
            "**With it the taught reply came back; without it, it does not.** In this night, this experience is what taught it."
        )
    if out["learned_with_it"]:
        return "**The taught reply comes back even without it:** the others of the night were enough."
    if out["learned_without"]:
        return "**The taught reply comes back only without it,** which one seed may do by chance."
    return "**The taught reply comes back in neither night:** this night did not teach it."
