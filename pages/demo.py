"""Live demo: wake, sleep, wake again. With ``?present=1`` nothing else is on the page."""

import streamlit as st

from sleepcon import jobs
from sleepcon.recorded import recording
from sleepcon.ui import asking, charts, components, demo, filtering, night_box, nights, shell, state

shell.begin(state.PRESENT)
presenting = bool(state.get(state.PRESENT))
name, chosen = state.get(state.BRAIN_NAME), filtering.current()
saying, taking_in, asked = (jobs.latest(name, kind) for kind in ("say", "remember", "ask"))
box = night_box.look()
view, talk = box.view, demo.talk(name)

st.title("Live demo", anchor=False)
if not presenting:
    st.markdown(
        "A demonstration in three steps: talk with the brain while it is awake, let it sleep, and ask it again with nothing in "
        "its context. All of it runs on this computer and works with the network off."
    )
    with st.expander("Present this to an audience", icon=":material/present_to_all:"):
        st.markdown(
            "This link shows the three steps alone, in large type. Each time that it is opened, the brain is a fresh one. "
            "Copy it, or go there now with the brain that you have."
        )
        st.code(demo.link(st.context.url), language=None, wrap_lines=True)
        st.button("Present now", on_click=state.put, args=(state.PRESENT, 1), icon=":material/present_to_all:")

st.header("1. Wake")
if not presenting:
    st.markdown(
        "What you say stays in the brain's context until it sleeps. Each exchange is scored as it happens. Nothing is in "
        "memory until you put it there: the exchange as it was, or with the reply that the brain should have given."
    )
for job in talk.now:
    demo.exchange(job, view, chosen, teach=not box.resting)
if not talk.now and talk.before:
    with st.expander("What was said before the night"):
        for job in talk.before:
            demo.exchange(job, view, chosen, teach=False)
if saying and saying.active:
    components.said("You", saying.arguments["prompt"])
    components.follow(saying, components.thinking)
elif saying and saying.state == "failed":
    st.error("The brain could not reply:", icon=":material/error:")
    components.words(saying.message)
if taking_in and taking_in.active:
    components.follow(taking_in, components.measuring)
elif taking_in and taking_in.state == "failed":
    st.error("The exchange was not taken in:", icon=":material/error:")
    components.words(taking_in.message)
if st.session_state.get("teach_error"):
    st.error(st.session_state.teach_error, icon=":material/error:")
with st.form("talk", border=False):
    st.text_input("Say something to the brain", key="say", placeholder="What should I call you?")
    st.form_submit_button("Say", on_click=demo.say, icon=":material/chat:", disabled=box.resting)
if st.session_state.get("say_error"):
    st.error(st.session_state.say_error, icon=":material/error:")

st.header("2. Sleep")
if not presenting:
    st.slider("Salience threshold", 0.0, 0.9, state.get(state.THRESHOLD), 0.05, format="%.2f", **state.widget(state.THRESHOLD))
    chosen = filtering.current()
    st.markdown("To let a praised reply pass in any case, give weight to reward alone:")
    shell.link("filter", "Weights of the five factors")
waiting = chosen.waiting(view)
if not box.resting:
    st.markdown(night_box.sentence(box, chosen, len(waiting)))
    for held in waiting[: demo.SHOWN]:
        salience = f"Salience {components.percent(chosen.salience(held) or 0.0)} ({chosen.source(held)})"
        components.said(salience, held.experience.prompt)
    if len(waiting) > demo.SHOWN:
        st.caption(f"And {len(waiting) - demo.SHOWN} more.")
with st.container(horizontal=True):
    off = box.resting or not waiting
    st.button("Sleep", on_click=night_box.go_to_sleep, type="primary", icon=":material/bedtime:", disabled=off)
    if box.resting and box.asleep:
        st.button("Cancel", on_click=jobs.cancel, args=(box.asleep.id,), icon=":material/stop_circle:")
played, over = None, False
if box.resting and box.asleep:
    components.follow(box.asleep, lambda job: nights.live(job, demo.LARGE))
else:
    night_box.unfinished(box)
if box.broke_off:
    played = recording("night") if box.broke_off.state == "failed" else None
    if played:
        st.markdown("Here is a night that was recorded earlier, so that the demonstration can go on.")
        over = demo.play(played, box.broke_off)
elif box.last and not box.resting:
    nights.verdict(box.last)
    charts.finished_loss(box.last.curve, "demo-night")
    components.measured(view.label, nights.what_of(box.last))

st.header("3. Wake again")
if played and not over:
    st.markdown("The recorded brain sleeps.")
elif played:
    st.markdown("What the recorded brain said, before its night and after it, with nothing in context:")
    demo.before_and_after(played.result["cycle"]["replies"], "After the recorded night")
    components.recorded(played, "replies before and after the night")
elif box.resting:
    st.markdown("The brain sleeps.")
elif not box.last:
    st.markdown("After the night the brain wakes with nothing in context. What it knows then, it knows from its weights.")
else:
    st.markdown("The day's conversation is gone from its context. What it says now comes from its weights.")
    kept = "After the night" if box.last.kept else "After the night, rolled back"
    demo.before_and_after(box.last.replies, kept)
    components.measured(view.label, nights.what_of(box.last))
    st.markdown("Ask it something else. The same question goes to the brain as it was before any night, and as it is now.")
    asking.form()
    if asked and (asked.result is None or asked.result["cycle"] == box.last.cycle):
        asking.answers(asked, view)
st.button(
    "Start over", on_click=state.start_over, icon=":material/restart_alt:", disabled=box.resting, help=night_box.OVER_HELP
)
