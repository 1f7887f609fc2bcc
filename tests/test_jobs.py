"""Jobs: each runs once, can be cancelled, and a worker that dies leaves a clear sentence and the brain as it was."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sleepcon import jobs
from sleepcon.jobs import store, worker
from sleepcon.jobs.queue import queue, send, submit
from sleepcon.ui import brains

NIGHT = {"threshold": 0.6, "seed": 0}
PATIENCE = 90.0


@pytest.fixture
def home(own_home, tiny_folder, monkeypatch):
    monkeypatch.setenv("SLEEPCON_MODEL", str(tiny_folder))
    yield own_home
    jobs.stop_worker()


def until(true, what: str):
    """Wait until ``true()``; fail with ``what`` when it takes too long."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.02)
    return pytest.fail(f"waited {PATIENCE:.0f} seconds for {what}")


def run_all(home: Path) -> None:
    """Run what is queued in this process."""
    worker.work(home, idle_seconds=0.1)


def test_a_brain_has_one_night_at_a_time(home):
    first, again = submit("sleep", "a", NIGHT), submit("sleep", "a", {"threshold": 0.1, "seed": 9})
    other = submit("sleep", "b", NIGHT)
    assert again == first
    assert other.id != first.id
    assert len(store.waiting()) == 2
    assert (jobs.ahead_of(first), jobs.ahead_of(other)) == (0, 1)


def test_a_job_starts_once(home):
    job = submit("sleep", "a", NIGHT)
    assert store.start(job.id).state == "running"
    assert store.start(job.id) is None


def test_questions_go_before_nights(home):
    night, question = submit("sleep", "a", NIGHT), submit("ask", "b", {"prompt": "Hello"})
    assert (jobs.ahead_of(question), jobs.ahead_of(night)) == (0, 0)
    assert queue(store.folder())[0].dequeue().args == (question.id,)


def test_a_night_from_the_queue_is_in_the_ledger_and_its_message_repeats_nothing(home):
    job = submit("sleep", "a", NIGHT)
    send(job)  # the message is delivered twice
    run_all(home)
    done = jobs.read(job.id)
    assert (done.state, done.message) == ("done", "")
    assert done.result["considered"] == 5
    assert done.result["consolidated"] == 3
    assert abs(done.result["average_salience"] - 0.794) < 1e-9
    view = brains.look("a")
    assert [night.as_dict() for night in view.nights] == [done.result]
    steps = jobs.curve(job.id)
    assert [step for step, _ in steps] == list(range(1, len(done.result["curve"]) + 1))
    assert [loss for _, loss in steps] == done.result["curve"]
    assert jobs.last_event(job.id)["stage"] == "done"


def test_a_question_is_answered_before_and_now(home):
    job = submit("ask", "a", {"prompt": "Who are you?"})
    run_all(home)
    result = jobs.read(job.id).result
    assert result["before"] == result["now"]
    assert result["cycle"] == 0
    assert result["adapter_sha256"] is None


def test_an_experience_of_ones_own_is_remembered_and_measured(home):
    job = submit("remember", "a", {"prompt": "What is my dog called?", "response": "Your dog is called Biscuit."})
    run_all(home)
    view = brains.look("a")
    assert jobs.read(job.id).state == "done"
    assert [held.experience.prompt for held in view.own] == ["What is my dog called?"]
    assert 0 < view.own[0].standing.salience <= 1
    assert view.own[0].experience.salience is None, "what is not documented was measured"
    assert len(view.own[0].standing.scores) == 5
    assert len(view.document) == 5


def test_a_threshold_that_nothing_passes_is_a_sentence(home):
    job = submit("sleep", "a", {"threshold": 0.9, "seed": 0})
    run_all(home)
    failed = jobs.read(job.id)
    assert failed.state == "failed"
    assert "0.9" in failed.message
    assert "Traceback" not in failed.message


def test_a_missing_base_is_a_sentence(home, monkeypatch):
    monkeypatch.setenv("SLEEPCON_MODEL", str(home / "nothing-here"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    job = submit("ask", "a", {"prompt": "Hello"})
    run_all(home)
    assert jobs.read(job.id).state == "failed"
    assert "nothing-here" in jobs.read(job.id).message


def test_a_waiting_job_is_cancelled_at_once(home):
    job = submit("sleep", "a", NIGHT)
    jobs.cancel(job.id)
    assert jobs.read(job.id).state == "cancelled"
    run_all(home)
    assert jobs.read(job.id).state == "cancelled"
    assert not (home / "a").exists()


def test_a_running_night_is_cancelled_and_changes_nothing(home):
    job = submit("sleep", "a", NIGHT)
    canceller = threading.Thread(target=lambda: (until(lambda: jobs.curve(job.id), "a step"), jobs.cancel(job.id)))
    canceller.start()
    run_all(home)
    canceller.join()
    assert jobs.read(job.id).state == "cancelled"
    view = brains.look("a")
    assert view.nights == []
    assert [held.standing.cycle for held in view.document] == [None] * 5, "all of them wait still"


def test_a_worker_ends_when_nothing_comes_and_two_do_not_run_at_once(home, monkeypatch):
    jobs.ensure_worker()
    until(lambda: (store.folder() / "worker.pid").exists(), "the worker")
    pid = (store.folder() / "worker.pid").read_text()
    jobs.ensure_worker()
    began = time.monotonic()
    worker.work(home, idle_seconds=0)
    assert time.monotonic() - began < 20
    assert (store.folder() / "worker.pid").read_text() == pid


@pytest.mark.slow
def test_a_worker_that_dies_in_a_night_leaves_the_brain_as_it_was(home):
    jobs.ensure_worker()
    job = submit("sleep", "a", NIGHT)
    until(lambda: jobs.curve(job.id), "a step")
    os.kill(int((store.folder() / "worker.pid").read_text()), signal.SIGKILL)
    until(lambda: jobs.ensure_worker() or not jobs.read(job.id).active, "the end of the job")
    failed = jobs.read(job.id)
    assert (failed.state, failed.message) == ("failed", worker.DIED)
    assert brains.look("a").nights == []
    again = submit("sleep", "a", NIGHT)
    assert again.id != job.id
    until(lambda: jobs.ensure_worker() or not jobs.read(again.id).active, "the second night")
    assert jobs.read(again.id).state == "done"
    assert [night.cycle for night in brains.look("a").nights] == [1]


def test_a_worker_that_cannot_start_is_a_sentence(home, monkeypatch):
    monkeypatch.setattr(worker.sys, "executable", "/bin/false")
    job = submit("sleep", "a", NIGHT)
    until(lambda: jobs.ensure_worker() or not jobs.read(job.id).active, "the end of the job")
    assert (jobs.read(job.id).state, jobs.read(job.id).message) == ("failed", worker.CANNOT_START)


def test_nothing_that_a_page_imports_brings_torch(home):
    root = Path(__file__).parent.parent
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "from sleepcon import jobs\n"
        "import sleepcon.ui.shell, sleepcon.ui.components, sleepcon.ui.charts, sleepcon.ui.brains\n"
        f"run = AppTest.from_file({str(root / 'app.py')!r}, default_timeout=60).run()\n"
        "jobs.stop_worker()\n"
        "assert not run.exception, run.exception\n"
        "print(sorted(name for name in ('torch', 'transformers', 'peft') if name in sys.modules))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=root, check=False)
    assert ran.stdout.strip().endswith("[]"), ran.stdout + ran.stderr
