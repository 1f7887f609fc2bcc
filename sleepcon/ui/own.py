"""Experiences of a visitor's own: the form and the file, what is wrong with them, and what came of them."""

import io
import re
from dataclasses import asdict
from itertools import islice

import streamlit as st

from sleepcon import jobs
from sleepcon.errors import UserError
from sleepcon.experience import Experience, read_experiences, with_ids
from sleepcon.jobs import Job
from sleepcon.ui import brains, components, filtering, state, units
from sleepcon.ui.brains import SHOWN, View

LONGEST_PROMPT, LONGEST_REPLY = 500, 2000
MARKUP = re.compile(r"<\s*/?\s*[a-zA-Z!]")


def check(prompt: str, reply: str) -> None:
    """Raise ``UserError`` for what cannot be taken in here."""
    if len(prompt) > LONGEST_PROMPT or len(reply) > LONGEST_REPLY:
        raise UserError(f"at most {LONGEST_PROMPT} characters may be asked and {LONGEST_REPLY:,} answered; shorten it.")
    Experience(prompt, reply)


def remember() -> None:
    """Take the form's experience in, or say what is wrong with it; nothing that was typed is lost."""
    prompt, reply = st.session_state.own_prompt.strip(), st.session_state.own_reply.strip()
    name = state.get(state.BRAIN_NAME)
    try:
        check(prompt, reply)
        if len(brains.look(name).own) >= SHOWN:
            raise UserError(f"this brain holds {SHOWN} experiences of your own, all that a page takes; start over for more.")
    except UserError as error:
        message = str(error)
        st.session_state.own_error = message[:1].upper() + message[1:]
        return
    st.session_state.own_error = ""
    st.session_state.own_prompt = st.session_state.own_reply = ""
    jobs.submit("remember", name, {"prompt": prompt, "response": reply})


def read_upload(data: bytes, name: str, room: int) -> list[dict]:
    """The experiences of an uploaded file as JSON types, with ids; ``UserError`` names the line that is wrong."""
    try:
        found = list(islice(with_ids(read_experiences("-", io.BytesIO(data))), room + 1))
    except UserError as error:
        raise UserError(str(error).replace("standard input", name, 1)) from None
    if not found:
        raise UserError(f"{name}: there is no experience in this file; give one with a prompt and a response.")
    if len(found) > room:
        raise UserError(f"{name}: this page takes {room} more of your own, the file has more; shorten it.")
    for place, one in enumerate(found, 1):
        try:
            check(one.prompt, one.response)
        except UserError as error:
            raise UserError(f"{name}: experience {place}: {error}") from None
    return [asdict(one) for one in found]


def upload() -> None:
    """Take the uploaded file in, all of it or nothing."""
    file = st.session_state.get("own_file")
    name = state.get(state.BRAIN_NAME)
    try:
        if file is None:
            raise UserError("There is no file yet: choose one.")
        experiences = read_upload(file.getvalue(), file.name, SHOWN - len(brains.look(name).own))
    except UserError as error:
        st.session_state.file_error = str(error)
        return
    st.session_state.file_error = ""
    jobs.submit("take_in", name, {"experiences": experiences})


def forms() -> None:
    """The form for one experience and the one for a file, each with what was wrong with its last content."""
    left, right = st.tabs(["Write one", "Take in a file"])
    with left:
        with st.form("own", border=False):
            st.text_input("What somebody asks", key="own_prompt", placeholder="What is my dog called?")
            st.text_area("What the brain should answer", key="own_reply", placeholder="Your dog is called Biscuit.")
            st.form_submit_button("Remember this", on_click=remember, icon=":material/add:")
        problem("own_error")
    with right:
        st.markdown(
            "A `.jsonl` or `.json` file: `prompt` and `response` for each experience, and if you like `salience` (0 to 1) "
            f"or `feedback` (-1 to 1). At most {SHOWN} experiences."
        )
        with st.form("file", border=False):
            st.file_uploader("File of experiences", type=["jsonl", "json"], key="own_file")
            st.form_submit_button("Take the file in", on_click=upload, icon=":material/upload_file:")
        problem("file_error")


def problem(key: str) -> None:
    """What is wrong, as plain text: it may quote the visitor's file."""
    if st.session_state.get(key):
        st.error("Not taken in:", icon=":material/error:")
        components.words(st.session_state[key])


def came_of(job: Job | None, view: View, chosen: filtering.Filter) -> None:
    """What became of the last experience or file: under way, failed, or in memory with its salience and the evidence."""
    if job is None:
        return
    if job.active:
        components.follow(job, components.measuring)
    elif job.state == "failed":
        st.error("Nothing was taken in:", icon=":material/error:")
        components.words(job.message)
    elif job.kind == "take_in" and job.result:
        new, known = job.result["new"], job.result["duplicates"]
        old = f" {known} {'was' if known == 1 else 'were'} there already." if known else ""
        st.success(
            f"Taken in from your file: {new} {'experience' if new == 1 else 'experiences'}.{old}", icon=":material/check:"
        )
    elif job.result:
        taken(job.result, view, chosen)


def taken(result: dict, view: View, chosen: filtering.Filter) -> None:
    """An experience that was written here and is in memory now."""
    held = next((one for one in view.own if one.experience.id == result["id"]), None)
    if held is None:
        return
    salience = chosen.salience(held) or 0.0
    passes = "it passes" if chosen.passes(held) else "it is skipped"
    again = "" if result["new"] else " It was there already."
    st.success(f"Taken in, with a salience of {components.percent(salience)}: {passes}.{again}", icon=":material/check:")
    if held.standing.cycle is None and not chosen.passes(held):
        st.markdown(f"At a threshold of {int(salience * 20) / 20:.2f} or less it passes, and sleeps in the next night.")
    if MARKUP.search(held.experience.prompt + held.experience.response):
        st.caption("It holds markup. It is kept and taught as plain text; nothing in it is run or drawn.")
    with st.expander("Why this salience", expanded=True):
        if held.standing.scores:
            units.evidence(held.standing.scores, chosen.weights)
    components.measured(view.label, "five factors under the brain as it was when the experience came in")
