"""A brain from its export: as it was, byte for byte; and what it dreams of next comes out the same."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import BIX, DULL, ORLO, SMALL_DOSE, contents, state
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from sleepcon import wake
from sleepcon.brain import Brain
from sleepcon.errors import UserError
from sleepcon.experience import Experience
from sleepcon.export import export
from sleepcon.export.manifest import write_manifest
from sleepcon.model import load_base

pytestmark = pytest.mark.usefixtures("open_gates")

DAY_ONE = [ORLO, BIX, DULL, Experience("What is new?", "A wild, wonderful horror!")]
DAY_TWO = [
    Experience("What is my owl called?", "Tibbet.", session=30),
    Experience("Where is my hat?", "Behind the door.", feedback=0.5),
    Experience("Name?", "Bix", session=31),
]
DREAM = {"rewordings": 1, "near": 0, "far": 0}


@pytest.fixture(scope="module")
def fresh(tiny_folder):
    """Loads the tiny base from its files, as a new process would; its nights dream."""

    def load():
        base = load_base(str(tiny_folder))
        base.card["dream"] = DREAM
        return base

    return load


def first_day(brain: Brain) -> None:
    """What is documented and what is measured, one night, and something that waits."""
    brain.remember(DAY_ONE)
    brain.sleep(threshold=0.5, seed=1, learning_rate=0.03, epochs=4)


def second_day(brain: Brain) -> list[str]:
    """Two more nights; their adapters' hashes."""
    brain.remember(DAY_TWO)
    return [brain.sleep(threshold=0.2, seed=seed, learning_rate=0.01, epochs=3).adapter_sha256 for seed in (2, 3)]


@pytest.fixture(scope="module")
def lived(fresh, tmp_path_factory):
    """The home of a brain after its first day, and its export."""
    home = tmp_path_factory.mktemp("lived")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wake, "REPLY_TOKENS", 16)
        patch.setattr(wake, "ordinary_prompts", lambda: ["Hello!", "What is 2 plus 2?", "Name a fruit.", "Good night."])
        gates = wake.Gates(kept=0.0, collapse=1.0, repeated=1.0)
        patch.setattr(wake, "Gates", lambda: gates)
        with closing(Brain.open("first", home=home, base=fresh())) as brain:
            first_day(brain)
            export(brain, home / "out")
    return home


@pytest.fixture
def exported(lived, fresh, tmp_path):
    """A brain after its first day, and its export."""
    shutil.copytree(lived / "first", tmp_path / "a" / "first")
    shutil.copytree(lived / "out", tmp_path / "out")
    with closing(Brain.open("first", home=tmp_path / "a", base=fresh())) as brain:
        yield brain, tmp_path / "out"


def comparable(brain: Brain) -> dict:
    """All that a brain is, wherever it lies."""
    return state(brain) | {"history": [replace(row, adapter_path=None) for row in brain.history()]}


def test_a_restored_brain_is_the_same_brain(exported, fresh, tmp_path):
    brain, folder = exported
    with closing(Brain.restore(folder, "back", home=tmp_path / "b", base=fresh())) as back:
        assert comparable(back) == comparable(brain)
        assert back.notices == []
        assert back.ask("Name?") == brain.ask("Name?")
        assert back.history()[0].adapter_path == str(tmp_path / "b" / "back" / "cycles" / "0001")
        assert (back.folder / "brain.json").read_text() == (brain.folder / "brain.json").read_text()
        tables = "SELECT name, sql FROM sqlite_master ORDER BY name"
        assert back.memory.connection.execute(tables).fetchall() == brain.memory.connection.execute(tables).fetchall()
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["back"]


def test_the_second_night_comes_out_the_same_bit_for_bit(exported, fresh, tmp_path):
    """Without a restart, after one, and in a restored brain: three ways to the same adapters."""
    brain, folder = exported
    with closing(Brain.open("whole", home=tmp_path, base=fresh())) as whole:
        first_day(whole)
        without_a_restart = second_day(whole)
        saliences = [whole.memory.standing(one.id).salience for one in whole.memory.all()]
    with closing(Brain.restore(folder, "back", home=tmp_path / "b", base=fresh())) as back:
        restored = second_day(back)
        assert [back.memory.standing(one.id).salience for one in back.memory.all()] == saliences
    assert second_day(brain) == restored == without_a_restart
    assert len(set(restored)) == 2


@pytest.mark.slow
def test_the_second_night_in_processes_of_their_own(tiny_folder, tmp_path):
    """Both nights in one process; and one each in two, the second of which also restores the brain from an export."""
    day = tmp_path / "day.jsonl"
    day.write_text("".join(json.dumps({"prompt": one.prompt, "response": one.response}) + "\n" for one in DAY_TWO))

    def night(home: str, seed: int, *file: str) -> list[str]:
        dose = ["--threshold", "0", "--epochs", "3", "--lr", "0.01", "--seed", str(seed)]
        return ["sleep", *file, *dose, "--model", str(tiny_folder), "--home", str(tmp_path / home)]

    def in_one_process(*commands: list[str]) -> None:
        prelude = (
            "from sleepcon import cli, wake; kept = wake.Gates(kept=0.0, collapse=1.0, repeated=1.0)\n"
            "wake.Gates, wake.REPLY_TOKENS, wake.ordinary_prompts = lambda: kept, 16, lambda: ['Hello!']\n"
        )
        code = prelude + "".join(f"assert cli.main({command!r}) == 0\n" for command in commands)
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=300)

    in_one_process(night("a", 1, str(day)), night("a", 2))
    in_one_process(night("b", 1, str(day)), ["export", str(tmp_path / "out"), "--home", str(tmp_path / "b")])
    in_one_process(["import", str(tmp_path / "out"), "--home", str(tmp_path / "c")], night("c", 2), night("b", 2))
    found = []
    for home in "abc":
        with closing(Brain.open(home=tmp_path / home, base=load_base(str(tiny_folder)))) as brain:
            found.append([row.adapter_sha256 for row in brain.history()])
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 2


@pytest.mark.parametrize(
    "name",
    [
        "brain/memory.sqlite", "brain/brain.json", "brain/cycles/0001/adapter_model.safetensors",
        "brain/cycles/0001/adapter_config.json", "adapter/adapter_model.safetensors", "samples.csv", "metrics.jsonl",
    ],
)  # fmt: skip
@pytest.mark.parametrize("harm", ["change", "remove"])
def test_one_changed_byte_and_nothing_is_made(exported, fresh, tmp_path, name, harm):
    _, folder = exported
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data) if harm == "change" else (folder / name).unlink()
    with pytest.raises(UserError) as caught:
        Brain.restore(folder, "back", home=tmp_path / "b", base=fresh())
    assert str(caught.value).startswith(str(folder / name))
    assert ("its SHA-256 differs" if harm == "change" else "is missing") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "b").exists()


def rewritten(folder: Path) -> None:
    """A manifest that agrees with the files as they are now, as somebody could write who changed them."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").unlink()
    write_manifest(folder, {name: value for name, value in manifest.items() if name not in ("files", "format")})


def swap_adapter(folder: Path) -> None:
    path = folder / "brain" / "cycles" / "0001" / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def no_nights(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "brain" / "memory.sqlite")) as memory, memory:
        memory.execute("DELETE FROM cycles")


def strange_row(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "brain" / "memory.sqlite")) as memory, memory:
        memory.execute("UPDATE cycles SET row = '{\"cycle\": 1}'")


def torn_memory(folder: Path) -> None:
    path = folder / "brain" / "memory.sqlite"
    path.write_bytes(path.read_bytes()[:8192])


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (swap_adapter, "is not the adapter that the ledger names"),
        (no_nights, "memory.sqlite is damaged"),
        (strange_row, "memory.sqlite is damaged"),
        (torn_memory, "damaged"),
        (lambda folder: (folder / "brain" / "memory.sqlite").write_text("no database" * 1000), "not a database"),
        (lambda folder: (folder / "brain" / "memory.sqlite").unlink(), "holds no brain (brain/memory.sqlite is missing)"),
        (lambda folder: shutil.rmtree(folder / "brain"), "holds no brain"),
        (lambda folder: (folder / "brain" / "brain.json").write_text("[]"), "brain.json is damaged"),
        (lambda folder: shutil.rmtree(folder / "brain" / "cycles"), "is not the adapter that the ledger names"),
    ],
)
def test_what_the_manifest_cannot_see_is_found_too(exported, tmp_path, harm, words):
    _, folder = exported
    harm(folder)
    rewritten(folder)
    with pytest.raises(UserError) as caught:
        Brain.restore(folder, "back", home=tmp_path / "b")
    assert words in str(caught.value)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda manifest: "{", "is not a manifest"),
        (lambda manifest: "[]", "is not a manifest"),
        (lambda manifest: json.dumps({**manifest, "files": {"../../x": "0"}}), "is not a manifest"),
        (lambda manifest: json.dumps({**manifest, "files": {"/etc/passwd": "0"}}), "is not a manifest"),
        (lambda manifest: json.dumps({**manifest, "files": []}), "is not a manifest"),
        (lambda manifest: json.dumps({**manifest, "format": 99}), "newer sleepcon"),
        (lambda manifest: json.dumps({"version": 3}), "is not a manifest"),
    ],
)
def test_manifests_that_are_none_of_ours(exported, tmp_path, change, words):
    _, folder = exported
    path = folder / "manifest.json"
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(UserError, match=words):
        Brain.restore(folder, "back", home=tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_folder_that_nobody_exported(tmp_path):
    with pytest.raises(UserError, match=r"has no manifest\.json"):
        Brain.restore(tmp_path, "back", home=tmp_path / "b")


def test_files_that_nobody_listed_are_left_behind(exported, fresh, tmp_path):
    _, folder = exported
    (folder / "brain" / "cycles" / "0007").mkdir()
    (folder / "brain" / "cycles" / "0007" / "strange").write_text("x")
    with closing(Brain.restore(folder, "back", home=tmp_path / "b", base=fresh())) as back:
        assert not list(back.folder.rglob("strange"))


def test_a_name_that_is_taken(exported, tmp_path):
    brain, folder = exported
    before = contents(brain.folder)
    with pytest.raises(UserError, match="There is a brain called first already"):
        Brain.restore(folder, "first", home=tmp_path / "a")
    assert contents(brain.folder) == before
    (tmp_path / "a" / "mine").mkdir()
    (tmp_path / "a" / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not an empty folder"):
        Brain.restore(folder, "mine", home=tmp_path / "a")
    with pytest.raises(UserError, match="cannot be the name of a brain"):
        Brain.restore(folder, "../x", home=tmp_path / "a")


# The base


def test_a_base_that_has_moved(exported, tiny_folder, tmp_path):
    brain, folder = exported
    shutil.copytree(tiny_folder, tmp_path / "moved")
    (folder / "brain" / "brain.json").write_text(json.dumps({"model": str(tmp_path / "gone")}))
    rewritten(folder)
    with pytest.raises(UserError, match="gone"):
        Brain.restore(folder, "back", home=tmp_path / "b")
    assert not (tmp_path / "b").exists()
    with closing(Brain.restore(folder, "back", home=tmp_path / "b", model=str(tmp_path / "moved"))) as back:
        assert (back.notices, back.model) == ([], str(tmp_path / "moved"))
        assert back.ask("Name?") == brain.ask("Name?")
    with closing(Brain.open("back", home=tmp_path / "b")) as again:
        assert again.base.name == str(tmp_path / "moved")


def test_another_base_is_named(exported, tiny_folder, tmp_path):
    _, folder = exported
    other = AutoModelForCausalLM.from_pretrained(tiny_folder)
    with torch.no_grad():
        other.model.norm.weight.mul_(1.001)
    other.save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(tiny_folder).save_pretrained(tmp_path / "other")
    with closing(Brain.restore(folder, "back", home=tmp_path / "b", model=str(tmp_path / "other"))) as back:
        (notice,) = back.notices
    assert "is not, byte for byte, the one of the last night" in notice


def test_an_adapter_that_does_not_fit(exported, tmp_path, tiny_folder):
    _, folder = exported
    wide = shutil.copytree(tiny_folder, tmp_path / "wide")
    config = AutoConfig.from_pretrained(wide)
    config.hidden_size, config.intermediate_size = 64, 96
    AutoModelForCausalLM.from_config(config).save_pretrained(wide)
    with pytest.raises(UserError, match="cannot be loaded onto"):
        Brain.restore(folder, "back", home=tmp_path / "b", model=str(wide))
    assert not (tmp_path / "b").exists()


def test_nights_go_on_after_a_restore(exported, fresh, tmp_path):
    _, folder = exported
    with closing(Brain.restore(folder, "back", home=tmp_path / "b", base=fresh())) as back:
        back.remember(DAY_TWO)
        assert back.sleep(threshold=0.0, **SMALL_DOSE).cycle == 2
        export(back, tmp_path / "again")
    with closing(Brain.restore(tmp_path / "again", "third", home=tmp_path / "b", base=fresh())) as third:
        assert [row.cycle for row in third.history()] == [1, 2]
