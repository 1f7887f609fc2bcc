"""docs/findings.md and README: every number of their tables is that of the shipped runs."""

import json
import re

import pytest

from sleepcon import studies
from sleepcon.paths import ROOT
from sleepcon.statistics import paired_interval

TEXT = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| `([\w.]+)` \| `(\w+)` \| (\S+) \| (.*) \|$", re.MULTILINE)
"""Study, arm, figure, its mean, its difference from the control arm with the interval."""
DIFFERENCE = re.compile(r"([+-][\d.]+) \[([+-][\d.]+), ([+-][\d.]+)\]")
ROWS = ROW.findall(TEXT)


def test_every_study_is_told_of():
    assert {row[0] for row in ROWS} == {path.stem for path in studies.RECORDED.glob("*.json")} == set(studies.NAMES)


@pytest.mark.parametrize(("study", "arm", "figure", "mean", "difference"), ROWS, ids=lambda text: str(text)[:24])
def test_a_row_is_what_the_runs_say(study, arm, figure, mean, difference):
    found = json.loads((studies.RECORDED / f"{study}.json").read_text(encoding="utf-8"))
    by_seed = {
        name: {run["seed"]: run["figures"].get(figure) for run in found["runs"] if run["arm"] == name}
        for name in (arm, found["study"]["control"])
    }
    values = [value for value in by_seed[arm].values() if value is not None]
    assert float(mean) == pytest.approx(sum(values) / len(values), abs=6e-4)
    told = found["arms"][arm][figure]["difference"]
    if arm == found["study"]["control"] or told["mean"] is None:
        assert difference == ""
        return
    middle, low, high = map(float, DIFFERENCE.search(difference).groups())
    control = by_seed[found["study"]["control"]]
    apart = [value - control[seed] for seed, value in by_seed[arm].items() if None not in (value, control.get(seed))]
    assert middle == pytest.approx(sum(apart) / len(apart), abs=6e-4)
    assert (low, high) == pytest.approx((told["low"], told["high"]), abs=6e-4)
    assert min(apart) - 6e-4 <= low <= middle <= high <= max(apart) + 6e-4
    assert ("*" in difference) == (told["low"] > 0 or told["high"] < 0)


@pytest.mark.parametrize(
    ("words", "study", "figure", "this", "that"),
    [
        ("against as much drawn by chance", "controls", "salience_kept", "sleep", "random"),
        ("against a night with a learning rate of 0", "controls", "salience_kept", "sleep", "sham"),
        ("against a night on everything", "controls", "salience_kept", "sleep", "everything"),
        ("whose experiences all weigh alike", "controls", "salience_kept", "sleep", "unweighted"),
        ("with rehearsal, against without", "controls", "unchanged", "sleep", "no_rehearsal"),
        ("with sleep, against without", "frozen", "answered_25", "sleep", "none"),
    ],
)
def test_the_readme_says_what_the_runs_say(words, study, figure, this, that):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in readme.splitlines() if line.startswith("|") and words in line]
    told = [float(number) for number in re.findall(r"[+-]?\d\.\d\d", line.split("|", 2)[2])]
    runs = json.loads((studies.RECORDED / f"{study}.json").read_text(encoding="utf-8"))["runs"]
    ours, theirs = ([run["figures"][figure] for run in sorted(runs, key=lambda run: run["seed"]) if run["arm"] == arm]
                    for arm in (this, that))  # fmt: skip
    gap = paired_interval(ours, theirs)
    means = [sum(values) / len(values) for values in (ours, theirs)]
    assert told == pytest.approx([*means, gap.mean, gap.low, gap.high], abs=0.0051)
