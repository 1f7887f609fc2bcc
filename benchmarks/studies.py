"""How long the studies take on this machine, each and together.

    python benchmarks/studies.py                          # all, five seeds, every core
    python benchmarks/studies.py timing dose --seeds 1    # some, and less

Prints one JSON document: for each study ``seconds`` from start to end, ``work`` (the seconds of its runs added up), ``runs``,
``nights`` and ``night`` (median seconds of a night). Nothing is taken from an earlier time unless ``--home`` names its folder.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import joblib

from sleepcon import studies
from sleepcon.studies.runner import run_study


def timed(name: str, seeds: int, jobs: int, model: str, home: Path) -> dict:
    """Run one study and say what it took."""
    began = time.perf_counter()
    found = run_study(
        studies.find(name), model, home, seeds, jobs,
        on_event=lambda event: print(event.message, file=sys.stderr, flush=True),
    )  # fmt: skip
    # Runs that share a night name the very same one.
    nights = list({(night["adapter_sha256"], night["seconds"]): night["seconds"]
                   for run in found["runs"] for night in run["nights"] if night}.values())  # fmt: skip
    return {
        "study": name, "seconds": time.perf_counter() - began, "work": found["seconds"], "runs": len(found["runs"]),
        "nights": len(nights), "night": statistics.median(nights), "failed": found["failed"],
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*studies.NAMES, []])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=joblib.cpu_count())
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--home", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as fresh:
        home = args.home or Path(fresh)
        found = [timed(name, args.seeds, args.jobs, args.model, home) for name in args.names or studies.NAMES]
    print(json.dumps({
        "machine": f"{platform.machine()}, {args.jobs} processes", "seeds": args.seeds, "studies": found,
        "minutes": sum(one["seconds"] for one in found) / 60,
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
