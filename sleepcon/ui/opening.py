"""How the filter's page opens: a guess before the answer, and a short play of the two extremes. Both by buttons, untimed.

Where a visitor is lives in the session: ``opening`` is "" (neither), "guess", or the number of the play's step; ``guess``
holds the ids that were ticked, once they were.
"""

from dataclasses import dataclass

import streamlit as st

from sleepcon.ui import brains, components, state
from sleepcon.ui.brains import View
from sleepcon.ui.filtering import Filter


@dataclass(frozen=True)
class Step:
    """One step of the play: where it puts the threshold, and what it says."""

    threshold: float
    title: str
    text: str


PLAY = (
    Step(
        0.0, "Threshold 0: everything passes",
        "Nothing is sorted out. Small talk would be trained into the weights beside a name, and each exchange would have "
        "a smaller share of the night.",
    ),
    Step(
        0.9, "Threshold 90%: nothing passes",
        "Nothing is worth keeping. The brain would sleep without learning, and tomorrow it would be the brain of today.",
    ),
    Step(
        0.6, "Threshold 60%: some pass",
        "The document's setting lies between the two. From here the slider is yours.",
    ),
)  # fmt: skip


def guessing() -> bool:
    """Whether the visitor is asked for a guess now: then the answer is not to be shown."""
    return st.session_state.get("opening") == "guess"


def guess() -> frozenset[str] | None:
    """The ids that the visitor thought would be remembered; ``None`` when no guess was made."""
    return st.session_state.get("guess")


def go(step: str | int) -> None:
    """Go to the guess, to a step of the play (which moves the threshold), or on (""): the threshold goes back, if skipped."""
    at = st.session_state.get("opening", "")
    if step == 0:
        st.session_state.played_from = state.get(state.THRESHOLD)
    if isinstance(step, int):
        state.put(state.THRESHOLD, PLAY[step].threshold)
    elif isinstance(at, int) and at + 1 < len(PLAY):
        state.put(state.THRESHOLD, st.session_state.played_from)
    st.session_state.opening = step


def reveal() -> None:
    """Keep what was ticked, and go on."""
    ids = [one.id for one in brains.document()]
    st.session_state.guess = frozenset(id for id in ids if st.session_state.get(f"guess_{id}"))
    go("")


def draw(view: View, chosen: Filter) -> None:
    """The box that is open now: the offer, the guess, or a step of the play."""
    at = st.session_state.get("opening", "")
    with st.container(border=True, key="opening"):
        if at == "guess":
            ask()
        elif isinstance(at, int):
            play(at, view, chosen)
        else:
            offer(view, chosen)


def offer(view: View, chosen: Filter) -> None:
    """What a visitor may do before the slider, or the outcome of the guess."""
    made = guess()
    if made is None:
        st.markdown("Before you look: guess which of the document's five exchanges will be remembered, or see two extremes.")
    else:
        decided = [held for held in view.document if chosen.salience(held) is not None]
        right = sum((held.experience.id in made) == chosen.passes(held) for held in decided)
        mark = components.percent(chosen.threshold)
        st.markdown(f"**Your guess holds for {right} of {len(decided)}** at the threshold of {mark}. The cards say for which.")
    with st.container(horizontal=True):
        again = "Guess first" if made is None else "Guess again"
        st.button(again, on_click=go, args=("guess",), icon=":material/psychology:")
        st.button("See the two extremes", on_click=go, args=(0,), icon=":material/play_arrow:")


def ask() -> None:
    """The five exchanges without their salience, to be ticked."""
    st.markdown("**Your guess.** A brain had these five exchanges in a day. Tick those that are worth remembering.")
    for experience in brains.document():
        st.checkbox(experience.prompt, key=f"guess_{experience.id}")
        components.words(experience.response)
    with st.container(horizontal=True):
        st.button("See what passes", on_click=reveal, type="primary", icon=":material/visibility:")
        st.button("Skip", on_click=go, args=("",), icon=":material/skip_next:")


def play(at: int, view: View, chosen: Filter) -> None:
    """One step of the play."""
    step = PLAY[at]
    st.markdown(f"**{at + 1} of {len(PLAY)} · {step.title}**")
    count = f"{len(chosen.passing(view))} of {len(view.document) + len(view.own)} pass."
    st.markdown(f"**{count}** {step.text}")
    with st.container(horizontal=True):
        if at + 1 < len(PLAY):
            st.button("Next", on_click=go, args=(at + 1,), type="primary", icon=":material/arrow_forward:")
            st.button("Skip", on_click=go, args=("",), icon=":material/skip_next:")
        else:
            st.button("Take over", on_click=go, args=("",), type="primary", icon=":material/check:")
