"""What the tests of single pages share: a visit without a browser, what it shows, and a finished night to show."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from streamlit.testing.v1 import AppTest

from sleepcon import recorded
from sleepcon.experience import read_experiences
from sleepcon.jobs import store
from sleepcon.ledger import Cycle, Ledger
from sleepcon.memory import Memory
from sleepcon.paths import DOCUMENT
from sleepcon.recorded import Recording
from sleepcon.ui import APP, brains

BRAIN = "visitor-" + "0a" * 12
SCRIPT = '<img src=x onerror="alert(1)"><script>alert(2)</script> **bold** :red[red]'

KEPT = "30 of 30 are answered as before."


def visit(page: str, **url: str) -> AppTest:
    """The page at an address, after its first run. ``page``: the name of its file in pages/."""
    test = AppTest.from_file(str(APP / "pages" / f"{page}.py"), default_timeout=60)
    for name, value in ({"brain": BRAIN} | url).items():
        test.query_params[name] = value
    return settled(test)


def settled(test: AppTest) -> AppTest:
    """Run the page anew; whatever it raises fails the test."""
    test.run()
    assert not test.exception, test.exception
    return test


def texts(test: AppTest) -> list[str]:
    """What is shown as it is."""
    return [element.value for element in test.text]


def markdown(test: AppTest) -> str:
    return "\n".join(element.value for element in test.markdown)


def captions(test: AppTest) -> str:
    return "\n".join(element.value for element in test.caption)


def metrics(test: AppTest) -> dict[str, str]:
    return {element.label: element.value for element in test.metric}


def button(test: AppTest, label: str):
    return next(element for element in test.button if element.label == label)


def in_url(test: AppTest, name: str) -> str:
    value = test.query_params[name]
    return value[0] if isinstance(value, list) else value


def html(test: AppTest) -> str:
    """Everything that is written as HTML."""
    return "\n".join(element.proto.body for element in test.get("html"))


def a_night(**changes) -> Cycle:
    """A night as the ledger holds it: the document's three, twenty epochs of one step, changes in two layers."""
    taught = [held.experience for held in brains.look(BRAIN).document if held.experience.salience >= 0.6]
    replies = [
        {"id": one.id, "prompt": one.prompt, "context": "", "taught": one.response,
         "before": "I have no name.", "after": SCRIPT, "learned": place == 0, "salience": one.salience, "share": 1 / 3,
         "tokens": [["<b>I</b>", -4.0, -0.5], [" am", -2.0, -3.0]]}
        for place, one in enumerate(taught)
    ]  # fmt: skip
    values = {
        "cycle": 1, "considered": 5, "consolidated": 3, "average_salience": 0.794, "loss_before": 4.0, "loss_after": 0.5,
        "base_sha256_before": "ab" * 32, "base_sha256_after": "ab" * 32, "adapter_sha256": "cd" * 32, "kept": True,
        "reasons": [], "training_seconds": 1.0, "seconds": 2.5, "adapter_path": "/secret/place", "threshold": 0.6, "seed": 0,
        "recipe": "default", "learning_rate": 0.01, "epochs": 20, "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": "embedded", "replies": replies, "curve": [4.0 - 0.15 * step for step in range(20)],
        "checks": [{"name": "kept", "value": 1.0, "limit": 0.8, "passed": True, "sentence": KEPT}],
        "losses": [[[step, 4.0 - 0.1 * step] for step in range(1, 21)] for _ in replies],
        "change": {f"model.layers.{at}.self_attn.{name}": 0.01 * (at + 1) for at in (0, 1) for name in ("q_proj", "v_proj")},
    }  # fmt: skip
    return Cycle(**(values | changes))


def sleep(home: Path, *nights: Cycle) -> None:
    """Put finished nights into the brain's file, as the engine would."""
    (home / BRAIN).mkdir(parents=True, exist_ok=True)
    with Memory(home / BRAIN / "memory.sqlite") as memory:
        memory.add(read_experiences(DOCUMENT))
        for night in nights:
            with memory.transaction():
                Ledger(memory.connection).enter(night)
                if night.kept:
                    learned = {reply["id"] for reply in night.replies if reply["learned"]}
                    new = [one for one in learned if memory.standing(one).cycle is None]
                    memory.mark_consolidated(new, night.cycle)
            finished_job("sleep", {"threshold": 0.6, "seed": 0}, night.as_dict())


def finished_job(kind: str, arguments: dict, result: dict | None, state: str = "done", message: str = "") -> None:
    """A job that has ended, as the worker would have left it."""
    job, _ = store.enter(kind, BRAIN, arguments)
    store.start(job.id)
    store.end(job.id, state, message, result)


def record(name: str, result: dict) -> None:
    """Have a recorded run, in the folder where ``recorded`` looks; the test has put that one somewhere of its own."""
    kept = Recording(name, "2026-11-22", "ef" * 32, 7, 1.0, "x86_64", result)
    recorded.RECORDED.mkdir(exist_ok=True)
    (recorded.RECORDED / f"{name}.json").write_text(json.dumps(asdict(kept)))
    recorded.recording.cache_clear()


def heavy_modules(page: str, *more: str) -> str:
    """Those of torch, transformers and peft (and ``more``) that a visit to the page brings into a fresh process."""
    code = (
        "import sys; sys.path[:0] = ['tests', '.']\n"
        "from sleepcon import jobs; jobs.ensure_worker = lambda: None\n"
        f"import visits; visits.visit({page!r})\n"
        f"print(sorted(name for name in {['torch', 'transformers', 'peft', *more]} if name in sys.modules))\n"
    )
    root = Path(__file__).parent.parent
    return subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=os.environ, capture_output=True, text=True, check=True
    ).stdout.strip()  # fmt: skip
