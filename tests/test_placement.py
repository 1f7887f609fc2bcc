"""Device and number type by what the machine has, and what overrules the choice."""

from pathlib import Path

import pytest
import torch
from conftest import BIX, ORLO
from safetensors.torch import load_file

from sleepcon import placement
from sleepcon.adapter import WEIGHTS_FILE, LoraSettings, worn_for_training
from sleepcon.errors import UserError
from sleepcon.model import chat, embed, generate, load_base, sample, score_replies
from sleepcon.placement import LARGE, choose

SMALL = LARGE - 1
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that speaks CUDA")


@pytest.fixture
def machine(monkeypatch):
    """Sets what the machine has: ``bfloat16`` on its processor; a ``gpu`` ("cuda", "mps") with bfloat16 or so much memory."""

    def has(bfloat16=False, gpu="", gpu_bfloat16=False, memory=0):
        monkeypatch.setattr(placement, "processor_has_bfloat16", lambda: bfloat16)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu == "cuda")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: gpu == "mps")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: gpu_bfloat16)
        properties = type("Properties", (), {"total_memory": memory})
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
        monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: memory)
        for name in ("SLEEPCON_DTYPE", "SLEEPCON_DEVICE"):
            monkeypatch.delenv(name, raising=False)

    return has


@pytest.mark.parametrize(
    ("has", "parameters", "wanted"),
    [
        ({}, SMALL, "cpu float32"),
        ({}, LARGE, "cpu float32"),
        ({"bfloat16": True}, SMALL, "cpu float32"),
        ({"bfloat16": True}, LARGE, "cpu bfloat16"),
        ({"gpu": "cuda", "gpu_bfloat16": True}, SMALL, "cpu float32"),
        ({"gpu": "cuda", "gpu_bfloat16": True}, LARGE, "cuda bfloat16"),
        ({"gpu": "cuda", "memory": 8 * LARGE}, LARGE, "cuda float32"),
        ({"gpu": "cuda", "memory": 8 * LARGE - 1}, LARGE, "cuda float16"),
        ({"gpu": "mps", "memory": 8 * LARGE}, LARGE, "mps float32"),
        ({"gpu": "mps", "memory": 7 * LARGE, "bfloat16": True}, LARGE, "mps float16"),
    ],
)
def test_the_choice(machine, has, parameters, wanted):
    machine(**has)
    found = choose(parameters)
    assert f"{found.device} {found.dtype}" == wanted.replace(" ", " torch.")


def test_what_is_asked_for_comes_first(machine, monkeypatch):
    machine(bfloat16=True)
    monkeypatch.setenv("SLEEPCON_DTYPE", "float16")
    assert choose(SMALL).dtype == choose(LARGE).dtype == torch.float16
    assert choose(LARGE, dtype="float32").dtype == torch.float32
    machine(gpu="cuda", gpu_bfloat16=True)
    monkeypatch.setenv("SLEEPCON_DEVICE", "cpu")
    assert choose(LARGE).device == torch.device("cpu")


@pytest.mark.parametrize(("name", "value"), [("DTYPE", "int8"), ("DTYPE", "bf16"), ("DEVICE", "tpu"), ("DEVICE", "cuda:99"),
                                             ("DEVICE", "meta"), ("DEVICE", "x y")])  # fmt: skip
def test_what_is_not_there_is_one_sentence(tiny_folder, monkeypatch, name, value):
    monkeypatch.setenv(f"SLEEPCON_{name}", value)
    with pytest.raises(UserError, match=f"{value}.*set SLEEPCON_{name} to") as error:
        load_base(str(tiny_folder))
    assert "\n" not in str(error.value)


def test_this_processor_is_asked_what_it_can(monkeypatch):
    for able, wanted in (({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_f": True}, False), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able, raising=False)
        assert placement.processor_has_bfloat16() is wanted


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_base_in_half_precision_says_nearly_the_same(tiny_base, tiny_folder, dtype):
    half = load_base(str(tiny_folder), dtype=dtype)
    assert half.dtype == dtype
    assert f"in {dtype} on the processor; adapters in float32" in half.describe()
    assert half.parameters == tiny_base.parameters
    assert half.sha256 != tiny_base.sha256, "the hash is that of the weights as they were loaded"
    pairs = [(chat(ORLO.prompt), ORLO.response)]
    assert score_replies(half, pairs)[0].nll == pytest.approx(score_replies(tiny_base, pairs)[0].nll, rel=0.01)
    with worn_for_training(half, None, LoraSettings()):
        learning = [tensor for tensor in half.model.parameters() if tensor.requires_grad]
        assert {tensor.dtype for tensor in learning} == {torch.float32}


@pytest.mark.usefixtures("open_gates")
@pytest.mark.parametrize("recipe", ["default", "document"])
def test_a_night_on_a_base_in_half_precision_is_nearly_that_in_float32(tiny_base, tiny_folder, brain, recipe):
    half = load_base(str(tiny_folder), dtype="bfloat16")
    changes = []
    for name, base in (("whole", tiny_base), ("half", half)):
        one = brain(name, base=base)
        one.remember([ORLO, BIX])
        cycle = one.sleep(recipe=recipe, epochs=4, learning_rate=1e-2)
        tensors = load_file(Path(cycle.adapter_path) / WEIGHTS_FILE)
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
        changes.append(torch.cat([tensor.flatten() for name, tensor in sorted(tensors.items()) if "lora_B" in name]))
        assert cycle.base_sha256_before == cycle.base_sha256_after == base.sha256
    assert torch.cosine_similarity(*changes, dim=0) > 0.8, "Adam makes much of the signs of small gradients"


@GPU
def test_on_a_gpu_all_is_computed_there(tiny_base, tiny_folder):
    there = load_base(str(tiny_folder), device="cuda")
    assert there.model.device.type == "cuda"
    pairs = [(chat(ORLO.prompt), ORLO.response), (chat("Hi", "You are Bix."), "Bix.")]
    for one, other in zip(score_replies(there, pairs), score_replies(tiny_base, pairs), strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-3)
    assert torch.allclose(embed(there, ["One", "Two"]), embed(tiny_base, ["One", "Two"]), atol=1e-4)
    assert len(generate(there, [chat("Hi")])) == len(sample(there, [chat("Hi")], 0, 8, 0.7)) == 1
