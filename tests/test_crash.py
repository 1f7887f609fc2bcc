"""Killed at any moment: the next start finds the brain as it was, says so, and the next night is the one that was due."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import crash
import pytest
from conftest import BIX, ORLO, state

from sleepcon import wake
from sleepcon.brain import Brain
from sleepcon.model import load_base

KINDS = ("train", "wake", "writing", "part", "rename", "row", "marks")


@pytest.fixture(autouse=True)
def gentle_wake(monkeypatch):
    for name in ("Gates", "REPLY_TOKENS", "ordinary_prompts"):
        monkeypatch.setattr(wake, name, getattr(wake, name))  # put back at the end
    crash.gentle_wake()


@pytest.fixture(scope="module")
def base(tiny_folder):
    return load_base(str(tiny_folder))


@pytest.fixture(scope="module")
def before(base, tmp_path_factory):
    """A home with a brain that has had one night and has one experience waiting."""
    home = tmp_path_factory.mktemp("before")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("Gates", "REPLY_TOKENS", "ordinary_prompts"):
            patch.setattr(wake, name, getattr(wake, name))
        crash.gentle_wake()
        brain = Brain.open("b", home=home, base=base)
        brain.remember([ORLO, BIX])
        brain.sleep(threshold=0.8, **crash.TINY_NIGHT)
        brain.close()
    return home


@pytest.fixture(scope="module")
def killed(before, tiny_folder, tmp_path_factory):
    """For each kind of death the home that it left behind."""
    folder = tmp_path_factory.mktemp("killed")
    homes = {kind: folder / kind for kind in (*KINDS, "done")}
    for home in homes.values():
        shutil.copytree(before, home)
    arguments = [part for kind, home in homes.items() for part in (kind, str(home))]
    ended = subprocess.run(
        [sys.executable, str(Path(crash.__file__)), str(tiny_folder), *arguments],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.stdout.splitlines() == [f"{kind} {signal.SIGKILL:d}" for kind in homes], ended.stderr
    return homes


@pytest.fixture(scope="module")
def due(before, base, tmp_path_factory):
    """SHA-256 of the night that would have been, had nothing been killed."""
    home = tmp_path_factory.mktemp("due")
    shutil.copytree(before, home, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("Gates", "REPLY_TOKENS", "ordinary_prompts"):
            patch.setattr(wake, name, getattr(wake, name))
        crash.gentle_wake()
        brain = Brain.open("b", home=home, base=base)
        cycle = brain.sleep(seed=1, **crash.TINY_NIGHT)
        brain.close()
    return cycle.adapter_sha256


@pytest.mark.parametrize("kind", KINDS)
def test_the_brain_is_as_it_was_and_says_so(kind, killed, before, base, due):
    assert (killed[kind] / "b" / "asleep.json").exists()
    old = Brain.open("b", home=before, base=base)
    wanted = state(old)
    old.close()
    brain = Brain.open("b", home=killed[kind], base=base)
    assert brain.notices == ["Night 2 did not end. The brain b is as it was after night 1."]
    assert state(brain) == wanted
    again = Brain.open("b", home=killed[kind], base=base)
    assert again.notices == []  # said once
    again.close()
    cycle = brain.sleep(seed=1, **crash.TINY_NIGHT)
    assert (cycle.cycle, cycle.kept, cycle.adapter_sha256) == (2, True, due)
    brain.close()


def test_what_each_death_left_behind(before, tiny_folder, tmp_path):
    """The kinds of death are what they say: looked at before anything is tidied up."""
    left = {}
    for kind in ("train", "part", "rename"):
        shutil.copytree(before, tmp_path / kind)
    arguments = [part for kind in ("train", "part", "rename") for part in (kind, str(tmp_path / kind))]
    subprocess.run([sys.executable, crash.__file__, str(tiny_folder), *arguments], capture_output=True, timeout=300, check=True)
    for kind in ("train", "part", "rename"):
        left[kind] = sorted(path.name for path in (tmp_path / kind / "b" / "cycles").iterdir())
    assert left == {"train": ["0001"], "part": ["0001", "0002.part"], "rename": ["0001", "0002"]}


def test_a_death_after_the_last_word_is_a_night_that_ended(killed, base, due):
    brain = Brain.open("b", home=killed["done"], base=base)
    assert brain.notices == []
    assert [(row.cycle, row.kept) for row in brain.history()] == [(1, True), (2, True)]
    assert brain.history()[1].adapter_sha256 == due
    assert not (killed["done"] / "b" / "asleep.json").exists()
    brain.close()
