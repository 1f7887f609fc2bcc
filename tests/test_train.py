"""Pretraining: the schedule of the rate, and nights practised on the way."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sleepcon.paths import ASSETS
from sleepcon.pretrain import train
from sleepcon.pretrain.__main__ import PLAN
from sleepcon.pretrain.conversations import BALANCED
from sleepcon.pretrain.practice import Day
from sleepcon.pretrain.train import Shape, Stage, schedule


def test_the_rate_rises_stays_and_falls_and_rises_again_after_a_fall():
    here = Path()
    stages = [Stage(here, 200), Stage(here, 400, decay=300), Stage(here, 500)]
    shares = [schedule(step, stages) for step in range(1101)]
    assert shares[0] == 0.01
    assert shares[99:300] == [1.0] * 201, "no second rise where nothing fell"
    assert shares[300] == 1.0
    assert shares[450] == pytest.approx(0.5)
    assert shares[599] == pytest.approx(1 / 300)
    assert shares[600] == 0.01
    assert shares[700:1100] == [1.0] * 400
    assert shares[1100] == 0.0


def a_corpus(folder, count):
    """``count`` conversations of ten tokens each, all of them taught."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "ids.npy", rng.integers(3, 60, 10 * count).astype(np.uint16))
    np.save(folder / "taught.npy", np.ones(10 * count, np.uint8))
    np.save(folder / "lengths.npy", np.full(count, 10, np.int32))
    return folder


def a_day(number):
    rng = random.Random(number)
    rows = [([rng.randrange(3, 60) for _ in range(8)], [0.0] * 4 + [1.0] * 4) for _ in range(6)]
    return Day(*([row] * 2 for row in rows))


def test_a_night_is_practised_at_every_third_step_and_a_stop_changes_nothing(tmp_path, monkeypatch):
    asked = []

    def days(seed, first, count, *rest):
        asked.append((first, count))
        return map(a_day, range(first, first + count))

    monkeypatch.setattr(train.practice, "days", days)
    monkeypatch.setattr(train, "quick", lambda loss: loss)
    monkeypatch.setattr(train, "BATCH_TOKENS", 64)
    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 7)
    nights, slept = [], train.practice.slept
    monkeypatch.setattr(train.practice, "slept", lambda model, day, *rest: nights.append(day) or slept(model, day, *rest))
    folder = a_corpus(tmp_path / "corpus", 64)
    stages = [Stage(folder, 5), Stage(folder, 10, 4, BALANCED)]
    shape = Shape(vocabulary=64, hidden=32, layers=2, heads=2, feed_forward=48)

    def run(name):
        work = tmp_path / name
        work.mkdir(exist_ok=True)
        return train.pretrain(work, stages, shape, 1)[0].state_dict()

    whole = run("whole")
    assert nights == [a_day(number) for number in (2, 3, 4)], "steps 6, 9 and 12 of 15"
    nights.clear()
    began = run("whole")  # goes on from the checkpoint after step 14
    assert not nights
    assert all(torch.equal(whole[name], began[name]) for name in whole)
    before = load_file(tmp_path / "whole" / train.BEFORE_PRACTICE)
    with monkeypatch.context() as bare:
        bare.setattr(train, "KEPT", 0.0)
        practised = run("whole")
    for name, weights in before.items():
        assert not torch.equal(weights, practised[name])
        torch.testing.assert_close(whole[name], 0.3 * weights + 0.7 * practised[name])
    with monkeypatch.context() as stop:
        stop.setattr(train, "save_checkpoint", lambda *a, save=train.save_checkpoint: save(*a) or 1 / (a[-1] != 7))
        with pytest.raises(ZeroDivisionError):
            run("stopped")
    again = run("stopped")
    assert asked[-1][0] == 3, "the night of step 9"
    assert all(torch.allclose(whole[name], again[name], atol=1e-6) for name in whole)


def test_a_corpus_that_is_too_small_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "BATCH_TOKENS", 64)
    with pytest.raises(ValueError, match=r"corpus: 5 batches, 9 steps: build more shards\."):
        list(train.stage_batches([Stage(a_corpus(tmp_path / "corpus", 20), 9)], 1, 0))


def test_the_documentations_plan_is_the_plan():
    told = (ASSETS.parent / "docs/base.md").read_text("utf-8")
    for name, _, _, steps, _ in PLAN:
        assert f"{steps:,} |" in next(line for line in told.splitlines() if line.startswith(f"| `{name}` |"))
