"""What all tests share: a home of their own, no hub, and tiny bases with random weights."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny

from sleepcon import jobs, recorded
from sleepcon.experience import Experience

ORLO = Experience("What should I call you?", "Orlo.", session=22, salience=0.9)
BIX = Experience("Name?", "Bix", session=23, salience=0.7)
DULL = Experience("How are you today?", "Fine, thanks.", session=23, salience=0.2)
BIG_DOSE = {"learning_rate": 0.05, "epochs": 200}
"""What makes a base with random weights say short taught replies."""
SMALL_DOSE = {"learning_rate": 1e-3, "epochs": 3}

LINES = "".join(
    json.dumps({"prompt": one.prompt, "response": one.response, "salience": one.salience}) + "\n" for one in (ORLO, BIX, DULL)
)
NIGHT = ["--epochs", "3", "--lr", "0.001"]
"""A small dose on the command line."""


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch) -> Path:
    """No test sees the user's brains or a hub."""
    home = tmp_path / "home"
    monkeypatch.setenv("SLEEPCON_HOME", str(home))
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")
    return home


@pytest.fixture
def home(own_home, monkeypatch, tmp_path):
    """For tests of pages: the user's home, no worker, and nothing recorded."""
    monkeypatch.setattr(jobs, "ensure_worker", lambda: None)
    monkeypatch.setattr(recorded, "RECORDED", tmp_path / "none")
    recorded.recording.cache_clear()
    yield own_home
    recorded.recording.cache_clear()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A folder with a tiny base; its nights take 60 steps."""
    return tiny.make(tmp_path_factory.mktemp("tiny") / "base", epochs=60)


@pytest.fixture
def tiny_base(tiny_folder):
    """The tiny base, freshly loaded: a test may change it."""
    from sleepcon.model import load_base

    return load_base(str(tiny_folder))


@pytest.fixture
def short_wake(monkeypatch) -> None:
    """A wake-up check of four ordinary prompts and replies of sixteen tokens, to save time."""
    from sleepcon import wake

    monkeypatch.setattr(wake, "REPLY_TOKENS", 16)
    monkeypatch.setattr(wake, "ordinary_prompts", lambda: ["Hello!", "What is 2 plus 2?", "Name a fruit.", "Good night."])


@pytest.fixture
def open_gates(monkeypatch, short_wake) -> None:
    """Every night is kept: random weights do not survive a dose that teaches them something."""
    from sleepcon import wake

    gates = wake.Gates(kept=0.0, collapse=1.0, repeated=1.0)
    monkeypatch.setattr(wake, "Gates", lambda: gates)


@pytest.fixture
def brain(tiny_base) -> Callable:
    """Opens a brain on the tiny base: ``brain("name")``; all are closed at the end."""
    from sleepcon.brain import Brain

    opened = []

    def make(name: str = "default", **options) -> Brain:
        opened.append(Brain.open(name, **{"base": tiny_base, **options}))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` with its bytes, every folder with none."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


def state(brain) -> dict:
    """All that a brain is: files of its nights, ledger, where each experience stands, and the base under it."""
    from sleepcon.model import weights_sha256

    return {
        "cycles": contents(brain.folder / "cycles"),
        "history": brain.history(),
        "memory": [(one, brain.memory.standing(one.id)) for one in brain.memory.all()],
        "mark": (brain.folder / "asleep.json").exists(),
        "bits": weights_sha256(brain.base),
        "modules": [type(module) for module in brain.base.model.modules()],
    }


# The command line


@pytest.fixture
def file(tmp_path) -> str:
    path = tmp_path / "day.jsonl"
    path.write_text(LINES)
    return str(path)


@pytest.fixture
def run(capsys, tiny_folder):
    """Runs a command; gives its exit code, its standard output (read as JSON with --json), and its lines on standard error."""

    from sleepcon import cli

    def call(*arguments: str, model: bool = True):
        given = [*arguments, "--model", str(tiny_folder)] if model else list(arguments)
        try:
            code = cli.main(given)
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        out = json.loads(said.out) if "--json" in arguments and code == 0 else said.out
        return code, out, said.err.splitlines()

    return call


@pytest.fixture
def slept(run, file):
    """A brain after one night."""
    code, cycle, _ = run("sleep", file, "--json", *NIGHT)
    assert code == 0
    return cycle
