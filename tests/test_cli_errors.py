"""The command line with bad input: exit code 2, one line on standard error, and nothing changed; and what else goes wrong."""

import pytest
from conftest import LINES, NIGHT, contents
from filelock import FileLock

pytestmark = pytest.mark.usefixtures("open_gates")

BAD = [
    [],
    ["dream"],
    ["sleep", "FILE", "--threshold", "1.5"],
    ["sleep", "FILE", "--threshold", "nan"],
    ["sleep", "FILE", "--seed", "-1"],
    ["sleep", "FILE", "--seed", "1.5"],
    ["sleep", "FILE", "--epochs", "0"],
    ["sleep", "FILE", "--lr", "-1"],
    ["sleep", "FILE", "--lr", "x"],
    ["sleep", "FILE", "--recipe", "cake"],
    ["sleep", "FILE", "--threshold", "1"],
    ["sleep", "/no/such/file"],
    ["sleep", "BROKEN"],
    ["sleep", "FILE", "--brain", "../x"],
    ["sleep", "FILE", "--model", "/no/such/model"],
    ["sleep", "FILE", "--brain", "new", "--model", "/no/such/model"],
    ["score", "BROKEN"],
    ["score"],
    ["import", "BROKEN"],
    ["import", "BROKEN", "--brain", "new"],
    ["import", "CLASH"],
    ["import", "CLASH", "--brain", "new"],
    ["import", "FILE", "--brain", "new", "--model", "/no/such/model"],
    ["ask", "Hi", "--cycle", "7"],
    ["ask", "Hi", "--cycle", "1", "--brain", "new"],
    ["ask", "Hi", "--dose", "1.6"],
    ["ask", " "],
    ["ask", " ", "--brain", "new"],
    ["ask", "Hi", "--brain", "a/b"],
    ["ask", "Hi", "--brain", "new", "--model", "/no/such/model"],
    ["history", "--brain", "a/b"],
    ["export", "HOME", "--brain", "default"],
    ["export", "OUT", "--brain", "nobody"],
    ["app", "--port", "0"],
]


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_is_one_line_and_changes_nothing(run, slept, file, own_home, tmp_path, arguments):
    (tmp_path / "broken.jsonl").write_text(LINES + '{"prompt": "No reply?"}\n')
    (tmp_path / "clash.jsonl").write_text(
        '{"id": "1", "prompt": "A?", "response": "B"}\n{"id": "1", "prompt": "C?", "response": "D"}'
    )
    paths = {
        "FILE": file, "BROKEN": str(tmp_path / "broken.jsonl"), "CLASH": str(tmp_path / "clash.jsonl"),
        "HOME": str(own_home), "OUT": str(tmp_path / "out"),
    }  # fmt: skip
    before = contents(tmp_path)
    model = "--model" not in arguments and len(arguments) > 1
    code, out, said = run(*(paths.get(part, part) for part in arguments), model=model)
    assert code == 2
    assert len(said) == 1, said
    assert said[0].startswith("sleepcon")
    assert "Traceback" not in said[0]
    assert out == ""
    assert contents(tmp_path) == before


def test_a_brain_that_is_asleep_takes_nothing_in(run, slept, own_home, tmp_path):
    (tmp_path / "more.jsonl").write_text('{"prompt": "More?", "response": "Yes.", "salience": 0.9}\n')
    before = contents(own_home)
    with FileLock(own_home / "default" / "lock"):
        code, _, said = run("sleep", str(tmp_path / "more.jsonl"), *NIGHT)
    assert code == 2
    assert said == ["sleepcon: The brain default is asleep already: wait until its night is over."]
    assert contents(own_home) == before


def test_a_night_that_fails_is_a_failure(run, file, monkeypatch):
    monkeypatch.setattr("sleepcon.sleep.rate_at", lambda *_: float("inf"))
    code, _, said = run("sleep", file)
    assert code == 1
    assert said[-1].startswith("sleepcon: The night's numbers overflowed")
    assert run("history", "--json")[1] == []


def test_what_a_crash_left_is_said(run, slept, own_home):
    (own_home / "default" / "asleep.json").write_text('{"cycle": 2}')
    (own_home / "default" / "cycles" / "0002.part").mkdir()
    _, _, said = run("sleep", *NIGHT)
    assert "Night 2 did not end. The brain default is as it was after night 1." in said
