"""Pretraining: the schedule of the rate."""

from pathlib import Path

import pytest

from sleepcon.pretrain.train import Stage, schedule


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
