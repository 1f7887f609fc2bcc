"""The worker: ``python -m sleepcon.jobs HOME`` runs the jobs of one home folder, one after another.

It holds a lock on a file for as long as it lives, so there is one worker a home, and whoever can take the lock knows
that there is none: then a job that is marked as running died with its worker, and is failed. It ends itself when
nothing came for a while, or when the process that started it has gone and nothing is left to do.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from sleepcon.errors import UserError
from sleepcon.jobs import store
from sleepcon.jobs.queue import queue, send
from sleepcon.paths import PACKAGE, offline_unless_asked

log = logging.getLogger(__name__)

IDLE_SECONDS = 600
LOOK_SECONDS = 0.05
START_SECONDS = 20
"""How long a worker that was started may take to hold its lock before another is started."""
DIED = "The worker process ended before this was done. The brain is as it was; try again."

CANNOT_START = "The worker process cannot start, so nothing was done and the brain is as it was. sleepcon doctor says more."

_started: dict[Path, tuple[float, subprocess.Popen]] = {}


def ensure_worker(home: str | Path | None = None) -> None:
    """Start a worker if none is alive, after failing what the dead one left behind. Cheap enough for every poll."""
    folder = store.folder(home)
    lock = FileLock(folder / "worker.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return
    try:
        store.fail_running(DIED, home)
        start_worker(folder)
    finally:
        lock.release()


def start_worker(folder: Path) -> None:
    """Start a worker, unless one has just been started; the caller holds the lock, so two pages do not start two."""
    when, process = _started.get(folder, (0.0, None))
    if process is not None:
        code = process.poll()
        if code is None and time.monotonic() - when < START_SECONDS:
            return
        if code and code > 0:  # an error of its own, not a signal from outside: the next one would end likewise
            log.error("the worker ended with code %s: see %s", code, folder / "worker.log")
            store.fail_waiting(CANNOT_START, folder.parent)
    with (folder / "worker.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sleepcon.jobs", str(folder.parent.resolve())],
            cwd=PACKAGE.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    _started[folder] = (time.monotonic(), process)


def stop_worker(home: str | Path | None = None) -> None:
    """End the worker of a home at once, if there is one; a job that it runs fails, its brain stays as it was."""
    folder = store.folder(home)
    lock = FileLock(folder / "worker.lock")
    known = _started.pop(folder, None)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        os.kill(int((folder / "worker.pid").read_text()), signal.SIGTERM)
        lock.acquire(timeout=10)
    lock.release()
    if known:
        known[1].terminate()
        known[1].wait(10)


def work(home: Path, idle_seconds: float = IDLE_SECONDS) -> None:
    """Run jobs until none has come for ``idle_seconds``; return at once when another worker has the home."""
    folder, parent = store.folder(home), os.getppid()
    lock = FileLock(folder / "worker.lock")
    try:
        lock.acquire(timeout=5)  # a page that looks whether a worker is alive holds it for a moment
    except Timeout:
        return
    try:
        (folder / "worker.pid").write_text(str(os.getpid()))
        store.fail_running(DIED, home)
        store.prune(home)
        for job in store.waiting(home):
            send(job, home)  # the last worker may have died with the message in its hand
        warm_up()
        huey, _ = queue(folder)
        busy = time.monotonic()
        while time.monotonic() - busy < idle_seconds and (folder / "worker.pid").exists():
            message = huey.dequeue()
            if message is not None:
                huey.execute(message)
                busy = time.monotonic()
            elif os.getppid() != parent:
                return
            else:
                time.sleep(LOOK_SECONDS)
    finally:
        lock.release()


def warm_up() -> None:
    """Load torch and the base before the first job asks for them."""
    offline_unless_asked(os.environ.get("SLEEPCON_MODEL"))
    from sleepcon.jobs import tasks

    try:
        tasks.shared_base(tasks.shared_model())
    except UserError as error:
        log.warning("%s", error)  # the job that needs it says so to its visitor
