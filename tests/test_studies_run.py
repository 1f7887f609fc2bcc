"""Running studies: each run kept at once, nothing done twice, the same whoever does it, and what is told of it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import contents

from sleepcon import studies
from sleepcon.errors import UserError
from sleepcon.sleep import Stopped
from sleepcon.statistics import interval, paired_interval
from sleepcon.studies import probing, results, runner
from sleepcon.studies.protocol import Arm, Study


def drawn(base, arm: Arm, seed: int) -> dict:
    """A run that costs nothing: a number from arm and seed, of some runs one figure more."""
    value = arm.settings["shift"] + np.random.default_rng(seed).random()
    night = {"adapter_sha256": f"{seed:02d}", "seconds": 1.0}
    figures = {"value": value, "rare": None if seed % 2 else 2.0 * value}
    return {"figures": figures, "nights": [night, None], "table": [[value]]}


PLAIN = Study(
    "plain", "Does it shift?", "It does.", (Arm("none", "Nothing.", {"shift": 0.0}), Arm("more", "One more.", {"shift": 1.0})),
    "none", {"value": "a number", "rare": "twice that, at even seeds"}, "One run.", drawn, ("none",), seeds=(0, 1, 2, 3, 4),
)  # fmt: skip


@pytest.fixture
def go(tiny_base, own_home):
    """Runs a study here; gives its summary, with the events that were told."""

    def run(study: Study = PLAIN, **options) -> tuple[dict, list]:
        events = []
        return runner.run_study(study, base=tiny_base, jobs=1, on_event=events.append, **options), events

    return run


def test_what_comes_out_is_what_the_runs_say(go, own_home, tiny_base):
    found, events = go()
    values = {seed: np.random.default_rng(seed).random() for seed in range(5)}
    none, more = found["arms"]["none"]["value"], found["arms"]["more"]["value"]
    assert none["mean"] == pytest.approx(np.mean(list(values.values())))
    wanted = interval(list(values.values()))
    assert (none["low"], none["high"], none["n"]) == (wanted.low, wanted.high, 5)
    assert none["difference"]["mean"] == none["difference"]["low"] == none["difference"]["high"] == 0
    assert more["difference"]["mean"] == pytest.approx(1.0)
    rare = found["arms"]["more"]["rare"]
    assert rare["n"] == rare["difference"]["n"] == 3  # seeds 0, 2 and 4
    pairs = [(2 * values[seed] + 2, 2 * values[seed]) for seed in (0, 2, 4)]
    assert rare["difference"]["low"] == pytest.approx(paired_interval([a for a, _ in pairs], [b for _, b in pairs]).low)
    assert (found["seeds"], found["failed"], found["base_sha256"]) == ([0, 1, 2, 3, 4], 0, tiny_base.sha256)
    assert [(event.step, event.steps) for event in events] == [(done, 10) for done in range(11)]
    assert json.loads((own_home / "studies/plain/summary.json").read_text()) == {k: v for k, v in found.items() if k != "files"}


def test_the_table_of_every_run(go, own_home, tiny_base):
    found, _ = go(seeds=3)
    table = pd.read_parquet(own_home / "studies/plain/runs.parquet")
    assert found["files"]["runs"] == str(own_home / "studies/plain/runs.parquet")
    assert len(table) == 6
    assert list(zip(table["arm"], table["seed"], strict=True)) == [(arm, seed) for seed in range(3) for arm in ("none", "more")]
    assert set(table["base_sha256"]) == {tiny_base.sha256}
    assert [list(hashes) for hashes in table["adapter_sha256"]] == [[f"{seed:02d}"] for seed in table["seed"]]
    assert [json.loads(settings)["shift"] for settings in table["settings"]] == [0.0, 1.0] * 3
    for row, run in zip(table.to_dict("records"), found["runs"], strict=True):
        assert row["figure.value"] == run["figures"]["value"]
        assert json.loads(row["more"])["table"] == run["table"]
    assert table["figure.rare"].isna().tolist() == [False, False, True, True, False, False]


def test_what_was_done_is_not_done_again(go, own_home):
    calls = []

    def breaking(base, arm, seed):
        calls.append((arm.name, seed))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return drawn(base, arm, seed)

    with pytest.raises(KeyboardInterrupt):
        go(replace(PLAIN, run=breaking))
    assert len(list((own_home / "studies/plain/runs").iterdir())) == 3
    assert not (own_home / "studies/plain/summary.json").exists()
    found, events = go(replace(PLAIN, run=breaking))
    assert events[0].step == 3
    assert len(calls) == 4 + 7
    assert sorted(set(calls)) == sorted((arm, seed) for arm in ("none", "more") for seed in range(5))
    again, events = go(replace(PLAIN, run=breaking))
    assert len(calls) == 11
    assert (events[0].step, len(events)) == (10, 1)
    assert again["arms"] == found["arms"]


def test_a_run_is_another_when_what_decides_it_is(tiny_base, monkeypatch):
    keys = {runner.key(PLAIN, "none", 0, tiny_base)}
    assert runner.key(PLAIN, "none", 0, tiny_base) in keys
    keys.add(runner.key(PLAIN, "more", 0, tiny_base))
    keys.add(runner.key(PLAIN, "none", 1, tiny_base))
    keys.add(runner.key(replace(PLAIN, arms=(Arm("none", "Nothing.", {"shift": 0.5}),)), "none", 0, tiny_base))
    keys.add(runner.key(PLAIN, "none", 0, replace(tiny_base, sha256="ab")))
    keys.add(runner.key(PLAIN, "none", 0, replace(tiny_base, card=tiny_base.card | {"rehearsal_weight": 3.0})))
    monkeypatch.setattr(runner, "program", lambda name: "another")
    keys.add(runner.key(PLAIN, "none", 0, tiny_base))
    assert len(keys) == 7


def test_stopping_keeps_what_was_done(go, own_home):
    asked = []
    with pytest.raises(Stopped):
        go(should_stop=lambda: asked.append(1) or len(asked) == 2)
    assert len(list((own_home / "studies/plain/runs").iterdir())) == 2


def test_a_run_that_cannot_end_is_a_result(go):
    def overflowing(base, arm, seed):
        if arm.name == "more" and seed == 1:
            raise UserError("The night's numbers overflowed.")
        return drawn(base, arm, seed)

    found, _ = go(replace(PLAIN, run=overflowing))
    assert found["failed"] == 1
    assert found["arms"]["more"]["value"]["n"] == found["arms"]["more"]["value"]["difference"]["n"] == 4
    assert found["arms"]["none"]["value"]["n"] == 5
    assert next(run for run in found["runs"] if "failed" in run)["failed"] == "The night's numbers overflowed."
    assert "Runs that did not come to their end and have no figures: 1." in results.table(found)


def test_the_printed_table(go):
    lines = results.table(go()[0]).splitlines()
    assert lines[0] == "plain: Does it shift?"
    more = next(line for line in lines if line.startswith("  more"))
    assert more.split()[1:] == [
        f"{1 + np.mean([np.random.default_rng(s).random() for s in range(5)]):.3f}",
        "+1.000",
        "[+1.000,",
        "+1.000]",
        "*",
    ]
    few = results.table(go(seeds=2)[0])
    assert "Fewer than 5 seeds: an observation, not an answer." in few
    one = results.table(go(small=True)[0])
    assert "[" not in one.split("value: ")[1].split("\n\n")[0]


def test_a_small_version_does_not_replace_the_whole_one(go, own_home):
    whole, _ = go()
    small, events = go(small=True)
    assert events[0].step == events[0].steps == 1  # its run is one of the whole one's
    folder = own_home / "studies/plain"
    assert len(json.loads((folder / "summary.json").read_text())["runs"]) == len(whole["runs"]) == 10
    assert len(json.loads((folder / "summary-small.json").read_text())["runs"]) == len(small["runs"]) == 1
    assert {path.name for path in folder.iterdir()} == {
        "runs", "runs.parquet", "summary.json", "runs-small.parquet", "summary-small.json",
    }  # fmt: skip


@pytest.fixture
def quick_folder(tiny_folder, tmp_path):
    """The tiny base in a folder of its own, with one epoch as its dose."""
    folder = tmp_path / "quick"
    folder.mkdir()
    for path in tiny_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    card = json.loads((folder / "sleepcon.json").read_text())
    (folder / "sleepcon.json").write_text(json.dumps(card | {"dose": {"learning_rate": 1e-3, "epochs": 1}}))
    return folder


def slowly(base, arm: Arm, seed: int) -> dict:
    """A run that takes a while."""
    time.sleep(0.3)
    return drawn(base, arm, seed)


SLOW = replace(PLAIN, run=slowly)
KILLED = "import sys, test_studies_run as t; t.runner.run_study(t.SLOW, sys.argv[1], sys.argv[2], jobs=2)"


@pytest.mark.slow
def test_after_a_kill_it_goes_on_where_it_was(quick_folder, tmp_path):
    runs = tmp_path / "studies" / "plain" / "runs"
    command = [sys.executable, "-c", KILLED, str(quick_folder), str(tmp_path)]
    process = subprocess.Popen(command, cwd=Path(__file__).parent, start_new_session=True)
    while process.poll() is None and len(list(runs.glob("*.json"))) < 3:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = contents(runs)
    whole = {name: data for name, data in before.items() if name.endswith(".json")}
    assert 3 <= len(whole) < 10
    assert all(json.loads(data)["study"] == "plain" for data in whole.values())
    calls = []

    def counting(base, arm, seed):
        calls.append((arm.name, seed))
        return slowly(base, arm, seed)

    found = runner.run_study(replace(SLOW, run=counting), str(quick_folder), tmp_path, jobs=1)
    assert len(calls) == 10 - len(whole)
    assert len(found["runs"]) == 10
    assert whole.items() <= contents(runs).items()


@pytest.mark.slow
def test_processes_give_what_one_gives(quick_folder, tmp_path):
    dose = studies.find("dose")
    apart, alone = (
        runner.run_study(dose, str(quick_folder), tmp_path / name, small=True, jobs=jobs)
        for name, jobs in (("two", 2), ("one", 1))
    )
    assert len(apart["runs"]) == 2
    for mine, theirs in zip(apart["runs"], alone["runs"], strict=True):
        assert mine["figures"] == theirs["figures"]
        assert [night["adapter_sha256"] for night in mine["nights"]] == [night["adapter_sha256"] for night in theirs["nights"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", studies.NAMES)
def test_every_study_runs(name, quick_folder, own_home, monkeypatch, short_wake):
    """All arms of each at one seed, on a base that says nothing sensible: what it measures is not the point."""
    from sleepcon.model import load_base

    monkeypatch.setattr(probing, "REPLY_TOKENS", 3)
    monkeypatch.setattr(probing, "prompts", lambda kind: ["Hello!", f"Something {kind}?"])
    study = studies.find(name)
    found = runner.run_study(study, base=load_base(str(quick_folder)), seeds=1, jobs=1)
    assert found["failed"] == 0
    assert [run["arm"] for run in found["runs"]] == [arm.name for arm in study.arms]
    for run in found["runs"]:
        assert set(run["figures"]) == set(study.figures)
        for value in run["figures"].values():
            assert value is None or np.isfinite(value)
        assert all(night.get("base_same", True) for night in run["nights"] if night)
    assert all(figures["difference"]["mean"] in (0, None) for figures in found["arms"][study.control].values())
    assert results.table(found)


def test_a_page_runs_the_small_version_on_the_brains_own_base(brain, own_home, monkeypatch):
    monkeypatch.setattr(runner, "find", lambda name: replace(PLAIN, name=name))
    events = []
    found = runner.small(brain("visitor"), {"name": "dose"}, events.append, lambda: False)
    assert ([run["arm"] for run in found["runs"]], found["seeds"]) == (["none"], [0])
    assert found["files"]["summary"] == str(own_home / "studies" / "dose" / "summary-small.json")
    assert events[-1].step == events[-1].steps == 1


def test_recorded_results_are_what_a_page_reads(brain, own_home, tiny_base, tmp_path, monkeypatch):
    from sleepcon import record

    monkeypatch.setattr(studies, "RECORDED", tmp_path / "recorded")
    monkeypatch.setattr(studies, "NAMES", ("plain",))
    monkeypatch.setattr(studies, "find", lambda name: PLAIN)
    monkeypatch.setattr(runner, "load_base", lambda model: tiny_base)
    monkeypatch.setattr(runner.joblib, "cpu_count", lambda: 1)
    record.all_studies()
    studies.load_summary.cache_clear()
    shown = studies.load_summary("plain")
    studies.load_summary.cache_clear()
    assert "files" not in shown
    assert str(own_home) not in json.dumps(shown)
    assert shown["arms"]["more"]["value"]["difference"]["mean"] == 1.0
    assert shown["study"]["hypothesis"] == PLAIN.hypothesis


# The command line


def test_a_list_of_the_studies(run):
    code, out, _ = run("study", model=False)
    assert code == 0
    assert all(f"{name}: {studies.find(name).question}" in out for name in studies.NAMES)
    code, told, _ = run("study", "list", "--json", model=False)
    assert [one["name"] for one in told] == list(studies.NAMES)


def test_a_study_on_the_command_line(capsys, run, own_home, monkeypatch):
    monkeypatch.setattr(studies, "find", lambda name: PLAIN)
    code, found, said = run("study", "plain", "--seeds", "2", "--jobs", "1", "--json")
    assert code == 0
    assert [(one["arm"], one["seed"]) for one in found["runs"]] == [("none", 0), ("more", 0), ("none", 1), ("more", 1)]
    assert "4/4" in said[-1]
    code, out, said = run("study", "plain", "--jobs", "1")
    assert code == 0
    assert "Hypothesis: It does." in out
    assert str(own_home / "studies" / "plain" / "runs.parquet") in out
    assert "10/10" in said[-1]
    assert len(list((own_home / "studies" / "plain" / "runs").iterdir())) == 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["naps"], "There is no study called naps"),
        (["dose", "--backend", "ray"], "which is not installed"),
        (["dose", "--backend", "threads"], "There is no backend called threads: choose one of loky, ray."),
        (["dose", "--seeds", "0"], "'0' is not a whole number"),
        (["dose", "--jobs", "-1"], "'-1' is not a whole number"),
        (["dose", "--jobs", "1", "--model", "no/such/folder"], "There is no folder no/such/folder"),
    ],
)
def test_what_cannot_be_run_changes_nothing(run, own_home, options, words, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.util", None)
    monkeypatch.setitem(sys.modules, "ray.util.joblib", None)
    code, _, said = run("study", *options, model=False)
    assert code == 2
    assert words in said[-1]
    assert not own_home.exists()
