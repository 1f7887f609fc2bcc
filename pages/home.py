"""Sleep Consolidation: the question, the filter, one night, and what it changed."""

from datetime import datetime

import streamlit as st

from sleepcon import jobs
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.ui import brains, components, nights, shell, state

LONGEST_PROMPT, LONGEST_REPLY = 500, 2000

shell.begin()
jobs.ensure_worker()  # so that the model is loaded by the time that somebody presses Sleep
name, threshold, seed = state.get(state.BRAIN_NAME), state.get(state.THRESHOLD), state.get(state.SEED)
# Jobs first, then the brain: what a job has ended with must be in what is read after it.
asleep, taking_in, asked = (jobs.latest(name, kind) for kind in ("sleep", "remember", "ask"))
view = brains.look(name)
resting = asleep is not None and asleep.active


def remember_own() -> None:
    """Take the form's experience in, or say what is wrong with it."""
    prompt, reply = st.session_state.own_prompt.strip(), st.session_state.own_reply.strip()
    try:
        if len(prompt) > LONGEST_PROMPT or len(reply) > LONGEST_REPLY:
            raise UserError(f"at most {LONGEST_PROMPT} characters may be asked and {LONGEST_REPLY:,} answered; shorten it.")
        Experience(prompt, reply)
    except UserError as error:
        message = str(error)
        st.session_state.own_error = message[:1].upper() + message[1:]
        return
    st.session_state.own_error = ""
    st.session_state.own_prompt = st.session_state.own_reply = ""
    jobs.submit("remember", state.get(state.BRAIN_NAME), {"prompt": prompt, "response": reply})


def go_to_sleep() -> None:
    """Start a night, or find the one that is under way."""
    arguments = {"threshold": state.get(state.THRESHOLD), "seed": state.get(state.SEED)}
    jobs.submit("sleep", state.get(state.BRAIN_NAME), arguments)


def put_question() -> None:
    """Ask the brain, before and after."""
    prompt = st.session_state.question.strip()
    st.session_state.question_error = ""
    if not prompt:
        st.session_state.question_error = "There is no question yet: write one."
    elif len(prompt) > LONGEST_PROMPT:
        st.session_state.question_error = f"At most {LONGEST_PROMPT} characters may be asked; shorten the question."
    else:
        jobs.submit("ask", state.get(state.BRAIN_NAME), {"prompt": prompt})


st.title("Sleep Consolidation", anchor=False)
st.markdown(
    "How can an AI system learn from what it lived through? People keep some of the day and lose the rest, and much of "
    "the sorting happens while they sleep. Here a language model does the same: it is awake and collects exchanges, then it "
    "sleeps, and the few that mattered become part of its weights. The model is real and small, and it runs on this computer."
)

st.header("What gets remembered?")
st.markdown(
    "Each exchange has a **salience**: how surprising, new or rewarding it was. What reaches the threshold is consolidated."
)
st.slider("Salience threshold", 0.0, 0.9, step=0.05, format="%.2f", **state.widget(state.THRESHOLD))
passing = view.passing(threshold)
mean_salience = sum(held.salience for held in passing) / len(passing) if passing else None
count, mean = st.columns(2)
count.metric("Experiences that pass", f"{len(passing)} of {len(view.document) + len(view.own)}")
mean.metric("Their mean salience", "none" if mean_salience is None else components.percent(mean_salience))
components.documented(
    "Exchanges, sessions and saliences of the source document"
    + (f"; those of your own are measured on brain {view.label}." if view.own else ".")
)
for held in view.document + view.own:
    components.exchange(held, threshold)

open_form = bool(st.session_state.get("own_error"))
with st.expander("Add an experience of your own", icon=":material/add_comment:", expanded=open_form):
    with st.form("own", border=False):
        st.text_input("What somebody asks", key="own_prompt", placeholder="What is my dog called?")
        st.text_area("What the brain should answer", key="own_reply", placeholder="Your dog is called Biscuit.")
        st.form_submit_button("Remember this", on_click=remember_own, icon=":material/add:")
    if st.session_state.get("own_error"):
        st.error(st.session_state.own_error, icon=":material/error:")
if taking_in and taking_in.active:
    components.follow(taking_in, components.measuring)
elif taking_in and taking_in.state == "failed":
    st.error("Your experience was not taken in:", icon=":material/error:")
    components.words(taking_in.message)

st.header("One night")
waiting = view.waiting(threshold)
if resting:
    st.markdown("The brain is asleep. You may leave or reload this page: the night goes on in a process of its own.")
elif waiting:
    count_waiting = "1 exchange waits" if len(waiting) == 1 else f"{len(waiting)} exchanges wait"
    st.markdown(f"{count_waiting} for a night. Sleep trains a small adapter; the base stays as it is.")
elif passing:
    st.markdown("All that pass are in the weights already. Lower the threshold, add an experience, or start over.")
else:
    st.markdown(f"Nothing reaches {threshold:.2f}: lower the threshold.")
seed_help, over_help = "The seed decides every random choice of the night.", "A fresh brain; the seed stays."
with st.container(horizontal=True):
    st.button("Sleep", on_click=go_to_sleep, type="primary", icon=":material/bedtime:", disabled=resting or not waiting)
    if resting and asleep:
        st.button("Cancel", on_click=jobs.cancel, args=(asleep.id,), icon=":material/stop_circle:")
    st.button("New seed", on_click=state.new_seed, icon=":material/casino:", disabled=resting, help=seed_help)
    st.button("Start over", on_click=state.start_over, icon=":material/restart_alt:", disabled=resting, help=over_help)
st.caption(f"Seed {seed}. The same seed gives the same night.")

last = view.nights[-1] if view.nights else None
ended = asleep is not None and asleep.state == "done"
if asleep and last:  # a worker may die between the ledger's row and the end of its job: the ledger is right
    ended = ended or datetime.fromisoformat(last.started).timestamp() >= asleep.created - 1
if resting and asleep:
    components.follow(asleep, nights.live)
elif asleep and not ended:
    st.warning("The night did not come to its end.", icon=":material/info:")
    components.words(asleep.message)
if last and not resting:
    nights.finished(last, view)

st.header("Ask the brain")
st.markdown("The same question goes to the brain as it was before any night and as it is now, with nothing in context.")
with st.form("ask", border=False):
    st.text_input("Your question", key="question", placeholder="Who are you?")
    st.form_submit_button("Ask", on_click=put_question, icon=":material/chat:")
if st.session_state.get("question_error"):
    st.error(st.session_state.question_error, icon=":material/error:")
if asked and asked.active:
    components.follow(asked, components.thinking)
elif asked and asked.result:
    components.question(asked.result["prompt"], "answered")
    cycle = asked.result["cycle"]
    now = f"Now, after night {cycle}"
    if asked.result["adapter_sha256"] is None:
        now = "Now (no night was kept)" if cycle else "Now (no night yet)"
    components.side_by_side(("Before any night", asked.result["before"]), (now, asked.result["now"]))
    components.measured(view.label, f"after {cycle} {'night' if cycle == 1 else 'nights'}, greedy replies")
elif asked and asked.message:
    st.error("The brain could not answer:", icon=":material/error:")
    components.words(asked.message)
