"""Open research questions: the document's five and two more, what this program's studies found, and what can be tried now."""

import streamlit as st

from sleepcon import studies
from sleepcon.ui import components, shell, study_box
from sleepcon.ui.questions import FURTHER, LIMITS, PROTOCOLS, Protocol

shell.begin()
st.title("Open research questions", anchor=False)
st.markdown(
    "The document ends with five questions and answers none of them. Each has a study here: its hypothesis, arms and probes "
    "were written down before the first run, and what came out is shown, whichever way it fell."
)
there = [one.study for one in (*PROTOCOLS, *FURTHER) if studies.load_summary(one.study)]
if not there:
    st.info(
        "None of these studies has been run yet for this version. The small version of each runs on this machine; one seed is "
        "an observation, not an answer.",
        icon=":material/info:",
    )


def section(protocol: Protocol) -> None:
    """A study: its hypothesis, what came out, what else it stated in advance, and its small version."""
    study = studies.find(protocol.study)
    st.markdown(f"**Hypothesis to test.** {study.hypothesis}")
    shown = st.container()  # what the box below has found is drawn above it
    study_box.stated(study)
    here = study_box.run_here(study)
    with shown:
        study_box.draw(study, f"{protocol.limits} {LIMITS}", here)
    if protocol.tries:
        st.markdown("**To try now**")
    for one in protocol.tries:
        with st.container(gap=None):
            st.markdown(one.what)
            shell.link(one.page, one.label)


for place, protocol in enumerate(PROTOCOLS, 1):
    st.header(f"{place}. {protocol.question}", anchor=protocol.study)
    section(protocol)
components.documented("The five questions, in the document's words and order.")

st.header("Beside the document's questions", anchor="further")
for protocol in FURTHER:
    st.subheader(studies.find(protocol.study).question, anchor=protocol.study)
    section(protocol)
