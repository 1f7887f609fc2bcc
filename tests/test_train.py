"""Pretraining: the schedule of the rate, and the noise that weights are shaken with."""

from pathlib import Path

import pytest
import torch
from transformers import Qwen2ForCausalLM

from sleepcon.pretrain.train import Shape, Stage, schedule, shaken

SHAPE = Shape(vocabulary=64, hidden=32, layers=2, heads=2, feed_forward=48)


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


def test_the_weights_are_shaken_and_put_back():
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(SHAPE.config())
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    with shaken(model, 0.3, step=5):
        changes = {name: weight.detach() - before[name] for name, weight in model.named_parameters()}
    shares = {name: float(change.norm() / before[name].norm()) for name, change in changes.items() if change.any()}
    assert len(shares) == 2 * SHAPE.layers
    assert all(name.endswith(("q_proj.weight", "v_proj.weight")) for name in shares)
    assert max(shares.values()) == pytest.approx(min(shares.values()), rel=1e-3)
    assert 0 < max(shares.values()) <= 0.3
    assert {int(torch.linalg.matrix_rank(changes[name], rtol=1e-3)) for name in shares} == {4}
    for name, weight in model.named_parameters():
        assert torch.allclose(weight, before[name], atol=1e-6)


def test_no_noise_changes_nothing():
    model = Qwen2ForCausalLM(SHAPE.config())
    before = [weight.detach().clone() for weight in model.parameters()]
    with shaken(model, 0.0, step=1):
        assert all(torch.equal(*pair) for pair in zip(model.parameters(), before, strict=True))
