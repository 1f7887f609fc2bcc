"""The frozen problem: does what a brain learned in a session stay when the context is gone, without sleep and with it?"""

import pandas as pd
import streamlit as st

from sleepcon import documented, jobs
from sleepcon.jobs import Job
from sleepcon.recorded import recording
from sleepcon.ui import brains, charts_frozen, components, frozen_results, shell, state

SEEDS = state.whole("seeds", 1, 1, 5)

shell.begin(SEEDS)
jobs.ensure_worker()
name, seed, count = state.get(state.BRAIN_NAME), state.get(state.SEED), state.get(SEEDS)
job = jobs.latest(name, "sessions")
running = job is not None and job.active
done = jobs.latest(name, "sessions", state="done")
label = brains.look(name).label


def run() -> None:
    """Start the sessions; a second press finds those that are under way."""
    under_way = jobs.latest(state.get(state.BRAIN_NAME), "sessions")
    if not (under_way and under_way.active):
        first = state.get(state.SEED)
        jobs.submit("sessions", state.get(state.BRAIN_NAME), {"seeds": list(range(first, first + state.get(SEEDS)))})


def progress(now: Job) -> None:
    """How far the sessions are."""
    event = jobs.last_event(now.id)
    if now.state == "queued" or event is None:
        st.progress(0.0, text=components.waiting_sentence(now) if now.state == "queued" else "The sessions begin.")
    else:
        st.progress(event["step"] / event["steps"], text=event["message"])


st.title("The frozen problem", anchor=False)
st.markdown(
    "A model with frozen weights learns nothing from a conversation: what it seems to have learned stands in its context, and "
    "goes when the context goes. It is like a talk that inspires and is forgotten without practice. The document's claim is "
    "that sleep, which does change weights, makes such a peak last. That is a hypothesis. Here are its picture of it, the "
    "published record, and a measurement that you can run."
)

st.header("What the document draws")
left, right = st.columns(2, vertical_alignment="bottom")
with left:
    st.subheader("Without sleep consolidation")
    st.markdown("Peak → Decline → Collapse")
    charts_frozen.bars(documented.BARS_WITHOUT, "bars-without", "without sleep")
with right:
    st.subheader("With sleep consolidation")
    st.markdown("Peak → Consolidate → Maintain")
    charts_frozen.bars(documented.BARS_WITH, "bars-with", "with sleep")
components.illustrative("The document's bars. They were drawn to explain; nobody measured them.")

st.header("Sessions 22 to 25")
done_result = done.result if done else None
kept = recording("sessions")
result = done_result or (kept.result if kept else None)
left, right = st.columns(2)
with left:
    st.subheader("Published")
    charts_frozen.published(documented.SESSIONS)
    components.documented(
        "Identity score of four sessions, from the published record of the project behind the document. Session 25 (the star) "
        "was the first after a sleep cycle; the record itself called that consolidation failed."
    )
with right:
    st.subheader("Measured here")
    if result is None:
        st.info("Nothing has been measured yet: run the sessions below.", icon=":material/info:")
    else:
        charts_frozen.measured(result, "measured")
        night = next(course["night"] for course in result["courses"] if course["arm"] == "sleep")
        said = f"learning rate {night['learning_rate']:g}, {night['epochs']} passes, {len(result['probes'])} probes"
        seeds = ", ".join(map(str, result["seeds"]))
        if done_result:
            components.measured(label, f"in throw-away copies of its base, seed {seeds}, {said}")
        elif kept:
            components.recorded(kept, f"sessions 22 to 25 in three arms, {said}", seeds)
        if result.get("intervals"):
            st.caption(
                "A bar is the 95% bootstrap interval of the mean over seeds; where there is none, all seeds agree. A thin line "
                "is one seed. The three arms stand a little apart."
            )
st.markdown(
    "Both charts run from 0 to 100%, but they count different things: the published score counts phrases of an identity, ours "
    "the share of questions answered as taught."
)
with st.expander("What the published sessions do not show"):
    st.markdown("\n".join(f"- {reason}" for reason in documented.SESSIONS_SETTLE_NOTHING))

if result:
    st.subheader("What this run says")
    verdict, *limits = frozen_results.reading(result)
    st.markdown(f"**{verdict}**")
    st.markdown("\n".join(f"- {sentence}" for sentence in limits))
    with st.expander("Every probe and its replies"):
        seeds = result["seeds"]
        chosen = seeds[0] if len(seeds) == 1 else st.selectbox("Seed", seeds)
        session = st.selectbox("Session", result["numbers"], index=len(result["numbers"]) - 1)
        place = result["numbers"].index(session)
        rows = []
        for number, probe in enumerate(result["probes"]):
            row = {"probe": probe["prompt"], "counts as taught": " and ".join(probe["key"])}
            for course in result["courses"]:
                if course["seed"] == chosen:
                    at = course["sessions"][place]
                    row[frozen_results.ARMS[course["arm"]]] = f"{'✓' if at['hits'][number] else '✗'} {at['replies'][number]}"
            rows.append(row)
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="probes")
        rows = []
        for number, probe in enumerate(result["neighbours"]):
            row = {"looks alike": probe["prompt"], "must not hold": " and ".join(probe["key"])}
            for course in result["courses"]:
                if course["seed"] == chosen:
                    at = course["sessions"][place]
                    row[frozen_results.ARMS[course["arm"]]] = f"{'✓' if at['spared'][number] else '✗'} {at['others'][number]}"
            rows.append(row)
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="neighbours")
        st.caption("✓ in the first table: the reply holds the words that count. In the second: it does not hold them.")

st.header("Run the sessions")
st.markdown(
    "A brain is asked the same questions in four sessions. In session 22 the day's exchanges stand in its context; in 23 half "
    "of them; in 24 one exchange about something else; in 25 nothing. Three brains differ in what happens after session 22: "
    "**no sleep**; **sham sleep**, a night at learning rate 0; **sleep**, a night as on the other pages. The questions are "
    "worded as no night is taught them. The brains are made for this and thrown away: yours stays as it is."
)
st.number_input(
    "Seeds", 1, 5, state.get(SEEDS), help="Each seed takes two nights for its two sleeping brains.", **state.widget(SEEDS)
)
with st.container(horizontal=True):
    st.button("Run the sessions", on_click=run, type="primary", icon=":material/play_arrow:", disabled=running)
    if running and job:
        st.button("Cancel", on_click=jobs.cancel, args=(job.id,), icon=":material/stop_circle:")
    st.button("New seed", on_click=state.new_seed, icon=":material/casino:", disabled=running)
st.caption(f"Seed {seed}" + (f" to {seed + count - 1}." if count > 1 else "."))
if running and job:
    components.follow(job, progress)
elif job and job.state != "done":
    st.warning("The sessions did not come to their end.", icon=":material/info:")
    components.words(job.message)
