"""A memory of a million: how fast it is filled, how fast experiences are selected, what it costs to measure one.

    python benchmarks/scale.py [--experiences 1000000] [--scored 10 1000 10000] [--held 10 1000 10000 100000] [--write]

Prints one JSON document; ``--write`` also puts it into ``results/scale.json``. Seconds are given twice: by the clock, and of
the processor, which is what counts where others share the core. ``peak_mb`` is the most memory that the process held.

``import``: a JSONL file into a new memory, and the same file again (all duplicates); ``document``: the same experiences as one
indented JSON list. ``command``: ``sleepcon import`` from nothing, start and torch included. ``select``: the best of three, by
how many pass; ``brain.waiting`` is all that a night does to select. ``waiting``: measuring so many experiences that wait in a
new brain. ``one_more``: measuring one new experience where so many are held, whose vectors are drawn at random, for only their
number counts. Words are drawn from a list of twenty: 12 in a prompt, 30 in a reply.
"""

import argparse
import json
import os
import platform
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "scale.json"
WORDS = (
    "the owl hat box string river salt door lamp table green seven letter morning cat garden bread stone window paper".split()
)


def rows(count: int, seed: int = 0, salience: bool = True) -> Iterator[dict]:
    """Experiences of random words; each prompt ends with its number, so that no two are alike."""
    rng = random.Random(seed)
    for number in range(count):
        row = {"prompt": " ".join([*rng.choices(WORDS, k=11), f"{number}?"]), "response": " ".join(rng.choices(WORDS, k=30))}
        yield (
            row
            | {"session": number // 50, "timestamp": f"2026-01-{number % 28 + 1:02d}"}
            | ({"salience": round(rng.random(), 6)} if salience else {})
        )


def timed(act: Callable[[], Any]) -> tuple[Any, float, float]:
    """What ``act`` gives, seconds by the clock, seconds of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    found = act()
    return found, time.perf_counter() - began, time.process_time() - worked


def in_a_process(part: str, *arguments: str) -> dict:
    """One part of the benchmark in a process of its own, whose peak memory is then its own too."""
    ended = subprocess.run([sys.executable, __file__, "--part", part, *arguments], check=True, capture_output=True, text=True)
    return json.loads(ended.stdout)


def peak_mb() -> int:
    """The most memory that this process has held, in megabytes."""
    if os.path.exists("/proc/self/status"):  # getrusage would count what the parent held when it started this process
        with open("/proc/self/status", encoding="utf-8") as lines:
            return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6)


def import_part(file: str, into: str) -> dict:
    """Fill a memory."""
    from sleepcon.experience import read_experiences
    from sleepcon.memory import Memory

    with Memory(into) as memory:
        added, seconds, worked = timed(lambda: memory.add(read_experiences(file)))
    given = added.new + added.duplicates
    return vars(added) | {
        "seconds": seconds, "cpu_seconds": worked, "per_second": given / seconds, "per_cpu_second": given / worked,
        "peak_mb": peak_mb(), "file_mb": os.path.getsize(file) / 1e6, "memory_mb": os.path.getsize(into) / 1e6,
    }  # fmt: skip


def select_part(path: str) -> dict:
    """Select from a memory."""
    from sleepcon.memory import Memory

    def best(act: Callable[[], Any]) -> dict:
        runs = [timed(act) for _ in range(3)]
        return {"found": runs[0][0], "ms": 1e3 * min(run[1] for run in runs), "cpu_ms": 1e3 * min(run[2] for run in runs)}

    found: dict[str, Any] = {}
    counted = "SELECT count(*) FROM experiences WHERE cycle IS NULL AND salience >= ?"
    with Memory(path) as memory:
        count = memory.count()
        found["count_waiting"] = best(memory.count_pending)
        for share in (0.4, 0.01, 1e-3, 1e-4):
            threshold, name = 1 - share, f"{round(count * share)} pass"
            found[f"{name}: count"] = best(lambda low=threshold: memory.rows(counted, low)[0][0])
            found[f"{name}: first 10"] = best(lambda low=threshold: len(list(islice(memory.pending(low), 10))))
            if share <= 1e-3:
                found[f"{name}: all"] = best(lambda low=threshold: len(list(memory.pending_with_salience(low))))
    found["peak_mb"] = peak_mb()
    from sleepcon.brain import Brain

    folder = Path(path).parent
    brain = Brain.open(folder.name, home=folder.parent)
    for share in (1e-3, 1e-4):
        found[f"{round(count * share)} pass: brain.waiting"] = best(lambda low=1 - share: len(brain.waiting(low)[1]))
    brain.close()
    return found


def waiting_part(count: str) -> dict:
    """Measure what waits in a new brain."""
    from sleepcon.brain import Brain
    from sleepcon.experience import Experience
    from sleepcon.model import load_base
    from sleepcon.salience import reference_of

    base = load_base()
    reference_of(base)
    with tempfile.TemporaryDirectory() as home:
        brain = Brain.open("bench", home=home, base=base)
        brain.remember(Experience(**row) for row in rows(10, seed=1, salience=False))
        brain.waiting()  # a first measurement sets up what all share
        brain.close()
        brain = Brain.open("again", home=home, base=base)
        brain.remember(Experience(**row) for row in rows(int(count), salience=False))
        _, seconds, worked = timed(brain.waiting)
        brain.close()
    return {"ms_each": 1e3 * seconds / int(count), "cpu_ms_each": 1e3 * worked / int(count), "peak_mb": peak_mb()}


def one_more_part(count: str) -> dict:
    """Measure one more experience where many are held."""
    import torch

    from sleepcon.brain import Brain
    from sleepcon.experience import Experience
    from sleepcon.likeness import STORED, TABLE
    from sleepcon.model import load_base

    base, held = load_base(), int(count)
    with tempfile.TemporaryDirectory() as home:
        brain = Brain.open("bench", home=home, base=base)
        brain.remember(Experience(**row) for row in rows(held))
        brain.memory.connection.execute(TABLE)
        width, generator = base.model.config.hidden_size, torch.Generator().manual_seed(0)
        with brain.memory.transaction():
            for block in range(held // STORED + 1):
                filled = min(STORED, held + 1 - block * STORED)
                numbers = torch.nn.functional.normalize(torch.randn(filled, width, generator=generator), dim=1)
                row = (block, base.sha256, numbers.numpy().tobytes())
                brain.memory.connection.execute("INSERT INTO vectors VALUES (?, ?, ?)", row)
        new = [Experience(**row) for row in rows(12, seed=2, salience=False)]
        runs = [timed(lambda one=one: brain.score([one])) for one in new][2:]
        brain.close()
    return {
        "ms": 1e3 * statistics.median(run[1] for run in runs), "cpu_ms": 1e3 * statistics.median(run[2] for run in runs),
        "peak_mb": peak_mb(),
    }  # fmt: skip


PARTS = {"import": import_part, "select": select_part, "waiting": waiting_part, "one_more": one_more_part}


def command(file: str, home: str) -> dict:
    """``sleepcon import`` as a user calls it."""
    call = [sys.executable, "-m", "sleepcon.cli", "import", file, "--home", home, "--json"]
    began = time.perf_counter()
    ended = subprocess.run(call, check=True, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)  # the most that any child held: with torch, this one
    return json.loads(ended.stdout) | {
        "seconds": time.perf_counter() - began,
        "peak_mb": round(usage.ru_maxrss * 1024 / 1e6),
    }


def machine() -> dict:
    """What this was measured on."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return {
        "processor": model, "cores": os.cpu_count(), "cores_used": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0],
        "python": platform.python_version(), "sqlite": sqlite3.sqlite_version,
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiences", type=int, default=1_000_000)
    parser.add_argument("--scored", type=int, nargs="*", default=[10, 1_000, 10_000])
    parser.add_argument("--held", type=int, nargs="*", default=[10, 1_000, 10_000, 100_000])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(PARTS[args.part[0]](*args.part[1:])))
        return
    found: dict[str, Any] = {"machine": machine(), "experiences": args.experiences}
    with tempfile.TemporaryDirectory() as folder:
        lines, document, memory = (os.path.join(folder, name) for name in ("day.jsonl", "day.json", "bench/memory.sqlite"))
        if args.experiences:
            os.mkdir(os.path.dirname(memory))
            with open(lines, "w", encoding="utf-8") as handle:
                handle.writelines(json.dumps(row) + "\n" for row in rows(args.experiences))
            found["import"] = in_a_process("import", lines, memory)
            found["import_again"] = in_a_process("import", lines, memory)
            found["select"] = in_a_process("select", memory)
            os.remove(memory)
            found["command"] = command(lines, os.path.join(folder, "home"))
            with open(document, "w", encoding="utf-8") as handle:
                for number, row in enumerate(rows(args.experiences)):
                    handle.write(("," if number else "[") + json.dumps(row, indent=2))
                handle.write("]")
            found["document"] = in_a_process("import", document, memory)
        found["waiting"] = {str(count): in_a_process("waiting", str(count)) for count in args.scored}
        found["one_more"] = {str(count): in_a_process("one_more", str(count)) for count in args.held}
    text = json.dumps(found, indent=1)
    print(text)
    if args.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
