"""Specifications: every figure is that of an object or a file."""

import json

import pytest
from conftest import BIG_DOSE, ORLO, contents

from sleepcon import specifications
from sleepcon.adapter import WEIGHTS_FILE
from sleepcon.documented import ALPHA, DROPOUT, RANK, TARGETS
from sleepcon.model import weights_sha256
from sleepcon.sleep import Stopped


def test_the_figures_are_those_of_the_loaded_objects(brain):
    one = brain()
    bits = weights_sha256(one.base)
    facts = specifications.measure(one)
    assert json.loads(json.dumps(facts)) == facts
    config = one.base.model.config
    assert facts["base"]["parameters"] == sum(p.numel() for p in one.base.model.parameters())
    assert (facts["base"]["layers"], facts["base"]["type"]) == (config.num_hidden_layers, "float32")
    assert facts["base"]["products"] == "float32", "a card that says nothing of them"
    lora = facts["lora"]
    assert (lora["rank"], lora["alpha"], lora["dropout"], tuple(lora["targets"])) == (RANK, ALPHA, DROPOUT, TARGETS)
    hidden = config.hidden_size  # both modules are square in the tiny base
    assert lora["parameters"] == config.num_hidden_layers * len(TARGETS) * RANK * (hidden + hidden)
    assert lora["modules"] == config.num_hidden_layers * len(TARGETS)
    assert facts["files"][WEIGHTS_FILE] > 4 * lora["parameters"]
    assert facts["worn"] is None
    assert facts["machine"]["threads"] >= 1
    assert facts["machine"]["processor"]
    assert weights_sha256(one.base) == bits
    assert not any("lora" in name for name, _ in one.base.model.named_parameters())


def test_the_worn_adapter_is_that_of_the_last_kept_night(brain, open_gates):
    one = brain()
    one.remember(ORLO)
    one.sleep(0.6, **BIG_DOSE)
    worn = specifications.measure(one)["worn"]
    assert worn["cycle"] == 1
    assert worn["rank"] == RANK
    assert worn["parameters"] == specifications.measure(one)["lora"]["parameters"]
    assert worn["files"] == {name: len(data) for name, data in contents(one.folder / "cycles" / "0001").items()}


def test_a_uniform_scale_hardly_changes_what_adamw_does(brain):
    whole, half, tenth = (one["change"] for one in specifications.measure(brain())["scaled"])
    assert whole > 0
    assert half == pytest.approx(whole, rel=0.02)
    assert tenth == pytest.approx(whole, rel=0.1)


def test_it_can_be_cancelled(brain):
    with pytest.raises(Stopped):
        specifications.run(brain(), {}, lambda _: None, lambda: True)


def test_the_processor_has_a_name_on_any_system(monkeypatch, tmp_path):
    monkeypatch.setattr(specifications, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(specifications.platform, "processor", lambda: "")
    assert specifications.processor() == specifications.platform.machine()
