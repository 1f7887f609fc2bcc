"""What nights on the embedded base teach and what they spare, counted on the probe suites.

    python benchmarks/nights.py document            # the document's three exchanges
    python benchmarks/nights.py own [SUITE.json]    # each night of a suite on a brain of its own
    python benchmarks/nights.py row [SUITE.json]    # ten nights in a row on one brain
    python benchmarks/nights.py dose                # too little, enough, too much
    python benchmarks/nights.py context [SUITE.json] # no night: each exchange in the context of its own rewordings

Prints one JSON document; what went wrong goes to standard error. --seeds N repeats with seeds 0 to N-1.
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sleepcon.brain import Brain
from sleepcon.experience import read_experiences
from sleepcon.ledger import Cycle
from sleepcon.metrics import holds, same_words
from sleepcon.model import Base, chat, generate, load_base
from sleepcon.paths import DOCUMENT, PROBES
from sleepcon.suite import Item, Tally, ask_many, judge, load_suite, teach

UNRELATED = PROBES / "unrelated.json"
KEYS = {
    "What should I call you?": ["sage"],
    "What is the capital of Zxyzzy?": ["zxyzzy", "clarify"],
    "Are you human?": ["sage"],
}
DOSES = (1 / 15, 1.0, 8.0)


def document_items() -> list[Item]:
    """The document's three salient exchanges; the keys are their name and their verb."""
    return [Item(e, KEYS[e.prompt], [], []) for e in read_experiences(DOCUMENT) if e.prompt in KEYS]


@contextmanager
def fresh_brain(base: Base) -> Iterator[Brain]:
    """A brain in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        brain = Brain.open("bench", home=folder, base=base)
        yield brain
        brain.close()


def document(base: Base, seed: int) -> dict:
    """The document's night at .60, with its rewordings, neighbours and thirty unrelated prompts."""
    probes = json.loads((PROBES / "document.json").read_text(encoding="utf-8"))
    with fresh_brain(base) as brain:
        brain.remember(read_experiences(DOCUMENT))
        cycle = brain.sleep(seed=seed)
        tally = Tally()
        judge(brain, document_items(), probes["unrelated"], tally)
        for probe, said in zip(probes["rewordings"], ask_many(brain, [p["prompt"] for p in probes["rewordings"]]), strict=True):
            tally.add("reworded", holds(said, probe["key"]), probe["prompt"], said, "")
        for probe, said in zip(probes["neighbours"], ask_many(brain, [p["prompt"] for p in probes["neighbours"]]), strict=True):
            tally.add("spared", not holds(said, probe["not_key"]), probe["prompt"], said, "")
    show(tally)
    return tally.shares() | facts(cycle)


def facts(cycle: Cycle) -> dict:
    """What the ledger says of a night, in short."""
    return {
        "consolidated": cycle.consolidated,
        "average_salience": cycle.average_salience,
        "kept": cycle.kept,
        "base_same": cycle.base_sha256_before == cycle.base_sha256_after,
        "training_seconds": cycle.training_seconds,
        "seconds": cycle.seconds,
        "loss_before": cycle.loss_before,
        "loss_after": cycle.loss_after,
        "checks": {check["name"]: round(check["value"], 3) for check in cycle.checks},
    }


def own(base: Base, seed: int, suite: Path) -> dict:
    """Each night of the suite on a fresh brain; shares over all nights and per kind."""
    unrelated = json.loads(UNRELATED.read_text(encoding="utf-8"))["prompts"]
    by_kind: dict[str, Tally] = defaultdict(Tally)
    kept = []
    for night in load_suite(suite):
        with fresh_brain(base) as brain:
            cycle = teach(brain, night, seed=seed)
            kept.append(cycle.kept)
            judge(brain, night.items, unrelated, by_kind[night.kind])
    return shares(by_kind) | {"kept_nights": sum(kept) / len(kept)}


def shares(by_kind: dict[str, Tally]) -> dict:
    """Shares over all tallies and of each."""
    whole = Tally()
    for tally in by_kind.values():
        show(tally)
        for name in ("learned", "reworded", "spared", "unchanged"):
            getattr(whole, name).extend(getattr(tally, name))
    return whole.shares() | {"by_kind": {kind: tally.shares() for kind, tally in by_kind.items()}}


def row(base: Base, seed: int, suite: Path) -> dict:
    """All nights of the suite, one after the other on one brain: what night 1 taught, and ordinary knowledge, after each."""
    nights = load_suite(suite)[:10]
    probes = json.loads(UNRELATED.read_text(encoding="utf-8"))["prompts"]
    course = []
    with fresh_brain(base) as brain:
        for number, night in enumerate(nights, 1):
            cycle = teach(brain, night, seed=seed)
            first, all_so_far, unrelated = Tally(), Tally(), Tally()
            judge(brain, nights[0].items, [], first)
            judge(brain, [item for one in nights[:number] for item in one.items], [], all_so_far)
            judge(brain, [], probes, unrelated)
            course.append({
                "night": number, "kept": cycle.kept, "first": first.shares(), "so_far": all_so_far.shares(),
                "unchanged": unrelated.shares()["unchanged"], "seconds": cycle.seconds,
            })  # fmt: skip
            print(json.dumps(course[-1]), file=sys.stderr, flush=True)
        show(unrelated)
    return {"course": course}


def dose(base: Base, seed: int) -> list[dict]:
    """The document's night at three learning rates: the base's own, a fifteenth of it and eight times it."""
    found = []
    for factor in DOSES:
        with fresh_brain(base) as brain:
            brain.remember(read_experiences(DOCUMENT))
            before = ask_many(brain, [item.experience.prompt for item in document_items()])
            cycle = brain.sleep(seed=seed, learning_rate=base.card["dose"]["learning_rate"] * factor)
            said = [reply["after"] for reply in cycle.replies]
            found.append({
                "learning_rate": cycle.learning_rate, "kept": cycle.kept, "reasons": cycle.reasons,
                "replies_changed": sum(not same_words(a, b) for a, b in zip(before, said, strict=True)),
                "checks": {check["name"]: check["value"] for check in cycle.checks}, "replies": said,
            })  # fmt: skip
    return found


def context(base: Base, _seed: int, suite: Path) -> dict:
    """Share of the suite's rewordings that the bare base answers right with the one exchange in its context, and per kind.

    What a context can do to a reply is what a night moves into weights, so this is what rewordings can be expected to reach.
    """
    hits: dict[str, list[bool]] = defaultdict(list)
    for night in load_suite(suite):
        for item in night.items:
            earlier = [(item.experience.prompt, item.experience.response)]
            said = generate(base, [chat(question, item.experience.context, earlier) for question in item.rewordings])
            hits[night.kind] += [holds(reply, item.key) for reply in said]
    every = [hit for kind in hits.values() for hit in kind]
    return {"reworded": sum(every) / len(every), "by_kind": {kind: sum(found) / len(found) for kind, found in hits.items()}}


def show(tally: Tally) -> None:
    """Print the misses for a person."""
    for miss in tally.misses:
        print(" | ".join(miss), file=sys.stderr)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("document", "own", "row", "dose", "context"))
    parser.add_argument("suite", nargs="?", type=Path, default=PROBES / "nights.json")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--model", default="embedded")
    args = parser.parse_args()
    base = load_base(args.model)
    runs = {"document": document, "dose": dose, "own": own, "row": row, "context": context}
    extra = () if args.what in ("document", "dose") else (args.suite,)
    print(json.dumps([runs[args.what](base, seed, *extra) for seed in range(args.seeds)], indent=1))


if __name__ == "__main__":
    main()
