"""The five weights of the measured salience as sliders; they live in the URL with the rest of the filter."""

import streamlit as st

from sleepcon.ui import filtering, state


def sliders() -> None:
    """A slider for each factor's weight; the last one that counts cannot be taken away."""
    st.markdown("The measured salience is the weighted mean of its five factors. A factor of weight 0 does not count.")
    for place, name in enumerate(filtering.FACTORS):
        key = f"weight_{name}"
        weight = state.get(state.WEIGHTS)[place]
        if st.session_state.get(key) != weight:
            st.session_state[key] = weight
        st.slider(name.capitalize(), 0.0, 2.0, weight, 0.1, format="%.1f", key=key, on_change=weigh, args=(place, key))
    if st.session_state.pop("weights_error", False):
        st.warning("At least one factor has to count, so its weight was put back.", icon=":material/info:")


def weigh(place: int, key: str) -> None:
    """Take one weight over, unless all would be 0."""
    new = list(state.get(state.WEIGHTS))
    new[place] = round(st.session_state[key], 1)
    if any(new):
        state.put(state.WEIGHTS, tuple(new))
    else:
        st.session_state.weights_error = True
