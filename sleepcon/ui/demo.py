"""The live demo: the talk of the day, the replies to remember, and a recorded night for when a live one cannot be."""

import time
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from sleepcon import jobs
from sleepcon.errors import UserError
from sleepcon.jobs import Job
from sleepcon.recorded import Recording
from sleepcon.ui import brains, components, filtering, nights, own, palette, state
from sleepcon.ui.brains import Held, View

LARGE = 420
"""Height of the loss curve in pixels."""
SHOWN, EARLIER = 6, 4
"""Exchanges of the talk on the page, and in the brain's context, at most."""
PLAY_SECONDS = 20.0


@dataclass(frozen=True)
class Talk:
    """What was said: ``now`` since the brain last woke (its context), ``before`` on the day before that."""

    now: list[Job]
    before: list[Job]

    @property
    def context(self) -> list[list[str]]:
        """What the next reply is given, as [prompt, reply]."""
        return [[one.result["prompt"], one.result["reply"]] for one in self.now if one.result][-EARLIER:]


def talk(name: str) -> Talk:
    """The talk with the brain ``name``. Each night that ended begins a day with nothing in context."""
    ends = [job.ended for job in jobs.last_of(name, "sleep", 50) if job.state == "done" and job.ended]
    said = [job for job in jobs.last_of(name, "say", 50) if job.state == "done"]
    today = [job for job in said if not ends or job.created > ends[-1]]
    before = [job for job in said if job not in today and (len(ends) < 2 or job.created > ends[-2])]
    return Talk(today[-SHOWN:], before[-SHOWN:])


def held_for(view: View, prompt: str) -> list[Held]:
    """What memory holds of a question, the document's exchanges included."""
    return [held for held in view.document + view.own if held.experience.prompt == prompt]


def exchange(job: Job, view: View, chosen: filtering.Filter, teach: bool) -> None:
    """One exchange of the talk with its salience; with ``teach``, the ways to put it into memory."""
    result = job.result or {}
    with st.container(border=True):
        components.question(result["prompt"], job.id)
        components.words(result["reply"] or "(no words)")
        if result["factors"]:
            salience_line(filtering.total(result["factors"], chosen.weights), chosen, "measured")
        kept = held_for(view, result["prompt"])
        for held in kept:
            night = held.standing.cycle
            components.said("In memory" if night is None else f"In the weights since night {night}", held.experience.response)
            salience = chosen.salience(held)
            if salience is not None:
                salience_line(salience, chosen, chosen.source(held))
        if teach:
            teaching(job, [held.experience.response for held in kept])


def salience_line(salience: float, chosen: filtering.Filter, what: str) -> None:
    """A salience with what the threshold makes of it. ``what``: our words, never a person's."""
    icon, verdict = palette.CONSOLIDATE if salience >= chosen.threshold else palette.SKIP
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Salience **{components.percent(salience)}** ({what})", width="content")
        st.badge(verdict, icon=icon, color="blue" if salience >= chosen.threshold else "gray")


def teaching(job: Job, kept: list[str]) -> None:
    """The buttons under an exchange: remember it as it was, or with the reply that the brain should have given."""
    result = job.result or {}
    with st.container(horizontal=True):
        known = not result["reply"].strip() or result["reply"] in kept
        st.button(
            "Remember this exchange", key=f"keep-{job.id}", icon=":material/bookmark_add:", disabled=known,
            on_click=remember, args=(result["prompt"], result["reply"], None),
        )  # fmt: skip
        with st.popover("Teach another reply", icon=":material/edit:"), st.form(f"teach-{job.id}", border=False):
            st.text_area("What the brain should have said", key=f"reply-{job.id}", max_chars=own.LONGEST_REPLY)
            st.checkbox("Praise it: its reward counts as 1", value=True, key=f"praise-{job.id}")
            st.form_submit_button("Remember this reply", on_click=remember_typed, args=(job,), icon=":material/bookmark_add:")


def remember_typed(job: Job) -> None:
    """Take in the reply that was typed under an exchange."""
    reply = st.session_state[f"reply-{job.id}"].strip()
    remember((job.result or {})["prompt"], reply, 1.0 if st.session_state[f"praise-{job.id}"] else None)


def remember(prompt: str, reply: str, feedback: float | None) -> None:
    """Have an exchange put into memory and measured, or say why it cannot be."""
    name = state.get(state.BRAIN_NAME)
    st.session_state.teach_error = ""
    try:
        own.check(prompt, reply)
        if len(brains.look(name).own) >= brains.SHOWN:
            raise UserError(f"this brain holds {brains.SHOWN} exchanges of yours, all that a page takes; start over for more.")
    except UserError as error:
        message = str(error)
        st.session_state.teach_error = message[:1].upper() + message[1:]
        return
    jobs.submit("remember", name, {"prompt": prompt, "response": reply} | ({} if feedback is None else {"feedback": feedback}))


def say() -> None:
    """Send what was typed to the brain, with the talk since it woke; or say what is wrong with it."""
    prompt, name = st.session_state.say.strip(), state.get(state.BRAIN_NAME)
    st.session_state.say_error = ""
    if not prompt:
        st.session_state.say_error = "There is nothing to say yet: write a sentence."
    elif len(prompt) > own.LONGEST_PROMPT:
        st.session_state.say_error = f"At most {own.LONGEST_PROMPT} characters may be said at once; shorten it."
    else:
        jobs.submit("say", name, {"prompt": prompt, "earlier": talk(name).context})
        st.session_state.say = ""


def link(address: str | None) -> str:
    """The presenter's link: the filter and the seed as they are, and a fresh brain each time that it is opened."""
    fields = [field for field in (*state.FIELDS, state.PRESENT) if field is not state.BRAIN_NAME]
    values = {field.name: field.write(state.get(field)) for field in fields} | {state.PRESENT.name: "1"}
    return f"{(address or '/demo').split('?')[0]}?{urlencode(values)}"


def play(recording: Recording, instead_of: Job) -> bool:
    """Play a recorded night from its events, in ``PLAY_SECONDS``, once for each job that it stands for; whether it is over."""
    events, key = recording.result["events"], f"played-{instead_of.id}"
    began = st.session_state.setdefault(key, time.monotonic())
    st.badge("recorded", icon=":material/history:", color="orange")
    components.recorded(recording, f"a night of {recording.seconds:.0f} seconds, played in {PLAY_SECONDS:.0f}")

    def frame() -> None:
        share = min(1.0, (time.monotonic() - began) / PLAY_SECONDS)
        if share == 1.0 and playing:
            st.rerun()
        shown = events[: max(1, round(share * len(events)))]
        nights.at(shown[-1], [(event["step"], event["loss"]) for event in shown if event["loss"] is not None], LARGE)

    playing = time.monotonic() - began < PLAY_SECONDS
    st.fragment(frame, run_every=components.POLL_SECONDS if playing else None)()
    if not playing:
        st.button("Play it again", on_click=lambda: st.session_state.pop(key), icon=":material/replay:")
    return not playing


def before_and_after(replies: list[dict], after: str) -> None:
    """What the taught questions were answered before and after a night."""
    for place, reply in enumerate(replies):
        components.question(reply["prompt"], f"woke-{place}")
        components.side_by_side(("Before", reply["before"]), (after, reply["after"]))
        icon, came_back = (":material/check:", "The taught reply came back.")
        if not reply["learned"]:
            icon, came_back = ":material/close:", "The taught reply did not come back."
        st.caption(f"{icon} {came_back}")
