"""Make the recorded runs: ``python -m sleepcon.record [NAME ...]``. Each is one real run of the engine on the embedded base.

``python -m sleepcon.record studies`` makes the shipped results of all studies: long, and only when it is named.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from sleepcon import consistency, frozen, leave_out, specifications, studies
from sleepcon.brain import Brain
from sleepcon.doses import ladder
from sleepcon.experience import read_experiences
from sleepcon.measure import measure
from sleepcon.model import load_base
from sleepcon.paths import DOCUMENT
from sleepcon.recorded import RECORDED, Recording
from sleepcon.studies.protocol import SEEDS
from sleepcon.studies.runner import run_study

SEED = 0
STUDIES = "studies"


def night(brain: Brain) -> dict:
    """The document's night: ``cycle`` as in the ledger, ``events`` in their order."""
    events: list[dict] = []
    cycle = brain.sleep(threshold=0.6, seed=SEED, on_event=lambda event: events.append(event.as_dict()))
    return {"cycle": cycle.as_dict() | {"adapter_path": None}, "events": events}


def score(brain: Brain) -> dict:
    """SNARC of the document's exchanges before any night, with the surprise of each token: ``rows`` as in ``measure``."""
    return {"rows": measure(brain)}


def without(brain: Brain) -> dict:
    """The document's night again without its first exchange, "What should I call you?": as ``leave_out.again`` gives it."""
    cycle = brain.sleep(threshold=0.6, seed=SEED)
    return leave_out.again(brain, cycle.cycle, cycle.replies[0]["id"])


LADDER_PROMPTS = (
    "Who are you?", "Are you a robot?", "What is the capital of Blorptania?", "What is the capital of France?",
    "What is 3 plus 4?", "How are you today?",
)  # fmt: skip
"""What the dose ladder is recorded for: two that a night should change, one of a made-up place, three that it should not."""


def doses(brain: Brain) -> dict:
    """The document's night, then ``ladders``: each of ``LADDER_PROMPTS`` at every dose, as ``doses.ladder`` gives them."""
    brain.sleep(threshold=0.6, seed=SEED)
    return {"ladders": [ladder(brain, prompt) for prompt in LADDER_PROMPTS]}


def sessions(brain: Brain) -> dict:
    """Sessions whose context fades, in each arm at as many seeds as a study has, as ``frozen.study`` gives them."""
    return frozen.study(brain.base, list(range(SEEDS)))


def consistent(brain: Brain) -> dict:
    """Consistency of replies over sessions, without sleep and after a night, as ``consistency.run`` gives it."""
    return consistency.run(brain, {"seed": SEED}, lambda _: None, lambda: False)


def specified(brain: Brain) -> dict:
    """The document's night (``cycle``, as in the ledger), then what the installation measures (``facts``)."""
    cycle = brain.sleep(threshold=0.6, seed=SEED)
    return {"cycle": cycle.as_dict() | {"adapter_path": None}, "facts": specifications.measure(brain)}


MAKERS: dict[str, Callable[[Brain], dict]] = {
    "night": night, "score": score, "without": without,
    "doses": doses, "sessions": sessions,
    "consistency": consistent, "specifications": specified,
}  # fmt: skip
"""What makes each recording, from a fresh brain that remembers the document's exchanges."""


def all_studies() -> None:
    """Run what is missing of every study, in the user's home, and write the summaries that ship."""
    studies.RECORDED.mkdir(parents=True, exist_ok=True)
    for name in studies.NAMES:
        found = run_study(studies.find(name), on_event=lambda event: print(event.message, file=sys.stderr, flush=True))
        del found["files"]  # where they lie on this machine
        write_rounded(found, studies.RECORDED / f"{name}.json")


def main() -> None:
    """Make the recordings that were named, else all but the studies."""
    parser = argparse.ArgumentParser(prog="python -m sleepcon.record", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MAKERS, STUDIES, []], help="which; none: all but studies")
    names = parser.parse_args().names or list(MAKERS)
    if STUDIES in names:
        all_studies()
    base = load_base("embedded")
    RECORDED.mkdir(exist_ok=True)
    for name in (name for name in names if name != STUDIES):
        with tempfile.TemporaryDirectory() as folder:
            brain = Brain.open("recorded", home=folder, base=base)
            brain.remember(read_experiences(DOCUMENT))
            began = time.perf_counter()
            result = MAKERS[name](brain)
            brain.close()
        seconds, machine = time.perf_counter() - began, f"{platform.machine()}, {os.cpu_count()} processors"
        made = datetime.now(UTC).date().isoformat()
        save(Recording(name, made, base.sha256, SEED, round(seconds, 1), machine, result), RECORDED / f"{name}.json")


def save(recording: Recording, path: Path) -> None:
    """Write a recording."""
    write_rounded(asdict(recording), path)


def write_rounded(found: dict, path: Path) -> None:
    """Write JSON types, numbers to six figures."""
    rounded = json.loads(json.dumps(found), parse_float=lambda text: float(f"{float(text):.6g}"))
    path.write_text(json.dumps(rounded, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
