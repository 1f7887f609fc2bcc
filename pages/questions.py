"""Open research questions: the document's five, what would answer each, and what can be tried now."""

import streamlit as st

from sleepcon.ui import components, shell
from sleepcon.ui.questions import PROTOCOLS

shell.begin()
st.title("Open research questions", anchor=False)
st.markdown(
    "The document ends with five questions. It answers none of them, and neither does this program. For each of them stands "
    "here what an experiment would need, and something that can be tried by hand now. One try with one seed is an "
    "observation, not an answer."
)
run = [protocol for protocol in PROTOCOLS if protocol.result]
if not run:
    st.info(
        "None of these experiments has been run yet. No page of this program shows a result of one.", icon=":material/info:"
    )

for place, protocol in enumerate(PROTOCOLS, 1):
    st.header(f"{place}. {protocol.question}", anchor=protocol.study)
    st.badge(
        "answered in part" if protocol.result else "not run yet",
        icon=":material/science:" if protocol.result else ":material/hourglass_empty:",
        color="blue" if protocol.result else "gray",
    )
    if protocol.result:
        st.markdown(protocol.result)
    st.markdown(f"**Hypothesis to test.** {protocol.hypothesis}")
    with st.expander("What it would take"):
        st.markdown("**Arms**\n\n" + "\n".join(f"- {arm}" for arm in protocol.arms))
        st.markdown(f"**What is measured.** {protocol.measured}")
        st.markdown(f"**What would count as an answer.** {protocol.answer}")
    st.markdown("**To try now**")
    for one in protocol.tries:
        with st.container(gap=None):
            st.markdown(one.what)
            shell.link(one.page, one.label)
components.documented("The five questions, in the document's words and order.")
