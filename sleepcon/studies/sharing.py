"""Can brains on one base share what they learned by putting their adapters together?

A brain's change of a weight matrix is B A. Of several, the sum of the changes is exact (A and B side by side), the mean of the
changes too. To average A and B each for itself is not to average the changes: (mean B)(mean A) holds B of one brain times A of
another, which nobody learned, and a third of what each did learn once more divided by three.
"""

import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sleepcon.documented import QUESTIONS
from sleepcon.studies.protocol import FIGURES, Arm, Study

if TYPE_CHECKING:
    from sleepcon.model import Base
    from sleepcon.studies.probing import Heard
    from sleepcon.suite import Item

BRAINS = 3
DENSITY = 0.2
"""Share of the entries that TIES and DARE leave: that of TIES' paper."""
SHARED = "shared"


@contextmanager
def together(base: "Base", folders: Sequence[Path], how: dict, seed: int) -> Iterator[list[str]]:
    """Wear one adapter made of those in ``folders``, by PEFT's ``add_weighted_adapter``; yields the names of its parts.

    ``how``: ``type`` is PEFT's, ``weight`` that of each part.
    """
    import torch

    from sleepcon import adapter

    peft = adapter.load(base, folders[0])
    try:
        names = [adapter.PAST] + [f"brain{number}" for number in range(1, len(folders))]
        for name, folder in zip(names[1:], folders[1:], strict=True):
            peft.load_adapter(str(folder), name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # DARE drops entries by chance
            peft.add_weighted_adapter(
                names, [how["weight"]] * len(names), SHARED, how["type"], svd_full_matrices=False, density=DENSITY
            )
        adapter.wear(peft, [SHARED])
        base.model.eval()
        yield names
    finally:
        adapter.take_off(base, peft)


def distance(base: "Base", names: Sequence[str], share: float) -> float:
    """How far the worn change is from ``share`` times the sum of its parts' changes: norm over norm, mean over matrices."""
    from sleepcon.adapter import lora_layers

    found = []
    for _, layer in lora_layers(base):
        exact = share * sum(layer.get_delta_weight(name) for name in names)
        found.append(float((layer.get_delta_weight(SHARED) - exact).norm() / exact.norm()))
    return sum(found) / len(found)


@dataclass(frozen=True)
class Taught:
    """A brain that slept on some items: its adapter's folder, below ``kept``, the night's facts, and what it dreamt of."""

    items: list["Item"]
    folder: Path
    night: dict | None
    trained: list[str]
    kept: tempfile.TemporaryDirectory


def teach(base: "Base", items: list["Item"], seed: int, longer: float = 1) -> Taught:
    """Let a brain of its own sleep on some items, in one night ``longer`` times as long as usual."""
    from sleepcon.studies import lab

    kept = tempfile.TemporaryDirectory(prefix="sleepcon-")
    with lab.fresh(base) as brain:
        lab.remember(brain, items)
        night = lab.sleep(brain, seed, 0.0, epochs=lab.epochs(base, longer))
        shutil.copytree(brain.folder / "cycles", kept.name, dirs_exist_ok=True)
        return Taught(items, Path(kept.name) / "0001", night, lab.dreamt(brain), kept)


def groups_of(seed: int) -> list[list["Item"]]:
    """What each brain is taught: a group each, drawn by the seed."""
    from sleepcon.studies.probing import groups

    return [groups()[name] for name in random.Random(seed).sample(list(groups()), BRAINS)]


def each_alone(base: "Base", seed: int) -> list[Taught]:
    """The seed's brains; all of its arms that one process runs share them, for they would come out the same."""
    known, brains = base.cache.get("sharing", (None, []))
    if known != seed:
        for one in brains:
            one.kept.cleanup()
        brains = [teach(base, group, BRAINS * seed + place) for place, group in enumerate(groups_of(seed))]
        base.cache["sharing"] = seed, brains
    return brains


def run(base: "Base", arm: Arm, seed: int) -> dict:
    """Three brains are taught a group of four each. ``by_group``: the score on each group of what the arm makes of them."""
    from sleepcon import adapter
    from sleepcon.studies import lab
    from sleepcon.studies.probing import hear

    lived, apart = [item for group in groups_of(seed) for item in group], None
    brains = [teach(base, lived, BRAINS * seed, BRAINS)] if arm.name == "joint" else each_alone(base, seed)
    if "type" in arm.settings:
        folders = [one.folder for one in brains]
        with together(base, folders, arm.settings, seed) as parts:
            apart = distance(base, parts, arm.settings["of"] / BRAINS)
        trained = [text for one in brains for text in one.trained]
        heard = [hear(base, together(base, folders, arm.settings, seed), lived, trained)]
    else:
        heard = [hear(base, adapter.worn(base, one.folder), one.items, one.trained) for one in brains]
    if arm.name == "joint":
        brains[0].kept.cleanup()
    scores = by_group(heard, groups_of(seed))
    found = averaged(heard) | {"answered": sum(scores) / BRAINS, "worst": min(scores), "apart": apart}
    return lab.result(found, [one.night for one in brains], by_group=scores)


def by_group(heard: Sequence["Heard"], taught: Sequence[list]) -> list[float]:
    """The score on each group, by whoever was asked about it."""
    return [next(one.score(group) for one in heard if all(item in one.items for item in group)) for group in taught]


def averaged(heard: Sequence["Heard"]) -> dict[str, float | None]:
    """Figures, the mean over several brains where there are several."""
    from sleepcon.studies.probing import mean

    each = [one.figures() for one in heard]
    return {name: mean([figures[name] for figures in each]) for name in each[0]}


def put(name: str, sentence: str, kind: str, weight: float = 1.0, of: int = BRAINS) -> Arm:
    """An arm that puts adapters together. ``of``: how many times the mean of the changes it is meant to be."""
    return Arm(name, sentence, {"type": kind, "weight": weight, "of": of})


STUDY = Study(
    "sharing",
    dict(QUESTIONS)["sharing"],
    "Three brains whose changes are added side by side answer what any of them was taught nearly as well as each does alone; "
    "the mean of the changes answers less, and averaging A and B each for itself less than that.",
    (
        Arm("own", "Each brain alone, asked about its own group."),
        put("cat", "The changes added: A and B side by side, exact.", "cat"),
        put("mean_of_changes", "The mean of the changes, exact.", "cat", 1 / BRAINS, 1),
        put("mean_of_factors", "The mean of A times the mean of B.", "linear", 1 / BRAINS**2, 1),
        put("linear", "The sum of A times the sum of B.", "linear"),
        put("ties", f"TIES on A and on B: the largest {DENSITY:.0%} of the entries, signs by majority.", "ties"),
        put("dare_linear", f"DARE on A and on B: {DENSITY:.0%} of the entries by chance, scaled up, summed.", "dare_linear"),
        put("svd", "The sum of the changes, cut to one brain's rank by singular values.", "svd"),
        Arm("joint", f"One brain that slept on all {BRAINS} groups in one night of as many steps."),
    ),
    "own",
    {
        "answered": "share of questions and unseen rewordings of all groups answered right, 0 to 1",
        "worst": "that share for the group that came off worst, 0 to 1",
        "apart": "distance of the change from the exact sum (or mean) of the brains' changes, norm over norm",
    } | FIGURES,
    "A night for each brain; the probes are asked after the adapters are put together.",
    run,
    ("own", "cat", "mean_of_factors"),
)  # fmt: skip
