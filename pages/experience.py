"""Experience deep dive: all there is to know about one experience."""

import streamlit as st

from sleepcon import jobs
from sleepcon.ui import (
    charts_experience,
    components,
    deep_dive,
    filtering,
    left_out,
    night_box,
    nights,
    scoring,
    shell,
    state,
    surprise,
    token_change,
    units,
)

EXPERIENCE = state.Field("experience", str, state.read_key)

shell.begin(EXPERIENCE)
scored = jobs.latest(state.get(state.BRAIN_NAME), "score")  # before the brain, which is read by look()
box = night_box.look()
view, chosen = box.view, filtering.current()

st.title("Experience deep dive", anchor=False)
st.markdown("One experience at a time: what it was, why it was kept or not, and what it did to the brain.")
every = {deep_dive.key_of(held): held for held in view.document + view.own}
if state.get(EXPERIENCE) not in every:
    if state.get(EXPERIENCE):
        st.info("The experience of this link is not in this brain. Here is another.", icon=":material/info:")
    state.put(EXPERIENCE, next(iter(every)))
    state.load(EXPERIENCE)
labels = {key: f"{units.whose(held)}: {held.experience.prompt[:80]}" for key, held in every.items()}
key = state.get(EXPERIENCE)
st.selectbox("Experience", labels, list(labels).index(key), labels.__getitem__, **state.widget(EXPERIENCE))
held = every[key]
given, found, night = deep_dive.documented_factors(held), deep_dive.reading(held, scored), deep_dive.slept(held, view)
salience = chosen.salience(held)

with st.container(border=True):
    st.caption("Prompt")
    components.question(held.experience.prompt, "deep")
    components.said("Response", held.experience.response)
total, verdict = st.columns(2)
total.metric("Total salience", "not measured" if salience is None else components.percent(salience))
verdict.metric("At this threshold", "consolidate" if chosen.passes(held) else "skip")
st.caption(f"{chosen.source(held).capitalize()}. {chosen.sentence()}")
if held.standing.cycle is not None:
    st.caption(f":material/bedtime: In the weights since night {held.standing.cycle}.")

st.header("Salience factors (SNARC)", anchor=False)
if given or found.factors:
    charts_experience.factors(deep_dive.rows_of_factors(given, found), f"factors-{deep_dive.key_of(held)}")
if given:
    st.markdown(
        f"{deep_dive.mean_note(given)} It has four factors and calls the last one contrast; SNARC has five, with arousal, and "
        "calls it conflict."
    )
    components.documented("The four factors and the total of the document.")
if found.factors:
    st.markdown("**What each measured factor found**")
    units.evidence(found.factors, chosen.weights)
    scoring.stamp(view, found, night)
scoring.button(scored, found)

st.header("Why it matters", anchor=False)
for sentence in deep_dive.reasons(held, chosen, found):
    st.markdown(f"- {sentence}")

st.header("Which tokens surprised the brain", anchor=False)
if tokens := deep_dive.tokens(found, night):
    st.markdown(
        "The reply as the model reads it, in tokens. The stronger its shade, the less the brain expected it; the number is its "
        "surprisal in nats, the negative logarithm of its probability."
    )
    surprise.draw(tokens, "surprise")
    scoring.stamp(view, found, night)
else:
    st.markdown("Not measured yet: press the button above.")

st.header("Before and after the night", anchor=False)
if night is None:
    st.markdown("No night has taken this experience yet. What passes the filter goes into the next one.")
    shell.link("filter", "Let it sleep on the filter's page")
else:
    after = "After the night" if night.night.kept else "After the night, rolled back"
    components.side_by_side(("Before the night", night.reply["before"]), (after, night.reply["after"]))
    if night.reply.get("tokens"):
        st.markdown(
            "The taught reply, token by token: shaded blue where the night made it likelier, orange and underlined where less."
        )
        token_change.shaded(night.reply["tokens"])
        old, new = token_change.losses(night.reply["tokens"])
        st.caption(f"Loss of the taught reply: {old:.3f} before, {new:.3f} after, in nats per token.")
        with st.expander("The change of each token as a table"):
            st.dataframe(token_change.table(night.reply["tokens"]), hide_index=True, key="change-table")
    if night.recorded:
        components.recorded(night.recorded, "the document's night")
    else:
        components.measured(view.label, nights.what_of(night.night))

st.header("The night without it", anchor=False)
if night is None:
    st.markdown("There is no night to run again without this experience.")
else:
    st.markdown(
        "The same night again, with the same seed, dose and order, but without this experience. What differs is its doing."
    )
    left_out.draw(night, view, box.resting)
