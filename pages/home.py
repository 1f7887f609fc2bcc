"""Sleep Consolidation: the question, the four ideas, one night, and what it changed."""

import streamlit as st

from sleepcon import jobs
from sleepcon.ui import asking, components, filtering, ideas, night_box, shell, state, units

shell.begin()
asked = jobs.latest(state.get(state.BRAIN_NAME), "ask")  # before the brain, which is read by look()
box = night_box.look()
view, chosen = box.view, filtering.current()

st.title("Sleep Consolidation", anchor=False)
st.markdown(
    "How can an AI system learn from what it lived through? Here a language model is awake and collects exchanges, then "
    "it sleeps, and the few that mattered become part of its weights. The model is real and small, and it runs on this "
    "computer."
)
with st.container(border=True):
    st.markdown(
        ":material/lightbulb: **Key insight.** People consolidate memories during REM sleep: what was significant is kept, "
        "what was routine fades. The same rhythm can be given to a model: **wake to experience, sleep to consolidate**. "
        "Whether it makes good days last is a hypothesis. These pages let you test it."
    )

st.header("The Big Ideas", anchor=False)
ideas.cards()

st.header("One night", anchor=False)
passing, average = chosen.passing(view), chosen.mean(view)
when = "sleep tonight" if chosen.waiting(view) or not passing else "are in the weights already"
st.markdown(f"The source document gives five exchanges of an AI called SAGE. Those that reach the threshold {when}:")
count, mean = st.columns(2)
count.metric("Experiences that pass", f"{len(passing)} of {len(view.document) + len(view.own)}")
mean.metric("Their mean salience", "none" if average is None else components.percent(average))
for held in passing[:5]:
    with st.container(gap=None):
        percent = components.percent(chosen.salience(held) or 0.0)
        since = "" if held.standing.cycle is None else f" · in the weights since night {held.standing.cycle}"
        st.caption(f"{units.whose(held)} · salience {percent} ({chosen.source(held)}){since}")
        components.words(held.experience.prompt)
if len(passing) > 5:
    st.caption(f"And {len(passing) - 5} more.")
st.caption(chosen.sentence())
shell.link("filter", "Change the filter or add your own")
night_box.controls(box)
with st.container():  # what comes and goes stands in a container: the question below it stays where it is
    night_box.progress(box)
    night_box.outcome(box)
    night_box.recorded(box)

st.header("Ask the brain", anchor=False)
st.markdown("The same question goes to the brain as it was before any night and as it is now, with nothing in context.")
asking.form()
asking.answers(asked, view)
