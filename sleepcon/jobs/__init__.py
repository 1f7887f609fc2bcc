"""Jobs: what takes seconds (a night, a question) runs in a worker process, never in the web process.

    job = submit("sleep", brain="demo", arguments={"threshold": 0.6, "seed": 0})
    ensure_worker()
    read(job.id).state          # queued, running, done, failed or cancelled

The order of things is huey's queue in a file of the home folder; what a job is, how far it is and what came of it is
the table of ``store.py`` beside it, which any number of pages may poll. Nothing here imports torch but the worker.
"""

from sleepcon.jobs.queue import submit
from sleepcon.jobs.store import ENDED, Job, ahead_of, cancel, curve, last_event, last_of, latest, newest, read
from sleepcon.jobs.worker import ensure_worker, stop_worker

__all__ = [
    "ENDED", "Job", "ahead_of", "cancel", "curve", "ensure_worker", "last_event", "last_of", "latest", "newest",
    "read", "stop_worker", "submit",
]  # fmt: skip
