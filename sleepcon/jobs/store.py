"""The jobs table: one row a job, one row an event, in ``.jobs/jobs.sqlite`` under the home folder.

A job goes queued -> running -> done, failed or cancelled, and each step is one conditional UPDATE, so however often a
page is refreshed or a message is delivered twice, a job starts once and ends once.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sleepcon.paths import home as home_folder

ENDED = ("done", "failed", "cancelled")
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY, -- order of arrival
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    brain TEXT NOT NULL,
    arguments TEXT NOT NULL, -- JSON
    state TEXT NOT NULL DEFAULT 'queued',
    stop INTEGER NOT NULL DEFAULT 0, -- somebody asked for it to be cancelled
    message TEXT NOT NULL DEFAULT '', -- why it failed or was cancelled, one sentence
    result TEXT, -- JSON
    created REAL NOT NULL,
    ended REAL
);
CREATE INDEX IF NOT EXISTS jobs_brain ON jobs (brain, kind, number);
CREATE INDEX IF NOT EXISTS jobs_waiting ON jobs (state) WHERE state IN ('queued', 'running');
CREATE UNIQUE INDEX IF NOT EXISTS jobs_one_night ON jobs (brain) WHERE kind = 'sleep' AND state IN ('queued', 'running');
CREATE TABLE IF NOT EXISTS events (
    job TEXT NOT NULL,
    number INTEGER NOT NULL,
    event TEXT NOT NULL, -- JSON
    PRIMARY KEY (job, number)
) WITHOUT ROWID;
"""
COLUMNS = "id, kind, brain, arguments, state, message, result, created, ended"
URGENT = ("ask", "remember", "take_in", "score", "doses", "say")
"""Kinds that take a moment and that somebody waits for: they go before the nights that wait."""


@dataclass(frozen=True)
class Job:
    """One job. ``created`` and ``ended`` in seconds since 1970; ``result`` is what its task returned."""

    id: str
    kind: str
    brain: str
    arguments: dict
    state: str
    message: str
    result: dict | None
    created: float
    ended: float | None

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state not in ENDED


def folder(home: str | Path | None = None) -> Path:
    """The folder of the jobs; its dot keeps it apart from brains, whose names start with a letter or digit."""
    path = home_folder(home) / ".jobs"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def table(home: str | Path | None = None) -> Iterator[sqlite3.Connection]:
    """A connection to the jobs table, in autocommit, closed at the end of the block."""
    connection = sqlite3.connect(folder(home) / "jobs.sqlite", timeout=30, isolation_level=None)
    try:
        # Readers (the pages) must not wait for the worker; what a power cut may lose here is progress, not a brain.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone():
            connection.executescript(SCHEMA)
        yield connection
    finally:
        connection.close()


def enter(kind: str, brain: str, arguments: dict, home: str | Path | None = None) -> tuple[Job, bool]:
    """Write a queued job and say whether it is new: a second night of a brain that has one under way is that one."""
    id = secrets.token_hex(8)
    with table(home) as connection:
        new = connection.execute(
            "INSERT INTO jobs (id, kind, brain, arguments, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (id, kind, brain, json.dumps(arguments), time.time()),
        ).rowcount
    found = read(id, home) if new else latest(brain, kind, home)
    if found is None or not (new or found.active):
        return enter(kind, brain, arguments, home)  # the one in the way ended between the two statements
    return found, bool(new)


def read(id: str, home: str | Path | None = None) -> Job | None:
    """The job with this id."""
    with table(home) as connection:
        row = connection.execute(f"SELECT {COLUMNS} FROM jobs WHERE id = ?", (id,)).fetchone()
    return as_job(row)


def latest(
    brain: str, kind: str, home: str | Path | None = None, *, state: str | None = None, arguments: dict | None = None
) -> Job | None:
    """The newest job of a kind on a brain, among those in ``state`` and with exactly these ``arguments``, where given."""
    written = None if arguments is None else json.dumps(arguments)
    with table(home) as connection:
        row = connection.execute(
            f"SELECT {COLUMNS} FROM jobs WHERE brain = ? AND kind = ? AND coalesce(state = ?, 1) AND coalesce(arguments = ?, 1)"
            " ORDER BY number DESC LIMIT 1",
            (brain, kind, state, written),
        ).fetchone()
    return as_job(row)


def newest(brain: str, home: str | Path | None = None) -> Job | None:
    """The newest job on a brain, of whatever kind."""
    with table(home) as connection:
        row = connection.execute(
            f"SELECT {COLUMNS} FROM jobs WHERE brain = ? ORDER BY number DESC LIMIT 1", (brain,)
        ).fetchone()
    return as_job(row)


def last_of(brain: str, kind: str, count: int, home: str | Path | None = None) -> list[Job]:
    """The last ``count`` jobs of a kind on a brain, oldest first."""
    with table(home) as connection:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM jobs WHERE brain = ? AND kind = ? ORDER BY number DESC LIMIT ?", (brain, kind, count)
        ).fetchall()
    return [job for row in reversed(rows) if (job := as_job(row))]


def ahead_of(job: Job, home: str | Path | None = None) -> int:
    """How many jobs run or wait before this one."""
    with table(home) as connection:
        urgent = "" if job.kind not in URGENT else f"AND kind IN {URGENT}"
        return connection.execute(
            f"SELECT count(*) FROM jobs WHERE state = 'running' OR state = 'queued' {urgent}"
            " AND number < (SELECT number FROM jobs WHERE id = ?)",
            (job.id,),
        ).fetchone()[0]


def waiting(home: str | Path | None = None) -> list[Job]:
    """The queued jobs, oldest first."""
    with table(home) as connection:
        rows = connection.execute(f"SELECT {COLUMNS} FROM jobs WHERE state = 'queued' ORDER BY number").fetchall()
    return [job for row in rows if (job := as_job(row))]


def start(id: str, home: str | Path | None = None) -> Job | None:
    """Take a queued job to run it; ``None`` when it has been taken, cancelled or never was. This is what makes it once."""
    with table(home) as connection:
        if not connection.execute("UPDATE jobs SET state = 'running' WHERE id = ? AND state = 'queued'", (id,)).rowcount:
            return None
    return read(id, home)


def end(id: str, state: str, message: str = "", result: dict | None = None, home: str | Path | None = None) -> None:
    """End a running job."""
    with table(home) as connection:
        connection.execute(
            "UPDATE jobs SET state = ?, message = ?, result = ?, ended = ? WHERE id = ? AND state = 'running'",
            (state, message, None if result is None else json.dumps(result), time.time(), id),
        )


def cancel(id: str, home: str | Path | None = None) -> None:
    """Cancel a job: at once if it waits, at its next step if it runs."""
    with table(home) as connection:
        connection.execute("UPDATE jobs SET stop = 1 WHERE id = ?", (id,))
        connection.execute(
            "UPDATE jobs SET state = 'cancelled', message = ?, ended = ? WHERE id = ? AND state = 'queued'",
            ("Cancelled before it began.", time.time(), id),
        )


def must_stop(id: str, home: str | Path | None = None) -> bool:
    """Whether somebody asked for the job to be cancelled."""
    with table(home) as connection:
        row = connection.execute("SELECT stop FROM jobs WHERE id = ?", (id,)).fetchone()
    return row is None or bool(row[0])


def note(id: str, number: int, event: dict, home: str | Path | None = None) -> None:
    """Write the event ``number`` of a job."""
    with table(home) as connection:
        connection.execute("INSERT INTO events VALUES (?, ?, ?)", (id, number, json.dumps(event)))


def last_event(id: str, home: str | Path | None = None) -> dict | None:
    """What the job reported last."""
    with table(home) as connection:
        row = connection.execute("SELECT event FROM events WHERE job = ? ORDER BY number DESC LIMIT 1", (id,)).fetchone()
    return json.loads(row[0]) if row else None


def curve(id: str, home: str | Path | None = None) -> list[tuple[int, float]]:
    """(step, loss in nats per token) of the training steps so far."""
    with table(home) as connection:
        return connection.execute(
            "SELECT event ->> 'step', event ->> 'loss' FROM events"
            " WHERE job = ? AND event ->> 'loss' IS NOT NULL ORDER BY number",
            (id,),
        ).fetchall()


def fail_running(message: str, home: str | Path | None = None) -> None:
    """Fail whatever is marked as running: called by who holds the worker's lock, so nothing can be."""
    fail_all("running", message, home)


def fail_waiting(message: str, home: str | Path | None = None) -> None:
    """Fail whatever waits: called when no worker can be started."""
    fail_all("queued", message, home)


def fail_all(state: str, message: str, home: str | Path | None) -> None:
    """Fail every job in a state."""
    with table(home) as connection:
        update = "UPDATE jobs SET state = 'failed', message = ?, ended = ? WHERE state = ?"
        connection.execute(update, (message, time.time(), state))


def prune(home: str | Path | None = None) -> None:
    """Forget the events of jobs that ended more than a day ago; what came of them stays."""
    with table(home) as connection:
        connection.execute("DELETE FROM events WHERE job IN (SELECT id FROM jobs WHERE ended < ?)", (time.time() - 86_400,))


def as_job(row: tuple | None) -> Job | None:
    """A row of ``COLUMNS`` as a job."""
    if row is None:
        return None
    id, kind, brain, arguments, state, message, result, created, ended = row
    return Job(id, kind, brain, json.loads(arguments), state, message, json.loads(result) if result else None, created, ended)
