"""Models that cannot be had, or are not what they seem: one sentence each, and nothing made."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import families
import pytest
import torch
from conftest import contents
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertLMHeadModel, T5Config, T5ForConditionalGeneration

from sleepcon import loading
from sleepcon.errors import UserError
from sleepcon.loading import load_base

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tiny_folder, tmp_path) -> Path:
    """A copy of the tiny base that a test may spoil."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def refused(model: str) -> str:
    """The one sentence with which a model is refused."""
    with pytest.raises(UserError) as error:
        load_base(model)
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert model in text
    return text


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def respell(folder: Path, change) -> None:
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})


def bert(folder: Path, kind: type, architectures: list[str]) -> None:
    config = BertConfig(vocab_size=259, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48)
    kind(config).save_pretrained(folder)
    edit(folder / "config.json", architectures=architectures)


SPOILED = {
    "no config": (lambda f: (f / "config.json").unlink(), "has no config.json"),
    "config cut off": (lambda f: (f / "config.json").write_text('{"model_type": "qw'), "cannot be understood"),
    "an unknown family": (lambda f: edit(f / "config.json", model_type="quux", architectures=None), "cannot be understood"),
    "config that does not add up": (lambda f: edit(f / "config.json", hidden_size="wide"), "cannot be"),
    "code of its own": (
        lambda f: edit(f / "config.json", model_type="quux", auto_map={"AutoConfig": "own.Config"}), "cannot be understood",
    ),
    "an adapter": (lambda f: (f / "adapter_config.json").write_text("{}"), "holds an adapter"),
    "pickled weights": (
        lambda f: (f / WEIGHTS).rename(f / "pytorch_model.bin"), "are not all there",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer in its folder"),
    "tokenizer cut off": (lambda f: (f / "tokenizer.json").write_text('{"version'), "its tokenizer cannot be read"),
    "tokenizer too large": (
        lambda f: families.tokenizer("chatml").save_pretrained(f), "has more tokens than the model knows",
    ),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "are not all there"),
    "weights cut off": (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:-100]), "its weights cannot be read"),
    "weights empty": (lambda f: (f / WEIGHTS).write_bytes(b""), "its weights cannot be read"),
    "weights are words": (lambda f: (f / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\n"), "cannot be read"),
    "one part missing": (
        lambda f: (f / (WEIGHTS + ".index.json")).write_text('{"weight_map": {"a": "model-1.safetensors"}}'), "not all there",
    ),
    "list of parts cut off": (lambda f: (f / (WEIGHTS + ".index.json")).write_text("{"), "not all there"),
    "one weight missing": (
        lambda f: respell(f, lambda all_: {name: one for name, one in all_.items() if "layers.1.mlp.up_proj" not in name}),
        "lack model.layers.1.mlp.up_proj.weight",
    ),
    "another shape": (
        lambda f: respell(f, lambda all_: {name: one[:2].clone() for name, one in all_.items()}), "its weights cannot be read",
    ),
    "not numbers": (
        lambda f: respell(f, lambda all_: {name: one * float("nan") for name, one in all_.items()}), "predicts no numbers",
    ),
    "an encoder": (lambda f: bert(f, BertForMaskedLM, ["BertForMaskedLM"]), "is a BertForMaskedLM, which is no causal"),
    "an encoder that does not say so": (lambda f: bert(f, BertLMHeadModel, ["BertLMHeadModel"]), "looks ahead"),
    "an encoder and decoder": (
        lambda f: T5ForConditionalGeneration(
            T5Config(vocab_size=259, d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2)
        ).save_pretrained(f),
        "is a T5ForConditionalGeneration, which is no causal",
    ),
    "of a family that predicts nothing": (
        lambda f: edit(f / "config.json", model_type="t5", architectures=None), "is a t5, which is no causal language model",
    ),
    "no template that works": (
        lambda f: (f / "chat_template.jinja").write_text("{{ raise_exception('no') }}"), "chat template of the model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", SPOILED)
def test_a_folder_that_is_not_whole_is_one_sentence(folder, fault):
    spoil, words = SPOILED[fault]
    spoil(folder)
    before = contents(folder)
    assert words in refused(str(folder))
    assert contents(folder) == before


def test_an_unknown_head_is_refused_rather_than_scored_wrongly(tmp_path, monkeypatch):
    folder = families.make("granite", tmp_path)
    monkeypatch.setattr(loading, "head_logits", lambda base, hidden: base.model.get_output_embeddings()(hidden).float())
    assert "ends in a way that is not known here" in refused(str(folder))


@pytest.mark.parametrize("name", ["/no/such/folder", "./model", "a/b/c", "a b", "nobody/", "-x", "x" * 300, "a--b"])
def test_a_name_that_no_model_can_have_is_not_looked_up(name, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(loading, "HfApi", None)
    assert "give" in refused(name)


# The hub


class Hub:
    """A hub that has one model and lets nobody in, or fails: whatever ``error`` says."""

    def __init__(self, error: Exception | None = None, files=(WEIGHTS,), architectures=("Qwen2ForCausalLM",), gated=False):
        self.error, self.files, self.architectures, self.gated = error, files, list(architectures), gated

    def model_info(self, model, timeout):
        if self.error and not self.gated:
            raise self.error
        self.siblings = [type("File", (), {"rfilename": name}) for name in self.files]
        self.config = {"architectures": self.architectures}
        return self

    def auth_check(self, model):
        raise self.error


def answer(kind: type, status: int) -> Exception:
    request = SimpleNamespace(method="GET", url="https://hub/x")
    return kind("No.\nAnd more.", response=SimpleNamespace(status_code=status, headers={}, request=request))


class ConnectError(Exception):
    """As the hub's client raises it; where from differs by version."""


HUBS = {
    "gone": (Hub(answer(RepositoryNotFoundError, 404)), "The hub has no model some/model that you may see"),
    "gated": (Hub(answer(GatedRepoError, 403), gated="manual"), "is gated: accept its terms"),
    "unreachable": (
        Hub(ConnectError("[Errno -2] Name or service not known")),
        "the hub cannot be reached (ConnectError)",
    ),
    "slow": (Hub(TimeoutError("timed out")), "the hub cannot be reached (TimeoutError)"),
    "pickles": (Hub(files=["pytorch_model.bin"]), "has no safetensors weights on the hub"),
    "an encoder": (Hub(architectures=["BertForMaskedLM"]), "is a BertForMaskedLM"),
}


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty local cache of the hub, which may be asked."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    return tmp_path / "hub"


@pytest.mark.parametrize("name", HUBS)
def test_what_the_hub_says_is_one_sentence_and_leaves_nothing(cache, monkeypatch, name):
    hub, words = HUBS[name]
    monkeypatch.setattr(loading, "HfApi", lambda: hub)
    assert words in refused("some/model")
    assert not cache.exists()


def test_without_a_network_the_hub_is_not_asked(cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(loading, "HfApi", None)
    said = refused("some/model")
    assert "not in the local cache" in said
    assert "hf download some/model" in said


def in_cache(cache: Path, folder: Path) -> Path:
    """Put a model into the cache as the hub's client does."""
    place = cache / "models--some--model"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    return Path(shutil.copytree(folder, place / "snapshots" / ("0" * 40)))


def test_a_cached_model_needs_no_network(cache, folder, monkeypatch):
    in_cache(cache, folder)
    monkeypatch.setattr(loading, "HfApi", None)
    base = load_base("some/model")
    assert base.name == "some/model"
    assert base.sha256 == load_base(str(folder)).sha256


def test_a_model_half_in_the_cache_is_fetched(cache, folder, monkeypatch):
    place = in_cache(cache, folder)
    (place / WEIGHTS).unlink()
    monkeypatch.setattr(loading, "HfApi", lambda: Hub(ConnectError("no")))
    assert "not in the local cache" in refused("some/model")
    monkeypatch.setattr(loading, "HfApi", lambda: Hub())
    monkeypatch.setattr(loading, "snapshot_download", lambda model, **how: str(folder))
    assert load_base("some/model").name == "some/model"


def test_only_harmless_files_are_fetched(cache, folder, monkeypatch):
    asked = {}
    monkeypatch.setattr(loading, "HfApi", lambda: Hub())
    monkeypatch.setattr(loading, "snapshot_download", lambda model, **how: asked.update(how) or str(folder))
    load_base("some/model")
    from huggingface_hub.utils import filter_repo_objects

    files = ["config.json", WEIGHTS, "tokenizer.json", "chat_template.jinja", "vocab.txt", "tokenizer.model"]
    others = ["pytorch_model.bin", "model.py", "onnx/model.safetensors", "consolidated.safetensors", "x.pkl", "README.md"]
    assert list(filter_repo_objects([*files, *others], **asked)) == files


def test_a_model_saved_in_parts_is_loaded(tmp_path, folder):
    tensors = load_file(folder / WEIGHTS)
    names = sorted(tensors)
    parts = {"model-1.safetensors": names[:5], "model-2.safetensors": names[5:]}
    before = load_base(str(folder)).sha256
    (folder / WEIGHTS).unlink()
    for part, held in parts.items():
        save_file({name: tensors[name] for name in held}, folder / part, {"format": "pt"})
    listed = {name: part for part, held in parts.items() for name in held}
    (folder / (WEIGHTS + ".index.json")).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": listed}))
    assert load_base(str(folder)).sha256 == before


def test_the_last_matrix_is_given_its_input_in_one_piece(folder):
    base = load_base(str(folder))
    head, seen = base.model.get_output_embeddings(), []
    forward = head.forward
    head.forward = lambda states: seen.append(states) or forward(states)
    ids = torch.ones(3, 5, dtype=torch.long)
    with torch.no_grad():
        kept = base.model(input_ids=ids, logits_to_keep=1).logits
    assert seen[0].shape == (3, 1, 32)
    assert seen[0].is_contiguous()
    with torch.no_grad():
        assert torch.equal(kept, forward(base.model.get_decoder()(input_ids=ids).last_hidden_state[:, -1:].contiguous()))


def test_weights_in_half_precision_are_loaded_in_the_type_that_was_chosen(folder):
    whole = load_file(folder / WEIGHTS)
    respell(folder, lambda all_: {name: one.bfloat16() for name, one in all_.items()})
    base = load_base(str(folder))
    assert base.dtype == "float32", "a small base is kept in float32 whatever it was saved in"
    for name, tensor in base.model.named_parameters():
        assert torch.equal(tensor, whole[name].bfloat16().float())
