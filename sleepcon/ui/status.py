"""The status line at the foot of every page: what the brain does, in words that a screen reader speaks when they change."""

import streamlit as st

from sleepcon import jobs
from sleepcon.jobs import Job
from sleepcon.ui import nights, state

POLL_SECONDS = 1.0
HTML = '<p role="status"></p>'
CSS = "p { margin: 0; font-size: 0.875rem; }"
# The node stays and only its words change: a live region that is put into a page anew is not spoken.
SCRIPT = """export default ({ data, parentElement }) => {
  const line = parentElement.querySelector("p");
  if (line.textContent !== data) line.textContent = data;
}"""


def line() -> None:
    """Draw the status line, and keep it in step while a job of this session's brain is under way. Idle pages poll nothing."""
    brain = state.get(state.BRAIN_NAME)

    def draw() -> None:
        now = current(brain)
        if followed and (now is None or not now.active):
            st.rerun()
        mount = st.components.v2.component("status_line", html=HTML, css=CSS, js=SCRIPT)
        mount(data=f"Status: {sentence(now)}", key="status-line")

    found = current(brain)
    followed = found is not None and found.active
    st.fragment(draw, run_every=POLL_SECONDS if followed else None)()


def current(brain: str) -> Job | None:
    """The job to speak of: a night that is under way, else the newest job."""
    night = jobs.latest(brain, "sleep")
    return night if night and night.active else jobs.newest(brain)


def sentence(job: Job | None) -> str:
    """A job in a few words; a change of stage changes them, a step does not."""
    if job is None:
        return "the brain is awake."
    night = job.kind == "sleep"
    if job.state == "queued":
        return "the night waits for its turn." if night else "the brain is awake; a job waits for its turn."
    if job.state == "running":
        stage = (jobs.last_event(job.id) or {}).get("stage")
        step = dict(nights.STAGES).get(str(stage))
        return f"the brain is asleep: {step.lower()}." if night and step else "the brain is at work."
    if job.state == "failed":
        return "the brain is awake; the last job failed."
    if job.state == "cancelled":
        return "the brain is awake; the last job was cancelled."
    if night and job.result:
        return f"the brain is awake; night {job.result['cycle']} was {'kept' if job.result['kept'] else 'rolled back'}."
    return "the brain is awake; the last job is done."
