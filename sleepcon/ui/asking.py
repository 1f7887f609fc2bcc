"""Asking the brain: one question, put to it as it was before any night and as it is now."""

import streamlit as st

from sleepcon import jobs
from sleepcon.jobs import Job
from sleepcon.ui import components, state
from sleepcon.ui.brains import View
from sleepcon.ui.own import LONGEST_PROMPT


def put_question() -> None:
    """Send the form's question to the worker, or say what is wrong with it."""
    prompt = st.session_state.question.strip()
    st.session_state.question_error = ""
    if not prompt:
        st.session_state.question_error = "There is no question yet: write one."
    elif len(prompt) > LONGEST_PROMPT:
        st.session_state.question_error = f"At most {LONGEST_PROMPT} characters may be asked; shorten the question."
    else:
        jobs.submit("ask", state.get(state.BRAIN_NAME), {"prompt": prompt})


def form() -> None:
    """The question, and what was wrong with the last one."""
    with st.form("ask", border=False):
        st.text_input("Your question", key="question", placeholder="Who are you?")
        st.form_submit_button("Ask", on_click=put_question, icon=":material/chat:")
    if st.session_state.get("question_error"):
        st.error(st.session_state.question_error, icon=":material/error:")


def answers(asked: Job | None, view: View) -> None:
    """Both replies side by side. ``asked``: the newest job of kind ``ask``, read before ``view`` was."""
    if asked is None:
        return
    if asked.active:
        components.follow(asked, components.thinking)
    elif asked.result:
        components.question(asked.result["prompt"], "answered")
        cycle = asked.result["cycle"]
        now = f"Now, after night {cycle}"
        if asked.result["adapter_sha256"] is None:
            now = "Now (no night was kept)" if cycle else "Now (no night yet)"
        components.side_by_side(("Before any night", asked.result["before"]), (now, asked.result["now"]))
        components.measured(view.label, f"after {cycle} {'night' if cycle == 1 else 'nights'}, greedy replies")
    else:
        st.error("The brain could not answer:", icon=":material/error:")
        components.words(asked.message)
