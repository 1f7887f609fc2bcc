"""The status line: what it says of each state of a job, and which job it speaks of."""

import pytest

from sleepcon import jobs
from sleepcon.jobs import store
from sleepcon.ui import status


def a_job(kind: str, state: str, result: dict | None = None) -> jobs.Job:
    job, _ = store.enter(kind, "b", {})
    if state != "queued":
        store.start(job.id)
    if state not in ("queued", "running"):
        store.end(job.id, state, "", result)
    return store.read(job.id)


@pytest.mark.parametrize(
    ("kind", "state", "result", "words"),
    [
        ("sleep", "queued", None, "the night waits for its turn."),
        ("ask", "queued", None, "the brain is awake; a job waits for its turn."),
        ("ask", "running", None, "the brain is at work."),
        ("sleep", "done", {"cycle": 3, "kept": True}, "the brain is awake; night 3 was kept."),
        ("sleep", "done", {"cycle": 3, "kept": False}, "the brain is awake; night 3 was rolled back."),
        ("ask", "done", {}, "the brain is awake; the last job is done."),
        ("sleep", "failed", None, "the brain is awake; the last job failed."),
        ("sleep", "cancelled", None, "the brain is awake; the last job was cancelled."),
    ],
)
def test_each_state_has_its_words(kind, state, result, words):
    assert status.sentence(a_job(kind, state, result)) == words


def test_a_change_of_stage_changes_the_words_and_a_step_does_not():
    job = a_job("sleep", "running")
    said = []
    for number, (stage, step) in enumerate([("select", None), ("dream", None), ("train", 1), ("train", 2), ("wake", None)]):
        store.note(job.id, number, {"stage": stage, "step": step})
        said.append(status.sentence(job))
    assert said == [f"the brain is asleep: {stage}." for stage in ("select", "dream", "train", "train", "wake up")]


def test_a_night_under_way_comes_before_a_newer_job():
    assert status.current("b") is None
    assert status.sentence(None) == "the brain is awake."
    night, question = a_job("sleep", "running"), a_job("ask", "queued")
    assert status.current("b").id == night.id
    store.end(night.id, "failed")
    assert status.current("b").id == question.id == jobs.newest("b").id


def test_the_last_jobs_of_a_kind_come_oldest_first():
    first, second, third = (a_job("say", "done", {}) for _ in range(3))
    a_job("ask", "queued")
    assert [job.id for job in jobs.last_of("b", "say", 2)] == [second.id, third.id]
    assert [job.id for job in jobs.last_of("b", "say", 9)] == [first.id, second.id, third.id]
    assert jobs.last_of("c", "say", 9) == []
