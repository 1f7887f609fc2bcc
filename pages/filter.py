"""What gets remembered? The filter: salience against a threshold, and a night on exactly what passes."""

import streamlit as st

from sleepcon import jobs
from sleepcon.ui import components, filtering, night_box, opening, own, scoring, shell, state, units, weights

shell.begin()
name = state.get(state.BRAIN_NAME)
# Jobs first, then the brain: what a job has ended with must be in what is read after it.
scored, written, filed = (jobs.latest(name, kind) for kind in ("score", "remember", "take_in"))
box = night_box.look()
view, chosen = box.view, filtering.current()
newest = max((job for job in (written, filed) if job), key=lambda job: job.created, default=None)

st.title("What gets remembered?", anchor=False)
st.markdown(
    "A day holds many exchanges, and few of them matter. Each gets a **salience**: how surprising, new, moving, rewarding "
    "or at odds with what the brain expects it is. What reaches the threshold is consolidated in the next night; the rest "
    "is skipped."
)
opening.draw(view, chosen)

if not opening.guessing():
    st.header("Salience filtering", anchor=False)
    st.slider("Salience threshold", 0.0, 0.9, chosen.threshold, 0.05, format="%.2f", **state.widget(state.THRESHOLD))
    count, mean = st.columns(2)
    passing, average = chosen.passing(view), chosen.mean(view)
    count.metric("Experiences that pass", f"{len(passing)} of {len(view.document) + len(view.own)}")
    mean.metric("Their mean salience", "none" if average is None else components.percent(average))
    units.strip(view, chosen)
    st.caption("Each number is a card below. Square and filled: consolidate. Round and hollow: skip. The line: the threshold.")
    with st.container():  # what may come and go stands in a container: nothing below it moves to another place
        scoring.label(view, chosen, scored)
    labels = {"documented": "Documented salience", "measured": "Salience measured live"}
    st.radio(
        "Which salience decides",
        labels,
        int(chosen.measured),
        labels.__getitem__,
        horizontal=True,
        **state.widget(state.SOURCE),
    )
    with st.container():
        scoring.progress(view, chosen, scored)
    with st.expander("Weights of the five factors", icon=":material/tune:"):
        weights.sliders()
    with st.container():
        units.cards(view, chosen, opening.guess())

    st.header("An experience of your own", anchor=False)
    st.markdown("Tell the brain something. It is measured at once, and you see what each of the five factors found in it.")
    own.forms()
    with st.container():
        own.came_of(newest, view, chosen)

    st.header("Sleep on what passes", anchor=False)
    st.markdown(chosen.sentence())
    night_box.controls(box)
    night_box.progress(box)
    night_box.outcome(box)

    st.header("The biological parallel", anchor=False)
    st.markdown(
        "People do not keep a whole day either. During REM sleep, events that were surprising, new or rewarding are "
        "consolidated before the rest: **emotional tagging**. The threshold here is a plain stand-in for it: one number "
        "for each exchange, and a line that it reaches or does not."
    )
