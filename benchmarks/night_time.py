"""How long the document's night takes and how much memory it needs, on this machine.

    python benchmarks/night_time.py [--repeats 5]

Prints one JSON document: medians over the repeats. ``night``: from ``brain.sleep()`` to the end of the wake-up check with the
base loaded; ``training``: the steps alone; ``cold``: the whole command ``sleepcon sleep`` in a new process; ``peak_mb``:
the most memory that process held.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import torch

from sleepcon.brain import Brain
from sleepcon.experience import read_experiences
from sleepcon.model import load_base
from sleepcon.paths import DOCUMENT


def warm(repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of whole nights and of their training, on fresh brains over one loaded base; a first night is not counted."""
    base = load_base()
    whole, training = [], []
    for number in range(repeats + 1):
        with tempfile.TemporaryDirectory() as home:
            brain = Brain.open("bench", home=home, base=base)
            brain.remember(read_experiences(DOCUMENT))
            began = time.perf_counter()
            cycle = brain.sleep()
            if number:
                whole.append(time.perf_counter() - began)
                training.append(cycle.training_seconds)
            brain.close()
    return whole, training


def cold(repeats: int) -> list[float]:
    """Seconds of ``sleepcon sleep`` from nothing, each on a home of its own."""
    seconds = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as home:
            began = time.perf_counter()
            command = [sys.executable, "-m", "sleepcon.cli", "sleep", str(DOCUMENT), "--home", home, "--json"]
            subprocess.run(command, check=True, capture_output=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
            seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    from_nothing = cold(repeats)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    whole, training = warm(repeats)
    print(json.dumps({
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads", "repeats": repeats,
        "night": statistics.median(whole), "training": statistics.median(training),
        "cold": statistics.median(from_nothing), "peak_mb": round(peak),
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
