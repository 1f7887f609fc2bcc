"""Runs of a study, on all cores and as many machines as joblib's backend has; each is kept the moment it is done.

A run depends on its study, arm and seed, on the base, and on the program and the probes (:func:`key`); under that key it lies
in HOME/studies/NAME/runs, and who asks for it again finds it there. So a study that was killed goes on where it was.
"""

import hashlib
import inspect
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import joblib
import torch

from sleepcon.brain import Brain, write_whole
from sleepcon.errors import UserError
from sleepcon.model import Base, load_base
from sleepcon.paths import ASSETS, PACKAGE, home
from sleepcon.sleep import Event, Stopped
from sleepcon.studies import find
from sleepcon.studies.protocol import Study
from sleepcon.studies.results import summary, write_results

BACKENDS = ("loky", "ray")
ASIDE = ("cli", "doctor", "documented", "export", "record", "recorded", "specifications")
"""Modules that no run uses."""
Task = tuple[str, int]
"""An arm's name and a seed."""


def run_study(
    study: Study,
    model: str = "embedded",
    where: Path | None = None,
    seeds: int | None = None,
    jobs: int | None = None,
    backend: str = "loky",
    small: bool = False,
    base: Base | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict:
    """Make the runs that are not there yet, write Parquet and JSON beside them, and return the summary with their ``files``.

    ``seeds``: 0 to this number less one (none given: the study's own; with ``small`` one). ``jobs``: processes (none given: one
    for each core); with 1 the runs are made here, on ``base`` where one is given. ``on_event`` is told of each run as a step;
    ``should_stop`` is asked between runs, and what is done by then stays.
    Raises ``UserError`` for a backend that is not there, ``Stopped`` when asked to stop.
    """
    check_backend(backend)
    began = time.perf_counter()
    base = base or load_base(model)
    folder = home(where) / "studies" / study.name
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    arms = study.small if small else tuple(arm.name for arm in study.arms)
    numbers = range(seeds) if seeds else study.seeds[:1] if small else study.seeds
    # Seed by seed, so that a study that is stopped early has whole comparisons.
    tasks = [(arm, seed) for seed in numbers for arm in arms]
    paths = {task: folder / "runs" / f"{key(study, *task, base)}.json" for task in tasks}
    missing = [task for task in tasks if not paths[task].exists()]
    done = len(tasks) - len(missing)
    on_event(Event("study", f"{done} of {len(tasks)} runs are there already.", 0.0, done, len(tasks)))
    for run in made(study, missing, base, jobs, backend):
        path = paths[run["arm"], run["seed"]]
        write_whole(path, json.dumps(run, ensure_ascii=False))
        done += 1
        words = f"{study.name}: {run['arm']}, seed {run['seed']}, {run['seconds']:.0f} s."
        on_event(Event("study", words, time.perf_counter() - began, done, len(tasks)))
        if should_stop():
            raise Stopped()
    runs = study.settle([json.loads(paths[task].read_text(encoding="utf-8")) for task in tasks])
    found = summary(study, runs)
    return found | {"files": write_results(folder, found, runs, small)}


def small(brain: Brain, arguments: dict, on_event: Callable[[Event], None], should_stop: Callable[[], bool]) -> dict:
    """The small version of the study ``arguments["name"]`` on the base of ``brain``, beside it: what a page's button runs."""
    study, beside = find(arguments["name"]), brain.folder.parent
    return run_study(study, where=beside, jobs=1, small=True, base=brain.base, on_event=on_event, should_stop=should_stop)


def key(study: Study, arm: str, seed: int, base: Base) -> str:
    """Name of a run's file: a hash of all that decides what comes out of it."""
    card = {name: base.card.get(name) for name in ("dose", "dream", "rehearsal_weight", "products")}
    parts = [study.name, arm, study.arm(arm).settings, seed, base.sha256, base.dtype, card, program(inspect.getfile(study.run))]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


@cache
def program(file: str) -> str:
    """SHA-256 of the code and the texts that the runs of the study in ``file`` depend on: by another program, another run."""
    code = [path for path in PACKAGE.glob("*.py") if path.stem not in ASIDE]
    code += [Path(file), *(PACKAGE / "studies" / f"{part}.py" for part in ("protocol", "probing", "lab"))]
    texts = [ASSETS / "rehearsal.txt", *(ASSETS / "document").iterdir(), *(ASSETS / "probes").iterdir()]
    digest = hashlib.sha256()
    for path in sorted([*code, *texts]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def made(study: Study, tasks: Sequence[Task], base: Base, jobs: int | None, backend: str) -> Iterator[dict]:
    """The runs of some tasks as they are done, in any order."""
    calls = [joblib.delayed(elsewhere)(study, task, base.name) for task in tasks]
    if backend == "ray":
        yield from on_a_cluster(calls, jobs)
        return
    count = min(jobs or joblib.cpu_count(), len(tasks))
    if count > 1:
        yield from joblib.Parallel(count, "loky", batch_size=1, return_as="generator_unordered")(calls)
    else:
        yield from (one_run(study, task, base) for task in tasks)


def on_a_cluster(calls: Sequence, jobs: int | None) -> Iterator[dict]:
    """As many at a time as the cluster has processors: Ray takes no more, and gives nothing back before all are done."""
    with joblib.parallel_config("ray"):
        count = min(jobs or len(calls), joblib.effective_n_jobs(-1))
        with joblib.Parallel(count, batch_size=1) as parallel:
            for start in range(0, len(calls), count):
                yield from parallel(calls[start : start + count])


def check_backend(name: str) -> None:
    """Raise ``UserError`` for a backend that is not there; make Ray one of joblib's (RAY_ADDRESS: which cluster)."""
    if name not in BACKENDS:
        raise UserError(f"There is no backend called {name}: choose one of {', '.join(BACKENDS)}.")
    if name == "ray":
        try:
            import ray
            from ray.util.joblib import register_ray
        except ImportError as error:
            raise UserError("The backend ray needs Ray, which is not installed: pip install ray, or choose loky.") from error
        if not ray.is_initialized():
            ray.init()
        register_ray()


def elsewhere(study: Study, task: Task, model: str) -> dict:
    """A run in a process of joblib's, which loads the base once."""
    return one_run(study, task, loaded(model))


@cache
def loaded(model: str) -> Base:
    """The base of this process."""
    return load_base(model)


def one_run(study: Study, task: Task, base: Base) -> dict:
    """One run on one thread, so that it comes out the same however many run beside it.

    A run that cannot come to its end (a dose under which numbers overflow) is a result too: ``failed`` says why.
    """
    name, seed = task
    code = program(inspect.getfile(study.run))
    arm, threads, began = study.arm(name), torch.get_num_threads(), time.perf_counter()
    torch.set_num_threads(1)
    try:
        found = study.run(base, arm, seed)
    except UserError as error:
        found = {"figures": {}, "nights": [], "failed": str(error)}
    finally:
        torch.set_num_threads(threads)
    return {
        "study": study.name, "arm": arm.name, "seed": seed, "settings": arm.settings, "model": base.name,
        "base_sha256": base.sha256, "program": code, "seconds": time.perf_counter() - began, **found,
    }  # fmt: skip
