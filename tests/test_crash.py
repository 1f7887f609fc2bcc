"""Killed at any moment: the next start finds the brain as it was, says so, and the next night is the one that was due."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import crash
import pytest
from conftest import BIX, ORLO, state

from sleepcon import wake
from sleepcon.adapter import file_sha256
from sleepcon.brain import Brain
from sleepcon.model import load_base

LEFT = {
    "train": ["0001"],
    "wake": ["0001"],
    "writing": ["0001", "0002.part"],
    "part": ["0001", "0002.part"],
    "rename": ["0001", "0002"],
    "row": ["0001", "0002"],
    "marks": ["0001", "0002"],
}
"""For each kind of death what it leaves among the nights."""


@contextmanager
def opened(home: Path, base) -> Iterator[Brain]:
    """The brain of a home, closed at the end."""
    brain = Brain.open("b", home=home, base=base)
    yield brain
    brain.close()


@pytest.fixture(scope="module")
def world(tiny_folder, tmp_path_factory):
    """``base``; ``before``: a home whose brain had one night; ``killed``: for each kind of death the home it left behind.

    ``left``: the names of the nights there. ``due``: SHA-256 of the night that would have been.
    """
    home = tmp_path_factory.mktemp("crash")
    before, due, killed = home / "before", home / "due", {kind: home / kind for kind in (*LEFT, "done")}
    base = load_base(str(tiny_folder))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("Gates", "REPLY_TOKENS", "ordinary_prompts"):
            patch.setattr(wake, name, getattr(wake, name))  # put back at the end
        crash.gentle_wake()
        with opened(before, base) as brain:
            brain.remember([ORLO, BIX])
            brain.sleep(threshold=0.8, **crash.TINY_NIGHT)
        for copy in (due, *killed.values()):
            shutil.copytree(before, copy)
        with opened(due, base) as brain:
            wanted = brain.sleep(seed=1, **crash.TINY_NIGHT).adapter_sha256
        arguments = [part for kind, folder in killed.items() for part in (kind, str(folder))]
        ended = subprocess.run(
            [sys.executable, str(Path(crash.__file__)), str(tiny_folder), *arguments],
            capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert ended.stdout.splitlines() == [f"{kind} {signal.SIGKILL:d}" for kind in killed], ended.stderr
        left = {kind: sorted(path.name for path in (folder / "b" / "cycles").iterdir()) for kind, folder in killed.items()}
        yield SimpleNamespace(base=base, before=before, killed=killed, left=left, due=wanted)


@pytest.mark.parametrize("kind", LEFT)
def test_the_brain_is_as_it_was_and_says_so(kind, world):
    home = world.killed[kind]
    assert world.left[kind] == LEFT[kind]
    assert (home / "b" / "asleep.json").exists()
    with opened(world.before, world.base) as old:
        wanted = state(old)
    with opened(home, world.base) as brain:
        assert brain.notices == ["Night 2 did not end. The brain b is as it was after night 1."]
        assert state(brain) == wanted
        with opened(home, world.base) as again:
            assert again.notices == []  # said once
        cycle = brain.sleep(seed=1, **crash.TINY_NIGHT)
        assert (cycle.cycle, cycle.kept, cycle.adapter_sha256) == (2, True, world.due)


def test_a_death_after_the_last_word_is_a_night_that_ended(world):
    assert world.left["done"] == ["0001", "0002"]
    with opened(world.killed["done"], world.base) as brain:
        assert brain.notices == []
        assert [(row.cycle, row.kept) for row in brain.history()] == [(1, True), (2, True)]
        # Not compared with this process's own night: the child computes with one thread, so its last bits may differ.
        assert brain.history()[1].adapter_sha256 == file_sha256(brain.folder / "cycles" / "0002")
        assert not (brain.folder / "asleep.json").exists()
