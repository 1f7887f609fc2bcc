"""What an exported folder holds: other tools read it, and it says what the ledger says."""

import csv
import hashlib
import json
import struct
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import BIX, DULL, ORLO, SMALL_DOSE, contents
from peft import PeftModel
from tensorboardX.proto.event_pb2 import Event
from transformers import AutoModelForCausalLM, AutoTokenizer

from sleepcon import adapter, wake
from sleepcon.brain import Brain
from sleepcon.errors import UserError
from sleepcon.export import export
from sleepcon.export.manifest import is_inside, verify
from sleepcon.export.merged import write_merged
from sleepcon.model import chat, load_base, prompt_ids

DOCS = Path(__file__).resolve().parent.parent / "docs" / "data.md"


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tiny_folder):
    """A brain with three nights, the second rolled back, and its folder; no test changes either."""
    home = tmp_path_factory.mktemp("exported")
    kept = wake.Gates(kept=0.0, collapse=1.0, repeated=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wake, "REPLY_TOKENS", 16)
        patch.setattr(wake, "ordinary_prompts", lambda: ["Hello!", "What is 2 plus 2?", "Name a fruit.", "Good night."])
        one = Brain.open("default", home=home, base=load_base(str(tiny_folder)))
        one.remember([ORLO, BIX, DULL])
        for gates in (kept, wake.Gates(kept=1.1), kept):
            patch.setattr(wake, "Gates", lambda gates=gates: gates)
            one.sleep(learning_rate=0.05, epochs=40) if not one.history() else one.sleep(threshold=0.0, **SMALL_DOSE)
        assert [night.kept for night in one.history()] == [True, False, True]
        export(one, home / "out")
    yield one, home / "out"
    one.close()


@torch.inference_mode()
def logits(model, base, prompts=("Hi", ORLO.prompt, "A long question, with many words?")) -> list[torch.Tensor]:
    return [model(input_ids=torch.tensor([prompt_ids(base, chat(prompt))])).logits for prompt in prompts]


def test_stock_peft_on_the_stock_base_gives_the_same_logits(exported, tiny_folder):
    brain, folder = exported
    stock = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), folder / "adapter")
    with adapter.worn(brain.base, brain.adapter_after(None)):
        ours = logits(brain.base.model, brain.base)
    bare = logits(brain.base.model, brain.base)
    for theirs, own, before in zip(logits(stock, brain.base), ours, bare, strict=True):
        assert torch.equal(theirs, own)
        assert (own - before).abs().max() > 0.1


def test_every_file_is_in_the_manifest_with_its_hash(exported):
    brain, folder = exported
    manifest = json.loads((folder / "manifest.json").read_text())
    found = {path: hashlib.sha256(data).hexdigest() for path, data in contents(folder).items() if (folder / path).is_file()}
    assert manifest["files"] == {path: sha256 for path, sha256 in found.items() if path != "manifest.json"}
    assert (manifest["brain"], manifest["nights"], manifest["model"]) == ("default", 3, brain.model)
    assert manifest["adapter_sha256"] == brain.history()[-1].adapter_sha256
    assert sorted(path.name for path in (folder / "brain" / "cycles").iterdir()) == ["0001", "0003"]
    assert verify(folder) == manifest


def test_tables_say_what_the_ledger_says(exported):
    brain, folder = exported
    nights = brain.history()
    assert [json.loads(line) for line in (folder / "metrics.jsonl").open()] == [night.as_dict() for night in nights]
    losses = [loss for night in nights for loss in night.curve]
    rows = [json.loads(line) for line in (folder / "steps.jsonl").open()]
    assert [row["step"] for row in rows] == list(range(1, len(losses) + 1))
    assert [row["loss"] for row in rows] == losses
    assert [row["night"] for row in rows] == [night.cycle for night in nights for _ in night.curve]
    assert [row["step_of_night"] for row in rows[-3:]] == [1, 2, 3]
    gone = datetime.fromisoformat(rows[-1]["timestamp"]) - datetime.fromisoformat(nights[-1].started)
    assert gone.total_seconds() == pytest.approx(nights[-1].training_seconds, abs=1e-5)
    with (folder / "steps.csv").open(newline="") as handle:
        assert [{**row, "loss": float(row["loss"])} for row in csv.DictReader(handle)] == [
            {name: value if name == "loss" else str(value) for name, value in row.items()} for row in rows
        ]
    table = pd.read_csv(folder / "nights.csv")
    assert table["step"].tolist() == [1, 2, 3]
    assert table["kept"].tolist() == [1, 0, 1]
    assert table["loss_after"].tolist() == [night.loss_after for night in nights]
    assert table["check_kept"].tolist() == [
        check["value"] for night in nights for check in night.checks if check["name"] == "kept"
    ]


def test_samples_as_csv_and_parquet(exported):
    brain, folder = exported
    told = [{"cycle": night.cycle, "kept": night.kept, **reply} for night in brain.history() for reply in night.replies]
    for table in (
        pd.read_parquet(folder / "samples.parquet"),
        pd.read_csv(folder / "samples.csv", keep_default_na=False),
    ):
        rows = table.to_dict("records")
        assert rows == [{name: row[name] for name in table.columns} for row in told]
        assert rows[0]["prompt"] == ORLO.prompt
        assert isinstance(rows[0]["learned"], bool)
    types = pd.read_parquet(folder / "samples.parquet").dtypes.astype(str).to_dict()
    assert (types["cycle"], types["kept"], types["salience"]) == ("int64", "bool", "float64")


def crc32c(data: bytes) -> int:
    """Castagnoli's CRC, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events(folder: Path) -> list[Event]:
    """The events of the one file in a folder, with their checksums checked."""
    (path,) = folder.iterdir()
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        body = data[at + 12 : at + 12 + size]
        assert struct.unpack_from("<I", data, at + 8) == (masked(data[at : at + 8]),)
        assert struct.unpack_from("<I", data, at + 12 + size) == (masked(body),)
        found.append(Event.FromString(body))
        at += 16 + size
    return found


def test_event_files(exported):
    brain, folder = exported
    nights = brain.history()
    assert sorted(path.name for path in (folder / "tensorboard").iterdir()) == ["nights", "steps"]
    first, *rest = events(folder / "tensorboard" / "steps")
    assert first.file_version == "brain.Event:2"
    assert [(one.step, one.summary.value[0].tag) for one in rest] == [(n, "loss") for n in range(1, len(rest) + 1)]
    losses = [loss for night in nights for loss in night.curve]
    assert [one.summary.value[0].simple_value for one in rest] == pytest.approx(losses, rel=1e-6)
    assert rest[-1].wall_time == pytest.approx(
        datetime.fromisoformat(nights[-1].started).timestamp() + nights[-1].training_seconds
    )
    by_night = {
        (one.step, one.summary.value[0].tag): one.summary.value[0].simple_value
        for one in events(folder / "tensorboard" / "nights")[1:]
    }
    assert by_night[3, "loss_after"] == pytest.approx(nights[2].loss_after, rel=1e-6)
    assert [by_night[number, "kept"] for number in (1, 2, 3)] == [1, 0, 1]
    (name,) = [path.name for path in (folder / "tensorboard" / "steps").iterdir()]
    assert name == f"events.out.tfevents.{datetime.fromisoformat(nights[0].started).timestamp():.0f}.sleepcon"


def test_tensorboard_reads_the_event_files(exported):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    brain, folder = exported
    read = accumulator.EventAccumulator(str(folder / "tensorboard" / "steps"), {"scalars": 0}).Reload()
    losses = [loss for night in brain.history() for loss in night.curve]
    assert [one.value for one in read.Scalars("loss")] == pytest.approx(losses, rel=1e-6)


def recipe(package: str) -> str:
    """The lines of Python in docs/data.md that use a package."""
    blocks = DOCS.read_text(encoding="utf-8").split("```python\n")[1:]
    (found,) = [block.split("```")[0] for block in blocks if f"import {package}" in block]
    return found


def test_trackio_imports_as_documented(exported, monkeypatch, tmp_path):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    storage = pytest.importorskip("trackio.sqlite_storage").SQLiteStorage
    brain, folder = exported
    monkeypatch.chdir(folder.parent)
    exec(recipe("trackio"), {})
    losses = [loss for night in brain.history() for loss in night.curve]
    assert storage.get_runs("sleepcon") == ["steps"]
    logged = storage.get_logs("sleepcon", "steps")
    assert [row["loss"] for row in logged] == losses
    assert [row["step"] for row in logged] == list(range(1, len(losses) + 1))
    assert sorted(storage.get_runs("sleepcon-events")) == ["nights", "steps"]
    nights = storage.get_logs("sleepcon-events", "nights")
    assert [row["kept"] for row in nights if "kept" in row] == [1, 0, 1]


@pytest.mark.slow
def test_weights_and_biases_takes_it_offline_as_documented(exported, monkeypatch, tmp_path):
    pytest.importorskip("wandb")
    brain, folder = exported
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    exec(recipe("wandb"), {})
    (path,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    losses = [loss for night in brain.history() for loss in night.curve]
    assert logged_offline(path.read_bytes(), "loss") == losses


def logged_offline(data: bytes, key: str) -> list[float]:
    """The values of ``key`` in the run file of Weights & Biases: protocol buffers in LevelDB's log format, 32 KiB a block."""
    record = pytest.importorskip("wandb.proto.wandb_internal_pb2").Record
    values, whole, at = [], b"", 7
    while at < len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        size, kind = struct.unpack_from("<HB", data, at + 4)
        whole, at = whole + data[at + 7 : at + 7 + size], at + 7 + size
        if kind in (1, 4):  # whole, or the last part
            found, whole = record.FromString(whole), b""
            items = {item.key or item.nested_key[0]: item.value_json for item in found.history.item}
            values += [json.loads(items[key])] if key in items else []
    return values


# Merged


def test_a_merged_model_is_base_and_adapter(exported, tmp_path):
    brain, _ = exported
    export(brain, tmp_path / "merged", merged=True)
    stated = verify(tmp_path / "merged")["merged"]
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged" / "merged")
    with adapter.worn(brain.base, brain.adapter_after(None)):
        worn = logits(brain.base.model, brain.base)
    for theirs, own in zip(logits(merged, brain.base), worn, strict=True):
        assert torch.allclose(theirs, own, atol=1e-4)
    assert stated["dtype"] == "float32"
    assert stated["erased"] < 0.01
    assert 0 < stated["mean"] <= stated["largest"] < 1e-3 < stated["adapter"]
    assert stated["changed"] == sum(
        layer.q_proj.weight.numel() + layer.v_proj.weight.numel()
        for layer in (one.self_attn for one in brain.base.model.model.layers)
    )
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged" / "merged")
    turns = chat("Hi")
    assert tokenizer.apply_chat_template(turns, tokenize=False) == brain.base.tokenizer.apply_chat_template(
        turns, tokenize=False
    )
    assert not list((tmp_path / "merged" / "merged").glob("*.bin"))


def test_what_rounding_takes_is_stated(exported, tmp_path, tiny_folder):
    """The same figures, counted another way: from the merged model's files, in bfloat16."""
    brain, folder = exported
    stock = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.bfloat16)
    stock.save_pretrained(tmp_path / "half")
    brain.base.tokenizer.save_pretrained(tmp_path / "half")
    base = load_base(str(tmp_path / "half"))
    # A night's change is far below a bfloat16 step for many weights: scaled down so that some fall away and some do not.
    small = tmp_path / "small"
    peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), folder / "adapter")
    with torch.no_grad():
        for name, parameter in peft.named_parameters():
            if "lora_B" in name:
                parameter.mul_(0.0002)
    peft.save_pretrained(small)
    prompts = ["Hi", ORLO.prompt]
    stated = write_merged(base, small, tmp_path / "merged", prompts)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="auto")
    assert merged.dtype == torch.bfloat16
    assert stated["dtype"] == "bfloat16"
    old, new = dict(stock.named_parameters()), dict(merged.named_parameters())
    names = [name for name in old if "q_proj.weight" in name or "v_proj.weight" in name]
    same = sum(int((old[name] == new[name]).sum()) for name in names)
    total = sum(old[name].numel() for name in names)
    assert stated["changed"] == total
    assert stated["erased"] == pytest.approx(same / total, abs=1e-12)
    assert 0.05 < stated["erased"] < 0.95
    assert all(torch.equal(old[name], new[name]) for name in old if name not in names)
    worn = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tmp_path / "half", dtype=torch.float32), small)
    gaps = [
        (a - b).abs().flatten()
        for a, b in zip(logits(merged.float(), brain.base, prompts), logits(worn, brain.base, prompts), strict=True)
    ]
    assert stated["largest"] == pytest.approx(float(torch.cat(gaps).max()), rel=1e-4)
    assert stated["mean"] == pytest.approx(float(torch.cat(gaps).mean()), rel=1e-4)


# What cannot be


def test_a_brain_without_a_night_that_was_kept(brain, tmp_path):
    with pytest.raises(UserError, match="no night that was kept"):
        export(brain(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(exported, tmp_path):
    one, _ = exported
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for place in (tmp_path / "full", tmp_path / "full" / "mine.txt"):
        with pytest.raises(UserError, match="not an empty folder"):
            export(one, place)
    assert contents(tmp_path / "full") == {"mine.txt": b"mine"}


def test_an_export_that_fails_leaves_nothing(exported, tmp_path, monkeypatch):
    one, _ = exported
    before = contents(tmp_path)
    monkeypatch.setattr("sleepcon.export.write_manifest", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="full"):
        export(one, tmp_path / "deep" / "er" / "new")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a\\b", "c:x", "a/./b", "a//b", "a/", "..", 3, None])
def test_names_that_lead_outside(name):
    assert not is_inside(name)


def test_names_that_stay_inside():
    assert all(map(is_inside, ["a", "brain/cycles/0001/adapter_model.safetensors", ".hidden", "..a"]))
