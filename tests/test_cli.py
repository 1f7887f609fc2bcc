"""The command line: every command of the contract, its JSON keys, its exit codes, and nothing changed by bad input."""

import io
import json
import os
import subprocess
import sys
import weakref
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from conftest import BIX, DULL, LINES, NIGHT, ORLO, contents
from peft import PeftModel
from transformers import AutoModelForCausalLM

from sleepcon import cli, doctor, wake
from sleepcon.experience import Experience
from sleepcon.ledger import Cycle

pytestmark = pytest.mark.usefixtures("open_gates")

CONTRACT = {
    "cycle", "considered", "consolidated", "average_salience", "loss_before", "loss_after", "base_sha256_before",
    "base_sha256_after", "adapter_sha256", "kept", "reasons", "training_seconds", "seconds", "adapter_path",
}  # fmt: skip
CYCLE = {field.name for field in fields(Cycle)}
SCORES = {"id", "prompt", "response", "salience", "surprise", "novelty", "arousal", "reward", "conflict", "documented_salience"}


def test_sleep(run, file, own_home):
    code, cycle, said = run("sleep", file, "--json", "--seed", "3", *NIGHT)
    assert code == 0
    assert CONTRACT <= cycle.keys() == CYCLE
    assert (cycle["cycle"], cycle["considered"], cycle["consolidated"], cycle["seed"]) == (1, 3, 2, 3)
    assert cycle["average_salience"] == pytest.approx(0.8)
    assert cycle["base_sha256_before"] == cycle["base_sha256_after"]
    assert os.path.isdir(cycle["adapter_path"])
    assert "Step 3 of 3" in "\n".join(said)
    code, out, _ = run("sleep", "--threshold", ".1", "--recipe", "document", "--epochs", "1")
    assert code == 0
    assert "Night 2: 3 of 3 experiences" in out
    assert "Kept." in out
    assert DULL.prompt in out


def test_score_is_measured_and_leaves_no_trace(run, file, own_home, slept):
    before = contents(own_home)
    code, rows, _ = run("score", file, "--json")
    assert code == 0
    assert all(row.keys() == SCORES | {"evidence"} for row in rows)
    assert [row["documented_salience"] for row in rows] == [0.9, 0.7, 0.2]
    for row in rows:
        factors = [row[name] for name in ("surprise", "novelty", "arousal", "reward", "conflict")]
        assert row["salience"] == pytest.approx(sum(factors) / 5)
        assert all(0 <= factor <= 1 for factor in factors)
    assert run("score", file, "--brain", "new")[0] == 0
    assert contents(own_home) == before


def test_standard_input(run, monkeypatch):
    def type_in(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    type_in('{"prompt": "A?", "response": "B."}\n')
    code, rows, _ = run("score", "-", "--json")
    assert (code, rows[0]["prompt"], rows[0]["documented_salience"]) == (0, "A?", None)
    type_in(LINES)
    assert run("import", "-", "--json")[1] == {"new": 3, "duplicates": 0, "repeats": 0, "in_memory": 3}
    type_in(LINES)
    code, plan, _ = run("sleep", "-", "--dry-run", "--json")
    assert (code, plan["considered"]) == (0, 3)


def test_a_dry_run_leaves_no_trace(run, file, own_home):
    code, plan, _ = run("sleep", file, "--dry-run", "--json")
    assert code == 0
    assert plan.keys() == {"considered", "would_sleep", "tokens", "predicted_seconds"}
    assert [row["prompt"] for row in plan["would_sleep"]] == [ORLO.prompt, BIX.prompt]
    assert plan["predicted_seconds"] > 0
    assert not own_home.exists()
    run("import", file)
    before = contents(own_home)
    assert run("sleep", "--dry-run", "--threshold", "0")[1].count("would sleep:") == 3
    assert contents(own_home) == before


def test_ask(run, own_home, slept):
    keys = {"reply", "base_sha256", "adapter_sha256", "cycle", "dose"}
    code, now, _ = run("ask", "Hi", "--json")
    assert (code, now.keys()) == (0, keys)
    assert (now["cycle"], now["adapter_sha256"], now["dose"]) == (1, slept["adapter_sha256"], 1.0)
    code, bare, _ = run("ask", "Hi", "--json", "--cycle", "0", "--dose", "0.5", "--context", "A note.")
    assert (bare["cycle"], bare["adapter_sha256"], bare["dose"]) == (0, None, 0.5)
    assert run("ask", "Hi")[1] == now["reply"] + "\n"
    before = contents(own_home)
    assert run("ask", "Hi", "--json", "--brain", "nobody")[1]["cycle"] == 0
    assert contents(own_home) == before


def test_history(run, slept):
    code, rows, _ = run("history", "--json")
    assert (code, rows) == (0, [slept])
    assert "kept" in run("history", model=False)[1]
    assert run("history", "--json", "--brain", "nobody", model=False)[:2] == (0, [])


def test_import_tells_duplicates_from_repeats(run, file):
    assert run("import", file, "--json")[1] == {"new": 3, "duplicates": 0, "repeats": 0, "in_memory": 3}
    assert run("import", file, "--json")[1] == {"new": 0, "duplicates": 3, "repeats": 0, "in_memory": 3}
    assert "3 in all" in run("import", file)[1]


def test_export(run, slept, tmp_path, tiny_folder, monkeypatch):
    code, manifest, _ = run("export", str(tmp_path / "deep" / "out"), "--json")
    assert code == 0
    out = contents(tmp_path / "deep" / "out")
    assert set(manifest["files"]) | {"manifest.json"} == {path for path, data in out.items() if data}
    assert manifest["files"]["adapter/adapter_model.safetensors"] == slept["adapter_sha256"] == manifest["adapter_sha256"]
    assert (manifest["nights"], manifest["base_sha256"]) == (1, slept["base_sha256_after"])
    assert json.loads(out["manifest.json"]) == manifest
    assert [json.loads(line) for line in out["metrics.jsonl"].splitlines()] == [slept]
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), tmp_path / "deep" / "out" / "adapter")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert run("export", ".")[0] == 0
    assert contents(here).keys() == out.keys()
    assert run("export", ".")[0] == 2  # it holds something now
    assert run("export", ".", "--verify", "--json")[1] == json.loads((here / "manifest.json").read_text())
    assert "files in . are as they were exported" in run("export", ".", "--verify")[1]
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["out"]


def test_a_brain_comes_back_from_its_export(run, slept, tmp_path, own_home):
    out = str(tmp_path / "out")
    assert "the brain's whole memory" in run("export", out)[1]
    before = contents(own_home)
    code, found, said = run("import", out, "--brain", "again", "--json")
    assert (code, said) == (0, [])
    assert (found["brain"], found["nights"], found["in_memory"]) == ("again", 1, 3)
    assert run("ask", "Hi", "--brain", "again")[1] == run("ask", "Hi")[1]
    assert run("import", out, "--brain", "again")[0] == 2
    (Path(out) / "samples.csv").write_text("mine")
    for arguments in (["import", out, "--brain", "third"], ["export", out, "--verify"]):
        code, _, said = run(*arguments)
        assert (code, len(said)) == (2, 1)
        assert "samples.csv is not as it was exported" in said[0]
    assert contents(own_home).keys() == before.keys() | {path for path in contents(own_home) if path.startswith("again")}


def test_export_merged_says_what_rounding_took(run, slept, tmp_path, tiny_folder):
    code, said, _ = run("export", str(tmp_path / "out"), "--merged")
    assert code == 0
    assert "Merged in float32: rounding erased 0.0% of" in said
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "merged").dtype == torch.float32


def test_an_import_reads_as_it_goes(run, tmp_path, monkeypatch):
    """No experience is held when the one after the next is read."""

    def read(path):
        before = None
        for number in range(50):
            one = Experience(f"{number}?", "Yes.")
            held = weakref.ref(one)
            yield one
            del one
            assert before is None or before() is None
            before = held

    monkeypatch.setattr(cli, "in_file", lambda path: pytest.fail("the whole file was read"))
    monkeypatch.setattr(cli, "read_experiences", read)
    for brain in ("default", "new"):
        assert run("import", "x", "--brain", brain, "--json")[1]["in_memory"] == 50


def test_doctor(run, monkeypatch, tiny_folder, own_home):
    monkeypatch.setattr(doctor, "generate", lambda *_: ["Paris."])
    code, found, _ = run("doctor", "--json")
    assert (code, found["ok"], found["reply"], found["base_sha256_stated"]) == (0, True, "Paris.", None)
    assert len(found["base_sha256"]) == 64
    assert "it answers in" in run("doctor")[1]
    monkeypatch.setattr(doctor, "generate", lambda *_: [" "])
    assert run("doctor")[0] == 1
    card = tiny_folder / "sleepcon.json"
    monkeypatch.setattr(doctor, "load_base", lambda name, real=doctor.load_base: stating(real(name), "0" * 64))
    monkeypatch.setattr(doctor, "generate", lambda *_: ["Paris."])
    code, out, said = run("doctor")
    assert (code, len(said)) == (1, 1)
    assert "its card states 0000000000000000" in out
    assert card.exists()
    assert not own_home.exists()


def stating(base, sha256: str):
    base.card["sha256"] = sha256
    return base


def test_doctor_without_a_base(capsys):
    assert cli.main(["doctor", "--json", "--model", "/no/such"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_app_is_served(run, monkeypatch):
    served = []
    monkeypatch.setattr("sleepcon.ui.serve", lambda *where: served.append(where))
    assert run("app", "--port", "9000")[0] == 0
    assert served[0][:2] == ("127.0.0.1", 9000)
    assert len(served[0]) == 4  # the model and the home folder go along


def test_a_rolled_back_night_is_no_failure(run, file, monkeypatch):
    strict = type(wake.Gates())(kept=1.1)
    monkeypatch.setattr(wake, "Gates", lambda: strict)
    code, out, _ = run("sleep", file, *NIGHT)
    assert code == 0
    assert "Rolled back. " in out


@pytest.mark.slow
def test_in_a_process_of_its_own(file, tiny_folder, tmp_path):
    """The exit codes and streams as a shell sees them."""

    def call(*arguments: str, text: str = "") -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "sleepcon.cli", *arguments, "--model", str(tiny_folder), "--home", str(tmp_path / "h")]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)

    ended = call("sleep", "-", "--json", *NIGHT, text=LINES)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout).keys() >= CONTRACT
    assert "Traceback" not in ended.stderr
    assert "Warning" not in ended.stderr
    bad = call("sleep", "-", text='{"prompt": 1}')
    assert (bad.returncode, bad.stdout, len(bad.stderr.splitlines())) == (2, "", 1)
    assert "line 1" in bad.stderr
