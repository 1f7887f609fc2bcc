"""The queue: huey on SQLite, in ``.jobs/queue.sqlite`` under the home folder. A message is a job's id, nothing else."""

from functools import cache
from pathlib import Path

from huey import SqliteHuey
from huey.api import TaskWrapper

from sleepcon.jobs import store
from sleepcon.jobs.store import Job


@cache
def queue(folder: Path) -> tuple[SqliteHuey, TaskWrapper]:
    """The queue in ``folder`` and the task that runs one job of it; the task is known by name on both sides."""
    huey = SqliteHuey("sleepcon", filename=str(folder / "queue.sqlite"), results=False, fsync=False)

    def run(id: str) -> None:
        from sleepcon.jobs.tasks import run_job  # brings torch: only the worker gets here

        run_job(id, folder.parent)

    return huey, huey.task(name="run")(run)


def submit(kind: str, brain: str, arguments: dict | None = None, home: str | Path | None = None) -> Job:
    """Put a job in the queue and return it; asked twice for a night of one brain, it returns the one under way."""
    job, new = store.enter(kind, brain, arguments or {}, home)
    if new:
        send(job, home)
    return job


def send(job: Job, home: str | Path | None = None) -> None:
    """Put the message of a queued job in the queue. To send one twice does no harm: a job starts once."""
    huey, run = queue(store.folder(home))
    huey.enqueue(run.s(job.id, priority=10 if job.kind in store.URGENT else 0))
