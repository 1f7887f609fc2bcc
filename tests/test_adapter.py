"""Adapters: stock PEFT reads them, the sum of nights is exact, the dose scales, and nothing stays on the base."""

import json

import pytest
import torch
from conftest import ORLO
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, MambaConfig, MambaForCausalLM

from sleepcon.adapter import (
    NIGHT,
    PAST,
    WEIGHTS_FILE,
    LoraSettings,
    change_norms,
    file_sha256,
    join,
    lora_layers,
    save,
    take_off,
    worn,
    worn_for_training,
)
from sleepcon.errors import UserError
from sleepcon.model import Base, load_base, weights_sha256

SETTINGS = LoraSettings()
IDS = torch.tensor([[1, 44, 67, 100, 9, 2, 250]])


def logits(base: Base) -> torch.Tensor:
    with torch.no_grad():
        return base.model(IDS).logits


def modules(base: Base) -> list[tuple[str, type]]:
    return [(name, type(module)) for name, module in base.model.named_modules()]


def scramble(base: Base, seed: int) -> None:
    """Give the night's adapter weights as training might, B not zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in base.model.named_parameters():
            if f".{NIGHT}." in name:
                tensor.copy_(torch.randn(tensor.shape, generator=generator))


def night(base: Base, past, folder, seed: int) -> torch.Tensor:
    """Save a night with arbitrary weights; the logits with it worn."""
    with worn_for_training(base, past, SETTINGS) as peft:
        scramble(base, seed)
        base.model.eval()
        said = logits(base)
        assert save(peft, join(peft), folder) == file_sha256(folder)
    return said


@pytest.fixture
def first(tiny_base, tmp_path):
    """The folder of one night's adapter."""
    night(tiny_base, None, tmp_path / "first", seed=1)
    return tmp_path / "first"


def test_the_documents_configuration(first):
    config = json.loads((first / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (4, 8, 0.05)
    assert sorted(config["target_modules"]) == ["q_proj", "v_proj"]
    assert sorted(path.name for path in first.iterdir()) == ["adapter_config.json", WEIGHTS_FILE]


def test_stock_peft_loads_what_was_saved(tiny_base, tiny_folder, tmp_path):
    bare = logits(tiny_base)
    said = night(tiny_base, None, tmp_path / "first", seed=1)
    twice = night(tiny_base, tmp_path / "first", tmp_path / "second", seed=2)
    for folder, wanted in (("first", said), ("second", twice)):
        stock = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), tmp_path / folder).eval()
        with torch.no_grad():
            assert torch.allclose(stock(IDS).logits, wanted, atol=1e-5)
        with worn(tiny_base, tmp_path / folder):
            assert torch.allclose(logits(tiny_base), wanted, atol=1e-5)
    assert not torch.allclose(said, bare, atol=1e-2)
    assert not torch.allclose(twice, said, atol=1e-2)


def test_two_nights_joined_are_their_exact_sum(tiny_base, first):
    with worn_for_training(tiny_base, first, SETTINGS) as peft:
        scramble(tiny_base, 2)
        name = join(peft)
        for _, layer in lora_layers(tiny_base):
            parts = {
                one: layer.scaling[one] * layer.lora_B[one].weight.double() @ layer.lora_A[one].weight.double()
                for one in (PAST, NIGHT, name)
            }
            assert torch.allclose(parts[name], parts[PAST] + parts[NIGHT], rtol=1e-6, atol=1e-6)
            assert layer.lora_A[name].weight.shape[0] == 2 * SETTINGS.rank


def test_on_a_base_in_half_precision_adapters_stay_in_float32_and_join_exactly(tiny_base, tiny_folder, tmp_path):
    half = load_base(str(tiny_folder), dtype="bfloat16")
    assert half.dtype == "bfloat16"
    folders = [tmp_path / name for name in ("first", "second", "whole", "wide")]
    for base, one, two in ((half, *folders[:2]), (tiny_base, *folders[2:])):
        night(base, None, one, seed=1)
        night(base, one, two, seed=2)
    for one, other in ((folders[0], folders[2]), (folders[1], folders[3])):
        saved, wanted = load_file(one / WEIGHTS_FILE), load_file(other / WEIGHTS_FILE)
        assert all(tensor.dtype == torch.float32 for tensor in saved.values())
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in saved.items())
    with worn(half, folders[1]):
        assert all(p.dtype == torch.float32 for name, p in half.model.named_parameters() if "lora_" in name)


def test_a_fresh_night_changes_nothing_and_alone_may_learn(tiny_base, first):
    bare = logits(tiny_base)
    with worn_for_training(tiny_base, None, SETTINGS):
        assert torch.equal(logits(tiny_base), bare)
    with worn(tiny_base, first):
        before = logits(tiny_base)
    with worn_for_training(tiny_base, first, SETTINGS):
        tiny_base.model.eval()
        assert torch.allclose(logits(tiny_base), before, atol=1e-6)
        learning = [name for name, parameter in tiny_base.model.named_parameters() if parameter.requires_grad]
    assert len(learning) == 2 * 2 * 2  # layers, q and v, A and B
    assert all(f".{NIGHT}." in name for name in learning)


@pytest.mark.parametrize("dose", [0.0, 0.5, 1.0, 1.5])
def test_the_dose_scales_the_change_of_the_weights(tiny_base, tiny_folder, first, dose):
    tensors = load_file(first / WEIGHTS_FILE)
    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    with torch.no_grad():
        for name, down in tensors.items():
            if "lora_A" in name:
                weight = model.get_parameter(name.removeprefix("base_model.model.").replace("lora_A.", ""))
                weight += dose * SETTINGS.alpha / SETTINGS.rank * tensors[name.replace("lora_A", "lora_B")] @ down
        wanted = model(IDS).logits
    with worn(tiny_base, first, dose):
        assert torch.allclose(logits(tiny_base), wanted, atol=1e-4)


def test_taking_off_puts_the_base_back(tiny_base, first):
    kinds, said, hashed = modules(tiny_base), logits(tiny_base), weights_sha256(tiny_base)
    for past in (None, first):
        with worn_for_training(tiny_base, past, SETTINGS):
            scramble(tiny_base, 3)
            tiny_base.model.train()
            assert modules(tiny_base) != kinds
        assert modules(tiny_base) == kinds
    with pytest.raises(ZeroDivisionError), worn(tiny_base, first, 0.7):
        1 / 0  # noqa: B018
    assert modules(tiny_base) == kinds
    assert torch.equal(logits(tiny_base), said)
    assert weights_sha256(tiny_base) == hashed
    assert not tiny_base.model.training
    assert not any(parameter.requires_grad for parameter in tiny_base.model.parameters())


def test_change_norms_by_hand(tiny_base, first):
    tensors = load_file(first / WEIGHTS_FILE)
    with worn(tiny_base, first):
        norms = change_norms(tiny_base)
    assert len(norms) == 4
    for name, norm in norms.items():
        down, up = (tensors[f"base_model.model.{name}.lora_{part}.weight"].double() for part in "AB")
        weight = tiny_base.model.get_parameter(f"{name}.weight").double()
        assert norm == pytest.approx(float(2 * (up @ down).norm() / weight.norm()), rel=1e-5)


def test_a_base_without_the_modules_is_refused(brain, tiny_base):
    config = MambaConfig(num_hidden_layers=1, hidden_size=16, vocab_size=259, eos_token_id=2)
    other = Base("mamba", MambaForCausalLM(config).eval(), tiny_base.tokenizer, dict(tiny_base.card))
    with (
        pytest.raises(UserError, match="mamba has no modules called q_proj or v_proj"),
        worn_for_training(other, None, SETTINGS),
    ):
        pass
    one = brain("other", base=other)
    one.remember(ORLO)
    with pytest.raises(UserError, match="q_proj"):
        one.sleep()
    assert one.history() == []


@pytest.mark.parametrize("fault", ["gone", "empty", "cut", "shape", "config"])
def test_an_adapter_that_does_not_fit_leaves_the_base_bare(tiny_base, first, fault):
    kinds, said = modules(tiny_base), logits(tiny_base)
    weights = first / WEIGHTS_FILE
    if fault == "gone":
        weights.unlink()
    elif fault == "empty":
        weights.write_bytes(b"")
    elif fault == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif fault == "shape":
        save_file({name: tensor[:, :3].contiguous() for name, tensor in load_file(weights).items()}, weights)
    else:
        (first / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be loaded onto") as error, worn(tiny_base, first):
        pass
    assert "\n" not in str(error.value)
    assert modules(tiny_base) == kinds
    assert torch.equal(logits(tiny_base), said)


def test_take_off_by_hand(tiny_base):
    with worn_for_training(tiny_base, None, SETTINGS) as peft:
        pass
    take_off(tiny_base, peft)  # once more does no harm
    assert not list(lora_layers(tiny_base))
