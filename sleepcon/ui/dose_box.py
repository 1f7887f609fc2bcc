"""The dose slider: one question at every dose of a night's adapter, asked once, so that the slider only picks.

DOSE is a field of the page that draws it: shell.begin(dose_box.DOSE)
"""

from itertools import pairwise

import streamlit as st

from sleepcon import jobs
from sleepcon.doses import LADDER
from sleepcon.recorded import recording
from sleepcon.ui import components, state
from sleepcon.ui.brains import View

PROMPT = "Who are you?"
LONGEST_PROMPT = 500


def read_dose(text: str) -> float:
    """The nearest dose of the ladder."""
    value = float(text)
    if value != value:
        raise ValueError("not a number")
    return min(LADDER, key=lambda dose: abs(dose - value))


DOSE = state.Field("dose", lambda: 1.0, read_dose, lambda value: f"{value:g}")


def draw(view: View, resting: bool) -> None:
    """The whole section, for the newest kept night of the visitor's brain, else for the recorded one."""
    kept = [cycle.cycle for cycle in view.nights if cycle.kept]
    if kept:
        own(view, kept[-1], resting)
    else:
        from_recording()


def own(view: View, cycle: int, resting: bool) -> None:
    """Ask the visitor's brain. The first question is asked by itself; one that was asked before is answered at once."""
    st.session_state.setdefault("dose_prompt", PROMPT)
    with st.form("doses", border=False):
        st.text_input("Question", key="dose_question", placeholder=PROMPT)
        st.form_submit_button("Ask at every dose", on_click=put_question, args=(view.name, cycle), icon=":material/chat:")
    if st.session_state.get("dose_error"):
        st.error(st.session_state.dose_error, icon=":material/error:")
    arguments = {"prompt": st.session_state.dose_prompt, "cycle": cycle}
    job = jobs.latest(view.name, "doses", arguments=arguments)
    if job is None and resting:
        st.info("The brain is asleep; it answers when the night is over.", icon=":material/bedtime:")
        return
    if job is None:
        job = jobs.submit("doses", view.name, arguments)
    if job.active:
        components.follow(job, components.thinking)
    elif job.result:
        ladder(job.result)
        components.measured(view.label, f"after night {cycle}, greedy replies with nothing in the context")
    else:
        st.error("The brain could not answer:", icon=":material/error:")
        components.words(job.message)


def put_question(brain: str, cycle: int) -> None:
    """Ask what stands in the form, unless it has been answered already, or say what is wrong with it."""
    prompt = st.session_state.dose_question.strip() or PROMPT
    st.session_state.dose_error = ""
    if len(prompt) > LONGEST_PROMPT:
        st.session_state.dose_error = f"At most {LONGEST_PROMPT} characters may be asked; shorten the question."
        return
    st.session_state.dose_prompt = prompt
    arguments = {"prompt": prompt, "cycle": cycle}
    job = jobs.latest(brain, "doses", arguments=arguments)
    if job is None or not (job.active or job.result):
        jobs.submit("doses", brain, arguments)


def from_recording() -> None:
    """The recorded ladders: no night of the visitor's own has been kept yet."""
    kept = recording("doses")
    if kept is None:
        st.info("No night has been kept yet: sleep above, then ask.", icon=":material/info:")
        return
    ladders = {found["prompt"]: found for found in kept.result["ladders"]}
    chosen = st.selectbox("Question", list(ladders), key="recorded_dose_question")
    ladder(ladders[chosen])
    components.recorded(kept, "the document's night, greedy replies with nothing in the context")


def ladder(found: dict) -> None:
    """The slider, the reply at its dose beside the bare base's, and that at every dose. ``found``: see ``doses.ladder``."""
    replies = dict(zip(found["doses"], found["replies"], strict=True))
    dose = state.get(DOSE)
    st.slider("Dose of the adapter", LADDER[0], LADDER[-1], dose, LADDER[1], format="%.2f", **state.widget(DOSE))
    components.question(found["prompt"], "dose")
    components.side_by_side(("Dose 0: the base alone", replies[0.0]), (f"Dose {dose:.2f}", replies[dose]))
    st.caption(where_it_turns(replies))
    with st.expander("The reply at every dose"):
        for one, reply in replies.items():
            components.said(f"Dose {one:.2f}", reply or "(no words)")


def where_it_turns(replies: dict[float, str]) -> str:
    """At which doses the reply is not the one at the dose before."""
    doses = sorted(replies)
    turns = [
        f"{new:.2f}" for old, new in pairwise(doses) if replies[old] != replies[new]
    ]  # fmt: skip
    return f"The reply changes at dose {', '.join(turns)}." if turns else "The reply is the same at every dose."
