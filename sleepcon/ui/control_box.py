"""Which control the next night is: the placebo's tick, and the others with what is different in each."""

import streamlit as st

from sleepcon.controls import CONTROLS, NONE, all_that_wait
from sleepcon.ledger import Cycle
from sleepcon.ui import state
from sleepcon.ui.brains import Held, View
from sleepcon.ui.filtering import Filter

SHAM = "sham"
TICK = "widget_sham"


def draw(off: bool) -> None:
    """A tick for sham sleep and, folded away, a choice among all controls; both write the same field of the state."""
    chosen = state.get(state.CONTROL)
    if st.session_state.get(TICK) != (chosen == SHAM):
        st.session_state[TICK] = chosen == SHAM
    st.checkbox(
        "Sham sleep (learning rate 0)", chosen == SHAM, key=TICK, on_change=tick, disabled=off, help=CONTROLS[SHAM].sentence
    )
    with st.expander("Other controls"):
        names = [state.NO_CONTROL, *CONTROLS]
        st.selectbox(
            "Control of the next night", names, names.index(chosen), format_func=title, disabled=off,
            **state.widget(state.CONTROL),
        )  # fmt: skip
        st.markdown(sentence(chosen))
        st.caption(
            "A control takes one thing away or puts another in its place, to tell what sleep does from what else it does."
        )
    if chosen not in (state.NO_CONTROL, SHAM):
        st.caption(f":material/science: The next night is a control: **{title(chosen)}**. {sentence(chosen)}")


def tick() -> None:
    """Take the placebo, or a night as it is."""
    state.put(state.CONTROL, SHAM if st.session_state[TICK] else state.NO_CONTROL)


def title(name: str) -> str:
    """The title of a control of the state, or of the ledger (empty: none)."""
    return CONTROLS[name].title if name in CONTROLS else NONE.title


def sentence(name: str) -> str:
    """What is different in such a night."""
    return CONTROLS[name].sentence if name in CONTROLS else NONE.sentence


def takes_all(name: str) -> bool:
    """Whether such a night takes what does not pass too. The other controls take as much as passes, so nothing of nothing."""
    return name in CONTROLS and CONTROLS[name].choose is all_that_wait


def waiting(name: str, chosen: Filter, view: View) -> list[Held]:
    """What such a night would sleep on or, where another choice takes its place, be measured by; empty: there is no night."""
    if not takes_all(name):
        return chosen.waiting(view)
    return [held for held in chosen.ordered(view) if held.standing.cycle is None]


def arguments(name: str) -> dict:
    """What a job ``sleep`` is told of it: nothing for a night as it is."""
    return {} if name == state.NO_CONTROL else {"control": name}


def mark(cycle: Cycle) -> str:
    """The control of a night for its title, with a comma in front; nothing for a night as it is."""
    return f", control: {title(cycle.control).lower()}" if cycle.control else ""


def told(cycle: Cycle) -> None:
    """Say of a finished night which control it was, if one."""
    if cycle.control:
        st.caption(f":material/science: This night was a control: **{title(cycle.control)}**. {sentence(cycle.control)}")
