"""The arithmetic of a model's shape against the real objects."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, Qwen2Config, Qwen2ForCausalLM

from sleepcon import documented
from sleepcon.architecture import MODULES, QWEN, Architecture, embedded
from sleepcon.paths import EMBEDDED

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # between PEFT and transformers
ODD = Architecture("odd", 32, 3, 4, 2, 56, 101, tied=False)


def built(shape: Architecture) -> Qwen2ForCausalLM:
    """The model itself, without its numbers."""
    config = Qwen2Config(
        vocab_size=shape.vocabulary, hidden_size=shape.hidden, intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
        tie_word_embeddings=shape.tied,
    )  # fmt: skip
    with torch.device("meta"):
        return Qwen2ForCausalLM(config)


@pytest.mark.parametrize("shape", [QWEN, embedded(), ODD], ids=lambda shape: shape.name)
def test_parameters_are_those_of_the_model_that_transformers_builds(shape):
    model = built(shape)
    assert shape.parameters() == sum(parameter.numel() for parameter in model.parameters())
    layer = model.model.layers[0]
    for module in MODULES:
        weight = dict(layer.named_modules())[f"{'mlp' if module in MODULES[4:] else 'self_attn'}.{module}"].weight
        assert shape.shape(module) == tuple(weight.shape), module


@pytest.mark.parametrize("shape", [QWEN, embedded(), ODD], ids=lambda shape: shape.name)
@pytest.mark.parametrize(("rank", "modules"), [(4, ("q_proj", "v_proj")), (1, ("o_proj",)), (16, MODULES)])
def test_adapter_parameters_are_those_that_peft_would_train(shape, rank, modules):
    model = get_peft_model(built(shape), LoraConfig(r=rank, target_modules=list(modules), task_type="CAUSAL_LM"))
    trainable, together = model.get_nb_trainable_parameters()
    assert shape.adapter_parameters(rank, modules) == trainable
    assert shape.adapter_share(rank, modules) == trainable / together


def test_the_documents_figures_follow_from_its_configuration():
    assert QWEN.parameters() == documented.BASE_PARAMETERS == 494_032_768
    assert QWEN.adapter_parameters(documented.RANK, documented.TARGETS) == documented.ADAPTER_PARAMETERS == 270_336
    assert f"{QWEN.adapter_share(documented.RANK, documented.TARGETS):.4%}" == "0.0547%"


def test_the_embedded_base_is_read_from_its_own_configuration():
    config = AutoConfig.from_pretrained(EMBEDDED)
    assert (embedded().hidden, embedded().layers, embedded().vocabulary) == (
        config.hidden_size, config.num_hidden_layers, config.vocab_size,
    )  # fmt: skip
