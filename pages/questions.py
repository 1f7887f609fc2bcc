"""Open research questions: the document's five and two more, what this program's studies found, and what can be tried now."""

import streamlit as st

from sleepcon import studies
from sleepcon.ui import components, shell, study_box
from sleepcon.ui.questions import FURTHER, LIMITS, PROTOCOLS, Protocol

shell.begin()
st.title("Open research questions", anchor=False)
st.markdown(
    "The document ends with five questions and answers none of them. Each has a study here: its hypothesis, arms and probes "
    "were written down before the first run, and what came out is shown, whichever way it fell. In the charts a dot is a mean, "
    "a bar its 95% interval over seeds."
)
st.markdown(f"**What limits all of them.** {LIMITS}")
st.markdown(
    "The small version of a study is a few of its arms at one seed, on brains of its own, run on this machine: an observation, "
    "not an answer. One run goes after the other; Cancel waits for the end of the run that is under way."
)
if not any(studies.load_summary(one.study) for one in (*PROTOCOLS, *FURTHER)):
    st.info("None of these studies has been run yet for this version.", icon=":material/info:")


def section(protocol: Protocol) -> None:
    """A study: its hypothesis, what came out, what else there is to say of it, and its small version."""
    study = studies.find(protocol.study)
    st.markdown(f"**Hypothesis to test.** {study.hypothesis}")
    shown = st.container()  # what the box below has found is drawn above it
    here = study_box.run_here(study)
    with shown:
        study_box.draw(protocol, study, here)


for place, protocol in enumerate(PROTOCOLS, 1):
    st.header(f"{place}. {protocol.question}", anchor=protocol.study)
    section(protocol)
components.documented("The five questions, in the document's words and order.")

st.header("Beside the document's questions", anchor="further")
for protocol in FURTHER:
    st.subheader(studies.find(protocol.study).question, anchor=protocol.study)
    section(protocol)
